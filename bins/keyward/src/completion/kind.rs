//! Which arguments take names of things that are there already.

use clap::{Arg, Command, builder::ValueParser};
use clap_complete::{CompletionCandidate, engine::ArgValueCompleter};
use keyward_auth::TokenId;
use keyward_providers::Class;
use keyward_registry::{Alias, CustomSlug, GatewayId, ProviderSlug, SecretName, SecretScope};
use keyward_routes::RouteName;

use crate::profile::Name;

/// What an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Aliases,
    Classes,
    CustomProviders,
    /// Left to the shell.
    Files,
    Gateways,
    Profiles,
    Providers,
    /// Of the gateway that is typed, else of the one that is meant.
    Routes,
    Scopes,
    Secrets,
    Stores,
    Tokens,
    /// Topics of `keyward help`, and the words of commands.
    Topics,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Aliases,
        Self::Classes,
        Self::CustomProviders,
        Self::Files,
        Self::Gateways,
        Self::Profiles,
        Self::Providers,
        Self::Routes,
        Self::Scopes,
        Self::Secrets,
        Self::Stores,
        Self::Tokens,
        Self::Topics,
    ];

    /// What stands in clap's answer in the place of the values. No value has a colon.
    pub(super) const fn marker(self) -> &'static str {
        match self {
            Self::Aliases => ":aliases",
            Self::Classes => ":classes",
            Self::CustomProviders => ":custom-providers",
            Self::Files => ":files",
            Self::Gateways => ":gateways",
            Self::Profiles => ":profiles",
            Self::Providers => ":providers",
            Self::Routes => ":routes",
            Self::Scopes => ":scopes",
            Self::Secrets => ":secrets",
            Self::Stores => ":stores",
            Self::Tokens => ":tokens",
            Self::Topics => ":topics",
        }
    }

    /// The kind that a text stands for, and what comes before it, such as `--gateway=`.
    pub(super) fn marked_by(text: &str) -> Option<(&str, Self)> {
        let at = text.find(':')?;
        let (prefix, marker) = text.split_at_checked(at)?;
        let kind = Self::ALL.into_iter().find(|kind| kind.marker() == marker)?;
        Some((prefix, kind))
    }

    fn of(command: &str, arg: &Arg) -> Option<Self> {
        match (command, arg.get_id().as_str()) {
            // These name what is made.
            ("keyward gateways create", "id")
            | ("keyward providers create", "slug")
            | ("keyward routes create", "route")
            | ("keyward routes rename", "new")
            | ("keyward secrets create" | "keyward profile set", "name") => return None,
            ("keyward help", "of") => return Some(Self::Topics),
            ("keyward run", "command") => return Some(Self::Files),
            (_, "store") => return Some(Self::Stores),
            _ => {}
        }
        let read = arg.get_value_parser().type_id();
        let known = [
            (ValueParser::new(Alias::parse), Self::Aliases),
            (ValueParser::new(Class::parse), Self::Classes),
            (ValueParser::new(CustomSlug::parse), Self::CustomProviders),
            (ValueParser::path_buf(), Self::Files),
            (ValueParser::new(GatewayId::parse), Self::Gateways),
            (ValueParser::new(Name::parse), Self::Profiles),
            (ValueParser::new(ProviderSlug::parse), Self::Providers),
            (ValueParser::new(RouteName::parse), Self::Routes),
            (ValueParser::new(str::parse::<SecretScope>), Self::Scopes),
            (ValueParser::new(SecretName::parse), Self::Secrets),
            (ValueParser::new(TokenId::parse), Self::Tokens),
        ];
        known
            .into_iter()
            .find(|(parser, _)| parser.type_id() == read)
            .map(|(_, kind)| kind)
    }
}

/// The command line, whose arguments complete to markers.
pub(super) fn marked(command: Command) -> Command {
    let name = command.get_name().to_owned();
    mark(command, &name)
}

fn mark(command: Command, name: &str) -> Command {
    command
        .mut_args(|arg| match Kind::of(name, &arg) {
            Some(kind) => arg.add(ArgValueCompleter::new(move |_: &std::ffi::OsStr| {
                vec![CompletionCandidate::new(kind.marker())]
            })),
            None => arg,
        })
        .mut_subcommands(|sub| {
            let name = format!("{name} {}", sub.get_name());
            mark(sub, &name)
        })
}
