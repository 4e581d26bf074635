//! `keyward keys …`.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::Subcommand;
use keyward_registry::{Alias, ExpiresAction, GatewayId, ProviderSlug};
use keyward_vault::rotation::RequestId;

use super::{Confirm, Connect, DryRun, InGateway, Now};

/// Which provider key is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyName {
    /// The provider, such as `openai`
    #[arg(value_parser = ProviderSlug::parse)]
    pub(crate) provider: ProviderSlug,
    #[command(flatten)]
    pub(crate) gateway: InGateway,
    /// Which of several keys for the provider
    #[arg(long, default_value = "default", value_parser = Alias::parse)]
    pub(crate) alias: Alias,
}

/// Where the value comes from. Never an argument: others can read those.
#[derive(Debug, clap::Args)]
pub(crate) struct ValueFrom {
    /// A file with the key [default: asked for on a terminal, else standard input]
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
}

/// A new value, and how it takes the place of the old one.
#[derive(Debug, clap::Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    pub(crate) name: KeyName,
    #[command(flatten)]
    pub(crate) value: ValueFrom,
    /// How long the old value is kept, at most 7d: a number and s, m, h, d or w [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = overlap, conflicts_with = "now")]
    pub(crate) overlap: Option<Duration>,
    /// Use the new value without asking the provider first
    #[arg(long, conflicts_with = "now")]
    pub(crate) no_verify: bool,
    /// What the rotation is called: asking again with the same name begins no other
    #[arg(long, value_name = "NAME", value_parser = RequestId::parse, conflicts_with = "now")]
    pub(crate) request_id: Option<RequestId>,
    /// End as soon as the rotation has begun
    #[arg(long, conflicts_with = "now")]
    pub(crate) detach: bool,
    /// Replace the value at once, with no way back, and cut requests under way: for a key that has leaked
    #[arg(long)]
    pub(crate) now: bool,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// What happens at a key's date.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum AtItsDate {
    /// It is used no more
    Stop,
    /// It goes on being used, and people are warned
    Warn,
}

impl AtItsDate {
    /// As the REST API has it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => ExpiresAction::Stop.as_str(),
            Self::Warn => ExpiresAction::Warn.as_str(),
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct UpdateKey {
    #[command(flatten)]
    pub(crate) name: KeyName,
    /// A note for people
    #[arg(long, value_name = "TEXT", group = "change")]
    pub(crate) description: Option<String>,
    /// Its date, such as 2027-01-15T08:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = super::tokens::moment, group = "change")]
    pub(crate) expires_on: Option<jiff::Timestamp>,
    /// Take its date away
    #[arg(long, group = "change", conflicts_with = "expires_on")]
    pub(crate) never_expires: bool,
    /// What happens then: `stop`, and it is used no more, or `warn`
    #[arg(
        long,
        value_name = "ACTION",
        hide_possible_values = true,
        group = "change"
    )]
    pub(crate) expires_action: Option<AtItsDate>,
    /// How many requests may be sent with it per period
    #[arg(long, value_name = "REQUESTS", value_parser = rate_limit, group = "change")]
    pub(crate) rate_limit: Option<NonZeroU64>,
    /// The period of its limit, such as 60s or 1h [default: as it was, or 60s]
    #[arg(long, value_name = "DURATION", value_parser = super::tokens::duration, group = "change")]
    pub(crate) rate_limit_period: Option<Duration>,
    /// Take its limit away
    #[arg(long, group = "change", conflicts_with_all = ["rate_limit", "rate_limit_period"])]
    pub(crate) no_rate_limit: bool,
    /// A file with its spend limits, JSON; `-` is standard input
    #[arg(long, value_name = "FILE", group = "change")]
    pub(crate) spend_limits_file: Option<PathBuf>,
    /// Take its spend limits away
    #[arg(long, group = "change", conflicts_with = "spend_limits_file")]
    pub(crate) no_spend_limits: bool,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

fn overlap(text: &str) -> Result<Duration, &'static str> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        text => super::tokens::duration(text),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Store a provider key
    #[command(after_help = "\
The key is asked for on a terminal, else read from standard input or --from-file.

Examples:
  keyward keys add openai
  keyward keys add anthropic --alias team-a --from-file anthropic-key")]
    Add {
        #[command(flatten)]
        name: KeyName,
        /// A note for people
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// Its date, such as 2027-01-15T08:00:00Z
        #[arg(long, value_name = "MOMENT", value_parser = super::tokens::moment)]
        expires_on: Option<jiff::Timestamp>,
        /// What happens then: `stop`, and it is used no more, or `warn` [default: stop]
        #[arg(long, value_name = "ACTION", hide_possible_values = true)]
        expires_action: Option<AtItsDate>,
        /// A file with its spend limits, JSON
        #[arg(long, value_name = "FILE")]
        spend_limits_file: Option<PathBuf>,
        #[command(flatten)]
        value: ValueFrom,
        /// Ask the provider first, and store nothing that it does not take
        #[arg(long)]
        verify: bool,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// List provider keys
    #[command(after_help = "\
Examples:
  keyward keys list
  keyward keys list --gateway production --provider openai --json")]
    List {
        /// Only those of this gateway
        #[arg(long, value_parser = GatewayId::parse)]
        gateway: Option<GatewayId>,
        /// Only those for this provider
        #[arg(long, value_parser = ProviderSlug::parse)]
        provider: Option<ProviderSlug>,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show everything about a provider key but its value
    #[command(after_help = "\
Examples:
  keyward keys show openai
  keyward keys show openai --alias team-a --json")]
    Show {
        #[command(flatten)]
        name: KeyName,
        #[command(flatten)]
        connect: Connect,
    },
    /// Give a provider key a new value, with a way back
    #[command(after_help = "\
Where a request is known that proves a key, the provider is asked first: nobody uses a new value that it does not take.
Then the old value is kept for the overlap, and comes back by itself where the provider takes it and not the new one.
On a terminal the command stays until the old value is erased; Ctrl-C leaves the rotation running. Elsewhere it ends
when the new value is in use.

Examples:
  keyward keys rotate openai --no-verify
  keyward keys rotate openai --gateway production --from-file new-key --now")]
    Rotate(Box<Rotate>),
    /// Show the rotation of a provider key that is under way, or its last one
    #[command(after_help = "\
Examples:
  keyward keys rotation openai
  keyward keys rotation openai --json")]
    Rotation {
        #[command(flatten)]
        name: KeyName,
        /// Stay until it is over
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// Take the old value back while a rotation overlaps, or withdraw a staged one
    #[command(after_help = "\
Examples:
  keyward keys roll-back openai
  keyward keys roll-back openai --gateway staging")]
    RollBack {
        #[command(flatten)]
        name: KeyName,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Erase the old value before the overlap of a rotation is over
    #[command(after_help = "\
Examples:
  keyward keys destroy-old openai
  keyward keys destroy-old openai --gateway staging")]
    DestroyOld {
        #[command(flatten)]
        name: KeyName,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Ask providers whether they take the stored keys
    #[command(after_help = "\
Each is asked by a request that costs nothing, where one is known that proves a key. The exit code is 5 where a key is
refused, or nothing certain is said of it.

Examples:
  keyward keys verify echo
  keyward keys verify --all --json")]
    Verify {
        /// The provider, such as `openai`
        #[arg(value_parser = ProviderSlug::parse, required_unless_present = "all")]
        provider: Option<ProviderSlug>,
        #[command(flatten)]
        gateway: InGateway,
        /// Which of several keys for the provider
        #[arg(long, default_value = "default", value_parser = Alias::parse)]
        alias: Alias,
        /// Every key of every gateway, or of the one that --gateway names
        #[arg(long, conflicts_with_all = ["provider", "alias"])]
        all: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// Change the note, the date or the limits of a provider key; its value stays
    #[command(after_help = "\
Examples:
  keyward keys update openai --expires-on 2027-01-15T08:00:00Z --expires-action warn
  keyward keys update openai --rate-limit 500 --rate-limit-period 60s")]
    Update(Box<UpdateKey>),
    /// Stop using a provider key, and keep it
    #[command(after_help = "\
Examples:
  keyward keys disable openai
  keyward keys disable openai --alias team-a --now")]
    Disable {
        #[command(flatten)]
        name: KeyName,
        #[command(flatten)]
        now: Now,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Use a disabled provider key again
    #[command(after_help = "\
Examples:
  keyward keys enable openai
  keyward keys enable openai --alias team-a")]
    Enable {
        #[command(flatten)]
        name: KeyName,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Delete a provider key
    #[command(after_help = "\
Revoke the key at the provider as well: backups of the database still hold it, sealed.

Examples:
  keyward keys delete openai
  keyward keys delete openai --alias team-a --yes")]
    Delete {
        #[command(flatten)]
        name: KeyName,
        #[command(flatten)]
        now: Now,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        connect: Connect,
    },
}

fn rate_limit(text: &str) -> Result<NonZeroU64, &'static str> {
    text.parse().map_err(|_no_number| {
        "a rate limit is a whole number of requests, at least 1; --no-rate-limit takes it away"
    })
}
