//! Every variable of the environment that is ours, and those that look as if they should be.

use std::ffi::OsString;

use keyward_providers::TOKEN_VARIABLE;

use super::{fields, nearest::nearest};

/// A variable that sets no field of the configuration.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// Whether it says where a secret stands.
    pub(crate) leads_to_secret: bool,
}

const fn variable(name: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        leads_to_secret: false,
    }
}

const fn secret(name: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        leads_to_secret: true,
    }
}

/// Variables that stand for no field. `_FILE` is a path, `_FD` the number of an open file descriptor.
pub(crate) static COMMANDS: &[Variable] = &[
    variable(
        "KEYWARD_PROFILE",
        "the profile that commands use, as --profile",
    ),
    variable(
        "KEYWARD_CONTROL_URL",
        "where the control plane is, as --control-url",
    ),
    variable(
        "KEYWARD_CONTROL_CA_FILE",
        "certificate authorities to trust for it, as --ca-file",
    ),
    variable("KEYWARD_ACCOUNT_ID", "the account, as --account"),
    variable(
        "KEYWARD_GATEWAY_ID",
        "the gateway that commands mean, as --gateway",
    ),
    secret("KEYWARD_API_TOKEN_FILE", "holds the API token of commands"),
    secret("KEYWARD_API_TOKEN_FD", "holds the API token of commands"),
    secret(
        "KEYWARD_GATEWAY_TOKEN_FILE",
        "holds the gateway token of `keyward run`",
    ),
    secret(
        "KEYWARD_GATEWAY_TOKEN_FD",
        "holds the gateway token of `keyward run`",
    ),
    secret(
        "KEYWARD_PASSPHRASE_FILE",
        "holds the passphrase that opens the vault",
    ),
    secret(
        "KEYWARD_PASSPHRASE_FD",
        "holds the passphrase that opens the vault",
    ),
    secret(
        "KEYWARD_NEW_PASSPHRASE_FILE",
        "holds the passphrase of a new slot",
    ),
    secret(
        "KEYWARD_NEW_PASSPHRASE_FD",
        "holds the passphrase of a new slot",
    ),
    secret("KEYWARD_RECOVERY_KEY_FILE", "holds a recovery key"),
    secret("KEYWARD_RECOVERY_KEY_FD", "holds a recovery key"),
];

/// A variable of the environment that begins as ours do, and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stray {
    pub(crate) name: String,
    /// The one that was probably meant.
    pub(crate) nearest: Option<String>,
}

/// The strays among `names`.
pub(crate) fn strays(names: impl Iterator<Item = OsString>) -> Vec<Stray> {
    let own = names.filter_map(|name| name.into_string().ok());
    let own: Vec<_> = own
        .filter(|name| name.starts_with("KEYWARD_") && !is_of_kubernetes(name))
        .collect();
    if own.is_empty() {
        return Vec::new();
    }
    let known: Vec<_> = fields::variables()
        .chain(COMMANDS.iter().map(|variable| variable.name.to_owned()))
        // For applications: whoever tries a snippet has it set.
        .chain([TOKEN_VARIABLE.to_owned()])
        .collect();
    let mut strays: Vec<_> = own
        .into_iter()
        .filter(|name| !known.contains(name))
        .map(|name| Stray {
            nearest: nearest(&name, known.iter().map(String::as_str)).map(str::to_owned),
            name,
        })
        .collect();
    strays.sort_by(|a, b| a.name.cmp(&b.name));
    strays
}

/// Warns of the strays among this process's variables. They do not stop a start: who sets them may mean another
/// program.
pub(crate) fn tell_strays() {
    for stray in strays(std::env::vars_os().map(|(name, _)| name)) {
        let (what, help) = stray.told();
        tracing::warn!(help, "{what}");
    }
}

impl Stray {
    /// What is wrong, and what to write instead.
    pub(crate) fn told(&self) -> (String, String) {
        let what = format!(
            "the variable {} is not one of Keyward's, and has no effect",
            self.name
        );
        let help = match &self.nearest {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "unset it; `keyward help environment` lists those there are".to_owned(),
        };
        (what, help)
    }
}

/// What a cluster sets in every pod for a service of the name `keyward`.
fn is_of_kubernetes(name: &str) -> bool {
    name == "KEYWARD_PORT"
        || [
            "KEYWARD_SERVICE_HOST",
            "KEYWARD_SERVICE_PORT",
            "KEYWARD_PORT_",
        ]
        .iter()
        .any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::{Stray, strays};

    #[track_caller]
    fn check(names: &[&str], expected: &[(&str, Option<&str>)]) {
        let found = strays(names.iter().map(Into::into));
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, nearest)| Stray {
                name: (*name).to_owned(),
                nearest: nearest.map(str::to_owned),
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_misspelt_variable_is_noticed_with_the_nearest_name() {
        check(
            &[
                "KEYWARD_GATWAY_LISTEN",
                "KEYWARD_PROVIDERS_OPENAI_BASEURL",
                "KEYWARD_XYZZY_PLUGH",
                "HOME",
            ],
            &[
                ("KEYWARD_GATWAY_LISTEN", Some("KEYWARD_GATEWAY_LISTEN")),
                (
                    "KEYWARD_PROVIDERS_OPENAI_BASEURL",
                    Some("KEYWARD_PROVIDERS_OPENAI_BASE_URL"),
                ),
                ("KEYWARD_XYZZY_PLUGH", None),
            ],
        );
    }

    #[test]
    fn ours_and_a_clusters_are_no_strays() {
        check(
            &[
                "KEYWARD_GATEWAY_LISTEN",
                "KEYWARD_LOG",
                "KEYWARD_API_TOKEN_FILE",
                "KEYWARD_GATEWAY_TOKEN_FILE",
                "KEYWARD_GATEWAY_TOKEN_FD",
                "KEYWARD_TOKEN",
                "KEYWARD_PROVIDERS_WORKERS_AI_ACCOUNT_ID",
                "KEYWARD_SERVICE_HOST",
                "KEYWARD_PORT_8787_TCP_ADDR",
                "KEYWARDS",
            ],
            &[],
        );
    }
}
