//! `keyward keys …`: provider keys, by REST.

pub(crate) mod value;

use http::Method;
use keyward_providers::Catalogue;
use keyward_registry::{Alias, GatewayId, ProviderSlug};
use serde_json::{Value, json};

use crate::{
    args::{
        Confirm, Connect, Now,
        keys::{KeyName, KeysCommand, ValueFrom},
    },
    client::{self, Client, GATEWAYS, keys_path, text},
    commands::in_use,
    confirm::confirm,
    failure::Failure,
    output::Output,
};

pub(crate) async fn run(command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Add {
            name,
            description,
            expires_on,
            value,
            connect,
        } => {
            let mut body = json!({
                "alias": name.alias.as_str(),
                "default_config": name.alias == Alias::default(),
                "provider_slug": name.provider.as_str(),
                "description": description,
            });
            if let (Some(moment), Some(fields)) = (expires_on, body.as_object_mut()) {
                fields.insert("expires_on".to_owned(), moment.to_string().into());
            }
            add(&name, &body, &value, &connect).await
        }
        KeysCommand::List {
            gateway,
            provider,
            connect,
        } => list(gateway, provider, &connect).await,
        KeysCommand::Show { name, connect } => {
            let client = Client::connect(&connect).await?;
            let name = Target::new(&client, &name)?;
            let key = find(&client, &name).await?;
            Output::new(connect.json).fields(&fields(&key), &key)
        }
        KeysCommand::Rotate {
            name,
            value,
            now,
            connect,
        } => rotate(&name, &value, now, &connect).await,
        KeysCommand::Disable { name, now, connect } => disable(&name, now, &connect).await,
        KeysCommand::Enable { name, connect } => enable(&name, &connect).await,
        KeysCommand::Delete {
            name,
            now,
            confirm,
            connect,
        } => delete(&name, now, &confirm, &connect).await,
    }
}

async fn add(
    name: &KeyName,
    fields: &Value,
    from: &ValueFrom,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let name = &Target::new(&client, name)?;
    let value = value::read(&name.provider, from)?;
    let body = value::body(fields, &value)?;
    let path = keys_path(&name.gateway);
    let stored = client.send(Method::POST, &path, Some(body)).await?;
    let sentence = format!(
        "stored {} as {}\nsealed for {}\nnext: keyward keys list",
        text(&stored, "secret_preview"),
        Told(name),
        texts(&stored, "destination"),
    );
    Output::new(connect.json).done(sentence, &stored)
}

async fn list(
    gateway: Option<GatewayId>,
    provider: Option<ProviderSlug>,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let mut keys = Vec::new();
    for gateway in gateways(&client, gateway).await? {
        keys.extend(client.list(&keys_path(&gateway)).await?);
    }
    if let Some(provider) = provider {
        let slug = canonical(provider.as_str());
        keys.retain(|key| text(key, "provider_slug") == slug);
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    Output::new(connect.json).list(&COLUMNS, &rows, &keys)
}

async fn rotate(
    name: &KeyName,
    from: &ValueFrom,
    now: Now,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let name = &Target::new(&client, name)?;
    let path = path_of(name, &find(&client, name).await?);
    let value = value::read(&name.provider, from)?;
    let body = value::body(&json!({}), &value)?;
    let rotated = client.send(Method::PUT, &now.on(&path), Some(body)).await?;
    let sentence = format!(
        "rotated {} to {}, version {}{}\nrevoke the old key at the provider",
        Told(name),
        text(&rotated, "secret_preview"),
        text(&rotated, "version"),
        in_use::told(&rotated),
    );
    Output::new(connect.json).done(sentence, &rotated)
}

async fn disable(name: &KeyName, now: Now, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let name = &Target::new(&client, name)?;
    let path = path_of(name, &find(&client, name).await?);
    let body = client::json(&json!({ "enabled": false }));
    let disabled = client.send(Method::PATCH, &now.on(&path), body).await?;
    let requests = in_use::told(&disabled);
    Output::new(connect.json).done(format_args!("disabled {}{requests}", Told(name)), &disabled)
}

async fn enable(name: &KeyName, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let name = &Target::new(&client, name)?;
    let path = path_of(name, &find(&client, name).await?);
    let body = client::json(&json!({ "enabled": true }));
    let enabled = client.send(Method::PATCH, &path, body).await?;
    Output::new(connect.json).done(format_args!("enabled {}", Told(name)), &enabled)
}

async fn delete(
    name: &KeyName,
    now: Now,
    asked: &Confirm,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let name = &Target::new(&client, name)?;
    let key = find(&client, name).await?;
    let used = match text(&key, "last_used_at") {
        used if used.is_empty() => "never used".to_owned(),
        used => format!("last used {used}"),
    };
    let output = Output::new(connect.json);
    let what = format!("{} ({used})", Told(name));
    if !confirm(
        asked,
        output,
        &what,
        &format!("{}/{}", name.provider, name.alias),
    )? {
        return Ok(());
    }
    let deleted = client
        .send(Method::DELETE, &now.on(&path_of(name, &key)), None)
        .await?;
    let page = Catalogue::built_in().ok().and_then(|catalogue| {
        Some(
            catalogue
                .find(name.provider.as_str())?
                .keys_page()?
                .to_owned(),
        )
    });
    let also = page.map_or_else(String::new, |page| {
        format!("\nrevoke it at the provider as well: {page}")
    });
    let requests = in_use::told(&deleted);
    output.done(
        format_args!("deleted {}{requests}{also}", Told(name)),
        &deleted,
    )
}

/// The gateway that was named, or all of them.
async fn gateways(client: &Client, named: Option<GatewayId>) -> Result<Vec<GatewayId>, Failure> {
    if let Some(gateway) = named {
        return Ok(vec![gateway]);
    }
    let listed = client.list(GATEWAYS).await?;
    let ids = listed.iter().map(|gateway| text(gateway, "id"));
    Ok(ids.filter_map(|id| GatewayId::parse(&id).ok()).collect())
}

/// The key of this gateway, provider and alias.
async fn find(client: &Client, name: &Target) -> Result<Value, Failure> {
    let slug = canonical(name.provider.as_str());
    let keys = client.list(&keys_path(&name.gateway)).await?;
    let found = keys.into_iter().find(|key| {
        text(key, "provider_slug") == slug && text(key, "alias") == name.alias.as_str()
    });
    found.ok_or_else(|| {
        Failure::new(format!("there is no {}", Told(name)))
            .help("`keyward keys list` shows the keys there are")
    })
}

/// The slug that the control plane gives back, where a provider has several names.
fn canonical(slug: &str) -> String {
    let catalogue = Catalogue::built_in().ok();
    let provider = catalogue.and_then(|catalogue| catalogue.find(slug).cloned());
    provider.map_or_else(|| slug.to_owned(), |provider| provider.slug().to_owned())
}

fn path_of(name: &Target, key: &Value) -> String {
    format!("{}/{}", keys_path(&name.gateway), text(key, "id"))
}

/// The provider key that is meant, whatever was left out.
struct Target {
    provider: ProviderSlug,
    gateway: GatewayId,
    alias: Alias,
}

impl Target {
    fn new(client: &Client, name: &KeyName) -> Result<Self, Failure> {
        Ok(Self {
            provider: name.provider.clone(),
            gateway: client.gateway(name.gateway.as_ref())?,
            alias: name.alias.clone(),
        })
    }
}

struct Told<'a>(&'a Target);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Target {
            provider,
            gateway,
            alias,
        } = self.0;
        write!(f, "key {provider}/{alias} in gateway {gateway}")
    }
}

const COLUMNS: [&str; 8] = [
    "gateway",
    "provider",
    "alias",
    "status",
    "key",
    "version",
    "last used",
    "description",
];

fn row(key: &Value) -> Vec<String> {
    vec![
        text(key, "gateway_id"),
        text(key, "provider_slug"),
        text(key, "alias"),
        status(key),
        text(key, "secret_preview"),
        text(key, "version"),
        or_never(text(key, "last_used_at")),
        text(key, "description"),
    ]
}

fn fields(key: &Value) -> Vec<(&'static str, String)> {
    vec![
        ("id", text(key, "id")),
        ("gateway", text(key, "gateway_id")),
        ("provider", text(key, "provider_slug")),
        ("alias", text(key, "alias")),
        ("status", status(key)),
        ("reason", text(key, "status_reason")),
        ("key", text(key, "secret_preview")),
        ("version", text(key, "version")),
        ("sealed for", texts(key, "destination")),
        ("description", text(key, "description")),
        ("expires", or_never(text(key, "expires_on"))),
        ("last used", or_never(text(key, "last_used_at"))),
        ("created", text(key, "created_at")),
        ("modified", text(key, "modified_at")),
    ]
}

/// A key that an operator disabled is disabled, whatever else it is.
fn status(key: &Value) -> String {
    match key.get("enabled").and_then(Value::as_bool) {
        Some(false) => "disabled".to_owned(),
        _ => text(key, "status"),
    }
}

fn or_never(text: String) -> String {
    if text.is_empty() {
        "never".to_owned()
    } else {
        text
    }
}

fn texts(key: &Value, name: &str) -> String {
    let items = key.get(name).and_then(Value::as_array);
    let items = items.into_iter().flatten().filter_map(Value::as_str);
    items.collect::<Vec<_>>().join(", ")
}
