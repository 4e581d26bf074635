//! Gateways: `/accounts/{account}/ai-gateway/gateways` (wire-spec §4.1).

mod pools;
mod request;
mod settings;

use std::{sync::Arc, time::SystemTime};

use keyward_auth::{ManagePlace, Permission};
use keyward_registry::{Alias, Gateway, GatewayId, GatewayRecord, GatewaySettings, Pools, Refusal};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

pub(crate) use self::request::{GatewayChange, ListQuery, NewGateway};
pub(crate) use self::settings::ANSWER_FIELDS;
use self::settings::Settings;
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
    object::Shape,
    page::Page,
};

/// A gateway as answers carry it.
#[derive(Serialize, ToSchema)]
#[schema(as = Gateway)]
pub(crate) struct Body {
    id: String,
    account_id: String,
    account_tag: String,
    is_default: bool,
    #[serde(flatten)]
    settings: Settings,
    /// Ours: the keys that stand in for each other, with how each stands.
    pools: Vec<pools::PoolBody>,
    /// RFC 3339.
    created_at: Option<String>,
    /// RFC 3339.
    modified_at: Option<String>,
    /// Ours: another text as soon as a setting is another one. `if_revision` of a change refers to it.
    revision: String,
}

/// On what a change depends.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct ChangeQuery {
    /// Ours: the `revision` that an answer had. The change is refused with 412 where the gateway has another one now.
    #[param(inline, required = false)]
    if_revision: String,
}

impl Body {
    /// `gateway` is none where it is gone.
    fn new(record: &GatewayRecord, gateway: Option<&Gateway>, now: SystemTime) -> Self {
        Self {
            id: record.id.to_string(),
            account_id: record.account.to_string(),
            account_tag: record.account.to_string(),
            is_default: is_default(&record.id),
            settings: Settings::new(&record.settings),
            pools: pools::PoolBody::all(record, gateway, now),
            created_at: moment::format(record.created_at),
            modified_at: moment::format(record.modified_at),
            revision: record.settings.digest(),
        }
    }
}

/// The gateway that `dev` and `vault init` make has the name of the alias that stands for none.
fn is_default(id: &GatewayId) -> bool {
    id.as_str() == Alias::DEFAULT
}

pub(crate) fn list(call: &Call) -> Result<Reply, Problem> {
    let page = Page::of(call)?;
    let search = call.query("search").unwrap_or_default();
    let snapshot = call.snapshot();
    let account = snapshot
        .account(call.account)
        .ok_or_else(Problem::no_account)?;
    let mut gateways: Vec<&Arc<Gateway>> = account
        .gateways()
        .filter(|gateway| gateway.record().id.as_str().contains(search))
        .collect();
    gateways.sort_by(|one, other| one.record().id.cmp(&other.record().id));
    let (gateways, info) = page.cut(gateways);
    let bodies: Vec<_> = gateways
        .into_iter()
        .map(|gateway| Body::new(gateway.record(), Some(gateway), call.now))
        .collect();
    Reply::page(&bodies, info)
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    let gateway = find(call)?;
    Reply::new(&Body::new(gateway.record(), Some(&gateway), call.now))
}

pub(crate) async fn create(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: settings::FIELDS,
        skipped: ANSWER_FIELDS,
        secrets: &[],
    })?;
    let id = body.require("id")?.parsed(GatewayId::parse)?;
    let settings = settings::read(&mut body, &GatewaySettings::default())?;
    if is_default(&id) {
        let exists = call.snapshot().gateway(call.account, id.as_str()).is_some();
        return Err(if exists {
            Refusal::GatewayExists(id.to_string()).into()
        } else {
            let reason = "is made by `keyward dev` and `keyward vault init`, never by a request";
            Problem::invalid(
                &FieldPath::body().name("id"),
                format_args!("the gateway `default` {reason}"),
            )
        });
    }
    check_protection(&call, id.as_str(), &GatewaySettings::default(), &settings)?;
    pools::check_providers(&call, &Pools::default(), &settings.pools)?;
    let record = call
        .registry
        .create_gateway(call.account, id, settings, call.actor(), call.now)
        .await?;
    show_record(&call, &record)
}

/// Replaces the settings. Those that protect and are left out stay as they are: a client that does not know
/// one must not switch it off by being silent.
pub(crate) async fn update(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: settings::FIELDS,
        skipped: ANSWER_FIELDS,
        secrets: &[],
    })?;
    if let Some(field) = body
        .find("id")
        .filter(|field| !field.is_text(call.gateway()))
    {
        return Err(field.refuse("is another gateway's; a gateway keeps its id"));
    }
    let expected = call.query("if_revision").map(str::to_owned);
    let decide = |known: &GatewaySettings| {
        if expected.is_some_and(|expected| expected != known.digest()) {
            return Err(Problem::changed_meanwhile("if_revision"));
        }
        let wanted = settings::read(&mut body, known)?;
        check_protection(&call, call.gateway(), known, &wanted)?;
        pools::check_providers(&call, &known.pools, &wanted.pools)?;
        Ok(wanted)
    };
    let record = call
        .registry
        .update_gateway::<Problem>(call.account, call.gateway(), decide, call.actor(), call.now)
        .await?;
    show_record(&call, &record)
}

/// The record with the keys that the gateway has now.
fn show_record(call: &Call, record: &GatewayRecord) -> Result<Reply, Problem> {
    let snapshot = call.snapshot();
    let gateway = snapshot.gateway(call.account, record.id.as_str());
    Reply::new(&Body::new(record, gateway.map(Arc::as_ref), call.now))
}

/// What protects the gateway is weakened only by who governs its keys as well. Strengthening needs no more
/// than the route does.
fn check_protection(
    call: &Call,
    gateway: &str,
    known: &GatewaySettings,
    wanted: &GatewaySettings,
) -> Result<(), Problem> {
    let Some(name) = settings::weakened(known, wanted) else {
        return Ok(());
    };
    let allowed = call.require(Permission::SecretsStoreWrite, ManagePlace::Gateway(gateway));
    allowed.map_err(|_forbidden| {
        Problem::may_not_weaken(&FieldPath::body().name(name), Permission::SecretsStoreWrite)
    })
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let deleted = call
        .registry
        .delete_gateway(call.account, call.gateway(), call.actor(), call.now)
        .await?;
    Reply::new(&Body::new(&deleted, None, call.now))
}

/// Where applications find a provider behind the gateway: a text.
pub(crate) fn url(call: &Call) -> Result<Reply, Problem> {
    let gateway = find(call)?;
    let provider = call.registry.find_provider(call.account, call.id());
    let provider = provider
        .ok_or_else(|| Problem::from(call.registry.provider_unknown(&Problem::shown(call.id()))))?;
    let base = call.config.gateway_url.trim_end_matches('/');
    let (account, id) = (call.account, &gateway.record().id);
    Reply::new(&format!("{base}/v1/{account}/{id}/{}", provider.slug()))
}

fn find(call: &Call) -> Result<Arc<Gateway>, Problem> {
    let snapshot = call.snapshot();
    let gateway = snapshot.gateway(call.account, call.gateway()).cloned();
    gateway.ok_or_else(|| Problem::gateway_not_found(call.gateway()))
}
