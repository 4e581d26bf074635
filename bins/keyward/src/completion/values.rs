//! The names that there are: here, and on the control plane.

use clap::{CommandFactory, ValueEnum};
use keyward_providers::{Catalogue, Class};
use keyward_registry::{GatewayId, ProviderSlug, SecretScope};
use serde_json::Value;

use super::{DEADLINE, candidate::Candidate, kind::Kind, typed::Typed};
use crate::{
    args::Args,
    client::{CUSTOM_PROVIDERS, Client, Found, GATEWAYS, STORES, TOKENS, keys_path, text},
    commands::{keys, routes, secrets},
    failure::Failure,
    profile::Profiles,
    topics::Topic,
};

/// Every value of the kind. What cannot be learnt in time is left out.
pub(super) fn of(kind: Kind, typed: &Typed) -> Vec<Candidate> {
    let mut found = here(kind, typed);
    found.extend(there(kind, typed).unwrap_or_default());
    found
}

/// What is known on this machine.
fn here(kind: Kind, typed: &Typed) -> Vec<Candidate> {
    match kind {
        Kind::Classes => Class::ALL.iter().map(|class| plain(class.name())).collect(),
        Kind::Scopes => SecretScope::ALL
            .iter()
            .map(|scope| plain(scope.as_str()))
            .collect(),
        Kind::Profiles => {
            let profiles = Profiles::read().unwrap_or_default();
            let told = profiles.by_name.iter();
            told.map(|(name, profile)| Candidate::new(name.to_string(), &profile.control_url))
                .collect()
        }
        Kind::Providers => {
            let Ok(catalogue) = Catalogue::built_in() else {
                return Vec::new();
            };
            let told = catalogue.iter();
            told.map(|provider| Candidate::new(provider.slug(), provider.name()))
                .collect()
        }
        Kind::Topics => topics(typed),
        _ => Vec::new(),
    }
}

fn plain(text: &str) -> Candidate {
    Candidate::new(text, "")
}

/// Topics, and the words of commands as far as they follow what is typed.
fn topics(typed: &Typed) -> Vec<Candidate> {
    let mut command = &Args::command();
    for word in &typed.help_of {
        match command.find_subcommand(word) {
            Some(found) => command = found,
            None => return Vec::new(),
        }
    }
    let values = if typed.help_of.is_empty() {
        Topic::value_variants()
    } else {
        &[]
    };
    let topics = values.iter().filter_map(ValueEnum::to_possible_value);
    let topics = topics.map(|topic| {
        let about = topic.get_help().map(ToString::to_string);
        Candidate::new(topic.get_name(), about.unwrap_or_default())
    });
    let commands = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    let commands = commands.map(|sub| {
        let about = sub.get_about().map(ToString::to_string);
        Candidate::new(sub.get_name(), about.unwrap_or_default())
    });
    topics.chain(commands).collect()
}

/// What the control plane knows, if it says so in time.
fn there(kind: Kind, typed: &Typed) -> Option<Vec<Candidate>> {
    let is_there = matches!(
        kind,
        Kind::Aliases
            | Kind::CustomProviders
            | Kind::Gateways
            | Kind::Providers
            | Kind::Routes
            | Kind::Secrets
            | Kind::Stores
            | Kind::Tokens
    );
    let connect = typed.connect.clone().filter(|_| is_there)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let asked = runtime.block_on(async {
        let asking = async {
            // A file may lie where nobody answers.
            let found = tokio::task::spawn_blocking(move || Found::find_quietly(&connect));
            let client = found.await.ok()?.ok()?.connect().await.ok()?;
            ask(kind, typed, &client).await.ok()
        };
        tokio::time::timeout(DEADLINE, asking).await.ok().flatten()
    });
    // Not waiting for a resolver or a file that hangs.
    runtime.shutdown_background();
    asked
}

async fn ask(kind: Kind, typed: &Typed, client: &Client) -> Result<Vec<Candidate>, Failure> {
    let told = |items: Vec<Value>, name: &str, about: &dyn Fn(&Value) -> String| {
        let items = items.iter();
        items
            .map(|item| Candidate::new(text(item, name), about(item)))
            .collect()
    };
    Ok(match kind {
        Kind::Gateways => told(client.list(GATEWAYS).await?, "id", &|_| String::new()),
        Kind::Providers => {
            let about = |item: &Value| text(item, "name");
            told(
                client.list(CUSTOM_PROVIDERS).await?,
                "provider_slug",
                &about,
            )
        }
        Kind::CustomProviders => {
            let about = |item: &Value| text(item, "name");
            told(client.list(CUSTOM_PROVIDERS).await?, "slug", &about)
        }
        Kind::Tokens => {
            // The name first: a token is looked for by it.
            let about = |item: &Value| {
                let [name, kind, status] =
                    ["name", "kind", "status"].map(|field| text(item, field));
                format!("{name} ({kind}, {status})")
            };
            told(client.list(TOKENS).await?, "id", &about)
        }
        Kind::Stores => told(client.list(STORES).await?, "name", &|_| String::new()),
        Kind::Secrets => {
            let path = secrets::path(client, &typed.in_store()).await?;
            told(client.list(&path).await?, "name", &|item| {
                text(item, "comment")
            })
        }
        Kind::Aliases => aliases(typed, client).await?,
        Kind::Routes => {
            let gateway = client.gateway(typed.gateways.first())?;
            told(routes::all(client, &gateway).await?, "name", &|_| {
                String::new()
            })
        }
        Kind::Classes | Kind::Files | Kind::Profiles | Kind::Scopes | Kind::Topics => Vec::new(),
    })
}

/// Those of the gateways that are typed, else of the one that is meant; for the provider that is typed.
async fn aliases(typed: &Typed, client: &Client) -> Result<Vec<Candidate>, Failure> {
    let gateways: Vec<GatewayId> = match typed.gateways.is_empty() {
        true => vec![client.gateway(None)?],
        false => typed.gateways.clone(),
    };
    let slug = typed
        .provider
        .as_ref()
        .map(ProviderSlug::as_str)
        .map(keys::canonical);
    let mut found: Vec<Candidate> = Vec::new();
    for gateway in gateways {
        for key in client.list(&keys_path(&gateway)).await? {
            let provider = text(&key, "provider_slug");
            let alias = text(&key, "alias");
            let is_new = !found.iter().any(|known| known.text == alias);
            if is_new && slug.as_ref().is_none_or(|slug| *slug == provider) {
                found.push(Candidate::new(
                    alias,
                    format!("{provider} in gateway {gateway}"),
                ));
            }
        }
    }
    Ok(found)
}
