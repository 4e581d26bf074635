//! `keyward dev`: everything in one process on loopback, with an account, a gateway, tokens and a key for
//! `echo` made on the first run.

use std::{net::SocketAddr, path::Path};

use keyward_auth::{Kind, TokenText};
use keyward_control::SignInLinks;
use keyward_providers::Catalogue;
use keyward_registry::TokenMinted;
use keyward_secret::AccountId;
use keyward_store::Database;
use keyward_vault::{SealState, SlotKind, Vault};
use serde_json::json;

use crate::{
    args::DevArgs,
    clock,
    config::{self, Config},
    dev_file::DevFile,
    failure::Failure,
    first::{self, First, GATEWAY},
    harden::Hardening,
    logging,
    open::{self, Key, Opened},
    output::{print, remark},
    private_file,
    server::{self, Events, Ground, Limits, Listeners, Plane, Server},
};

const COMMAND: &str = "dev";
/// The key file in the data directory of `dev`.
pub(crate) const KEY_FILE: &str = "key";

pub(crate) async fn run(args: DevArgs, hardening: &Hardening) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref())?;
    logging::init(&config.log, logging::QUIET)?;
    hardening.tell();
    config::tell_strays();
    let data_dir = config.data_dir(args.data_dir.as_deref());
    let gateway = address(args.listen, config.gateway.listen, 8787, Plane::Data)?;
    let control = address(
        args.control_listen,
        config.control.listen,
        8788,
        Plane::Control,
    )?;
    let mut limits = Limits::read(&config, args.workers)?;
    limits.count(&config).await?;
    let checkpoints = config.audit.checkpoints()?;
    let events = Events::read(&config)?;
    let catalogue = config.catalogue()?;
    let dial = server::dial(&config, &catalogue)?;
    server::raise_file_limit();
    let listeners = Listeners::bind(gateway, control, &limits).await?;
    make_directory(&data_dir)?;

    let (opened, seal) = open_vault(&config, &data_dir, catalogue).await?;
    let prepared = prepare(&opened, &listeners, &data_dir).await;
    let (file, has_echo_key) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return Err(close(opened, failure).await),
    };
    let hosts = config.control.hosts();
    let server = match Server::build(listeners, opened, dial, limits, hosts, events) {
        Ok(server) => server.with_checkpoints(checkpoints).with_setup(&Ground {
            config: &config,
            data_dir: &data_dir,
            hardening,
            opened_by: SlotKind::KeyFile,
            seal: &seal,
            is_dev: config.seal.key_file.is_none(),
        }),
        Err((failure, opened)) => return Err(close(opened, failure).await),
    };
    let told = data_dir.clone();
    Box::pin(server.run(move |links| {
        let dashboard = links.and_then(|links| sign_in_link(&links, &file));
        if args.json {
            print(ready(&file, dashboard.as_deref()))
        } else {
            welcome(&file, &told, has_echo_key, dashboard.as_deref())
        }
    }))
    .await
}

/// An address that only this machine reaches.
fn address(
    argument: Option<SocketAddr>,
    configured: Option<SocketAddr>,
    port: u16,
    plane: Plane,
) -> Result<SocketAddr, Failure> {
    let address = argument
        .or(configured)
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)));
    if address.ip().to_canonical().is_loopback() {
        return Ok(address);
    }
    Err(Failure::usage(format!(
        "`keyward dev` serves this machine only, and {address} is no loopback address"
    ))
    .because("it makes tokens that stand in clear in a file, for trying things out")
    .at(plane.setting())
    .help("use `keyward serve` for other machines, or 127.0.0.1"))
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    private_file::create_directory(path).map_err(|error| {
        Failure::new(format!("cannot make the data directory {}", path.display()))
            .caused_by(&error)
            .in_file(path)
            .help("name a place that may be written with --data-dir")
    })?;
    if private_file::is_open_to_others(path) {
        remark(format_args!(
            "warning: others may look into {0}; `chmod 700 {0}` shuts them out",
            path.display()
        ));
    }
    Ok(())
}

async fn open_vault(
    config: &Config,
    data_dir: &Path,
    catalogue: Catalogue,
) -> Result<(Opened, SealState), Failure> {
    let database = open::database(&config.database(data_dir)).await?;
    let key_file = config.seal.key_file.clone();
    let key_file = key_file.unwrap_or_else(|| data_dir.join(KEY_FILE));
    match unseal_or_create(&database, &key_file).await {
        Ok((vault, seal)) => {
            let limits = config.secrets_store.limits();
            let opened = open::unlock(database, vault, catalogue, limits).await?;
            Ok((opened, seal))
        }
        Err(failure) => {
            // Closed and not only dropped, so that no file of its own is left beside it.
            database.close().await;
            Err(failure)
        }
    }
}

async fn unseal_or_create(
    database: &Database,
    key_file: &Path,
) -> Result<(Vault, SealState), Failure> {
    if let Some(state) = open::load_seal(database).await? {
        let vault = open::unseal(&state, &Key::read(key_file)?)?;
        return Ok((vault, state));
    }
    let key = Key::read_or_create(key_file)?;
    let (vault, state) = first::create_vault(&key, None)?;
    let saved = database.save_seal(state.clone(), None).await;
    saved.map_err(|error| {
        Failure::new("cannot make a vault")
            .caused_by(&error)
            .help("nothing was kept; `keyward doctor` looks at the machine")
    })?;
    Ok((vault, state))
}

/// Makes what is missing. Only the first run stores a key for echo: one that was deleted stays deleted.
async fn prepare(
    opened: &Opened,
    listeners: &Listeners,
    data_dir: &Path,
) -> Result<(DevFile, bool), Failure> {
    let first = First {
        registry: &opened.registry,
        command: COMMAND,
        now: clock::now(),
    };
    let known = DevFile::read(data_dir)?;
    let account = known
        .as_ref()
        .and_then(|file| AccountId::parse(&file.account_id).ok());
    let account = first.account(account).await?;
    let gateway = first.gateway(account).await?;
    if known.is_none() && !first.has_echo_key(account) {
        first.echo_key(account, gateway.clone()).await?;
    }
    let keep = |kind, text: Option<&String>| {
        text.filter(|text| first.is_in_force(text, kind, account))
            .cloned()
    };
    let gateway_token = match keep(
        Kind::Gateway,
        known.as_ref().map(|file| &file.gateway_token),
    ) {
        Some(text) => text,
        None => text(&first.gateway_token(account).await?)?,
    };
    let api_token = match keep(Kind::Api, known.as_ref().map(|file| &file.api_token)) {
        Some(text) => text,
        None => text(&first.api_token(account).await?)?,
    };
    let file = DevFile {
        account_id: account.to_string(),
        gateway_id: gateway.to_string(),
        gateway_token,
        api_token,
        control_url: listeners.control_url(),
        gateway_url: listeners.gateway_url(),
    };
    file.write(data_dir)?;
    Ok((file, first.has_echo_key(account)))
}

fn text(minted: &TokenMinted) -> Result<String, Failure> {
    let text = std::str::from_utf8(minted.text.expose());
    let text = text.map_err(|error| Failure::new("cannot show a token").caused_by(&error))?;
    Ok(text.to_owned())
}

async fn close(opened: Opened, failure: Failure) -> Failure {
    opened.store.close().await;
    failure
}

/// Signs a browser in once, as the holder of the API token.
fn sign_in_link(links: &SignInLinks, file: &DevFile) -> Option<String> {
    let token = TokenText::parse(file.api_token.as_bytes()).ok()?;
    let path = links.make(token.id(), clock::now())?;
    let path = std::str::from_utf8(path.expose()).ok()?;
    Some(format!("{}{path}", file.control_url))
}

fn ready(file: &DevFile, dashboard: Option<&str>) -> serde_json::Value {
    json!({
        "event": "ready",
        "gateway_url": file.gateway_url,
        "control_url": file.control_url,
        "dashboard_url": dashboard,
        "account_id": file.account_id,
        "gateway_id": file.gateway_id,
        "gateway_token": file.gateway_token,
        "api_token": file.api_token,
    })
}

fn welcome(
    file: &DevFile,
    data_dir: &Path,
    has_echo_key: bool,
    dashboard: Option<&str>,
) -> Result<(), Failure> {
    let other = match data_dir == Path::new(config::DEFAULT_DATA_DIR) {
        true => String::new(),
        false => format!(" --data-dir {}", quoted(&data_dir.to_string_lossy())),
    };
    let request = if has_echo_key {
        curl(file)
    } else {
        format!("  (echo has no stored key: `keyward keys add echo{other}` gives it one)")
    };
    let program = program();
    let next = [
        (
            format!("{program} keys add openai{other}"),
            "store a provider key",
        ),
        (
            format!("{program} tokens create app{other}"),
            "make a token for an application",
        ),
        (format!("{program} serve --help"), "run it for good"),
    ];
    let width = next.iter().map(|(command, _)| command.len()).max();
    let width = width.unwrap_or_default();
    let next = next.map(|(command, what)| format!("  {command:width$}   {what}"));
    let dashboard = dashboard.map_or_else(String::new, |link| {
        format!("  dashboard      {link} (signs in once, within 10 minutes)\n")
    });
    print(format_args!(
        "warning: dev is for one's own machine: no TLS, and the key that opens the vault lies beside it

  data plane     {}
  control plane  {}
{dashboard}  data           {} (tokens in dev.json)

try it:
{request}

next:
{}",
        file.gateway_url,
        file.control_url,
        data_dir.display(),
        next.join("\n"),
    ))
}

fn curl(file: &DevFile) -> String {
    let DevFile {
        gateway_url,
        account_id,
        gateway_token,
        ..
    } = file;
    format!(
        r#"  curl {gateway_url}/v1/{account_id}/{GATEWAY}/echo/chat/completions -H 'content-type: application/json' -H 'cf-aig-authorization: Bearer {gateway_token}' -d '{{"model":"echo","messages":[{{"role":"user","content":"hello"}}]}}'"#
    )
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-+=@:,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// How this program was called: what is printed works when pasted, also where it is not on the path.
fn program() -> String {
    let called = std::env::args_os().next();
    let called = called.map(|name| name.to_string_lossy().into_owned());
    called.map_or_else(|| "keyward".to_owned(), |name| quoted(&name).to_string())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn paths_are_quoted_as_a_shell_needs_it() {
        assert_eq!(quoted("/tmp/a-b"), "/tmp/a-b");
        assert_eq!(quoted("/tmp/a b"), "'/tmp/a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
