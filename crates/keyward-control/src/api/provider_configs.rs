//! Provider keys: `…/gateways/{gateway}/provider_configs` (wire-spec §4.5).
//!
//! Ours beside the reference: `GET` of one key, the list of the whole account, `PATCH`, and the fields `description`,
//! `expires_on`, `expires_action`, `spend_limits`, `enabled`, `status` and what goes with them, `created_at`, `last_used_at`, `version` and
//! `destination`, and `…/versions`.

mod list;
mod rate_limit;
mod request;
mod rotation;
mod verify;
mod versions;

use keyward_auth::{ManagePlace, Permission};
use keyward_registry::{
    Alias, ExpiresAction, GatewayId, KeyEdit, KeySource, KeyStatus, KeyValue, MissingValue,
    NewProviderKey, ProviderKey, ProviderSlug, Refusal, Use,
};
use keyward_routes::SpendLimits;
use keyward_secret::SecretBytes;
use keyward_vault::{RecordId, SecretId, VersionNumber};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::{
    list::{ListQuery, list_all, shown_status},
    request::{Edit, NewKey, NewRotation, NewValue},
    rotation::{RotationBody, begin_rotation, destroy_old, roll_back, show_rotation},
    verify::{VerifiedBody, verify},
    versions::{VersionBody, list_versions},
};
use super::{
    in_use::{Requests, UnderWay},
    spend::{self, Limits},
};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
    object::{Field, Object, Shape},
    page::Page,
};

/// Cloudflare's limit for a secret's comment is not documented; this one is ours.
const MAX_DESCRIPTION: usize = 1024;

/// What only answers carry, and a client may send back.
const ANSWER_FIELDS: &[&str] = &[
    "id",
    "gateway_id",
    "account_id",
    "account_tag",
    "modified_at",
    "secret_preview",
];

/// A provider key as answers carry it. Never the value.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderConfig)]
pub(crate) struct Body {
    id: String,
    gateway_id: String,
    account_id: String,
    account_tag: String,
    alias: String,
    provider_slug: String,
    default_config: bool,
    secret_id: String,
    secret_preview: Option<String>,
    rate_limit: Option<u64>,
    rate_limit_period: Option<u64>,
    /// How much may be spent with it.
    #[schema(value_type = Option<Limits>)]
    spend_limits: Option<SpendLimits>,
    description: String,
    status: &'static str,
    status_reason: Option<String>,
    status_since: Option<String>,
    /// The status of the provider's answer that decided it; null where none did.
    status_code: Option<u16>,
    enabled: bool,
    disabled_at: Option<String>,
    expires_on: Option<String>,
    expires_action: &'static str,
    last_used_at: Option<String>,
    created_at: Option<String>,
    modified_at: Option<String>,
    version: Option<u32>,
    destination: Option<Vec<String>>,
    #[serde(flatten)]
    requests: Requests,
}

impl Body {
    pub(super) fn new(call: &Call, key: &ProviderKey) -> Self {
        let record = &key.record;
        let (status, reason, since) = status(key, call.now);
        Self {
            id: record.id.to_string(),
            gateway_id: record.gateway.to_string(),
            account_id: record.account.to_string(),
            account_tag: record.account.to_string(),
            alias: record.alias.to_string(),
            provider_slug: record.provider.to_string(),
            default_config: record.default_config,
            secret_id: record.secret.to_string(),
            secret_preview: key.current.as_ref().map(|current| current.preview.clone()),
            rate_limit: record.rate_limit,
            rate_limit_period: record.rate_limit_period,
            spend_limits: record.spend_limits.clone(),
            description: key.description().to_owned(),
            status: status.as_str(),
            status_reason: reason,
            status_since: since.and_then(moment::format),
            status_code: record
                .status_code
                .filter(|_| status == record.status && key.missing().is_none()),
            enabled: record.disabled_at.is_none(),
            disabled_at: record.disabled_at.and_then(moment::format),
            expires_on: record.expires_at.and_then(moment::format),
            expires_action: record.expires_action.as_str(),
            last_used_at: key.last_used.get().and_then(moment::format),
            created_at: moment::format(record.created_at),
            modified_at: moment::format(record.modified_at),
            version: key.current.as_ref().map(|current| current.version.get()),
            destination: destination(call, key),
            requests: Requests::default(),
        }
    }
}

type Standing = (KeyStatus, Option<String>, Option<std::time::SystemTime>);

/// What the record says, and what follows from the clock and from a value that is not there.
fn status(key: &ProviderKey, now: std::time::SystemTime) -> Standing {
    let record = &key.record;
    if let Some(missing) = key.missing() {
        let reason = match missing {
            MissingValue::Secret => "its secret was deleted; enter the value again",
            MissingValue::Scope => {
                "its secret has no scope `ai_gateway`; give it back with a PATCH of the secret"
            }
            MissingValue::Version => {
                "the stored value is missing or was changed outside Keyward; enter it again"
            }
        };
        return (KeyStatus::Invalid, Some(reason.to_owned()), None);
    }
    match record.expires_at {
        Some(end) if end <= now && record.status == KeyStatus::Active => {
            let (status, reason) = match record.expires_action {
                ExpiresAction::Stop => (KeyStatus::Expired, "its expiry date has passed"),
                ExpiresAction::Warn => (
                    KeyStatus::Active,
                    "its expiry date has passed; it is used all the same, as `expires_action` says",
                ),
            };
            (status, Some(reason.to_owned()), Some(end))
        }
        _ => (
            record.status,
            record.status_reason.clone(),
            record.status_since,
        ),
    }
}

/// Where the value may be sent, as it was sealed with it.
fn destination(call: &Call, key: &ProviderKey) -> Option<Vec<String>> {
    let current = key.current.as_ref()?;
    let id = RecordId {
        account: key.record.account,
        secret: key.record.secret,
        version: current.version,
    };
    let policy = call.registry.vault().policy(&current.sealed, &id).ok()?;
    Some(policy.destination?.entries().collect())
}

/// A gateway that does not exist has no keys: the reference answers so.
pub(crate) fn list(call: &Call) -> Result<Reply, Problem> {
    let page = Page::of(call)?;
    let snapshot = call.snapshot();
    let gateway = snapshot.gateway(call.account, call.gateway());
    let keys = gateway.into_iter().flat_map(|gateway| gateway.keys());
    let (keys, info) = page.cut(keys.collect());
    let bodies: Vec<_> = keys.into_iter().map(|key| Body::new(call, key)).collect();
    Reply::page(&bodies, info)
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    Reply::new(&Body::new(call, call.key()?))
}

pub(crate) async fn create(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: &[
            "alias",
            "default_config",
            "description",
            "expires_action",
            "expires_on",
            "provider_slug",
            "rate_limit",
            "rate_limit_period",
            "secret_id",
            "spend_limits",
            "verify",
        ],
        skipped: ANSWER_FIELDS,
        secrets: &["secret"],
    })?;
    let wants_proof = verify::is_wanted(&mut body)?;
    let new = read_new(&call, body)?;
    let place = ManagePlace::ProviderKey {
        gateway: new.gateway.as_str(),
        provider: new.provider.as_str(),
        alias: new.alias.as_str(),
    };
    call.require(Permission::SecretsStoreWrite, place)?;
    if let KeySource::Secret(id) = new.source {
        check_reach(&call, id)?;
    }
    let remark = match wants_proof {
        true => verify::before_storing(&call, &new).await?,
        false => None,
    };
    let key = call
        .registry
        .create_provider_key(new, call.actor(), call.now)
        .await?;
    let body = Body::new(&call, &key);
    match remark {
        Some(remark) => Reply::with_verification(&body, remark),
        None => Reply::new(&body),
    }
}

/// A secret is the account's: a token for a part of the account may bind one only where a key within its scopes uses
/// it already. Otherwise it would spend, through its own gateway, a key that was stored for another.
fn check_reach(call: &Call, secret: SecretId) -> Result<(), Problem> {
    let snapshot = call.snapshot();
    let mut uses = snapshot.keys_of_secret(call.account, secret);
    if uses.any(|key| call.may(Permission::SecretsStoreWrite, place_of(key))) {
        return Ok(());
    }
    call.require(Permission::SecretsStoreWrite, ManagePlace::Account)
}

/// A value that several keys share is replaced for all of them, so all of them must be within the caller's scopes.
fn check_shared(call: &Call, key: &ProviderKey) -> Result<(), Problem> {
    let snapshot = call.snapshot();
    let mut uses = snapshot.keys_of_secret(call.account, key.record.secret);
    uses.try_for_each(|key| require_key(call, key))
}

fn require_key(call: &Call, key: &ProviderKey) -> Result<(), Problem> {
    call.require(Permission::SecretsStoreWrite, place_of(key))
}

/// What a permission for the key must hold for.
fn place_of(key: &ProviderKey) -> ManagePlace<'_> {
    ManagePlace::ProviderKey {
        gateway: key.record.gateway.as_str(),
        provider: key.record.provider.as_str(),
        alias: key.record.alias.as_str(),
    }
}

fn read_new(call: &Call, mut body: Object) -> Result<NewProviderKey, Problem> {
    let alias = body
        .find("alias")
        .map(|field| field.parsed(Alias::parse))
        .transpose()?
        .unwrap_or_default();
    let slug = body.require("provider_slug")?.parsed(ProviderSlug::parse)?;
    let gateway = GatewayId::parse(call.gateway())
        .map_err(|_invalid| Problem::gateway_not_found(call.gateway()))?;
    let default_config = body
        .find("default_config")
        .map(Field::boolean)
        .transpose()?;
    Ok(NewProviderKey {
        account: call.account,
        gateway,
        provider: canonical(call, slug)?,
        default_config: default_config.unwrap_or_else(|| alias == Alias::default()),
        alias,
        source: read_source(&mut body)?,
        description: body
            .find("description")
            .map(|field| field.text(MAX_DESCRIPTION))
            .transpose()?
            .unwrap_or_default(),
        expires_at: body
            .find("expires_on")
            .map(|field| to_come(call, field))
            .transpose()?,
        expires_action: read_expires_action(&mut body)?.unwrap_or_default(),
        rate_limit: rate_limit::read(&mut body, None)?.flatten(),
        spend_limits: spend::read_of_key(&mut body)?.flatten(),
    })
}

fn read_expires_action(body: &mut Object) -> Result<Option<ExpiresAction>, Problem> {
    let choices = [ExpiresAction::Stop, ExpiresAction::Warn].map(|one| (one.as_str(), one));
    let field = body.find("expires_action");
    field.map(|field| field.one_of(&choices)).transpose()
}

/// The slug by which the provider is known: scopes of tokens hold that one, not its other names.
fn canonical(call: &Call, slug: ProviderSlug) -> Result<ProviderSlug, Problem> {
    let provider = call.registry.find_provider(call.account, slug.as_str());
    let provider =
        provider.ok_or_else(|| Problem::from(call.registry.provider_unknown(slug.as_str())))?;
    Ok(ProviderSlug::parse(provider.slug()).unwrap_or(slug))
}

fn read_source(body: &mut Object) -> Result<KeySource, Problem> {
    let secret_id = body
        .find("secret_id")
        .map(|field| field.parsed(SecretId::parse))
        .transpose()?;
    match (body.find_secret("secret")?, secret_id) {
        (Some(secret), None) => Ok(KeySource::Value(read_value(&secret)?)),
        (None, Some(id)) => Ok(KeySource::Secret(id)),
        (Some(_), Some(_)) => {
            let path = body.path("secret_id");
            Err(Problem::invalid(
                &path,
                "`secret` and `secret_id` exclude each other; send one of them",
            ))
        }
        // The official way: the secret was stored first, under the name by which it is found.
        (None, None) => Ok(KeySource::Named),
    }
}

fn read_value(secret: &SecretBytes) -> Result<KeyValue, Problem> {
    KeyValue::parse(secret).map_err(|error| Refusal::Value(error).into())
}

fn to_come(call: &Call, field: Field) -> Result<std::time::SystemTime, Problem> {
    let path = field.path().clone();
    let moment = field.moment()?;
    if moment <= call.now {
        return Err(Problem::invalid(&path, "lies in the past"));
    }
    Ok(moment)
}

/// The key, and what becomes of the requests that use it, all but those of the value that is `kept`.
fn revoked(
    call: &Call,
    key: &ProviderKey,
    under_way: UnderWay,
    keeps: Option<(SecretId, VersionNumber)>,
) -> Result<Reply, Problem> {
    let id = key.record.id;
    let mut body = Body::new(call, key);
    body.requests = under_way.settle(call, Use::ProviderKey { id, keeps });
    Reply::new(&body)
}

/// `PUT` with a new value.
pub(crate) async fn rotate(mut call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call)?;
    let mut body = call.take_body(Shape {
        known: &[],
        skipped: &[],
        secrets: &["secret"],
    })?;
    let value = read_value(&body.require_secret("secret")?)?;
    let id = call.key()?.record.id;
    check_shared(&call, call.key()?)?;
    let key = call
        .registry
        .rotate_provider_key(call.account, id, &value, call.actor(), call.now)
        .await?;
    let current = key.current.as_ref();
    let keeps = current.map(|current| (key.record.secret, current.version));
    revoked(&call, &key, under_way, keeps)
}

/// `PATCH`: what can be changed without a new value.
pub(crate) async fn edit(mut call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call)?;
    let mut body = call.take_body(Shape {
        known: &[
            "description",
            "enabled",
            "expires_action",
            "expires_on",
            "rate_limit",
            "rate_limit_period",
            "spend_limits",
        ],
        skipped: &[],
        secrets: &[],
    })?;
    let expires_at = match body.find_nullable("expires_on") {
        None => None,
        Some(None) => Some(None),
        Some(Some(field)) => Some(Some(to_come(&call, field)?)),
    };
    let edit = KeyEdit {
        enabled: body.find("enabled").map(Field::boolean).transpose()?,
        description: body
            .find("description")
            .map(|field| field.text(MAX_DESCRIPTION))
            .transpose()?,
        expires_at,
        expires_action: read_expires_action(&mut body)?,
        rate_limit: rate_limit::read(&mut body, call.key()?.record.limit())?,
        spend_limits: spend::read_of_key(&mut body)?,
    };
    if edit.is_empty() {
        let reason = "there is nothing to change; send `enabled`, `description`, `expires_on`, `expires_action`, `rate_limit` or `spend_limits`";
        return Err(Problem::invalid(&FieldPath::body(), reason));
    }
    let disables = edit.enabled == Some(false);
    let id = call.key()?.record.id;
    let key = call
        .registry
        .edit_provider_key(call.account, id, edit, call.actor(), call.now)
        .await?;
    if disables {
        return revoked(&call, &key, under_way, None);
    }
    Reply::new(&Body::new(&call, &key))
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call)?;
    let id = call.key()?.record.id;
    let key = call
        .registry
        .delete_provider_key(call.account, id, call.actor(), call.now)
        .await?;
    revoked(&call, &key, under_way, None)
}
