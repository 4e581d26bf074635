//! `keyward keys …`: provider keys, by REST.

mod rotate;
mod update;
pub(crate) mod value;
mod verify;

use http::Method;
use keyward_auth::Permission;
use keyward_providers::Catalogue;
use keyward_registry::{Alias, GatewayId, ProviderSlug, Refusal};
use serde_json::{Value, json};

use crate::{
    args::{
        Confirm, Connect, DryRun, InGateway, Now,
        keys::{AtItsDate, KeyName, KeysCommand, ValueFrom},
    },
    client::{self, Client, GATEWAYS, keys_path, text},
    commands::{in_use, routes::read_json, spend_limits, traffic},
    confirm::confirm,
    dry_run::{self, Plan},
    failure::{Failure, OneLine},
    output::{self, Output},
};

pub(crate) async fn run(command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Add {
            name,
            description,
            expires_on,
            expires_action,
            spend_limits_file,
            value,
            verify,
            dry_run,
            connect,
        } => {
            let dates = (expires_on, expires_action);
            // Read first: what is no JSON asks for no key.
            let limits = spend_limits_file.as_deref().map(read_json).transpose()?;
            let mut body = new_fields(&name, &description, dates, verify);
            if let (Some(limits), Some(fields)) = (limits, body.as_object_mut()) {
                fields.insert("spend_limits".to_owned(), json!(limits));
            }
            add(&name, &body, &value, dry_run, &connect).await
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
        KeysCommand::Rotate(asked) => rotate::begin(*asked).await,
        KeysCommand::Rotation {
            name,
            watch,
            connect,
        } => rotate::show(&name, watch, &connect).await,
        KeysCommand::RollBack {
            name,
            dry_run,
            connect,
        } => rotate::step(rotate::Step::RollBack, &name, dry_run, &connect).await,
        KeysCommand::DestroyOld {
            name,
            dry_run,
            connect,
        } => rotate::step(rotate::Step::DestroyOld, &name, dry_run, &connect).await,
        KeysCommand::Verify {
            provider,
            gateway,
            alias,
            all: _,
            connect,
        } => {
            let client = Client::connect(&connect).await?;
            let keys = to_verify(&client, provider, gateway, alias).await?;
            verify::run(&client, &keys, Output::new(connect.json)).await
        }
        KeysCommand::Update(args) => update::run(&args).await,
        KeysCommand::Disable {
            name,
            now,
            dry_run,
            connect,
        } => disable(&name, now, dry_run, &connect).await,
        KeysCommand::Enable {
            name,
            dry_run,
            connect,
        } => enable(&name, dry_run, &connect).await,
        KeysCommand::Delete {
            name,
            now,
            confirm,
            connect,
        } => delete(&name, now, &confirm, &connect).await,
    }
}

/// What the request says beside the value.
fn new_fields(
    name: &KeyName,
    description: &str,
    (expires_on, expires_action): (Option<jiff::Timestamp>, Option<AtItsDate>),
    verify: bool,
) -> Value {
    let mut body = json!({
        "alias": name.alias.as_str(),
        "default_config": name.alias == Alias::default(),
        "provider_slug": name.provider.as_str(),
        "description": description,
    });
    if let Some(fields) = body.as_object_mut() {
        let end = expires_on.map(|moment| ("expires_on", moment.to_string().into()));
        let action = expires_action.map(|action| ("expires_action", action.as_str().into()));
        let proof = verify.then(|| ("verify", true.into()));
        let more = end.into_iter().chain(action).chain(proof);
        fields.extend(more.map(|(name, value): (_, Value)| (name.to_owned(), value)));
    }
    body
}

async fn add(
    name: &KeyName,
    fields: &Value,
    from: &ValueFrom,
    dry_run: DryRun,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, dry_run).await?;
    let name = &Target::new(&client, name)?;
    let value = value::read(&name.provider, from)?;
    if dry_run.is_wanted {
        return plan_to_add(&client, name, fields)
            .await?
            .tell(Output::new(connect.json));
    }
    let body = value::body(fields, &value)?;
    let path = keys_path(&name.gateway);
    let (stored, remarks) = client.send_told(Method::POST, &path, Some(body)).await?;
    for remark in remarks {
        output::remark(OneLine(&remark));
    }
    let sentence = format!(
        "stored {} as {}\nsealed for {}\nnext: keyward keys list",
        text(&stored, "secret_preview"),
        Told(name),
        texts(&stored, "destination"),
    );
    Output::new(connect.json).done(sentence, &stored)
}

async fn plan_to_add(client: &Client, name: &Target, fields: &Value) -> Result<Plan, Failure> {
    dry_run::check_rights(client, &[Permission::SecretsStoreWrite]).await?;
    dry_run::check_end(&text(fields, "expires_on"), "--expires-on")?;
    let taken = Refusal::ProviderKeyExists {
        gateway: name.gateway.to_string(),
        provider: canonical(name.provider.as_str()),
        alias: name.alias.to_string(),
    };
    Plan::new(format!("store what was read as {}", Told(name)))
        .needs_gateways(client, std::slice::from_ref(&name.gateway))
        .await?
        .needs_providers(client, std::slice::from_ref(&name.provider))
        .await?
        .needs_none(
            client,
            &keys_path(&name.gateway),
            |key| is_called(key, name),
            taken.to_string(),
        )
        .await
        .map(|plan| plan.unchecked("whether the provider accepts the key"))
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

async fn disable(
    name: &KeyName,
    now: Now,
    dry_run: DryRun,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, dry_run).await?;
    let name = &Target::new(&client, name)?;
    let key = find(&client, name).await?;
    if dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::SecretsStoreWrite]).await?;
        return Plan::new(format!("disable {}", Told(name)))
            .fact(format!("it is {} now", status(&key)))
            .facts(used(&key, now))
            .tell(Output::new(connect.json));
    }
    let path = path_of(name, &key);
    let body = client::json(&json!({ "enabled": false }));
    let disabled = client.send(Method::PATCH, &now.on(&path), body).await?;
    let requests = in_use::told(&disabled);
    Output::new(connect.json).done(format_args!("disabled {}{requests}", Told(name)), &disabled)
}

async fn enable(name: &KeyName, dry_run: DryRun, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, dry_run).await?;
    let name = &Target::new(&client, name)?;
    let key = find(&client, name).await?;
    if dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::SecretsStoreWrite]).await?;
        return Plan::new(format!("enable {}", Told(name)))
            .fact(format!("it is {} now", status(&key)))
            .tell(Output::new(connect.json));
    }
    let path = path_of(name, &key);
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
    let client = Client::connect_to_change(connect, asked.dry_run).await?;
    let name = &Target::new(&client, name)?;
    let key = find(&client, name).await?;
    dry_run::check_rights(&client, &[Permission::SecretsStoreWrite]).await?;
    let output = Output::new(connect.json);
    let condition = format!("provider_key_id={}", text(&key, "id"));
    let requests = traffic::last_hour(&client, &condition).await;
    let use_of_it: Vec<_> = [Some(last_used(&key)), requests]
        .into_iter()
        .flatten()
        .collect();
    let what = format!("{} ({})", Told(name), use_of_it.join(", "));
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
    let keys = client.list(&keys_path(&name.gateway)).await?;
    let found = keys.into_iter().find(|key| is_called(key, name));
    found.ok_or_else(|| {
        Failure::new(format!("there is no {}", Told(name)))
            .help("`keyward keys list` shows the keys there are")
    })
}

fn is_called(key: &Value, name: &Target) -> bool {
    text(key, "provider_slug") == canonical(name.provider.as_str())
        && text(key, "alias") == name.alias.as_str()
}

fn last_used(key: &Value) -> String {
    match text(key, "last_used_at") {
        used if used.is_empty() => "never used".to_owned(),
        used => format!("last used {used}"),
    }
}

/// What is known of its use, and what becomes of requests under way.
fn used(key: &Value, now: Now) -> [String; 2] {
    let under_way = match now.now {
        true => "requests under way with it would be cut",
        false => "requests under way with it would finish",
    };
    [last_used(key), under_way.to_owned()]
}

/// The slug that the control plane gives back, where a provider has several names.
pub(crate) fn canonical(slug: &str) -> String {
    let catalogue = Catalogue::built_in().ok();
    let provider = catalogue.and_then(|catalogue| catalogue.find(slug).cloned());
    provider.map_or_else(|| slug.to_owned(), |provider| provider.slug().to_owned())
}

fn path_of(name: &Target, key: &Value) -> String {
    format!("{}/{}", keys_path(&name.gateway), text(key, "id"))
}

/// The key that is named, or all of them.
async fn to_verify(
    client: &Client,
    provider: Option<ProviderSlug>,
    gateway: InGateway,
    alias: Alias,
) -> Result<Vec<Value>, Failure> {
    let Some(provider) = provider else {
        let mut keys = Vec::new();
        for gateway in gateways(client, gateway.named).await? {
            keys.extend(client.list(&keys_path(&gateway)).await?);
        }
        return Ok(keys);
    };
    let name = KeyName {
        provider,
        gateway,
        alias,
    };
    let name = Target::new(client, &name)?;
    Ok(vec![find(client, &name).await?])
}

/// The path of a key that was listed.
fn at(key: &Value) -> Result<String, Failure> {
    let gateway = GatewayId::parse(&text(key, "gateway_id"))
        .map_err(|error| Failure::new("the control plane names no gateway").caused_by(&error))?;
    Ok(format!("{}/{}", keys_path(&gateway), text(key, "id")))
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
            gateway: client.gateway(name.gateway.named.as_ref())?,
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
        ("expires", expiry(key)),
        ("rate limit", rate_limit(key)),
        ("spend limits", spend_limits::told(key)),
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

/// Its date, and that it is used after it, where it is.
fn expiry(key: &Value) -> String {
    let date = text(key, "expires_on");
    let has_date = !date.is_empty();
    let date = or_never(date);
    match text(key, "expires_action").as_str() {
        "warn" if has_date => format!("{date} (a warning only: it goes on being used)"),
        _ => date,
    }
}

fn rate_limit(key: &Value) -> String {
    match key.get("rate_limit").and_then(Value::as_u64) {
        None | Some(0) => "none".to_owned(),
        Some(requests) => format!(
            "{requests} requests per {} s",
            text(key, "rate_limit_period")
        ),
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
