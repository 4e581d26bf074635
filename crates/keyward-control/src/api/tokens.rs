//! Gateway tokens and API tokens: `/accounts/{account}/tokens` (wire-spec §4.9, §4.10).

mod condition;
mod policies;
mod request;

use std::time::{Duration, SystemTime};

use keyward_auth::{Entry, Grant, Kind, PermissionGroup, Status, TokenId, TokenRecord};
use keyward_registry::{MAX_OVERLAP, NewTokenRequest, TokenUpdate, Use};
use keyward_routes::SpendLimits;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::request::{GroupQuery, ListQuery, NewToken, Roll, TokenChange};
use self::{condition::ConditionBody, policies::PolicyBody};
use super::{
    in_use::{Requests, UnderWay},
    spend::{self, Limits},
};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
    object::{Field, Object, Shape},
    page::{Direction, Page},
};

/// What only answers carry, and a client may send back.
const ANSWER_FIELDS: &[&str] = &["id", "kind", "issued_on", "modified_on", "last_used_on"];

/// Cloudflare's limit for a token's name.
const MAX_NAME: usize = 120;

/// A token as answers carry it. The text only when the token was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct Body<'a> {
    id: String,
    name: &'a str,
    kind: &'static str,
    status: &'static str,
    issued_on: Option<String>,
    modified_on: Option<String>,
    last_used_on: Option<String>,
    not_before: Option<String>,
    expires_on: Option<String>,
    policies: Vec<PolicyBody>,
    condition: Option<ConditionBody>,
    /// How much may be spent with it.
    #[schema(value_type = Option<Limits>)]
    spend_limits: Option<SpendLimits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

impl<'a> Body<'a> {
    pub(super) fn new(
        record: &'a TokenRecord,
        last_used: Option<SystemTime>,
        now: SystemTime,
    ) -> Self {
        let grant = &record.grant;
        Self {
            id: record.id.to_string(),
            name: &record.name,
            kind: record.kind.as_str(),
            status: record.status(now).as_str(),
            issued_on: moment::format(record.issued_at),
            modified_on: moment::format(record.modified_at),
            last_used_on: last_used.and_then(moment::format),
            not_before: grant.not_before.and_then(moment::format),
            expires_on: grant.expires_at.and_then(moment::format),
            policies: vec![PolicyBody::new(record.id, grant)],
            condition: ConditionBody::new(&grant.networks),
            spend_limits: spend_limits(record),
            value: None,
        }
    }
}

/// How much may be spent with a token.
fn spend_limits(record: &TokenRecord) -> Option<SpendLimits> {
    // A store honours no token whose limits cannot be read.
    serde_json::from_str(record.spend_limits.as_deref()?).ok()
}

/// A token that was deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = DeletedToken)]
pub(crate) struct Deleted {
    id: String,
    #[serde(flatten)]
    requests: Requests,
}

/// Whether a token is good.
#[derive(Serialize, ToSchema)]
#[schema(as = VerifiedToken)]
pub(crate) struct Verified {
    id: String,
    /// `active`, `disabled` or `expired`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_on: Option<String>,
}

/// A permission, or a role that stands for some.
#[derive(Serialize, ToSchema)]
#[schema(as = PermissionGroup)]
pub(crate) struct PermissionGroupBody {
    id: &'static str,
    name: &'static str,
    scopes: &'static [&'static str],
}

/// Tokens that the caller's scopes hold, by the time they were made; gateway tokens first of those of one moment.
pub(crate) fn list(call: &Call) -> Result<Reply, Problem> {
    let page = Page::of(call)?;
    let direction = Direction::of(call, Direction::Rising)?;
    let kind = wanted_kind(call)?;
    let gateway = call.query("gateway_id");
    let snapshot = call.snapshot();
    let entries: Vec<_> = snapshot
        .tokens()
        .iter()
        .filter(|entry| kind.is_none_or(|kind| entry.record.kind == kind))
        .filter(|entry| gateway.is_none_or(|id| entry.record.grant.gateways.allows(id)))
        .filter(|entry| call.caller.covers_scope_of(&entry.record.grant))
        .collect();
    let age = |entry: &Entry| {
        let record = &entry.record;
        (record.issued_at, record.kind, record.id)
    };
    let (entries, info) = page.cut_in_order(entries, |one, other| {
        direction.turn(age(one).cmp(&age(other)))
    });
    let bodies: Vec<_> = entries
        .into_iter()
        .map(|entry| Body::new(&entry.record, entry.last_used.get(), call.now))
        .collect();
    Reply::page(&bodies, info)
}

fn wanted_kind(call: &Call) -> Result<Option<Kind>, Problem> {
    let Some(name) = call.query("kind") else {
        return Ok(None);
    };
    let kind = Kind::find_by_name(name);
    kind.map(Some).ok_or_else(|| {
        let path = FieldPath::query().name("kind");
        Problem::invalid(&path, "is `gateway` or `api`")
    })
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    let snapshot = call.snapshot();
    let entry = find(call, &snapshot)?;
    Reply::new(&Body::new(&entry.record, entry.last_used.get(), call.now))
}

pub(crate) async fn create(mut call: Call) -> Result<Reply, Problem> {
    let body = call.take_body(Shape {
        known: &[
            "name",
            "policies",
            "not_before",
            "expires_on",
            "condition",
            "spend_limits",
        ],
        skipped: &[],
        secrets: &[],
    })?;
    let new = read_new(&call, body)?;
    let grant = call.caller.grant();
    let minted = call
        .registry
        .create_token(new, Some(grant), call.actor(), call.now)
        .await?;
    let mut body = Body::new(&minted.record, None, call.now);
    let text = std::str::from_utf8(minted.text.expose());
    body.value = Some(text.map_err(|error| Problem::internal("show a token", &error))?);
    Reply::new(&body)
}

fn read_new(call: &Call, mut body: Object) -> Result<NewTokenRequest, Problem> {
    let name = read_name(&mut body)?;
    let grant = read_grant(call, &mut body)?;
    let kind = Kind::of(&grant.permissions).ok_or_else(|| {
        let reason = "`AI Gateway Run` makes a gateway token and goes with no other permission; make two tokens";
        Problem::invalid(&body.path("policies"), reason)
    })?;
    let spend_limits = read_limits(&mut body, kind)?.flatten();
    Ok(NewTokenRequest {
        name,
        kind,
        grant,
        spend_limits,
    })
}

/// How much may be spent with it. The outer `None`: the body says nothing of that, so that it stays as it is.
fn read_limits(body: &mut Object, kind: Kind) -> Result<Option<Option<SpendLimits>>, Problem> {
    let path = body.path("spend_limits");
    let limits = spend::read_change(body)?;
    if limits.iter().flatten().next().is_some() && kind != Kind::Gateway {
        let reason = "is for gateway tokens: nothing is spent with an API token; leave it out";
        return Err(Problem::invalid(&path, reason));
    }
    Ok(limits)
}

fn read_name(body: &mut Object) -> Result<String, Problem> {
    let name = body.require("name")?;
    let path = name.path().clone();
    let name = name.text(MAX_NAME)?;
    if name.trim().is_empty() {
        return Err(Problem::invalid(&path, "is empty"));
    }
    Ok(name)
}

/// What the token may do, where, from where and until when.
fn read_grant(call: &Call, body: &mut Object) -> Result<Grant, Problem> {
    let mut grant = policies::read(call, body.require("policies")?)?;
    grant.not_before = body.find("not_before").map(Field::moment).transpose()?;
    grant.expires_at = body.find("expires_on").map(Field::moment).transpose()?;
    check_times(&grant, call.now)?;
    if let Some(condition) = body.find("condition") {
        grant.networks = condition::read(condition)?;
    }
    Ok(grant)
}

fn check_times(grant: &Grant, now: SystemTime) -> Result<(), Problem> {
    let Some(end) = grant.expires_at else {
        return Ok(());
    };
    let path = FieldPath::body().name("expires_on");
    if end <= now {
        return Err(Problem::invalid(&path, "lies in the past"));
    }
    if grant.not_before.is_some_and(|start| end <= start) {
        return Err(Problem::invalid(&path, "does not lie after `not_before`"));
    }
    Ok(())
}

/// Replaces everything but the text; a token that is switched off stays so unless `status` says otherwise.
pub(crate) async fn update(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: &[
            "name",
            "policies",
            "not_before",
            "expires_on",
            "condition",
            "spend_limits",
            "status",
        ],
        skipped: ANSWER_FIELDS,
        secrets: &[],
    })?;
    let snapshot = call.snapshot();
    let known = &find(&call, &snapshot)?.record;
    let id = known.id;
    let update = TokenUpdate {
        name: read_name(&mut body)?,
        grant: read_grant(&call, &mut body)?,
        spend_limits: read_limits(&mut body, known.kind)?,
        disabled: body
            .find("status")
            .map(|field| field.one_of(&[("active", false), ("disabled", true)]))
            .transpose()?,
    };
    let record = call
        .registry
        .update_token(
            call.account,
            &id,
            update,
            Some(call.caller.grant()),
            call.actor(),
            call.now,
        )
        .await?;
    let snapshot = call.snapshot();
    let used = snapshot.tokens().find_by_id(id);
    let used = used.and_then(|entry| entry.last_used.get());
    Reply::new(&Body::new(&record, used, call.now))
}

/// Gives the token a new text, which is the answer. The body may be absent (wire-spec §4.10); with
/// `overlap_seconds`, which is ours, the old text stays good for that long.
pub(crate) async fn roll(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_optional_body(Shape {
        known: &["overlap_seconds"],
        skipped: &[],
        secrets: &[],
    })?;
    let overlap = body
        .find("overlap_seconds")
        .map(|field| field.whole(0..=MAX_OVERLAP.as_secs()))
        .transpose()?
        .unwrap_or(0);
    let id = find(&call, &call.snapshot())?.record.id;
    let minted = call
        .registry
        .roll_token(
            call.account,
            &id,
            Duration::from_secs(overlap),
            Some(call.caller.grant()),
            call.actor(),
            call.now,
        )
        .await?;
    let text = std::str::from_utf8(minted.text.expose());
    Reply::new(&text.map_err(|error| Problem::internal("show a token", &error))?)
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call)?;
    let id = find(&call, &call.snapshot())?.record.id;
    let record = call
        .registry
        .delete_token(call.account, &id, call.actor(), call.now)
        .await?;
    Reply::new(&Deleted {
        id: record.id.to_string(),
        requests: under_way.settle(&call, Use::Token(id)),
    })
}

/// A token outside the caller's account or scopes counts as absent.
fn find<'a>(call: &Call, snapshot: &'a keyward_registry::Snapshot) -> Result<&'a Entry, Problem> {
    let found = TokenId::parse(call.id())
        .ok()
        .and_then(|id| snapshot.tokens().find_by_id(id));
    found
        .filter(|entry| call.caller.covers_scope_of(&entry.record.grant))
        .map(AsRef::as_ref)
        .ok_or_else(|| Problem::token_not_found(call.id()))
}

pub(crate) fn verify(call: &Call) -> Result<Reply, Problem> {
    let record = &call.caller.entry().record;
    let status = record.status(call.now);
    let message = match status {
        Status::Active => "This API Token is valid and active",
        Status::Disabled => "This API Token is disabled",
        Status::Expired => "This API Token is expired",
    };
    let verified = Verified {
        id: record.id.to_string(),
        status: status.as_str(),
        not_before: record.grant.not_before.and_then(moment::format),
        expires_on: record.grant.expires_at.and_then(moment::format),
    };
    Reply::verified(&verified, message)
}

/// The caller's own token: what it may do and until when is no secret to whoever holds it.
pub(crate) fn own(call: &Call) -> Result<Reply, Problem> {
    let entry = call.caller.entry();
    Reply::new(&Body::new(&entry.record, entry.last_used.get(), call.now))
}

pub(crate) fn permission_groups(call: &Call) -> Result<Reply, Problem> {
    let wanted = call.query("name");
    let groups: Vec<_> = PermissionGroup::all()
        .filter(|group| wanted.is_none_or(|name| group.name() == name))
        .filter_map(|group| {
            Some(PermissionGroupBody {
                id: group.id()?,
                name: group.name(),
                scopes: &["com.cloudflare.api.account"],
            })
        })
        .collect();
    Reply::new(&groups)
}
