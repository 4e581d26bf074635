//! `keyward import`: keys from where applications keep them into the vault.

use std::{env, fmt::Write, os::unix::ffi::OsStrExt, path::Path};

use http::Method;
use keyward_registry::GatewayId;
use keyward_secret::SecretBytes;
use serde_json::{Value, json};

use crate::{
    args::import::ImportArgs,
    client::{Client, keys_path, text},
    commands::keys::value,
    failure::Failure,
    import::{self, Key, Setting, Verdict},
    output::{Output, remark},
    secret_input,
};

/// A setting, and what becomes of it.
struct Row {
    setting: Setting,
    key: Option<Key>,
    outcome: Outcome,
}

enum Outcome {
    /// To be stored, or stored already by this call.
    Import,
    Skipped(String),
}

pub(crate) async fn run(args: &ImportArgs) -> Result<(), Failure> {
    let source = args.source();
    let settings = read(args)?;
    let client = Client::connect(&args.connect).await?;
    let gateway = client.gateway(args.gateway.named.as_ref())?;
    let stored = client.list(&keys_path(&gateway)).await?;
    let mut rows: Vec<_> = import::judge(settings)
        .into_iter()
        .map(|(setting, verdict)| row(setting, verdict, &stored))
        .collect();
    let mut failed = 0_usize;
    if args.apply {
        for row in &mut rows {
            let (Outcome::Import, Some(key)) = (&row.outcome, &row.key) else {
                continue;
            };
            // One that is refused does not keep the others out.
            if let Err(failure) = store(&client, &gateway, key, &row.setting).await {
                failed += 1;
                row.outcome = Outcome::Skipped(format!("not stored: {}", failure.what()));
            }
        }
    }
    show(&rows, args, &gateway)?;
    match failed {
        0 => {
            advise(&rows, args, &source);
            Ok(())
        }
        count => Err(Failure::new(format!("{} could not be stored", keys(count)))
            .help("the table says why; the others are stored, and running it again skips them")),
    }
}

fn read(args: &ImportArgs) -> Result<Vec<Setting>, Failure> {
    if let Some(path) = &args.litellm {
        let text = secret_input::read_file(path)?;
        let text = std::str::from_utf8(text.expose()).map_err(|error| {
            Failure::new(format!("{} is no text", path.display()))
                .caused_by(&error)
                .in_file(path)
                .help("name a configuration of LiteLLM's, which is YAML")
        })?;
        return import::read_litellm(text, path);
    }
    if let Some(path) = &args.file {
        return Ok(import::read_env(secret_input::read_file(path)?.expose()));
    }
    Ok(env::vars_os()
        .filter_map(|(name, value)| {
            Some(Setting {
                name: name.into_string().ok()?,
                line: 0,
                value: SecretBytes::copy_from(value.as_bytes()),
                provider: None,
                is_key: false,
            })
        })
        .collect())
}

fn row(setting: Setting, verdict: Verdict, stored: &[Value]) -> Row {
    match verdict {
        Verdict::Skipped(reason) => Row {
            setting,
            key: None,
            outcome: Outcome::Skipped(reason.to_string()),
        },
        Verdict::Key(key) => {
            let there = stored.iter().find(|stored| {
                text(stored, "provider_slug") == key.provider
                    && text(stored, "alias") == key.alias.as_str()
            });
            let outcome = match there {
                None => Outcome::Import,
                Some(there) => Outcome::Skipped(match text(there, "secret_preview") {
                    shown if shown.is_empty() => "a key of this name is stored already".to_owned(),
                    shown => format!("a key of this name is stored already: {shown}"),
                }),
            };
            Row {
                setting,
                key: Some(key),
                outcome,
            }
        }
    }
}

async fn store(
    client: &Client,
    gateway: &GatewayId,
    key: &Key,
    setting: &Setting,
) -> Result<(), Failure> {
    let fields = json!({
        "alias": key.alias.as_str(),
        "default_config": key.alias == keyward_registry::Alias::default(),
        "provider_slug": key.provider,
        "description": format!("imported from {}", setting.name),
    });
    let body = value::body(&fields, &key.value)?;
    let path = keys_path(gateway);
    client.send(Method::POST, &path, Some(body)).await.map(drop)
}

fn show(rows: &[Row], args: &ImportArgs, gateway: &GatewayId) -> Result<(), Failure> {
    let columns = ["line", "setting", "provider", "alias", "outcome"];
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let key = |field: fn(&Key) -> String| row.key.as_ref().map(field).unwrap_or_default();
            let line = match row.setting.line {
                0 => String::new(),
                line => line.to_string(),
            };
            vec![
                line,
                row.setting.name.clone(),
                key(|key| key.provider.to_owned()),
                key(|key| key.alias.to_string()),
                outcome(row, args.apply),
            ]
        })
        .collect();
    let documents: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "line": (row.setting.line > 0).then_some(row.setting.line),
                "setting": row.setting.name,
                "gateway": gateway.as_str(),
                "provider": row.key.as_ref().map(|key| key.provider),
                "alias": row.key.as_ref().map(|key| key.alias.as_str()),
                "imported": args.apply && matches!(row.outcome, Outcome::Import),
                "outcome": outcome(row, args.apply),
            })
        })
        .collect();
    Output::new(args.connect.json).list(&columns, &cells, &documents)
}

fn outcome(row: &Row, is_applied: bool) -> String {
    match &row.outcome {
        Outcome::Import if is_applied => "stored".to_owned(),
        Outcome::Import => "would be stored".to_owned(),
        Outcome::Skipped(reason) => format!("skipped: {reason}"),
    }
}

/// What to do next.
fn advise(rows: &[Row], args: &ImportArgs, source: &str) {
    let taken: Vec<_> = rows
        .iter()
        .filter(|row| matches!(row.outcome, Outcome::Import))
        .collect();
    match (taken.is_empty(), args.apply) {
        (true, _) => remark(format_args!("nothing to store from {source}")),
        (false, false) => remark(format_args!(
            "nothing was stored: the same command with --apply stores {}",
            keys(taken.len())
        )),
        (false, true) => {
            let mut lines = String::new();
            for row in &taken {
                let name = &row.setting.name;
                // Writing to a String does not fail.
                let _never = match row.setting.line {
                    0 => write!(lines, "\n  {name}"),
                    line => write!(lines, "\n  line {line}: {name}"),
                };
            }
            remark(format_args!(
                "stored {}; now delete from {source}:{lines}\nnext: keyward run -- COMMAND",
                keys(taken.len())
            ));
        }
    }
}

fn keys(count: usize) -> String {
    match count {
        1 => "1 key".to_owned(),
        count => format!("{count} keys"),
    }
}

impl ImportArgs {
    fn source(&self) -> String {
        let file = self.litellm.as_deref().or(self.file.as_deref());
        file.map_or_else(
            || "the environment".to_owned(),
            |file: &Path| file.display().to_string(),
        )
    }
}
