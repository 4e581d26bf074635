//! A new value with a way back: `…/provider_configs/{id}/rotations` and `…/rotation`. Ours, beside the reference, whose
//! `PUT` is the plain replacement.

use std::time::Duration;

use keyward_registry::ProviderKey;
use keyward_vault::rotation::{
    DEFAULT_OVERLAP, Event, MAX_OVERLAP, Phase, RequestId, Rotation, RotationRequest,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    check_shared, read_value,
    verify::{self, NO_PROBE},
};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
    object::{Field, Shape},
    openapi::{choice, choice_or_null},
};

/// A rotation of a provider key: the one under way, or the last. Never a value.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderConfigRotation)]
pub(crate) struct RotationBody {
    id: String,
    gateway_id: String,
    provider_slug: String,
    alias: String,
    /// What who asked for it calls it.
    request_id: String,
    /// `staged`: the new value waits to be proven. `overlapping`: it is in use, and the old one kept. `finished`: the old one
    /// is erased. `rolled_back`: the old one is in use again. `refused`: nothing changed.
    #[schema(schema_with = phases)]
    phase: &'static str,
    /// Since when, RFC 3339.
    phase_since: Option<String>,
    begun_at: Option<String>,
    /// When the old value is erased, RFC 3339; null unless the two overlap.
    ends_at: Option<String>,
    /// The version that is replaced; null where there was no value.
    from_version: Option<u32>,
    to_version: u32,
    /// What may be shown of the new value; null once it is erased.
    to_preview: Option<String>,
    overlap_seconds: u64,
    verify: bool,
    /// How many probes of the staged value said nothing certain.
    attempts: u32,
    /// Why it is where it is; null where it goes as planned.
    #[schema(schema_with = reasons)]
    reason: Option<&'static str>,
    /// The same in words for people.
    reason_text: Option<String>,
    /// The status of the provider's answer that decided it.
    status_code: Option<u16>,
}

fn phases() -> utoipa::openapi::Schema {
    choice([
        "staged",
        "overlapping",
        "finished",
        "rolled_back",
        "refused",
    ])
}

fn reasons() -> utoipa::openapi::Schema {
    choice_or_null([
        "rejected",
        "unproven",
        "by_operator",
        "new_refused",
        "both_refused",
        "replaced",
    ])
}

impl RotationBody {
    fn new(key: &ProviderKey, rotation: &Rotation) -> Self {
        let record = &key.record;
        let ends = (rotation.phase == Phase::Overlapping)
            .then(|| rotation.phase_since.checked_add(rotation.overlap));
        let values = [key.staged(), key.current.as_ref()];
        let mut values = values.into_iter().flatten();
        let new = values.find(|value| value.version == rotation.to);
        Self {
            id: record.id.to_string(),
            gateway_id: record.gateway.to_string(),
            provider_slug: record.provider.to_string(),
            alias: record.alias.to_string(),
            request_id: rotation.request.to_string(),
            phase: rotation.phase.as_str(),
            phase_since: moment::format(rotation.phase_since),
            begun_at: moment::format(rotation.begun_at),
            ends_at: ends.flatten().and_then(moment::format),
            from_version: rotation.from.map(|version| version.get()),
            to_version: rotation.to.get(),
            to_preview: new.map(|value| value.preview.clone()),
            overlap_seconds: rotation.overlap.as_secs(),
            verify: rotation.verify,
            attempts: rotation.attempts,
            reason: rotation.reason.map(|reason| reason.as_str()),
            reason_text: rotation.reason.map(|reason| reason.to_string()),
            status_code: rotation.reason.and_then(|reason| reason.code()),
        }
    }
}

/// The key of the call as it is now, with its rotation.
fn tell(call: &Call) -> Result<Reply, Problem> {
    let id = call.key()?.record.id;
    let snapshot = call.snapshot();
    let key = snapshot
        .provider_key(call.account, id)
        .ok_or_else(|| Problem::key_not_found(call.id()))?;
    let rotation = key.rotation().ok_or_else(Problem::no_rotation)?;
    Reply::new(&RotationBody::new(key, rotation))
}

/// `GET …/rotation`.
pub(crate) fn show_rotation(call: &Call) -> Result<Reply, Problem> {
    tell(call)
}

/// `POST …/rotations`.
pub(crate) async fn begin_rotation(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: &["overlap_seconds", "request_id", "verify"],
        skipped: &[],
        secrets: &["secret"],
    })?;
    let value = read_value(&body.require_secret("secret")?)?;
    let overlap = body
        .find("overlap_seconds")
        .map(|field| field.whole(0..=MAX_OVERLAP.as_secs()))
        .transpose()?
        .map_or(DEFAULT_OVERLAP, Duration::from_secs);
    let request = body
        .find("request_id")
        .map(|field| field.parsed(RequestId::parse))
        .transpose()?;
    let request = match request {
        Some(request) => request,
        None => {
            RequestId::random().map_err(|error| Problem::internal("name a rotation", &error))?
        }
    };
    let verify = body.find("verify").map(Field::boolean).transpose()?;
    let key = call.key()?;
    check_shared(&call, key)?;
    let is_provable = verify::is_provable(&call, &key.record.provider);
    if verify == Some(true) && !is_provable {
        let path = FieldPath::body().name("verify");
        return Err(Problem::invalid(
            &path,
            format_args!("{NO_PROBE}; leave it out"),
        ));
    }
    let asked = RotationRequest {
        request,
        overlap,
        verify: verify.unwrap_or(is_provable),
    };
    let is_there = key
        .rotation()
        .is_some_and(|last| last.request == asked.request);
    if asked.verify && !is_there {
        verify::count_unstored(&call)?;
    }
    let (registry, id) = (&call.registry, key.record.id);
    registry
        .begin_rotation(call.account, id, &value, asked, call.actor(), call.now)
        .await?;
    tell(&call)
}

/// `POST …/rotation/roll_back`.
pub(crate) async fn roll_back(call: Call) -> Result<Reply, Problem> {
    advance(&call, Event::RollBack).await
}

/// `POST …/rotation/destroy_old`.
pub(crate) async fn destroy_old(call: Call) -> Result<Reply, Problem> {
    advance(&call, Event::DestroyNow).await
}

async fn advance(call: &Call, event: Event) -> Result<Reply, Problem> {
    let key = call.key()?;
    check_shared(call, key)?;
    let (registry, secret) = (&call.registry, key.record.secret);
    registry
        .advance_rotation(call.account, secret, event, call.actor(), call.now)
        .await?;
    tell(call)
}
