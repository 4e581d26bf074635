//! Gateways: `/accounts/{account}/ai-gateway/gateways` (wire-spec §4.1).

mod request;
mod settings;

use std::sync::Arc;

use keyward_registry::{Alias, Gateway, GatewayId, GatewayRecord, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::request::{ListQuery, NewGateway};
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
    /// RFC 3339.
    created_at: Option<String>,
    /// RFC 3339.
    modified_at: Option<String>,
}

impl Body {
    fn new(record: &GatewayRecord) -> Self {
        Self {
            id: record.id.to_string(),
            account_id: record.account.to_string(),
            account_tag: record.account.to_string(),
            is_default: is_default(&record.id),
            settings: Settings::new(&record.settings),
            created_at: moment::format(record.created_at),
            modified_at: moment::format(record.modified_at),
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
        .map(|gateway| Body::new(gateway.record()))
        .collect();
    Reply::page(&bodies, info)
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    Reply::new(&Body::new(find(call)?.record()))
}

pub(crate) async fn create(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: settings::CREATE_FIELDS,
        skipped: settings::ANSWER_FIELDS,
        secret: None,
    })?;
    let id = body.require("id")?.parsed(GatewayId::parse)?;
    let settings = settings::read(&mut body)?;
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
    let record = call
        .registry
        .create_gateway(call.account, id, settings, call.actor(), call.now)
        .await?;
    Reply::new(&Body::new(&record))
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let deleted = call
        .registry
        .delete_gateway(call.account, call.gateway(), call.actor(), call.now)
        .await?;
    Reply::new(&Body::new(&deleted))
}

/// Where applications find a provider behind the gateway: a text.
pub(crate) fn url(call: &Call) -> Result<Reply, Problem> {
    let gateway = find(call)?;
    let provider = call.registry.catalogue().find(call.id());
    let provider =
        provider.ok_or_else(|| Problem::from(Refusal::ProviderUnknown(call.id().to_owned())))?;
    let base = call.config.gateway_url.trim_end_matches('/');
    let (account, id) = (call.account, &gateway.record().id);
    Reply::new(&format!("{base}/v1/{account}/{id}/{}", provider.slug()))
}

fn find(call: &Call) -> Result<Arc<Gateway>, Problem> {
    let snapshot = call.snapshot();
    let gateway = snapshot.gateway(call.account, call.gateway()).cloned();
    gateway.ok_or_else(|| Problem::gateway_not_found(call.gateway()))
}
