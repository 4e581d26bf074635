//! What the words before the cursor say: which control plane, and which of its things.

use std::{env, ffi::OsString};

use clap::{ArgMatches, CommandFactory, FromArgMatches, parser::ValueSource};
use keyward_registry::{GatewayId, ProviderSlug};

use crate::{
    args::{Args, Connect, secrets::InStore},
    client,
    profile::Profiles,
};

/// What was typed already, as far as it can be understood.
#[derive(Debug, Default)]
pub(super) struct Typed {
    /// `None` where the command talks to no control plane.
    pub(super) connect: Option<Connect>,
    pub(super) gateways: Vec<GatewayId>,
    pub(super) provider: Option<ProviderSlug>,
    pub(super) store: Option<String>,
    /// Behind `keyward help`.
    pub(super) help_of: Vec<String>,
}

impl Typed {
    /// Reads the words, `keyward` first. What is not understood is as if it were not there.
    pub(super) fn read(words: &[OsString]) -> Self {
        let command = Args::command().ignore_errors(true);
        let Ok(matches) = command.try_get_matches_from(words) else {
            return Self::default();
        };
        let mut of = &matches;
        while let Some((_, sub)) = of.subcommand() {
            of = sub;
        }
        Self {
            connect: has(of, "control_url")
                .then(|| Connect::from_arg_matches(of).ok())
                .flatten()
                .filter(|connect| !is_typed(of) || is_known(connect)),
            gateways: many(of, "gateway"),
            provider: many(of, "provider").pop(),
            store: many(of, "store").pop(),
            help_of: many(of, "of"),
        }
    }

    pub(super) fn in_store(&self) -> InStore {
        InStore {
            store: self.store.clone(),
        }
    }
}

/// Whether the address of the control plane stands on the line, and in no variable.
fn is_typed(of: &ArgMatches) -> bool {
    of.value_source("control_url") == Some(ValueSource::CommandLine)
}

/// Nobody has entered the line yet: the token goes to this machine, and to where a profile says that it may go.
fn is_known(connect: &Connect) -> bool {
    let profiles = Profiles::read().unwrap_or_default();
    let profiles = profiles.by_name.into_values();
    let known = profiles.map(|profile| profile.control_url);
    let known: Vec<_> = known.chain(env::var("KEYWARD_CONTROL_URL").ok()).collect();
    let url = connect.control_url.as_deref();
    url.is_none_or(|url| client::is_here_or_one_of(url, &known))
}

/// Whether the command has such an argument: to ask for another panics.
fn has(of: &ArgMatches, id: &str) -> bool {
    of.try_contains_id(id).is_ok()
}

fn many<T: Clone + Send + Sync + 'static>(of: &ArgMatches, id: &str) -> Vec<T> {
    let values = of.try_get_many::<T>(id).ok().flatten();
    values.into_iter().flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::Typed;

    fn read(line: &str) -> Typed {
        let words: Vec<_> = line.split(' ').map(Into::into).collect();
        Typed::read(&words)
    }

    #[test]
    fn what_stands_before_the_cursor_counts_though_the_line_is_not_whole() {
        let typed = read(
            "keyward keys show openai --control-url http://127.0.0.1:1 --gateway production --alias",
        );
        let connect = typed.connect.unwrap();
        assert_eq!(connect.control_url.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(typed.gateways[0].as_str(), "production");
        assert_eq!(typed.provider.unwrap().as_str(), "openai");
        // Nobody has entered this line: no token goes there.
        let elsewhere = "keyward keys list --control-url https://keyward.example --gateway";
        assert!(read(elsewhere).connect.is_none());
        let typed = read("keyward tokens show --profile work");
        assert_eq!(typed.connect.unwrap().profile.unwrap().to_string(), "work");
        let typed = read("keyward secrets delete --store team --bad-option");
        assert_eq!(typed.store.as_deref(), Some("team"));
        assert!(typed.connect.is_some());
        let typed = read("keyward tokens create x --gateway a --gateway b");
        assert_eq!(typed.gateways.len(), 2);
    }

    #[test]
    fn commands_without_a_control_plane_name_none() {
        for line in [
            "keyward",
            "keyward profile use",
            "keyward nonsense",
            "keyward vault slots add",
        ] {
            assert!(read(line).connect.is_none(), "{line}");
        }
        assert_eq!(read("keyward help vault slots").help_of, ["vault", "slots"]);
    }
}
