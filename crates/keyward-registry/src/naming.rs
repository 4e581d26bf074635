//! The contract that ties a secret's name to a gateway, a provider and an alias.
//!
//! Cloudflare finds the value of a provider key by name alone: `{gateway_id}_{provider_slug}_{alias}`
//! (wire-spec §3.5). Keyward gives its secrets the same names, and reads names that others gave.

use crate::{Alias, GatewayId, ProviderSlug};

/// The name of the secret that serves `gateway`, `provider` and `alias`.
///
/// ```
/// # use keyward_registry::{naming, Alias, GatewayId, ProviderSlug};
/// let name = naming::name(
///     &GatewayId::parse("my-gateway")?,
///     &ProviderSlug::parse("anthropic")?,
///     &Alias::default(),
/// );
/// assert_eq!(name, "my-gateway_anthropic_default");
/// # Ok::<(), keyward_registry::ParseIdError>(())
/// ```
#[must_use]
pub fn name(gateway: &GatewayId, provider: &ProviderSlug, alias: &Alias) -> String {
    format!("{gateway}_{provider}_{alias}")
}

/// What a name says: which gateway, provider and alias it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The gateway.
    pub gateway: GatewayId,
    /// The provider; of a custom provider with or without `custom-`, as the name has it.
    pub provider: ProviderSlug,
    /// The alias.
    pub alias: Alias,
}

/// Every reading of `name`. Neither a gateway id nor a provider slug holds a `_`, so there is one at most.
#[must_use]
pub fn readings(name: &str) -> Vec<Reading> {
    let mut parts = name.splitn(3, '_');
    let (Some(gateway), Some(provider), Some(alias)) = (parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let reading = GatewayId::parse(gateway).and_then(|gateway| {
        Ok((
            gateway,
            ProviderSlug::parse(provider)?,
            Alias::parse(alias)?,
        ))
    });
    reading
        .map(|(gateway, provider, alias)| Reading {
            gateway,
            provider,
            alias,
        })
        .into_iter()
        .collect()
}

/// What `name` says here: every reading whose gateway exists, with every provider that its slug may mean.
///
/// `providers` gives the providers that a slug stands for. Of a custom provider the bare slug is one and the slug
/// with `custom-` another (wire-spec §3.5), so that a name can say two things; each comes back once.
pub fn places<P: PartialEq>(
    name: &str,
    has_gateway: impl Fn(&GatewayId) -> bool,
    providers: impl Fn(&ProviderSlug) -> Vec<P>,
) -> Vec<(Reading, P)> {
    let mut places: Vec<(Reading, P)> = Vec::new();
    for reading in readings(name) {
        if !has_gateway(&reading.gateway) {
            continue;
        }
        for provider in providers(&reading.provider) {
            if !places.iter().any(|(_, known)| *known == provider) {
                places.push((reading.clone(), provider));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{name, places, readings};
    use crate::{Alias, GatewayId, ProviderSlug};

    /// A catalogue of one, and custom providers by their bare slug.
    fn providers(slug: &ProviderSlug) -> Vec<String> {
        let (built_in, custom) = (["openai"], ["openai", "mine", "custom-mine"]);
        let bare = slug.as_str().strip_prefix("custom-");
        let mut found = Vec::new();
        found.extend(built_in.contains(&slug.as_str()).then(|| slug.to_string()));
        for slug in [Some(slug.as_str()), bare].into_iter().flatten() {
            found.extend(custom.contains(&slug).then(|| format!("custom-{slug}")));
        }
        found
    }

    #[track_caller]
    fn check(name: &str, expected: &[&str]) {
        let here = places(name, |gateway| gateway.as_str() == "gw", providers);
        let here: Vec<_> = here.into_iter().map(|(_, provider)| provider).collect();
        assert_eq!(here, expected, "{name}");
    }

    #[test]
    fn a_name_says_every_place_it_can_mean() {
        check("gw_mine_default", &["custom-mine"]);
        check("gw_openai_default", &["openai", "custom-openai"]);
        check("gw_custom-openai_default", &["custom-openai"]);
        check("gw_custom-mine_a_b", &["custom-custom-mine", "custom-mine"]);
        check("other_mine_default", &[]);
        check("gw_nobody_default", &[]);
        check("gw", &[]);
    }

    proptest! {
        /// What we name is read as what was named, and as nothing else.
        #[test]
        fn a_given_name_has_one_reading(
            gateway in "[a-z0-9][a-z0-9-]{0,20}",
            provider in "[a-z0-9][a-z0-9-]{0,20}",
            alias in "[A-Za-z0-9][A-Za-z0-9._-]{0,20}",
        ) {
            let gateway = GatewayId::parse(&gateway).unwrap();
            let provider = ProviderSlug::parse(&provider).unwrap();
            let alias = Alias::parse(&alias).unwrap();
            let text = name(&gateway, &provider, &alias);
            let [reading]: [_; 1] = readings(&text).try_into().unwrap();
            prop_assert_eq!((reading.gateway, reading.provider, reading.alias), (gateway, provider, alias));
        }

        /// Whatever a name holds, each of its readings gives the name back: none skips or adds a part.
        #[test]
        fn every_reading_gives_the_name_back(text in "[a-zA-Z0-9_-]{0,40}|.{0,20}") {
            for reading in readings(&text) {
                prop_assert_eq!(name(&reading.gateway, &reading.provider, &reading.alias), text.clone());
            }
        }

        /// No name means a gateway or a provider that is not there, and none means a place twice.
        #[test]
        fn places_exist_and_are_told_once(text in "(gw|other|[a-z_-]{1,6})_(openai|mine|custom-mine|[a-z_-]{1,6})_[a-z_.]{1,6}") {
            let here = places(&text, |gateway| gateway.as_str() == "gw", providers);
            for (at, (reading, provider)) in here.iter().enumerate() {
                prop_assert_eq!(reading.gateway.as_str(), "gw");
                prop_assert!(providers(&reading.provider).contains(provider));
                prop_assert!(!here[..at].iter().any(|(_, known)| known == provider));
            }
        }
    }

    #[test]
    fn a_name_that_we_gave_is_read_back() {
        for text in [
            "default_openai_default",
            "a-b_google-ai-studio_team_a",
            "g_custom-x_d.1",
        ] {
            let [reading] = readings(text).try_into().expect("one reading");
            assert_eq!(
                name(&reading.gateway, &reading.provider, &reading.alias),
                text
            );
        }
    }

    #[test]
    fn other_names_say_nothing() {
        for text in [
            "",
            "openai",
            "a_b",
            "A_openai_default",
            "a__default",
            "a_openai_",
        ] {
            assert!(readings(text).is_empty(), "{text}");
        }
    }
}
