//! `[otel]`: the OpenTelemetry collector that is told of requests.

use std::path::PathBuf;

use serde::Deserialize;

use super::Seconds;
use crate::failure::Failure;

/// The collector that is told of requests. Default: none is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OtelSection {
    /// Where it takes OTLP over HTTP, such as `http://127.0.0.1:4318`.
    endpoint: Option<String>,
    service_name: Option<String>,
    /// `name=value,name=value`.
    resource_attributes: Option<String>,
    /// A file with header fields for the collector.
    pub(crate) headers_file: Option<PathBuf>,
    /// Default 1: every trace.
    sampling_ratio: Option<Ratio>,
    interval_secs: Option<Seconds>,
}

/// A part of all, 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Ratio(
    #[cfg_attr(
        not(feature = "otel"),
        expect(
            dead_code,
            reason = "it is checked, so that a configuration is right everywhere"
        )
    )]
    f64,
);

impl TryFrom<f64> for Ratio {
    type Error = &'static str;

    fn try_from(ratio: f64) -> Result<Self, Self::Error> {
        match (0.0..=1.0).contains(&ratio) {
            true => Ok(Self(ratio)),
            false => Err("a part of all traces is 0 to 1"),
        }
    }
}

impl OtelSection {
    /// `service.name` where none is set.
    pub(super) const SERVICE_NAME: &str = "keyward";
    /// How often data is sent where nothing is set, in seconds.
    pub(super) const INTERVAL_SECS: u64 = 10;

    /// What rules between the fields refuse, and what this build cannot do. Opens nothing.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match &self.endpoint {
            Some(endpoint) => self.check_exporter(endpoint),
            None => self.check_absent(),
        }
    }

    fn check_absent(&self) -> Result<(), Failure> {
        let is_set = [
            (self.service_name.is_some(), "service_name"),
            (self.resource_attributes.is_some(), "resource_attributes"),
            (self.headers_file.is_some(), "headers_file"),
            (self.sampling_ratio.is_some(), "sampling_ratio"),
            (self.interval_secs.is_some(), "interval_secs"),
        ];
        match is_set.iter().find(|(is_set, _)| *is_set) {
            None => Ok(()),
            Some((_, name)) => Err(Failure::new(
                "a setting of OpenTelemetry is there, and nothing says where the collector is",
            )
            .at(format!("`[otel] {name}`"))
            .help(
                "set `endpoint`, such as `endpoint = \"http://127.0.0.1:4318\"`, or leave it out",
            )),
        }
    }

    #[cfg(not(feature = "otel"))]
    #[expect(
        clippy::unused_self,
        reason = "it is the other build's that looks at fields"
    )]
    fn check_exporter(&self, _endpoint: &str) -> Result<(), Failure> {
        Err(
            Failure::new("this build of keyward cannot send data to OpenTelemetry")
                .because("it was built without the feature `otel`")
                .at("`[otel] endpoint`")
                .help("leave it out, or build with `cargo build --release --features otel`"),
        )
    }
}

#[cfg(feature = "otel")]
mod exporter {
    use std::time::Duration;

    use keyward_otel::{
        OtlpEndpoint, OtlpHeaders, ResourceAttributes, SamplingRatio, SettingError, Settings,
    };

    use super::OtelSection;
    use crate::{config::Config, failure::Failure, private_file, secret_input};

    fn refused(error: &SettingError, name: &str) -> Failure {
        Failure::new("cannot use a setting of OpenTelemetry")
            .caused_by(error)
            .at(format!("`[otel] {name}`"))
            .help("correct it; docs/otel.md says what it takes")
    }

    impl OtelSection {
        pub(super) fn check_exporter(&self, endpoint: &str) -> Result<(), Failure> {
            let endpoint = endpoint_of(endpoint)?;
            self.resource()?;
            if endpoint.is_open_to_read() && self.headers_file.is_some() {
                return Err(Failure::new(
                    "the headers for the collector would be sent without TLS",
                )
                .because("whoever stands on the way could read them")
                .at("`[otel] endpoint`")
                .help("name the collector by https, or one on this machine; or leave `headers_file` out"));
            }
            Ok(())
        }

        fn resource(&self) -> Result<ResourceAttributes, Failure> {
            ResourceAttributes::parse(self.resource_attributes.as_deref().unwrap_or_default())
                .map_err(|error| refused(&error, "resource_attributes"))
        }

        fn headers(&self) -> Result<OtlpHeaders, Failure> {
            let Some(path) = &self.headers_file else {
                return Ok(OtlpHeaders::default());
            };
            if private_file::is_open_to_others(path) {
                tracing::warn!(
                    headers_file = %path.display(),
                    "others may read the headers for the collector; `chmod 600` shuts them out"
                );
            }
            let refuse = |failure: Failure| {
                failure.in_file(path).help(
                    "`[otel] headers_file` names a file with lines `name: value`; correct it, or leave it out",
                )
            };
            let text = secret_input::read_file(path).map_err(refuse)?;
            OtlpHeaders::parse(&text).map_err(|error| {
                refuse(Failure::new("cannot use the headers for the collector").caused_by(&error))
            })
        }
    }

    fn endpoint_of(text: &str) -> Result<OtlpEndpoint, Failure> {
        OtlpEndpoint::parse(text).map_err(|error| refused(&error, "endpoint"))
    }

    impl Config {
        /// The collector that is told of requests, if one is. Reads the headers: a file that cannot be read stops the start.
        pub(crate) fn telemetry(&self) -> Result<Option<Settings>, Failure> {
            let section = &self.otel;
            section.check()?;
            let Some(endpoint) = &section.endpoint else {
                return Ok(None);
            };
            let ratio = section.sampling_ratio.map(|ratio| ratio.0);
            let interval = section.interval_secs.map(|secs| secs.duration());
            Ok(Some(Settings {
                endpoint: endpoint_of(endpoint)?,
                headers: section.headers()?,
                service_name: section
                    .service_name
                    .clone()
                    .unwrap_or_else(|| OtelSection::SERVICE_NAME.to_owned()),
                resource: section.resource()?,
                sampling: ratio
                    .and_then(SamplingRatio::new)
                    .unwrap_or(SamplingRatio::ALL),
                interval: interval.unwrap_or(Duration::from_secs(OtelSection::INTERVAL_SECS)),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OtelSection;

    #[track_caller]
    fn check(text: &str, says: Option<&str>) {
        let section: OtelSection = toml::from_str(text).unwrap();
        let told = section.check().map_err(|failure| failure.to_string());
        match says {
            None => assert!(told.is_ok(), "{text}: {told:?}"),
            Some(says) => {
                let told = told.unwrap_err();
                assert!(told.contains(says), "{text}: {told}");
            }
        }
    }

    #[test]
    fn without_a_collector_nothing_else_is_set() {
        check("", None);
        for line in [
            "service_name = \"x\"",
            "resource_attributes = \"a=b\"",
            "headers_file = \"x\"",
            "sampling_ratio = 0.5",
            "interval_secs = 5",
        ] {
            let (name, _) = line.split_once(' ').unwrap();
            check(line, Some(&format!("[otel] {name}")));
        }
    }

    #[cfg(not(feature = "otel"))]
    #[test]
    fn a_build_without_it_says_so() {
        check(
            "endpoint = \"http://127.0.0.1:4318\"",
            Some("--features otel"),
        );
    }

    #[cfg(feature = "otel")]
    #[test]
    fn what_cannot_be_meant_is_refused() {
        check("endpoint = \"http://127.0.0.1:4318\"", None);
        check("endpoint = \"http://collector:4318\"", None);
        check("endpoint = \"127.0.0.1:4318\"", Some("[otel] endpoint"));
        let secret = "\nheaders_file = \"x\"";
        check(&format!("endpoint = \"https://a.example\"{secret}"), None);
        check(
            &format!("endpoint = \"http://collector:4318\"{secret}"),
            Some("without TLS"),
        );
        check(
            "endpoint = \"http://127.0.0.1:4318\"\nresource_attributes = \"a\"",
            Some("[otel] resource_attributes"),
        );
    }
}
