//! Where the control plane is, who one is there, and where each of it was learnt.
//!
//! What an option says comes first, then the environment, then a profile, then `dev.json`. A token goes to the
//! control plane that it was named for: a profile's to the profile's, the one in `dev.json` to that of `dev.json`.

use std::{
    env, fmt, io,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use keyward_registry::GatewayId;
use keyward_secret::{AccountId, SecretBytes};

use super::exchange::Url;
use crate::{
    args::Connect,
    config::DEFAULT_DATA_DIR,
    dev_file::DevFile,
    failure::Failure,
    profile::{Name, Profile, Profiles},
    secret_input::{self, Named},
};

/// Where `serve` and `dev` listen if nothing else is said.
const DEFAULT_URL: &str = "http://127.0.0.1:8788";

/// What a client needs.
pub(super) struct Settings {
    pub(super) url: Url,
    pub(super) token: SecretBytes,
    pub(super) token_from: TokenFrom,
    pub(super) account: Option<AccountId>,
    /// The gateway that is meant where none is named.
    pub(super) gateway: Option<GatewayId>,
    /// The profile that is used.
    pub(super) profile: Option<Name>,
    /// Certificate authorities to trust besides the system's, PEM.
    pub(super) authorities: Option<Vec<u8>>,
}

/// What is done where no token is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is asked for, if somebody can be asked.
    IsAsked,
    /// It is a failure. What is named is read from plain files alone: who reads a pipe takes what is in it.
    Fails,
}

/// Where a token was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenFrom {
    /// A file or a file descriptor, and the variable that names it.
    Environment(Named),
    /// The file that a profile names.
    Profile(Name, PathBuf),
    /// `dev.json` in this directory.
    Dev(PathBuf),
    /// Somebody typed it.
    Typed,
}

impl fmt::Display for TokenFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(named) => write!(f, "{named}"),
            Self::Profile(name, file) => write!(f, "profile {name}: {}", file.display()),
            Self::Dev(directory) => write!(f, "{}", directory.join("dev.json").display()),
            Self::Typed => f.write_str("typed"),
        }
    }
}

impl Settings {
    /// What the options, the environment, the profiles and `dev.json` say, in this order.
    pub(super) fn find(args: &Connect, missing: Missing) -> Result<Self, Failure> {
        refuse_plain_token(env::var_os("KEYWARD_API_TOKEN").is_some_and(|text| !text.is_empty()))?;
        let named = Named::find("KEYWARD_API_TOKEN")?;
        // What was named needs nothing else, and does not fail for what is wrong elsewhere.
        let is_named = named.is_some() && args.control_url.is_some() && args.profile.is_none();
        let chosen = if is_named { None } else { choose(args)? };
        let data_dir = args
            .data_dir
            .as_deref()
            .unwrap_or(Path::new(DEFAULT_DATA_DIR));
        let dev = match is_named || chosen.is_some() {
            true => None,
            false => DevFile::read(data_dir)?,
        };
        let url = match (&args.control_url, &chosen, &dev) {
            (Some(url), _, _) => url.as_str(),
            (None, Some((_, profile)), _) => profile.control_url.as_str(),
            (None, None, Some(dev)) => dev.control_url.as_str(),
            (None, None, None) if named.is_some() => DEFAULT_URL,
            (None, None, None) => return Err(nowhere(data_dir)),
        };
        let url = Url::parse(url, args.danger_plain_http)?;
        // What a profile says is said of its control plane, and of no other.
        let profile = chosen
            .as_ref()
            .filter(|(_, profile)| url.is_same_place(&profile.control_url));
        // `dev` listens on this machine alone: a file that says otherwise is not its.
        let own_dev = dev
            .as_ref()
            .filter(|dev| url.is_loopback() && url.is_same_place(&dev.control_url));
        let dev_account = own_dev
            .filter(|_| named.is_none())
            .and_then(|dev| AccountId::parse(&dev.account_id).ok());
        let account = args
            .account
            .or_else(|| profile.and_then(|(_, profile)| profile.account));
        let (token, token_from) = match (named, profile, own_dev) {
            (Some(named), _, _) => {
                missing.allows(named.path())?;
                (named.read()?, TokenFrom::Environment(named))
            }
            (
                None,
                Some((
                    name,
                    Profile {
                        token_file: Some(file),
                        ..
                    },
                )),
                _,
            ) => {
                missing.allows(file)?;
                (
                    profile_token(name, file)?,
                    TokenFrom::Profile(name.clone(), file.clone()),
                )
            }
            (None, None, Some(dev)) => {
                let token = SecretBytes::copy_from(dev.api_token.as_bytes());
                (token, TokenFrom::Dev(data_dir.to_owned()))
            }
            _ => {
                let why = why_none(chosen.as_ref(), &url, dev.as_ref());
                (ask(&url, why, missing)?, TokenFrom::Typed)
            }
        };
        let authorities = args.ca_file.as_deref();
        let authorities =
            authorities.or_else(|| profile.and_then(|(_, profile)| profile.ca_file.as_deref()));
        Ok(Self {
            token,
            token_from,
            account: account.or(dev_account),
            gateway: profile.and_then(|(_, profile)| profile.gateway.clone()),
            profile: profile.map(|(name, _)| name.clone()),
            authorities: authorities.map(read_authorities).transpose()?,
            url,
        })
    }
}

impl Missing {
    fn allows(self, file: &Path) -> Result<(), Failure> {
        match self == Self::IsAsked || file.is_file() {
            true => Ok(()),
            false => Err(Failure::not_authorised("the API token is in no plain file")),
        }
    }
}

/// The profile that is named, else the one in use; a data directory that is named stands above the latter.
fn choose(args: &Connect) -> Result<Option<(Name, Profile)>, Failure> {
    let profiles = match (&args.profile, &args.data_dir) {
        (None, Some(_)) => return Ok(None),
        _ => Profiles::read()?,
    };
    let name = args.profile.as_ref().or(profiles.current.as_ref());
    let found = name.map(|name| Ok((name.clone(), profiles.find(name)?.clone())));
    found.transpose()
}

/// One that cannot be read is no reason to go without it.
pub(super) fn read_authorities(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| {
        Failure::new(format!("cannot read {}", file.display()))
            .caused_by(&error)
            .in_file(file)
            .help("--ca-file, KEYWARD_CONTROL_CA_FILE or the profile names it; correct the path, or leave it out")
    })
}

fn profile_token(name: &Name, file: &Path) -> Result<SecretBytes, Failure> {
    secret_input::read_line(file).map_err(|failure| {
        failure.help(format!(
            "profile {name} names this file: `keyward profile set {name} --token-file FILE` names another"
        ))
    })
}

/// Whoever can see the process can see its variables.
fn refuse_plain_token(is_set: bool) -> Result<(), Failure> {
    match is_set {
        false => Ok(()),
        true => Err(Failure::usage("KEYWARD_API_TOKEN is set, and a token is never taken from a variable")
            .at("KEYWARD_API_TOKEN")
            .because("other programs and their logs can see what a variable holds")
            .help("unset it, write the token to a file of mode 0600, and name that in KEYWARD_API_TOKEN_FILE")),
    }
}

/// Asks where somebody can be asked.
fn ask(url: &Url, why: Option<String>, missing: Missing) -> Result<SecretBytes, Failure> {
    if missing == Missing::IsAsked && io::stdin().is_terminal() && io::stderr().is_terminal() {
        return secret_input::ask(&format!("API token for {url}"));
    }
    let failure = Failure::not_authorised("no API token is known")
        .help("name a file that holds one in KEYWARD_API_TOKEN_FILE, or in a profile: `keyward profile set NAME --token-file FILE`");
    Err(match why {
        Some(why) => failure.because(why),
        None => failure,
    })
}

/// Why what there is was not used.
fn why_none(chosen: Option<&(Name, Profile)>, url: &Url, dev: Option<&DevFile>) -> Option<String> {
    match chosen {
        Some((name, profile)) if url.is_same_place(&profile.control_url) => {
            Some(format!("profile {name} names no token file"))
        }
        Some((name, profile)) => Some(format!(
            "the token of profile {name} is for {}, and is not sent to {url}",
            profile.control_url
        )),
        None => dev.map(|dev| {
            let own = &dev.control_url;
            format!("the token in dev.json is for {own}, and is not sent to {url}")
        }),
    }
}

fn nowhere(data_dir: &Path) -> Failure {
    Failure::unreachable("no control plane is known")
        .because(format!(
            "there is no dev.json in {}, no --control-url, and no profile in use",
            data_dir.display()
        ))
        .help("start one with `keyward dev`, or name one with `keyward profile set NAME --control-url URL --token-file FILE`")
}

#[cfg(test)]
mod tests {
    use super::refuse_plain_token;

    #[test]
    fn a_token_in_a_variable_is_refused() {
        assert!(refuse_plain_token(true).is_err() && refuse_plain_token(false).is_ok());
    }
}
