//! `keyward keys rotate`, `rotation`, `roll-back`, `destroy-old`: a new value with a way back.

mod watch;

use http::Method;
use keyward_auth::Permission;
use serde_json::{Map, Value, json};

use self::watch::{Until, Watch};
use super::{Target, Told, find, path_of, used, value};
use crate::{
    args::{
        Connect, DryRun, Now,
        keys::{KeyName, Rotate},
    },
    client::{Client, text},
    commands::in_use,
    dry_run::{self, Plan},
    failure::Failure,
    output::Output,
};

/// `keys rotate`.
pub(super) async fn begin(asked: Rotate) -> Result<(), Failure> {
    let client = Client::connect_to_change(&asked.connect, asked.dry_run).await?;
    let name = Target::new(&client, &asked.name)?;
    let key = find(&client, &name).await?;
    let path = path_of(&name, &key);
    let value = value::read(&name.provider, &asked.value)?;
    let output = Output::new(asked.connect.json);
    if asked.dry_run.is_wanted {
        return plan(&client, &name, &key, &asked).await?.tell(output);
    }
    if asked.now {
        let now = Now { now: true };
        let body = value::body(&json!({}), &value)?;
        let rotated = client.send(Method::PUT, &now.on(&path), Some(body)).await?;
        let sentence = format!(
            "{}{}\nrevoke the old key at the provider",
            rotated_to(
                &name,
                &text(&rotated, "secret_preview"),
                &text(&rotated, "version")
            ),
            in_use::told(&rotated),
        );
        return output.done(sentence, &rotated);
    }
    let body = value::body(&fields(&asked), &value)?;
    let begun = client
        .send(Method::POST, &format!("{path}/rotations"), Some(body))
        .await?;
    let watch = Watch {
        client: &client,
        name: &name,
        path: &format!("{path}/rotation"),
        output,
    };
    let until = match asked.detach {
        true => Until::Begun,
        false => Until::of(output),
    };
    watch.follow(begun, until).await
}

fn rotated_to(name: &Target, preview: &str, version: &str) -> String {
    format!("rotated {} to {preview}, version {version}", Told(name))
}

/// What the request says beside the value.
fn fields(asked: &Rotate) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if let Some(overlap) = asked.overlap {
        put("overlap_seconds", overlap.as_secs().into());
    }
    if let Some(request) = &asked.request_id {
        put("request_id", request.as_str().into());
    }
    if asked.no_verify {
        put("verify", false.into());
    }
    Value::Object(fields)
}

async fn plan(
    client: &Client,
    name: &Target,
    key: &Value,
    asked: &Rotate,
) -> Result<Plan, Failure> {
    dry_run::check_rights(client, &[Permission::SecretsStoreWrite]).await?;
    let stored = [text(key, "secret_preview"), text(key, "version")].join(", version ");
    let plan = Plan::new(format!("replace the value of {}", Told(name)))
        .fact(format!("stored now: {stored}"))
        .facts(used(key, Now { now: asked.now }));
    let overlap = asked.overlap.map_or(600, |overlap| overlap.as_secs());
    let kept = match overlap {
        0 => "the old value would be erased as soon as the new one is in use".to_owned(),
        overlap => format!("the old value would be kept for {overlap} s"),
    };
    let plan = if asked.now { plan } else { plan.fact(kept) };
    Ok(plan.unchecked("whether the provider accepts the key"))
}

/// `keys rotation`.
pub(super) async fn show(name: &KeyName, watch: bool, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let name = Target::new(&client, name)?;
    let key = find(&client, &name).await?;
    let path = format!("{}/rotation", path_of(&name, &key));
    let rotation = client.send(Method::GET, &path, None).await?;
    let output = Output::new(connect.json);
    if watch {
        let watch = Watch {
            client: &client,
            name: &name,
            path: &path,
            output,
        };
        return watch.follow(rotation, Until::Over).await;
    }
    output.fields(&shown(&rotation), &rotation)
}

fn shown(rotation: &Value) -> Vec<(&'static str, String)> {
    let field = |name: &str| text(rotation, name);
    vec![
        ("phase", field("phase")),
        ("since", field("phase_since")),
        ("reason", field("reason_text")),
        ("request", field("request_id")),
        ("from version", field("from_version")),
        ("to version", field("to_version")),
        ("key", field("to_preview")),
        ("verified first", field("verify")),
        ("overlap", format!("{} s", field("overlap_seconds"))),
        ("old one kept until", field("ends_at")),
        ("begun", field("begun_at")),
    ]
}

/// What an operator decides about a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    RollBack,
    DestroyOld,
}

/// `keys roll-back`, `keys destroy-old`.
pub(super) async fn step(
    step: Step,
    name: &KeyName,
    dry_run: DryRun,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, dry_run).await?;
    let name = &Target::new(&client, name)?;
    let key = find(&client, name).await?;
    let path = format!("{}/rotation", path_of(name, &key));
    let (word, would) = match step {
        Step::RollBack => ("roll_back", "take the old value back of"),
        Step::DestroyOld => ("destroy_old", "erase the old value of"),
    };
    let output = Output::new(connect.json);
    if dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::SecretsStoreWrite]).await?;
        let rotation = client.send(Method::GET, &path, None).await?;
        return Plan::new(format!("{would} {}", Told(name)))
            .fact(format!("its rotation is {} now", text(&rotation, "phase")))
            .tell(output);
    }
    let path = format!("{path}/{word}");
    let rotation = client.send(Method::POST, &path, None).await?;
    let (from, to) = (
        text(&rotation, "from_version"),
        text(&rotation, "to_version"),
    );
    let sentence = match text(&rotation, "phase").as_str() {
        "rolled_back" => format!(
            "{}: version {from} is in use again, version {to} is erased",
            Told(name)
        ),
        "refused" => format!("{}: version {to} is withdrawn, nothing changed", Told(name)),
        _ => format!(
            "{}: version {from} is erased\nrevoke the old key at the provider",
            Told(name)
        ),
    };
    output.done(sentence, &rotation)
}
