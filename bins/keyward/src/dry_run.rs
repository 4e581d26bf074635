//! `--dry-run`: what a command would do, checked and told instead of done.
//!
//! A command that changes something asks what it has to know, and then sends the change or tells its [`Plan`]. That a
//! dry run changes nothing does not hang on the command: its [`Client`] refuses to send anything but questions.

use std::{fmt::Write, path::Path};

use jiff::Timestamp;
use keyward_auth::Permission;
use keyward_providers::{Catalogue, Support};
use keyward_registry::{GatewayId, ProviderSlug, Refusal};
use serde_json::{Value, json};

use crate::{
    client::{CUSTOM_PROVIDERS, Client, GATEWAYS, text},
    clock,
    failure::Failure,
    output::Output,
};

/// What would be done.
#[derive(Debug)]
pub(crate) struct Plan {
    would: String,
    facts: Vec<String>,
    unchecked: Vec<String>,
}

impl Plan {
    /// `would` completes "would …".
    pub(crate) fn new(would: impl Into<String>) -> Self {
        Self {
            would: would.into(),
            facts: Vec::new(),
            unchecked: Vec::new(),
        }
    }

    /// Adds what is worth knowing beforehand.
    pub(crate) fn fact(mut self, fact: impl Into<String>) -> Self {
        self.facts.push(fact.into());
        self
    }

    pub(crate) fn facts(mut self, facts: impl IntoIterator<Item = String>) -> Self {
        self.facts.extend(facts);
        self
    }

    /// Adds what only doing it would show.
    pub(crate) fn unchecked(mut self, what: impl Into<String>) -> Self {
        self.unchecked.push(what.into());
        self
    }

    /// Says it.
    pub(crate) fn tell(self, output: Output) -> Result<(), Failure> {
        let Self {
            would,
            facts,
            unchecked,
        } = self;
        let mut sentence = format!("would {would}\n");
        let lines = facts.iter().map(|fact| ("", fact));
        let lines = lines.chain(unchecked.iter().map(|what| ("not checked: ", what)));
        for (label, line) in lines {
            // Writing to a text does not fail.
            let _infallible = writeln!(sentence, "{label}{line}");
        }
        sentence.push_str("nothing was changed");
        let result = json!({
            "dry_run": true,
            "would": would,
            "facts": facts,
            "not_checked": unchecked,
        });
        output.done(sentence, &result)
    }

    /// Notes that `found` could not be looked at, if that is for want of a permission. Other failures stay.
    pub(crate) fn seen<T>(
        self,
        found: Result<T, Failure>,
        what: &str,
    ) -> Result<(Self, Option<T>), Failure> {
        match found {
            Ok(found) => Ok((self, Some(found))),
            Err(failure) if failure.is_not_authorised() => {
                let told = format!("{what}: the token may not see it");
                Ok((self.unchecked(told), None))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Checks that no such thing is there yet: none of the list at `path` whose `name` is `taken`.
    pub(crate) async fn needs_none(
        self,
        client: &Client,
        path: &str,
        is_it: impl Fn(&Value) -> bool,
        refusal: impl Into<String>,
    ) -> Result<Self, Failure> {
        let (plan, listed) = self.seen(client.list(path).await, "whether it is there already")?;
        match listed.is_some_and(|listed| listed.iter().any(is_it)) {
            true => Err(refused(refusal)),
            false => Ok(plan),
        }
    }

    /// Checks that the gateways are there.
    pub(crate) async fn needs_gateways(
        self,
        client: &Client,
        needed: &[GatewayId],
    ) -> Result<Self, Failure> {
        if needed.is_empty() {
            return Ok(self);
        }
        let (plan, listed) =
            self.seen(client.list(GATEWAYS).await, "whether the gateway is there")?;
        let Some(listed) = listed else {
            return Ok(plan);
        };
        let is_there = |id: &GatewayId| listed.iter().any(|one| text(one, "id") == id.as_str());
        match needed.iter().find(|id| !is_there(id)) {
            Some(id) => Err(refused(
                Refusal::GatewayNotFound(id.to_string()).to_string(),
            )),
            None => Ok(plan),
        }
    }

    /// Checks that the providers are there, and can be used.
    pub(crate) async fn needs_providers(
        self,
        client: &Client,
        needed: &[ProviderSlug],
    ) -> Result<Self, Failure> {
        let catalogue = Catalogue::built_in()
            .map_err(|error| Failure::new("cannot read the catalogue").caused_by(&error))?;
        let mut custom = Vec::new();
        for slug in needed {
            match catalogue.find(slug.as_str()).map(|known| known.support()) {
                Some(Support::Ready) => {}
                Some(Support::Refused { reason }) => {
                    let refusal = Refusal::ProviderRefused {
                        provider: slug.to_string(),
                        reason: reason.to_string(),
                    };
                    return Err(refused(refusal.to_string()));
                }
                None => custom.push(slug),
            }
        }
        if custom.is_empty() {
            return Ok(self);
        }
        let found = client.list(CUSTOM_PROVIDERS).await;
        let (plan, listed) = self.seen(found, "whether the provider is there")?;
        let Some(listed) = listed else {
            return Ok(plan);
        };
        let is_there = |slug: &ProviderSlug| {
            let mut slugs = listed.iter().map(|one| text(one, "provider_slug"));
            slugs.any(|known| known == slug.as_str())
        };
        match custom.into_iter().find(|slug| !is_there(slug)) {
            Some(slug) => {
                let refusal = Refusal::ProviderUnknown {
                    provider: slug.to_string(),
                    nearest: catalogue.nearest(slug.as_str()).map(str::to_owned),
                };
                Err(refused(refusal.to_string()))
            }
            None => Ok(plan),
        }
    }
}

/// Checks that the token has these permissions, where this is a dry run. Where it is narrowed, whether its bounds hold
/// the thing is decided when it is done.
pub(crate) async fn check_rights(client: &Client, needs: &[Permission]) -> Result<(), Failure> {
    if !client.is_dry_run() {
        return Ok(());
    }
    let token = client.own_token().await?;
    let policies = token.get("policies").and_then(Value::as_array);
    let groups = policies.into_iter().flatten();
    let groups = groups.filter_map(|policy| policy.get("permission_groups")?.as_array());
    let names: Vec<_> = groups.flatten().map(|group| text(group, "name")).collect();
    let lacking = needs
        .iter()
        .find(|need| !names.iter().any(|name| name == need.name()));
    match lacking {
        None => Ok(()),
        Some(lacking) => Err(Failure::not_authorised("the API token may not do this")
            .because(format!("it lacks {}", lacking.name()))
            .help("`keyward status` says what it may do; name a file with another one in KEYWARD_API_TOKEN_FILE")),
    }
}

/// Checks that a file is not there yet that is to be made.
pub(crate) fn check_new_file(path: Option<&Path>, option: &str) -> Result<(), Failure> {
    match path.filter(|path| path.exists()) {
        None => Ok(()),
        Some(path) => Err(Failure::new(format!("cannot make {}", path.display()))
            .because("it exists")
            .help(format!("{option} wants a file that does not exist yet"))),
    }
}

/// Checks that what is to end ends in the future. `end` is empty where it does not end.
pub(crate) fn check_end(end: &str, option: &str) -> Result<(), Failure> {
    let now = Timestamp::try_from(clock::now());
    let is_past = |end: Timestamp| now.is_ok_and(|now| end <= now);
    match end.parse::<Timestamp>().is_ok_and(is_past) {
        true => Err(refused(format!("{option} lies in the past"))),
        false => Ok(()),
    }
}

/// The fields that differ, in words.
pub(crate) fn changes(before: &Value, after: &Value) -> Vec<String> {
    let fields = after.as_object().into_iter().flatten();
    let differ =
        fields.filter(|(name, value)| before.get(name.as_str()).unwrap_or(&Value::Null) != *value);
    let told = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(value) => value.to_string(),
    };
    let differ: Vec<_> = differ
        .map(|(name, value)| {
            format!(
                "{name}: {} becomes {}",
                told(before.get(name)),
                told(Some(value))
            )
        })
        .collect();
    match differ.is_empty() {
        true => vec!["that is how it is already".to_owned()],
        false => differ,
    }
}

/// What the control plane would answer.
pub(crate) fn refused(what: impl Into<String>) -> Failure {
    Failure::refused(&what.into(), "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::changes;

    #[test]
    fn only_what_differs_is_told() {
        let before = json!({ "a": 1, "b": "x", "c": null });
        assert_eq!(
            changes(&before, &json!({ "a": 2, "b": "x", "c": null })),
            ["a: 1 becomes 2"]
        );
        let told = changes(&before, &json!({ "b": null, "d": true }));
        assert_eq!(
            told,
            ["b: \"x\" becomes nothing", "d: nothing becomes true"]
        );
        assert_eq!(
            changes(&before, &json!({ "c": null, "e": null })),
            ["that is how it is already"]
        );
    }
}
