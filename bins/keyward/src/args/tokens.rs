//! `keyward tokens …`.

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use jiff::Timestamp;
use keyward_auth::{ModelPattern, Network, Permission, TokenId};
use keyward_providers::Class;
use keyward_registry::{Alias, GatewayId, ProviderSlug};

use super::{Confirm, Connect, DryRun, Now};

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token; its text is shown once
    #[command(after_help = "\
A gateway token is for applications. --api makes one for operators, with the permissions that --permission names.
Without --gateway, --provider, --alias, --class or --model the token is for all of them.

Examples:
  keyward tokens create my-app --gateway production --provider openai --expires-in 90d
  keyward tokens create ci --api --permission 'AI Gateway Read' --out ci-token")]
    Create(Box<CreateToken>),
    /// List the tokens
    #[command(after_help = "\
Examples:
  keyward tokens list
  keyward tokens list --json")]
    List {
        #[command(flatten)]
        connect: Connect,
    },
    /// Show a token, never its text
    #[command(after_help = "\
Examples:
  keyward tokens show 4pHFIHbBrKxd
  keyward tokens show 4pHFIHbBrKxd --json")]
    Show {
        /// Its id
        #[arg(value_parser = TokenId::parse)]
        id: TokenId,
        #[command(flatten)]
        connect: Connect,
    },
    /// Change a token's name, end, networks or limits, or switch it off and on
    #[command(after_help = "\
What it may do and where stays: make another token for that.

Examples:
  keyward tokens update 4pHFIHbBrKxd --expires-in 90d
  keyward tokens update 4pHFIHbBrKxd --name billing --from 10.0.0.0/8")]
    Update(Box<UpdateToken>),
    /// Give a token a new text, shown once; its id and what it may do stay
    #[command(after_help = "\
Without --overlap the old text is good for nothing when the command returns.

Examples:
  keyward tokens roll 4pHFIHbBrKxd --overlap 10m
  keyward tokens roll 4pHFIHbBrKxd --yes --out app-token")]
    Roll {
        /// Its id
        #[arg(value_parser = TokenId::parse)]
        id: TokenId,
        /// How long the old text stays good, at most 1d: a number and s, m, h, d or w
        #[arg(long, value_name = "TIME", value_parser = duration)]
        overlap: Option<Duration>,
        /// Write the text to a new file that only its owner may read
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        connect: Connect,
    },
    /// Revoke a token: no request that starts later is accepted
    #[command(after_help = "\
`keyward tokens list` shows the ids. Requests under way finish, unless --now cuts them.

Examples:
  keyward tokens revoke 4pHFIHbBrKxd
  keyward tokens revoke 4pHFIHbBrKxd --now --yes")]
    Revoke {
        /// Its id
        #[arg(value_parser = TokenId::parse)]
        id: TokenId,
        #[command(flatten)]
        now: Now,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateToken {
    /// A name for people
    pub(crate) name: String,
    /// Only for this gateway; may be repeated
    #[arg(long, value_name = "ID", value_parser = GatewayId::parse)]
    pub(crate) gateway: Vec<GatewayId>,
    /// Only for this provider; may be repeated
    #[arg(long, value_name = "SLUG", value_parser = ProviderSlug::parse)]
    pub(crate) provider: Vec<ProviderSlug>,
    /// Only for provider keys of this alias; may be repeated
    #[arg(long, value_parser = Alias::parse)]
    pub(crate) alias: Vec<Alias>,
    /// Only for endpoints of this class, such as `inference`; may be repeated
    #[arg(long, value_parser = Class::parse)]
    pub(crate) class: Vec<Class>,
    /// Only for models like this, such as `openai/gpt-5*`; may be repeated
    #[arg(long, value_name = "PROVIDER/MODEL", value_parser = ModelPattern::parse)]
    pub(crate) model: Vec<ModelPattern>,
    /// Only from this network, such as 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = Network::parse)]
    pub(crate) from: Vec<Network>,
    /// When it ends, such as 2027-01-15T08:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment, conflicts_with = "expires_in")]
    pub(crate) expires_on: Option<Timestamp>,
    /// After how long it ends: a number and s, m, h, d or w
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) expires_in: Option<Duration>,
    /// A file with how much may be spent with it, JSON; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "api")]
    pub(crate) spend_limits_file: Option<PathBuf>,
    /// Write the text to a new file that only its owner may read
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Make an API token, for operators
    #[arg(long, requires = "permission")]
    pub(crate) api: bool,
    /// A permission of the API token, by its name; may be repeated
    #[arg(long, value_name = "NAME", value_parser = permission, requires = "api")]
    pub(crate) permission: Vec<Permission>,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct UpdateToken {
    /// Its id
    #[arg(value_parser = TokenId::parse)]
    pub(crate) id: TokenId,
    /// A name for people
    #[arg(long, group = "change")]
    pub(crate) name: Option<String>,
    /// Only from this network, such as 10.0.0.0/8, instead of those before; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = Network::parse, group = "change")]
    pub(crate) from: Vec<Network>,
    /// When it ends, such as 2027-01-15T08:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment, group = "change")]
    pub(crate) expires_on: Option<Timestamp>,
    /// After how long it ends: a number and s, m, h, d or w
    #[arg(long, value_name = "TIME", value_parser = duration, group = "change", conflicts_with = "expires_on")]
    pub(crate) expires_in: Option<Duration>,
    /// Let it end no more
    #[arg(long, group = "change", conflicts_with_all = ["expires_on", "expires_in"])]
    pub(crate) never_expires: bool,
    /// A file with how much may be spent with it, JSON; `-` is standard input
    #[arg(long, value_name = "FILE", group = "change")]
    pub(crate) spend_limits_file: Option<PathBuf>,
    /// Take its spend limits away
    #[arg(long, group = "change", conflicts_with = "spend_limits_file")]
    pub(crate) no_spend_limits: bool,
    /// Switch it off
    #[arg(long, group = "change", conflicts_with = "enable")]
    pub(crate) disable: bool,
    /// Switch it on again
    #[arg(long, group = "change")]
    pub(crate) enable: bool,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// RFC 3339.
pub(super) fn moment(text: &str) -> Result<Timestamp, &'static str> {
    text.parse()
        .map_err(|_error| "a moment looks like 2027-01-15T08:00:00Z")
}

pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    const RULE: &str = "a time is a number and s, m, h, d or w, such as 30d";
    let unit = text.chars().last().ok_or(RULE)?;
    let number = text.strip_suffix(unit).ok_or(RULE)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(RULE),
    };
    let number: u64 = number.parse().map_err(|_error| RULE)?;
    let seconds = number.checked_mul(seconds).ok_or(RULE)?;
    if seconds == 0 {
        return Err("a token that ends at once is of no use");
    }
    Ok(Duration::from_secs(seconds))
}

fn permission(name: &str) -> Result<Permission, String> {
    let found = Permission::ALL
        .into_iter()
        .find(|permission| permission.name().eq_ignore_ascii_case(name));
    let control = |permission: &Permission| *permission != Permission::AiGatewayRun;
    found.filter(control).ok_or_else(|| {
        let names: Vec<_> = Permission::ALL
            .iter()
            .filter(|permission| control(permission))
            .map(|permission| permission.name())
            .collect();
        format!("the permissions of API tokens are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, moment, permission};

    #[test]
    fn times_and_moments_are_read() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for text in [
            "",
            "d",
            "0d",
            "30",
            "30y",
            "-1d",
            "1.5h",
            "99999999999999999999w",
            "3é",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(moment("2027-01-15T08:00:00Z").is_ok());
        assert!(moment("tomorrow").is_err());
    }

    #[test]
    fn an_api_token_never_runs() {
        assert!(permission("ai gateway read").is_ok());
        assert!(permission("AI Gateway Run").is_err());
    }
}
