//! Whether the provider takes a key: `…/provider_configs/{id}/verify`, and `verify` where one is stored. Ours, beside the
//! reference.

mod words;

use std::time::Instant;

use keyward_providers::ProbeOutcome;
use keyward_registry::{GatewayId, KeySource, KeyValue, NewProviderKey, ProviderSlug, Subject};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
    object::{Field, Object},
    openapi::choice,
    verifier::{IsNew, Origin, Told},
    verify::{About, Answered},
};

/// What is said where a provider has no request that proves a key.
pub(super) const NO_PROBE: &str =
    "no request is known that proves a key of this provider; its first use will tell";

/// What a provider says of a stored key. Never the value.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderConfigVerification)]
pub(crate) struct VerifiedBody {
    id: String,
    gateway_id: String,
    provider_slug: String,
    alias: String,
    /// Which version of the value was asked about.
    version: Option<u32>,
    /// `works`: the provider knows the key. `refused`: it does not take it. `unclear`: neither is proven. `no_probe`:
    /// nothing is known to ask it, and nothing was sent.
    #[schema(schema_with = outcomes)]
    outcome: &'static str,
    /// Why, in words for people.
    reason: String,
    /// What the answer refuses, by the names of the provider error corpus; null where it refuses nothing, and where there
    /// was none.
    class: Option<&'static str>,
    /// The status of the provider's answer; null where there was none.
    status_code: Option<u16>,
    /// When it was asked, RFC 3339.
    asked_at: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: Option<u64>,
}

fn outcomes() -> utoipa::openapi::Schema {
    choice(["works", "refused", "unclear", "no_probe"])
}

const fn outcome(answered: &Answered) -> &'static str {
    match answered.outcome {
        ProbeOutcome::Live => "works",
        ProbeOutcome::Dead(_) => "refused",
        ProbeOutcome::Unclear(_) => "unclear",
    }
}

/// `POST …/verify`: asks about the stored value.
pub(crate) async fn verify(call: Call) -> Result<Reply, Problem> {
    let key = call.key()?;
    let Some(data_plane) = call.config.verify.clone() else {
        return Err(Problem::no_route());
    };
    let Some(current) = &key.current else {
        let reason = super::status(key, call.now).1.unwrap_or_default();
        return Reply::new(&VerifiedBody::unasked(&call, "unclear", &reason)?);
    };
    if !is_provable(&call, &key.record.provider) {
        return Reply::new(&VerifiedBody::unasked(&call, "no_probe", NO_PROBE)?);
    }
    let version = current.version;
    let place = (call.account, key.record.id);
    let may = || count(&call, Origin::Stored);
    let ask = async || {
        let begun = Instant::now();
        let answered = data_plane.ask(About::Stored(key.clone())).await;
        Told::new(version, call.now, begun, answered)
    };
    let (told, is_new) = call.verifier.once(place, version, may, ask).await?;
    if is_new == IsNew::Yes {
        let subject = Subject::ProviderKey(call.account, key.record.id);
        let noting = call.registry.note_verified(subject, call.actor(), call.now);
        noting.await?;
    }
    Reply::new(&VerifiedBody {
        outcome: outcome(&told.answered),
        reason: words::reason(&told.answered),
        class: told.answered.class.map(|class| class.name()),
        status_code: told.answered.status,
        asked_at: moment::format(told.asked),
        duration_ms: u64::try_from(told.took.as_millis()).ok(),
        ..VerifiedBody::unasked(&call, "", "")?
    })
}

impl VerifiedBody {
    /// Of a key that the provider was not asked about.
    fn unasked(call: &Call, outcome: &'static str, reason: &str) -> Result<Self, Problem> {
        let key = call.key()?;
        Ok(Self {
            id: key.record.id.to_string(),
            gateway_id: key.record.gateway.to_string(),
            provider_slug: key.record.provider.to_string(),
            alias: key.record.alias.to_string(),
            version: key.current.as_ref().map(|current| current.version.get()),
            outcome,
            reason: reason.to_owned(),
            class: None,
            status_code: None,
            asked_at: None,
            duration_ms: None,
        })
    }
}

/// Whether a request is known that proves a key of the provider, and somebody who sends it.
pub(super) fn is_provable(call: &Call, provider: &ProviderSlug) -> bool {
    let found = call.registry.find_provider(call.account, provider.as_str());
    call.config.verify.is_some() && found.is_some_and(|provider| provider.probe().is_some())
}

/// Counts a question about a value that is tried before it is used.
pub(super) fn count_unstored(call: &Call) -> Result<(), Problem> {
    count(call, Origin::Unstored)
}

fn count(call: &Call, origin: Origin) -> Result<(), Problem> {
    let token = call.caller.entry().record.id;
    let counted = call.verifier.count(token, origin, call.now);
    counted.map_err(Problem::too_many_verifications)
}

/// Whether a body asks for a proof before its value is stored.
pub(super) fn is_wanted(body: &mut Object) -> Result<bool, Problem> {
    let wanted = body.find("verify").map(Field::boolean).transpose()?;
    Ok(wanted.unwrap_or(false))
}

/// Asks about a value that is to be stored. What is said of it where it may be; refuses where it may not. None where the
/// place is not free: storing says so.
pub(super) async fn before_storing(
    call: &Call,
    new: &NewProviderKey,
) -> Result<Option<String>, Problem> {
    let KeySource::Value(value) = &new.source else {
        let path = FieldPath::body().name("verify");
        let reason = "is for a value that comes in `secret`; leave it out, and verify the key once it is stored";
        return Err(Problem::invalid(&path, reason));
    };
    if !is_free(call, new) {
        return Ok(None);
    }
    prove(call, &new.gateway, &new.provider, value)
        .await
        .map(Some)
}

fn is_free(call: &Call, new: &NewProviderKey) -> bool {
    let snapshot = call.snapshot();
    let gateway = snapshot.gateway(call.account, new.gateway.as_str());
    gateway.is_some_and(|gateway| {
        let there = gateway.key(new.provider.as_str(), new.alias.as_str());
        there.is_none()
    })
}

/// Asks about a value that is not stored. What is said of it; refuses where the provider does not take it for certain.
async fn prove(
    call: &Call,
    gateway: &GatewayId,
    provider: &ProviderSlug,
    value: &KeyValue,
) -> Result<String, Problem> {
    let path = FieldPath::body().name("secret");
    let bound = call.registry.bind_unstored(call.account, provider, value)?;
    let (provider, credential) = bound;
    let (Some(data_plane), Some(_)) = (call.config.verify.clone(), provider.probe()) else {
        return Ok(format!("The key could not be verified: {NO_PROBE}"));
    };
    count(call, Origin::Unstored)?;
    let answered = data_plane
        .ask(About::Value {
            provider,
            credential,
        })
        .await;
    let subject = Subject::Gateway(call.account, gateway.clone());
    let noting = call.registry.note_verified(subject, call.actor(), call.now);
    noting.await?;
    let reason = words::reason(&answered);
    match answered.outcome {
        ProbeOutcome::Live => Ok(format!("The key was verified: {reason}")),
        ProbeOutcome::Dead(_) => Err(Problem::not_verified(&path, &reason, true)),
        ProbeOutcome::Unclear(_) => Err(Problem::not_verified(&path, &reason, false)),
    }
}
