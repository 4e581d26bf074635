//! The request that tells whether a key is alive: free, and refused where no key is sent.
//!
//! A probe proves a key at one endpoint. It says nothing about money, single models, the caller's region or rate.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use crate::{ErrorClass, Provider, facts::Facts, overrides::check_base_path};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// `[probe]` of a catalogue file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeText {
    request: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    dead: Vec<u16>,
    #[serde(default)]
    blocked: Vec<String>,
    source: Box<str>,
}

/// How a provider is asked about a key.
#[derive(Debug)]
pub struct Probe {
    method: Method,
    path: Box<str>,
    headers: HeaderMap,
    dead: Box<[u16]>,
    blocked: Box<[String]>,
    source: Box<str>,
}

/// What the answer to a probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever probes must handle a probe that proves nothing"
)]
pub enum ProbeOutcome {
    /// The provider knows the key. It may still lack money or rights.
    Live,
    /// The provider refuses the key.
    Dead(ErrorClass),
    /// Neither is proven: an outage, a limit, an answer that is not known.
    Unclear(ErrorClass),
}

impl Probe {
    pub(crate) fn build(text: ProbeText) -> Result<Self, Fault> {
        let (method, path) = text
            .request
            .split_once(' ')
            .ok_or("it is not `METHOD path`")?;
        let path = format!("/{path}");
        check_base_path(&path)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &text.headers {
            headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        if !text.source.starts_with("https://") {
            return Err("it has no URL for a source".into());
        }
        Ok(Self {
            method: method.parse()?,
            path: path.into(),
            headers,
            dead: text.dead.into(),
            blocked: text.blocked.into(),
            source: text.source,
        })
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The path below the [base path](crate::Upstream::base_path) of the provider's first upstream, with a leading
    /// slash. It has no query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Headers that the request needs beside the credential.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Where it is known from that this request refuses bad keys: a URL.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Provider {
    /// The provider's probe. None where no request is known that costs nothing and refuses bad keys, and where the
    /// provider's answers do not [count](Self::answers_count): what stands there may answer anybody.
    #[must_use]
    pub const fn probe(&self) -> Option<&Probe> {
        match self.answers_count() {
            true => self.probe.as_ref(),
            false => None,
        }
    }

    /// What an answer to the [probe](Self::probe) says of the key: pure.
    ///
    /// 200 is a live key, unless a field of the answer says that it is blocked. A refusal for money or rights is one
    /// too: the provider knew whom it refused. A refusal that no rule knows is a dead key only where the catalogue
    /// lists its status for this very request, and its body is whole JSON.
    #[must_use]
    pub fn judge_probe(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> ProbeOutcome {
        let Some(probe) = self.probe() else {
            return ProbeOutcome::Unclear(ErrorClass::Unknown);
        };
        if status == StatusCode::OK {
            let facts = Facts::read(body);
            let is_blocked = |path: &String| facts.at(path).any(|value| value == "true");
            return match probe.blocked.iter().any(is_blocked) {
                false => ProbeOutcome::Live,
                true if facts.is_whole() => ProbeOutcome::Dead(ErrorClass::CredentialRejected),
                true => ProbeOutcome::Unclear(ErrorClass::Unknown),
            };
        }
        let verdict = self.judge(status, headers, body);
        match verdict.class {
            class if class.convicts() => ProbeOutcome::Dead(class),
            ErrorClass::ModelNotAllowed | ErrorClass::OutOfFunds => ProbeOutcome::Live,
            // Whole JSON: a page of some front door is not the provider's word.
            ErrorClass::Unknown
                if probe.dead.contains(&status.as_u16()) && Facts::read(body).is_whole() =>
            {
                ProbeOutcome::Dead(ErrorClass::CredentialRejected)
            }
            class => ProbeOutcome::Unclear(class),
        }
    }
}
