//! Where the data plane is, and with which token applications use it.

use std::path::Path;

use http::Method;
use keyward_registry::GatewayId;
use keyward_secret::SecretBytes;
use serde_json::Value;

use crate::{
    args::Connect,
    client::{Client, gateway_path},
    config::DEFAULT_DATA_DIR,
    dev_file::DevFile,
    failure::Failure,
    secret_input::{self, Named},
};

/// What the URLs of every provider of the gateway begin with: `…/v1/{account}/{gateway}`.
pub(crate) async fn base_url(client: &Client, gateway: &GatewayId) -> Result<String, Failure> {
    // A provider that is always there.
    let url = provider_url(client, gateway, "openai").await?;
    match url.strip_suffix("/openai") {
        Some(base) => Ok(base.to_owned()),
        None => Err(no_url()),
    }
}

/// The URL of one provider behind the gateway.
pub(crate) async fn provider_url(
    client: &Client,
    gateway: &GatewayId,
    provider: &str,
) -> Result<String, Failure> {
    let path = format!("{}/url/{provider}", gateway_path(gateway));
    match client.send(Method::GET, &path, None).await? {
        Value::String(url) => Ok(url),
        _ => Err(no_url()),
    }
}

fn no_url() -> Failure {
    Failure::new("the control plane names no URL of the gateway")
        .help("`keyward status` says which server it is, and of which version")
}

/// The gateway token: from `file`, what the environment names, or `dev.json`.
pub(crate) fn token(file: Option<&Path>, args: &Connect) -> Result<SecretBytes, Failure> {
    let token = match (file, Named::find("KEYWARD_GATEWAY_TOKEN")?) {
        (Some(file), _) => secret_input::read_line(file)?,
        (None, Some(named)) => named.read()?,
        (None, None) => from_dev(args)?,
    };
    // Anything else would be some provider's key, and would pass the gateway by.
    if keyward_auth::is_ours(token.expose()) {
        return Ok(token);
    }
    Err(Failure::usage("what was read as the gateway token is none")
        .because("gateway tokens begin with `kw_gw_`")
        .help("make one with `keyward tokens create NAME --out FILE`"))
}

fn from_dev(args: &Connect) -> Result<SecretBytes, Failure> {
    let directory = args.data_dir.as_deref();
    let directory = directory.unwrap_or(Path::new(DEFAULT_DATA_DIR));
    // The token in there is of that server, and is not carried to another.
    let is_other = args.profile.is_some() || args.control_url.is_some();
    let dev = match is_other {
        true => None,
        false => DevFile::read(directory)?,
    };
    let dev = dev.ok_or_else(|| {
        Failure::not_authorised("no gateway token is known")
            .help("make one with `keyward tokens create NAME --out FILE`, and name it with --token-file FILE")
    })?;
    Ok(SecretBytes::copy_from(dev.gateway_token.as_bytes()))
}
