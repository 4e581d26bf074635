//! Where the data plane is, and with which token applications use it.

use std::path::Path;

use http::Method;
use keyward_auth::Kind;
use keyward_registry::GatewayId;
use keyward_secret::SecretBytes;
use serde_json::Value;

use crate::{
    client::{Client, Identity, TokenFrom, gateway_path},
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

/// The gateway token: from `file`, what the environment names, or `dev.json` where that is what `identity` comes from.
pub(crate) fn token(file: Option<&Path>, identity: &Identity) -> Result<SecretBytes, Failure> {
    let named = Named::find("KEYWARD_GATEWAY_TOKEN")?;
    let token = match (file, &named) {
        (Some(file), _) => secret_input::read_line(file)?,
        (None, Some(named)) => named.read()?,
        (None, None) => from_dev(identity)?,
    };
    // Anything else would be some provider's key, which would pass the gateway by, or an operator's token.
    let prefix = Kind::Gateway.prefix();
    if token.expose().starts_with(prefix.as_bytes()) {
        return Ok(token);
    }
    let failure = Failure::usage("what was read as the gateway token is none")
        .because(format!("gateway tokens begin with `{prefix}`"))
        .help("make one with `keyward tokens create NAME --out FILE`");
    Err(match (file, named) {
        (Some(file), _) => failure.in_file(file),
        (None, Some(named)) => failure.at(named.to_string()),
        (None, None) => failure,
    })
}

/// `dev.json` has a gateway token of its own server beside the API token, and of no other.
fn from_dev(identity: &Identity) -> Result<SecretBytes, Failure> {
    let dev = match &identity.token_from {
        TokenFrom::Dev(directory) => DevFile::read(directory)?,
        _ => None,
    };
    let dev = dev.filter(|dev| dev.control_url == identity.url);
    let dev = dev.ok_or_else(|| {
        Failure::not_authorised("no gateway token is known")
            .help("make one with `keyward tokens create NAME --out FILE`, and name it with --token-file FILE")
    })?;
    Ok(SecretBytes::copy_from(dev.gateway_token.as_bytes()))
}
