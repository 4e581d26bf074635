//! `keyward providers …`.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use http::Method;
use keyward_auth::Permission;
use keyward_providers::Catalogue;
use keyward_registry::{CustomSlug, Refusal};
use keyward_secret::SecretBytes;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::{
    args::{
        Confirm, Connect, DryRun, Now,
        providers::{ProviderText, ProvidersCommand},
    },
    client::{self, CUSTOM_PROVIDERS, Client, GATEWAYS, text},
    commands::in_use,
    confirm::confirm,
    dry_run::{self, Plan},
    failure::Failure,
    output::Output,
    secret_body, secret_input,
};

pub(crate) async fn run(command: ProvidersCommand) -> Result<(), Failure> {
    match command {
        ProvidersCommand::List { search, connect } => list(search, &connect).await,
        ProvidersCommand::Create {
            provider,
            base_url,
            disabled,
            text,
            dry_run,
            connect,
        } => {
            let mut fields = fields(&text);
            let slug = provider.slug;
            if text.name.is_none() {
                fields.insert("name".to_owned(), json!(slug.as_str()));
            }
            fields.insert("slug".to_owned(), json!(slug.as_str()));
            fields.insert("base_url".to_owned(), json!(base_url.to_string()));
            fields.insert("enable".to_owned(), json!(!disabled));
            create(
                &slug,
                fields,
                text.headers_file.as_deref(),
                dry_run,
                &connect,
            )
            .await
        }
        ProvidersCommand::Show { provider, connect } => {
            let client = Client::connect(&connect).await?;
            let found = find(&client, &provider.slug).await?;
            Output::new(connect.json).fields(&shown(&found), &found)
        }
        ProvidersCommand::Update {
            provider,
            base_url,
            enable,
            disable,
            text,
            no_headers,
            now,
            dry_run,
            connect,
        } => {
            let mut fields = fields(&text);
            if let Some(url) = base_url {
                fields.insert("base_url".to_owned(), json!(url.to_string()));
            }
            if enable || disable {
                fields.insert("enable".to_owned(), json!(enable));
            }
            if no_headers {
                fields.insert("headers".to_owned(), Value::Null);
            }
            if fields.is_empty() && text.headers_file.is_none() {
                return Err(Failure::usage("there is nothing to change")
                    .help("name what is to change; `keyward providers update --help` lists it"));
            }
            update(
                &provider.slug,
                fields,
                text.headers_file.as_deref(),
                now,
                dry_run,
                &connect,
            )
            .await
        }
        ProvidersCommand::Delete {
            provider,
            now,
            confirm,
            connect,
        } => delete(&provider.slug, now, &confirm, &connect).await,
    }
}

async fn list(search: Option<String>, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let mut providers = client.list(CUSTOM_PROVIDERS).await?;
    if let Some(sought) = search.map(|sought| sought.to_lowercase()) {
        let holds = |provider: &Value, name| text(provider, name).to_lowercase().contains(&sought);
        providers.retain(|provider| holds(provider, "name") || holds(provider, "slug"));
    }
    let rows: Vec<_> = providers.iter().map(row).collect();
    let columns = ["slug", "name", "enabled", "base url", "key in"];
    Output::new(connect.json).list(&columns, &rows, &providers)
}

async fn create(
    slug: &CustomSlug,
    fields: Map<String, Value>,
    headers: Option<&Path>,
    dry_run: DryRun,
    connect: &Connect,
) -> Result<(), Failure> {
    let base_url = fields.get("base_url").cloned().unwrap_or_default();
    let body = body(fields, headers)?;
    let client = Client::connect_to_change(connect, dry_run).await?;
    if dry_run.is_wanted {
        let plan = plan_to_create(&client, slug, &base_url).await?;
        return plan.tell(Output::new(connect.json));
    }
    let made = client.send(Method::POST, CUSTOM_PROVIDERS, Some(body));
    let made = made.await?;
    let reached = text(&made, "provider_slug");
    let sentence = format!("added provider {slug} as {reached}\nnext: keyward keys add {reached}");
    Output::new(connect.json).done(sentence, &made)
}

async fn plan_to_create(
    client: &Client,
    slug: &CustomSlug,
    base_url: &Value,
) -> Result<Plan, Failure> {
    dry_run::check_rights(client, &[Permission::AiGatewayWrite]).await?;
    if Catalogue::built_in().is_ok_and(|catalogue| catalogue.find(slug.as_str()).is_some()) {
        return Err(dry_run::refused(
            Refusal::SlugBuiltIn(slug.to_string()).to_string(),
        ));
    }
    let base_url = base_url.as_str().unwrap_or_default();
    let taken = Refusal::CustomProviderExists.to_string();
    Plan::new(format!(
        "add provider {slug} at {base_url}, as {}{slug}",
        CustomSlug::PREFIX
    ))
    .needs_none(
        client,
        CUSTOM_PROVIDERS,
        |known| text(known, "slug") == slug.as_str(),
        taken,
    )
    .await
    .map(|plan| {
        plan.unchecked("whether the headers may be sent, and where the name of the host leads")
    })
}

async fn update(
    slug: &CustomSlug,
    fields: Map<String, Value>,
    headers: Option<&Path>,
    now: Now,
    dry_run: DryRun,
    connect: &Connect,
) -> Result<(), Failure> {
    let mut changed = Value::Object(fields.clone());
    let body = body(fields, headers)?;
    let client = Client::connect_to_change(connect, dry_run).await?;
    let found = find(&client, slug).await?;
    if dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::AiGatewayWrite]).await?;
        if let (Some(_), Some(fields)) = (headers, changed.as_object_mut()) {
            fields.insert("headers".to_owned(), "what was read".into());
        }
        return Plan::new(format!("change provider {slug}"))
            .facts(dry_run::changes(&found, &changed))
            .unchecked("whether the headers may be sent, and where the name of the host leads")
            .tell(Output::new(connect.json));
    }
    let path = now.on(&path(&found));
    let updated = client.send(Method::PATCH, &path, Some(body)).await?;
    let under_way = in_use::told(&updated);
    let sentence = format_args!("changed provider {slug}{under_way}");
    Output::new(connect.json).done(sentence, &updated)
}

async fn delete(
    slug: &CustomSlug,
    now: Now,
    asked: &Confirm,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, asked.dry_run).await?;
    let found = find(&client, slug).await?;
    dry_run::check_rights(&client, &[Permission::AiGatewayWrite]).await?;
    let keys = keys_of(&client, &text(&found, "provider_slug")).await?;
    let hit = match keys.as_slice() {
        [] => "no provider keys".to_owned(),
        [one] => format!("its provider key ({one})"),
        several => format!(
            "its {} provider keys ({})",
            several.len(),
            several.join(", ")
        ),
    };
    let output = Output::new(connect.json);
    let what = format!("provider {slug} at {} and {hit}", text(&found, "base_url"));
    if !confirm(asked, output, &what, slug.as_str())? {
        return Ok(());
    }
    let path = now.on(&path(&found));
    let deleted = client.send(Method::DELETE, &path, None).await?;
    let under_way = in_use::told(&deleted);
    output.done(
        format!("deleted provider {slug} and {hit}{under_way}"),
        &deleted,
    )
}

async fn find(client: &Client, slug: &CustomSlug) -> Result<Value, Failure> {
    let providers = client.list(CUSTOM_PROVIDERS).await?;
    let mut providers = providers.into_iter();
    let found = providers.find(|provider| text(provider, "slug") == slug.as_str());
    found.ok_or_else(|| {
        Failure::new(format!("there is no custom provider {slug}"))
            .help("`keyward providers list` shows those that there are")
    })
}

fn path(provider: &Value) -> String {
    format!("{CUSTOM_PROVIDERS}/{}", text(provider, "id"))
}

/// The keys for a provider as `GATEWAY/ALIAS`.
async fn keys_of(client: &Client, provider_slug: &str) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for gateway in client.list(GATEWAYS).await? {
        let id = text(&gateway, "id");
        let keys = client
            .list(&format!("{GATEWAYS}/{id}/provider_configs"))
            .await?;
        let own = keys
            .iter()
            .filter(|key| text(key, "provider_slug") == provider_slug);
        names.extend(own.map(|key| format!("{id}/{}", text(key, "alias"))));
    }
    Ok(names)
}

fn fields(given: &ProviderText) -> Map<String, Value> {
    let placement = given
        .credential_header
        .map(|placement| placement.as_str().to_owned());
    let texts = [
        ("name", given.name.clone()),
        ("description", given.description.clone()),
        ("link", given.link.clone()),
        ("credential_header", placement),
    ];
    let named = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
    named.collect()
}

/// The fields, and the headers of `file` in memory that erases itself.
fn body(fields: Map<String, Value>, file: Option<&Path>) -> Result<Bytes, Failure> {
    let fields = Value::Object(fields);
    let Some(file) = file else {
        return Ok(client::json(&fields).unwrap_or_default());
    };
    let file = (file != Path::new("-")).then_some(file);
    let headers: SecretBytes = secret_input::read_value("Headers as a JSON object", file)?;
    // Of the values nothing is kept: they may be secret.
    serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(headers.expose()).map_err(|error| {
        Failure::new("the headers are no JSON object")
            .because(format!("line {}, column {}", error.line(), error.column()))
            .help("write them as {\"X-Org\": \"…\"}")
    })?;
    secret_body::object(&fields, "headers", &headers)
}

fn row(provider: &Value) -> Vec<String> {
    let enabled = provider.get("enable").and_then(Value::as_bool) == Some(true);
    vec![
        text(provider, "slug"),
        text(provider, "name"),
        (if enabled { "yes" } else { "no" }).to_owned(),
        text(provider, "base_url"),
        text(provider, "credential_header"),
    ]
}

/// Every field but pictures and examples, which are not for a terminal.
fn shown(provider: &Value) -> Vec<(&str, String)> {
    let members = provider.as_object().into_iter().flatten();
    members
        .filter(|(name, _)| !matches!(name.as_str(), "logo" | "curl_example" | "js_example"))
        .map(|(name, value)| {
            let value = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.as_str(), value)
        })
        .collect()
}
