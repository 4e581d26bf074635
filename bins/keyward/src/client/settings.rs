//! Where the control plane is, and what token to show it.

use std::path::Path;

use keyward_secret::{AccountId, SecretBytes};

use super::exchange::Url;
use crate::{args::Connect, dev_file::DevFile, failure::Failure, secret_input::Named};

/// Where `serve` and `dev` listen if nothing else is said.
const DEFAULT_URL: &str = "http://127.0.0.1:8788";

/// What a client needs.
pub(super) struct Settings {
    pub(super) url: Url,
    pub(super) token: SecretBytes,
    pub(super) account: Option<AccountId>,
    /// Certificate authorities to trust besides the system's, PEM.
    pub(super) authorities: Option<Vec<u8>>,
}

impl Settings {
    /// What was said explicitly comes first, then what `dev` left in its data directory.
    pub(super) fn find(args: &Connect) -> Result<Self, Failure> {
        let named = Named::find("KEYWARD_API_TOKEN")?;
        // A token that was named is for what was named, or for the default; not for what `dev` left here.
        let is_explicit = named.is_some() && args.control_url.is_some();
        let dev = match is_explicit {
            true => None,
            false => DevFile::read(&args.data_dir)?,
        };
        let url = match (&args.control_url, &dev) {
            (Some(url), _) => url.as_str(),
            (None, Some(dev)) => dev.control_url.as_str(),
            (None, None) if named.is_some() => DEFAULT_URL,
            (None, None) => return Err(nowhere(args)),
        };
        let url = Url::parse(url, args.danger_plain_http)?;
        let account = dev
            .as_ref()
            .filter(|_| named.is_none())
            .and_then(|dev| AccountId::parse(&dev.account_id).ok());
        let token = match (named, &dev) {
            (Some(named), _) => named.read()?,
            (None, Some(dev)) => dev_token(dev, &url)?,
            (None, None) => return Err(no_token()),
        };
        Ok(Self {
            url,
            token,
            account: args.account.or(account),
            authorities: args.ca_file.as_deref().map(read_authorities).transpose()?,
        })
    }
}

/// One that cannot be read is no reason to go without it.
fn read_authorities(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| {
        Failure::new(format!("cannot read {}", file.display()))
            .caused_by(&error)
            .help("--ca-file or KEYWARD_CONTROL_CA_FILE names it")
    })
}

/// The token of `dev` is for this machine, and goes nowhere else.
fn dev_token(dev: &DevFile, url: &Url) -> Result<SecretBytes, Failure> {
    if url.is_loopback() {
        Ok(SecretBytes::copy_from(dev.api_token.as_bytes()))
    } else {
        Err(no_token()
            .because("the token in dev.json is for this machine, and is not sent to another"))
    }
}

fn nowhere(args: &Connect) -> Failure {
    Failure::unreachable("no control plane is known")
        .because(format!(
            "there is no dev.json in {}, and no --control-url",
            args.data_dir.display()
        ))
        .help("start one with `keyward dev`, or set KEYWARD_CONTROL_URL and KEYWARD_API_TOKEN_FILE")
}

fn no_token() -> Failure {
    Failure::not_authorised("no API token is known")
        .help("name a file that holds one in KEYWARD_API_TOKEN_FILE")
}
