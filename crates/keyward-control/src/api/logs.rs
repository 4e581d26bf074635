//! The log of requests to a gateway: `…/gateways/{gateway}/logs` (wire-spec §4.2, §6.6).
//!
//! Deleting answers without a `result`, and bodies come without the envelope, as the reference's do. Ours beside it: the ids
//! of key and token, `error_code`, `usage_metadata`, sizes in lists, and filters of these names.
//!
//! Bodies and metadata are text of whoever wrote them: they leave here as JSON or as bytes to be saved, and nowhere else.

mod entry;
mod filters;
mod query;
mod request;
mod scan;
mod sums;

use keyward_registry::{LogDeletion, LogEntry, LogId, LogPatch, LogPlace, LogSide};

pub(crate) use self::{
    entry::{Body, Detail, LogInfo, Nothing},
    query::{DeleteQuery, ListQuery},
    request::Patch,
    scan::{ScanQuery, scan},
    sums::{SumsBody, SumsQuery, sum},
};
use crate::{
    call::Call,
    envelope::{Problem, Reply},
};

pub(crate) async fn list(call: Call) -> Result<Reply, Problem> {
    let (query, page) = query::list(&call, place(&call)?)?;
    let store = call.registry.store();
    let listed = store.list_logs(query).await.map_err(Problem::from)?;
    let info = LogInfo::new(page, &listed);
    let bodies: Vec<_> = listed.entries.iter().map(Body::new).collect();
    Reply::page_of_logs(&bodies, &info)
}

pub(crate) async fn show(call: Call) -> Result<Reply, Problem> {
    let place = place(&call)?;
    let entry = find(&call, &place).await?;
    let store = call.registry.store();
    let mut bodies = Vec::new();
    for side in [LogSide::Request, LogSide::Response] {
        let body = store.find_log_body(place.clone(), entry.id, side).await;
        bodies.push(body.map_err(Problem::from)?);
    }
    let response = bodies.pop().flatten();
    let request = bodies.pop().flatten();
    Reply::new(&Detail::new(&entry, request.as_ref(), response.as_ref()))
}

pub(crate) async fn request(call: Call) -> Result<Reply, Problem> {
    body(&call, LogSide::Request).await
}

pub(crate) async fn response(call: Call) -> Result<Reply, Problem> {
    body(&call, LogSide::Response).await
}

async fn body(call: &Call, side: LogSide) -> Result<Reply, Problem> {
    let place = place(call)?;
    let entry = find(call, &place).await?;
    let store = call.registry.store();
    let body = store.find_log_body(place, entry.id, side).await;
    match body.map_err(Problem::from)? {
        Some(body) => Ok(Reply::raw(body.as_bytes())),
        None => Err(Problem::no_log_body(call.id())),
    }
}

pub(crate) async fn patch(mut call: Call) -> Result<Reply, Problem> {
    let place = place(&call)?;
    let patch: LogPatch = request::patch(&mut call)?;
    let id = id(&call)?;
    let store = call.registry.store();
    let is_there = store.patch_log(place, id, patch).await;
    if !is_there.map_err(Problem::from)? {
        return Err(Problem::log_not_found(call.id()));
    }
    Reply::new(&Nothing {})
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let deletion: LogDeletion = query::deletion(&call, place(&call)?)?;
    let deleted = call.registry.store().delete_logs(deletion).await;
    deleted.map_err(Problem::from)?;
    Reply::without_result()
}

/// The gateway of the path, which must be there.
fn place(call: &Call) -> Result<LogPlace, Problem> {
    let snapshot = call.snapshot();
    let gateway = snapshot.gateway(call.account, call.gateway());
    let gateway = gateway.ok_or_else(|| Problem::gateway_not_found(call.gateway()))?;
    Ok(LogPlace {
        account: call.account,
        gateway: gateway.record().id.clone(),
    })
}

/// The id of the path. What is no id names nothing.
fn id(call: &Call) -> Result<LogId, Problem> {
    LogId::parse(call.id()).map_err(|_invalid| Problem::log_not_found(call.id()))
}

async fn find(call: &Call, place: &LogPlace) -> Result<LogEntry, Problem> {
    let found = call.registry.store().find_log(place.clone(), id(call)?);
    let found = found.await.map_err(Problem::from)?;
    found.ok_or_else(|| Problem::log_not_found(call.id()))
}
