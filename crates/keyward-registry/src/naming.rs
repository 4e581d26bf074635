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

#[cfg(test)]
mod tests {
    use super::{name, readings};

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
