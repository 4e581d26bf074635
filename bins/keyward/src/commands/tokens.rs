//! `keyward tokens …`: gateway tokens and API tokens, by REST.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, SystemTime},
};

use http::Method;
use jiff::Timestamp;
use keyward_auth::{Network, Permission, Role};
use keyward_registry::{GatewayId, MAX_OVERLAP};
use serde_json::{Map, Value, json};

use crate::{
    args::{
        Confirm, Connect, Now,
        tokens::{CreateToken, TokensCommand, UpdateToken},
    },
    client::{self, Client, TOKENS, text},
    clock,
    commands::{in_use, routes::read_json, spend_limits},
    confirm::confirm,
    dry_run::{self, Plan},
    failure::Failure,
    output::{Output, remark},
    private_file,
};

pub(crate) async fn run(command: TokensCommand) -> Result<(), Failure> {
    match command {
        TokensCommand::Create(args) => create(&args).await,
        TokensCommand::List { connect } => {
            let client = Client::connect(&connect).await?;
            let tokens = client.list(TOKENS).await?;
            let rows: Vec<_> = tokens.iter().map(row).collect();
            let columns = [
                "id",
                "name",
                "kind",
                "status",
                "last used",
                "expires",
                "allows",
            ];
            Output::new(connect.json).list(&columns, &rows, &tokens)
        }
        TokensCommand::Show { id, connect } => {
            let client = Client::connect(&connect).await?;
            let path = format!("{TOKENS}/{id}");
            let token = client.send(Method::GET, &path, None).await?;
            Output::new(connect.json).fields(&fields(&token), &token)
        }
        TokensCommand::Update(args) => update(&args).await,
        TokensCommand::Roll {
            id,
            overlap,
            out,
            confirm,
            connect,
        } => roll(id.as_str(), overlap, out.as_deref(), &confirm, &connect).await,
        TokensCommand::Revoke {
            id,
            now,
            confirm,
            connect,
        } => revoke(id.as_str(), now, &confirm, &connect).await,
    }
}

async fn create(args: &CreateToken) -> Result<(), Failure> {
    // Read first: what is no JSON makes no token.
    let limits = args.spend_limits_file.as_deref().map(read_json);
    let limits = limits.transpose()?;
    let client = Client::connect_to_change(&args.connect, args.dry_run).await?;
    let mut body = body(args, &client.account_resource(), clock::now())?;
    if let (Some(limits), Some(fields)) = (limits, body.as_object_mut()) {
        fields.insert("spend_limits".to_owned(), json!(limits));
    }
    if args.dry_run.is_wanted {
        let plan = plan_to_create(&client, args, &body).await?;
        return plan.tell(Output::new(args.connect.json));
    }
    let place = Place::prepare(args.out.as_deref())?;
    let made = client.send(Method::POST, TOKENS, client::json(&body)).await;
    let made = made.map_err(|failure| failure.reword(|what| in_options(what, args)));
    let mut made = place.kept(made)?;
    let id = text(&made, "id");
    let value = made.as_object_mut().and_then(|made| made.remove("value"));
    let value = value.as_ref().and_then(Value::as_str).unwrap_or_default();
    place.give(&format!("made token {id}"), &id, value, made, &args.connect)
}

async fn plan_to_create(
    client: &Client,
    args: &CreateToken,
    body: &Value,
) -> Result<Plan, Failure> {
    dry_run::check_rights(client, &[Permission::AccountApiTokensWrite]).await?;
    dry_run::check_new_file(args.out.as_deref(), "--out")?;
    if args.name.trim().is_empty() {
        return Err(dry_run::refused("NAME is empty"));
    }
    let kind = if args.api { "api" } else { "gateway" };
    let ends = text(body, "expires_on");
    dry_run::check_end(&ends, "--expires-on")?;
    let ends = match ends.is_empty() {
        true => "never ends".to_owned(),
        false => format!("ends {ends}"),
    };
    Plan::new(format!("make the {kind} token `{}`", args.name))
        .fact(format!("allows {}", allows(body)))
        .fact(ends)
        .needs_gateways(client, &args.gateway)
        .await?
        .needs_providers(client, &args.provider)
        .await
        .map(|plan| plan.unchecked("whether the token in use reaches as far as this one"))
}

/// Where the text of a token goes: to standard output, or into a new file.
struct Place<'a>(Option<(&'a Path, File)>);

impl<'a> Place<'a> {
    /// Made before the token, so that no token is lost for want of a place.
    fn prepare(path: Option<&'a Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let file = private_file::create_empty(path).map_err(|error| {
            Failure::new(format!("cannot make {}", path.display()))
                .caused_by(&error)
                .in_file(path)
                .help("--out wants a file that does not exist yet")
        })?;
        Ok(Self(Some((path, file))))
    }

    /// A refused request leaves no file behind.
    fn kept<T>(&self, made: Result<T, Failure>) -> Result<T, Failure> {
        if let (Err(_), Some((path, _))) = (&made, &self.0) {
            // It is ours and empty; where it cannot be removed, it does no harm.
            let _may_stay = std::fs::remove_file(path);
        }
        made
    }

    /// Shows the text this once. In JSON it is the field `value`, unless it went into a file.
    fn give(
        self,
        done: &str,
        id: &str,
        value: &str,
        mut json: Value,
        connect: &Connect,
    ) -> Result<(), Failure> {
        let output = Output::new(connect.json);
        let Some((path, mut file)) = self.0 else {
            if let Some(fields) = json.as_object_mut() {
                fields.insert("value".to_owned(), value.into());
            }
            if output != Output::Json {
                remark(format_args!("{done}; its text is shown this once:"));
            }
            return output.done(value, &json);
        };
        writeln!(file, "{value}")
            .and_then(|()| file.sync_all())
            .map_err(|error| {
                Failure::new(format!("cannot write {}", path.display()))
                    .caused_by(&error)
                    .in_file(path)
                    .help(format!(
                        "revoke the token with `keyward tokens revoke {id}`"
                    ))
            })?;
        output.done(
            format_args!("{done}; its text is in {}", path.display()),
            &json,
        )
    }
}

async fn roll(
    id: &str,
    overlap: Option<Duration>,
    out: Option<&Path>,
    asked: &Confirm,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, asked.dry_run).await?;
    let path = format!("{TOKENS}/{id}");
    let token = client.send(Method::GET, &path, None).await?;
    let (kind, name) = (text(&token, "kind"), text(&token, "name"));
    if asked.dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::AccountApiTokensWrite]).await?;
        dry_run::check_new_file(out, "--out")?;
        if overlap.is_some_and(|overlap| overlap > MAX_OVERLAP) {
            return Err(dry_run::refused("--overlap is longer than a day"));
        }
    }
    if let (Some(overlap), true) = (overlap, asked.dry_run.is_wanted) {
        let seconds = overlap.as_secs();
        return Plan::new(format!("give {kind} token {id} `{name}` a new text"))
            .fact(format!("the old one would stay good for {seconds} s"))
            .tell(Output::new(connect.json));
    }
    if overlap.is_none() {
        let what = format!("the text of {kind} token {id} `{name}` that is in use now");
        if !confirm(asked, Output::new(connect.json), &what, id)? {
            return Ok(());
        }
    }
    let body = match overlap {
        None => json!({}),
        Some(overlap) => json!({ "overlap_seconds": overlap.as_secs() }),
    };
    let place = Place::prepare(out)?;
    let rolled = client
        .send(Method::PUT, &format!("{path}/value"), client::json(&body))
        .await;
    let rolled = place.kept(rolled)?;
    let value = rolled.as_str().unwrap_or_default();
    place.give(
        &format!("rolled token {id}"),
        id,
        value,
        json!({ "id": id }),
        connect,
    )
}

/// What the control plane says of a field of the body, said of the option that it came from. The path of a field
/// ends with `: `.
fn in_options(what: &str, args: &CreateToken) -> Option<String> {
    let (path, reason) = what.split_once(": ")?;
    let item = |list: &str, option: &str, values: Vec<String>| {
        let (_, at) = path.split_once(&format!(".{list}["))?;
        let at: usize = at.split(']').next()?.parse().ok()?;
        Some(format!("{option} {}", values.get(at)?))
    };
    let texts = |values: &[GatewayId]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let gateway = || {
        let (_, id) = path.split_once(".ai-gateway.")?;
        let id = texts(&args.gateway)
            .into_iter()
            .find(|known| id.starts_with(known.as_str()))?;
        Some(format!("--gateway {id}"))
    };
    let option = item(
        "providers",
        "--provider",
        args.provider.iter().map(ToString::to_string).collect(),
    )
    .or_else(|| {
        item(
            "aliases",
            "--alias",
            args.alias.iter().map(ToString::to_string).collect(),
        )
    })
    .or_else(|| {
        item(
            "classes",
            "--class",
            args.class
                .iter()
                .map(|class| class.name().to_owned())
                .collect(),
        )
    })
    .or_else(|| {
        item(
            "models",
            "--model",
            args.model.iter().map(ToString::to_string).collect(),
        )
    })
    .or_else(|| {
        item(
            "permission_groups",
            "--permission",
            args.permission
                .iter()
                .map(|one| one.name().to_owned())
                .collect(),
        )
    })
    .or_else(gateway)
    .or_else(|| {
        let option = match path {
            "name" => "NAME",
            "expires_on" if args.expires_in.is_some() => "--expires-in",
            "expires_on" => "--expires-on",
            path if path.starts_with("condition") => "--from",
            path if path.starts_with("policies") => "what the token is for",
            _ => return None,
        };
        Some(option.to_owned())
    })?;
    // What begins with a verb speaks of the option itself.
    Some(
        match reason.starts_with("is ") || reason.starts_with("lies ") {
            true => format!("{option} {reason}"),
            false => format!("{option}: {reason}"),
        },
    )
}

async fn update(args: &UpdateToken) -> Result<(), Failure> {
    let limits = args.spend_limits_file.as_deref().map(read_json);
    let limits = limits.transpose()?;
    let client = Client::connect_to_change(&args.connect, args.dry_run).await?;
    let id = args.id.as_str();
    let path = format!("{TOKENS}/{id}");
    let mut token = client.send(Method::GET, &path, None).await?;
    let before = token.clone();
    let Some(fields) = token.as_object_mut() else {
        return Err(Failure::new("the control plane does not tell of the token")
            .help("`keyward status` says which server it is, and of which version"));
    };
    let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if let Some(name) = &args.name {
        set("name", name.as_str().into());
    }
    if let Some(moment) = expiry(args.expires_on, args.expires_in, clock::now())? {
        set("expires_on", moment.to_string().into());
    }
    if args.never_expires {
        set("expires_on", Value::Null);
    }
    if !args.from.is_empty() {
        set("condition", from(&args.from));
    }
    if let Some(limits) = limits {
        set("spend_limits", json!(limits));
    }
    if args.no_spend_limits {
        set("spend_limits", Value::Null);
    }
    // What an expired token is called is no state that a request could ask for.
    let status = match (args.disable, args.enable) {
        (true, _) => "disabled".into(),
        (_, true) => "active".into(),
        (false, false) => Value::Null,
    };
    // One that does not change is left out of what is told.
    let told = if status.is_null() {
        text(&before, "status").into()
    } else {
        status.clone()
    };
    set("status", told);
    if args.dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::AccountApiTokensWrite]).await?;
        dry_run::check_end(&text(&token, "expires_on"), "--expires-on")?;
        return Plan::new(format!("change token {id} `{}`", text(&before, "name")))
            .facts(dry_run::changes(&before, &token))
            .unchecked("whether the token in use reaches as far as this one")
            .tell(Output::new(args.connect.json));
    }
    if let Some(fields) = token.as_object_mut() {
        fields.insert("status".to_owned(), status);
    }
    let updated = client
        .send(Method::PUT, &path, client::json(&token))
        .await?;
    let sentence = format!("changed token {id} `{}`", text(&updated, "name"));
    Output::new(args.connect.json).done(sentence, &updated)
}

/// One token in full.
fn fields(token: &Value) -> Vec<(&str, String)> {
    let never = |name: &str| match text(token, name) {
        text if text.is_empty() => "never".to_owned(),
        text => text,
    };
    vec![
        ("id", text(token, "id")),
        ("name", text(token, "name")),
        ("kind", text(token, "kind")),
        ("status", text(token, "status")),
        ("allows", allows(token)),
        ("issued", text(token, "issued_on")),
        ("changed", text(token, "modified_on")),
        ("not before", text(token, "not_before")),
        ("expires", never("expires_on")),
        ("spend limits", spend_limits::told(token)),
        ("last used", never("last_used_on")),
    ]
}

fn body(args: &CreateToken, account: &str, now: SystemTime) -> Result<Value, Failure> {
    let mut narrowed = Map::new();
    let mut narrow = |name: &str, items: Vec<String>| {
        if !items.is_empty() {
            narrowed.insert(name.to_owned(), items.into());
        }
    };
    narrow(
        "providers",
        args.provider.iter().map(ToString::to_string).collect(),
    );
    narrow(
        "aliases",
        args.alias.iter().map(ToString::to_string).collect(),
    );
    narrow(
        "classes",
        args.class
            .iter()
            .map(|class| class.name().to_owned())
            .collect(),
    );
    narrow(
        "models",
        args.model.iter().map(ToString::to_string).collect(),
    );
    let narrowed = match narrowed.is_empty() {
        true => Value::from("*"),
        false => Value::from(narrowed),
    };
    let resources: Map<String, Value> = match args.gateway.as_slice() {
        [] => [(account.to_owned(), narrowed)].into_iter().collect(),
        gateways => gateways
            .iter()
            .map(|gateway| (format!("{account}.ai-gateway.{gateway}"), narrowed.clone()))
            .collect(),
    };
    let permissions = match args.api {
        true => args.permission.as_slice(),
        false => &[Permission::AiGatewayRun],
    };
    let groups: Vec<_> = permissions
        .iter()
        .map(|permission| json!({ "name": permission.name() }))
        .collect();
    let mut body = json!({
        "name": args.name,
        "policies": [{ "effect": "allow", "resources": resources, "permission_groups": groups }],
    });
    let Some(fields) = body.as_object_mut() else {
        return Ok(body);
    };
    if let Some(moment) = expiry(args.expires_on, args.expires_in, now)? {
        fields.insert("expires_on".to_owned(), moment.to_string().into());
    }
    if !args.from.is_empty() {
        fields.insert("condition".to_owned(), from(&args.from));
    }
    Ok(body)
}

fn from(networks: &[Network]) -> Value {
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    json!({ "request_ip": { "in": networks } })
}

fn expiry(
    on: Option<Timestamp>,
    after: Option<Duration>,
    now: SystemTime,
) -> Result<Option<Timestamp>, Failure> {
    let Some(after) = after else {
        return Ok(on);
    };
    let end = now
        .checked_add(after)
        .and_then(|end| Timestamp::try_from(end).ok())
        .and_then(|end| Timestamp::from_second(end.as_second()).ok());
    let end = end.ok_or_else(|| {
        Failure::usage("--expires-in lies beyond all calendars")
            .at("--expires-in")
            .help("name a shorter time, such as 90d")
    })?;
    Ok(Some(end))
}

async fn revoke(id: &str, now: Now, asked: &Confirm, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, asked.dry_run).await?;
    let path = format!("{TOKENS}/{id}");
    let token = client.send(Method::GET, &path, None).await?;
    dry_run::check_rights(&client, &[Permission::AccountApiTokensWrite]).await?;
    let name = text(&token, "name");
    let used = match text(&token, "last_used_on") {
        used if used.is_empty() => "never used".to_owned(),
        used => format!("last used {used}"),
    };
    let what = format!("{} token {id} `{name}`, {used}", text(&token, "kind"));
    let output = Output::new(connect.json);
    if !confirm(asked, output, &what, id)? {
        return Ok(());
    }
    let deleted = client.send(Method::DELETE, &now.on(&path), None).await?;
    let requests = in_use::told(&deleted);
    output.done(
        format_args!("revoked token {id} `{name}`{requests}"),
        &deleted,
    )
}

fn row(token: &Value) -> Vec<String> {
    let never = |name: &str| match text(token, name) {
        text if text.is_empty() => "never".to_owned(),
        text => text,
    };
    vec![
        text(token, "id"),
        text(token, "name"),
        text(token, "kind"),
        text(token, "status"),
        never("last_used_on"),
        never("expires_on"),
        allows(token),
    ]
}

/// What a token is for, in words.
pub(crate) fn allows(token: &Value) -> String {
    let policies = token.get("policies").and_then(Value::as_array);
    let mut words = Vec::new();
    for policy in policies.into_iter().flatten() {
        let groups = policy.get("permission_groups").and_then(Value::as_array);
        let groups = groups.into_iter().flatten();
        let names: Vec<_> = groups.map(|group| text(group, "name")).collect();
        let resources = policy.get("resources").and_then(Value::as_object);
        for (resource, narrowed) in resources.into_iter().flatten() {
            let place = match resource.split_once(".ai-gateway.") {
                Some((_, gateway)) => format!("gateway {gateway}"),
                None => "every gateway".to_owned(),
            };
            words.push(place);
            for (name, items) in narrowed.as_object().into_iter().flatten() {
                let items = items.as_array().into_iter().flatten();
                let items: Vec<_> = items.filter_map(Value::as_str).collect();
                let part = format!("{name} {}", items.join(" "));
                if !words.contains(&part) {
                    words.push(part);
                }
            }
        }
        words.push(permissions(&names));
    }
    for (pointer, word) in [
        ("/condition/request_ip/in", "from"),
        ("/condition/request_ip/not_in", "not from"),
    ] {
        let networks = token.pointer(pointer).and_then(Value::as_array);
        let networks: Vec<_> = networks
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !networks.is_empty() {
            words.push(format!("{word} {}", networks.join(" ")));
        }
    }
    words.join("; ")
}

/// The role with these permissions, else their names.
fn permissions(names: &[String]) -> String {
    let role = Role::ALL.into_iter().find(|role| {
        let permissions = role.permissions();
        permissions.names().eq(names.iter().map(String::as_str))
    });
    role.map_or_else(|| names.join(", "), |role| format!("role {}", role.name()))
}
