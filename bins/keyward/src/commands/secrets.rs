//! `keyward secrets …`: the secrets of a store, by REST.

use http::Method;
use keyward_auth::Permission;
use keyward_registry::{SecretName, SecretRefusal, SecretScope, SecretsStoreRecord};
use keyward_secret::SecretBytes;
use serde_json::{Map, Value, json};

use crate::{
    args::{
        Confirm, Connect, DryRun, Now,
        keys::ValueFrom,
        secrets::{InStore, SecretsCommand},
    },
    client::{self, Client, STORES, text},
    commands::in_use,
    confirm::confirm,
    dry_run::{self, Plan},
    failure::Failure,
    output::Output,
    secret_body, secret_input,
};

pub(crate) async fn run(command: SecretsCommand) -> Result<(), Failure> {
    match command {
        SecretsCommand::Create {
            name,
            scopes,
            comment,
            value,
            store,
            dry_run,
            connect,
        } => {
            let fields = json!({
                "name": name.as_str(),
                "scopes": scope_names(&scopes),
                "comment": comment,
            });
            create(&name, &fields, &value, &store, dry_run, &connect).await
        }
        SecretsCommand::List {
            search,
            scopes,
            store,
            connect,
        } => list(search.as_deref(), &scopes, &store, &connect).await,
        SecretsCommand::Show {
            name,
            store,
            connect,
        } => {
            let client = Client::connect(&connect).await?;
            let secret = find(&client, &path(&client, &store).await?, &name).await?;
            Output::new(connect.json).fields(&fields(&secret), &secret)
        }
        SecretsCommand::Update {
            name,
            new_value,
            value,
            scopes,
            comment,
            store,
            now,
            dry_run,
            connect,
        } => {
            let mut fields = Map::new();
            if !scopes.is_empty() {
                fields.insert("scopes".to_owned(), scope_names(&scopes).into());
            }
            fields.extend(comment.map(|comment| ("comment".to_owned(), comment.into())));
            let value = (new_value || value.from_file.is_some()).then_some(value);
            if fields.is_empty() && value.is_none() {
                return Err(Failure::usage("there is nothing to change")
                    .help("add --new-value, --from-file, --scope or --comment"));
            }
            let change = Change {
                fields: fields.into(),
                value,
                now,
                dry_run,
            };
            update(&name, &change, &store, &connect).await
        }
        SecretsCommand::Delete {
            name,
            store,
            now,
            confirm,
            connect,
        } => delete(&name, &store, now, &confirm, &connect).await,
    }
}

async fn create(
    name: &SecretName,
    fields: &Value,
    from: &ValueFrom,
    store: &InStore,
    dry_run: DryRun,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, dry_run).await?;
    let path = path(&client, store).await?;
    let value = read(name, from)?;
    let body = secret_body::list_of_one(fields, "value", &value)?;
    if dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::SecretsStoreWrite]).await?;
        let found = format!("{path}?search={name}");
        let taken = SecretRefusal::NameTaken {
            index: None,
            name: name.to_string(),
        };
        let is_it = |secret: &Value| text(secret, "name") == name.as_str();
        return Plan::new(format!("store what was read as secret {name}"))
            .fact(format!("scopes: {}", texts(fields, "scopes")))
            .needs_none(&client, &found, is_it, taken.to_string())
            .await?
            .unchecked("where the value may go, and whether the name can be read in two ways")
            .tell(Output::new(connect.json));
    }
    let made = client.send(Method::POST, &path, Some(body)).await?;
    let made = made.get(0).cloned().unwrap_or_default();
    let sentence = format!("stored secret {name}\n{}", Sealed(&made));
    Output::new(connect.json).done(sentence, &made)
}

async fn list(
    search: Option<&str>,
    scopes: &[SecretScope],
    store: &InStore,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let path = path(&client, store).await?;
    let mut secrets = match scope_names(scopes).as_slice() {
        [] => client.list(&path).await?,
        names => {
            let joined = names.join(",");
            client.list(&format!("{path}?scopes={joined}")).await?
        }
    };
    if let Some(search) = search.map(str::to_lowercase) {
        let holds =
            |secret: &Value, name: &str| text(secret, name).to_lowercase().contains(&search);
        secrets.retain(|secret| holds(secret, "name") || holds(secret, "comment"));
    }
    let rows: Vec<_> = secrets.iter().map(row).collect();
    Output::new(connect.json).list(&COLUMNS, &rows, &secrets)
}

/// What is to change of a secret.
struct Change {
    fields: Value,
    value: Option<ValueFrom>,
    now: Now,
    dry_run: DryRun,
}

async fn update(
    name: &SecretName,
    change: &Change,
    store: &InStore,
    connect: &Connect,
) -> Result<(), Failure> {
    let Change {
        fields,
        value: from,
        now,
        dry_run,
    } = change;
    let client = Client::connect_to_change(connect, *dry_run).await?;
    let path = path(&client, store).await?;
    let secret = find(&client, &path, name).await?;
    let body = match from {
        Some(from) => Some(secret_body::object(fields, "value", &read(name, from)?)?),
        None => client::json(fields),
    };
    if dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::SecretsStoreWrite]).await?;
        let mut told = match fields.as_object().is_some_and(Map::is_empty) {
            true => Vec::new(),
            false => dry_run::changes(&secret, fields),
        };
        told.extend(
            from.as_ref()
                .map(|_| "value: replaced by what was read".to_owned()),
        );
        told.extend(
            users(&secret)
                .into_iter()
                .map(|user| format!("used by {user}")),
        );
        return Plan::new(format!("change secret {name}"))
            .facts(told)
            .tell(Output::new(connect.json));
    }
    let path = now.on(&format!("{path}/{}", text(&secret, "id")));
    let changed = client.send(Method::PATCH, &path, body).await?;
    let old = match from {
        Some(_) => "\nrevoke the old value where it was issued",
        None => "",
    };
    let requests = in_use::told(&changed);
    let sentence = format_args!("changed secret {name}\n{}{requests}{old}", Sealed(&changed));
    Output::new(connect.json).done(sentence, &changed)
}

async fn delete(
    name: &SecretName,
    store: &InStore,
    now: Now,
    asked: &Confirm,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, asked.dry_run).await?;
    let path = path(&client, store).await?;
    let secret = find(&client, &path, name).await?;
    dry_run::check_rights(&client, &[Permission::SecretsStoreWrite]).await?;
    let users = users(&secret);
    let with = |verb: &str| match users.as_slice() {
        [] => "which no provider key uses".to_owned(),
        users => format!("and {verb} {}", users.join(", ")),
    };
    let output = Output::new(connect.json);
    let what = format!("secret {name}, {}", with("stops"));
    if !confirm(asked, output, &what, name.as_str())? {
        return Ok(());
    }
    let path = now.on(&format!("{path}/{}", text(&secret, "id")));
    let deleted = client.send(Method::DELETE, &path, None).await?;
    let requests = in_use::told(&deleted);
    let sentence = format!("deleted secret {name}, {}{requests}", with("stopped"));
    output.done(sentence, &deleted)
}

/// The path of the secrets of the store that is meant.
pub(crate) async fn path(client: &Client, store: &InStore) -> Result<String, Failure> {
    let stores = client.list(STORES).await?;
    let is_called = |name: &str| {
        let found = stores
            .iter()
            .find(|store| text(store, "id") == name || text(store, "name") == name);
        found.map(|store| text(store, "id"))
    };
    let id = match (&store.store, stores.as_slice()) {
        (Some(name), _) => is_called(name).ok_or_else(|| {
            let names: Vec<_> = stores.iter().map(|store| text(store, "name")).collect();
            Failure::new("there is no such secrets store")
                .because(format!("there are: {}", names.join(", ")))
                .help("--store takes the name of one, or its id")
        }),
        (None, [only]) => Ok(text(only, "id")),
        (None, _) => is_called(SecretsStoreRecord::FIRST_NAME).ok_or_else(|| {
            Failure::new("it is not clear which secrets store is meant")
                .help("name one with --store")
        }),
    }?;
    // It becomes a part of paths.
    match id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(format!("{STORES}/{id}/secrets")),
        false => Err(
            Failure::new("what the control plane names is no secrets store")
                .help("`keyward status` shows which control plane answers"),
        ),
    }
}

async fn find(client: &Client, path: &str, name: &SecretName) -> Result<Value, Failure> {
    let found = client.list(&format!("{path}?search={name}")).await?;
    let found = found
        .into_iter()
        .find(|secret| text(secret, "name") == name.as_str());
    found.ok_or_else(|| {
        Failure::new(format!("there is no secret {name}"))
            .help("`keyward secrets list` shows the secrets there are")
    })
}

/// A value is any text; the line break that ends it in a file or a pipe is no part of it.
fn read(name: &SecretName, from: &ValueFrom) -> Result<SecretBytes, Failure> {
    let prompt = format!("Value of {name}");
    let value = secret_input::read_value(&prompt, from.from_file.as_deref())?;
    Ok(secret_input::without_line_break(&value))
}

fn scope_names(scopes: &[SecretScope]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.as_str()).collect()
}

/// Where the value may go, in a sentence.
struct Sealed<'a>(&'a Value);

impl std::fmt::Display for Sealed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match texts(self.0, "destination").as_str() {
            "" => f.write_str("sealed for no provider: no gateway can use it"),
            origins => write!(f, "sealed for {origins}"),
        }
    }
}

const COLUMNS: [&str; 6] = [
    "name",
    "scopes",
    "sealed for",
    "used by",
    "modified",
    "comment",
];

fn row(secret: &Value) -> Vec<String> {
    vec![
        text(secret, "name"),
        texts(secret, "scopes"),
        texts(secret, "destination"),
        users(secret).join(", "),
        text(secret, "modified"),
        text(secret, "comment"),
    ]
}

fn fields(secret: &Value) -> Vec<(&'static str, String)> {
    vec![
        ("id", text(secret, "id")),
        ("store", text(secret, "store_id")),
        ("name", text(secret, "name")),
        ("scopes", texts(secret, "scopes")),
        ("status", text(secret, "status")),
        ("sealed for", texts(secret, "destination")),
        ("used by", users(secret).join(", ")),
        ("comment", text(secret, "comment")),
        ("created", text(secret, "created")),
        ("modified", text(secret, "modified")),
    ]
}

/// The provider keys that use a secret, such as `openai/default in gateway default`.
fn users(secret: &Value) -> Vec<String> {
    let keys = secret.get("used_by").and_then(Value::as_array);
    let told = |key: &Value| {
        let place = ["provider_slug", "alias", "gateway_id"].map(|name| text(key, name));
        let [provider, alias, gateway] = place;
        format!("key {provider}/{alias} in gateway {gateway}")
    };
    keys.into_iter().flatten().map(told).collect()
}

fn texts(value: &Value, name: &str) -> String {
    let items = value.get(name).and_then(Value::as_array);
    let items = items.into_iter().flatten().filter_map(Value::as_str);
    items.collect::<Vec<_>>().join(", ")
}
