//! Secrets: `…/secrets_store/stores/{store}/secrets` (wire-spec §4.8).
//!
//! Ours beside the reference: `destination`, where the value may go; `used_by`, the provider keys that use it; what
//! goes with `?now=true`. The value is in no answer.

mod list;
mod request;

use std::sync::Arc;

use keyward_registry::{
    DeletedSecret, NewSecret, ProviderKey, Refusal, SecretCopy, SecretEdit, SecretName,
    SecretRefusal, SecretScope, Use,
};
use keyward_vault::{SecretId, SecretRecord, SecretsStoreId};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::{
    list::list,
    request::{Copy, Edit, ListQuery, NewSecretBody, SecretReference},
};
use super::{
    in_use::{Requests, UnderWay},
    secrets_stores,
};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
    object::{Field, Object, Shape},
};

/// Secrets in one request. Ours: a body is at most 1 MiB, whatever is in it.
const MOST_AT_ONCE: usize = 100;
/// Ids in one request. Ours.
const MOST_IDS: usize = 1000;
/// Characters of a comment. Ours; as of a provider key's description, which is the same text.
const MAX_COMMENT: usize = 1024;

/// What only answers carry, and a client may send back.
const ANSWER_FIELDS: &[&str] = &[
    "id",
    "store_id",
    "status",
    "created",
    "modified",
    "destination",
    "used_by",
];

/// A secret as answers carry it. Never the value.
#[derive(Serialize, ToSchema)]
#[schema(as = Secret)]
pub(crate) struct Body {
    id: String,
    store_id: String,
    name: String,
    comment: Option<String>,
    #[schema(schema_with = request::scopes)]
    scopes: Vec<String>,
    status: &'static str,
    created: Option<String>,
    modified: Option<String>,
    /// Where the value may go; null where it is bound to no origin and no gateway can use it.
    destination: Option<Vec<String>>,
    used_by: Vec<UsedBy>,
    #[serde(flatten)]
    requests: Requests,
}

/// A provider key that uses a secret.
#[derive(Serialize, ToSchema)]
#[schema(as = SecretUse)]
pub(crate) struct UsedBy {
    id: String,
    gateway_id: String,
    provider_slug: String,
    alias: String,
    last_used_at: Option<String>,
}

impl UsedBy {
    pub(super) fn new(key: &ProviderKey) -> Self {
        Self {
            id: key.record.id.to_string(),
            gateway_id: key.record.gateway.to_string(),
            provider_slug: key.record.provider.to_string(),
            alias: key.record.alias.to_string(),
            last_used_at: key.last_used.get().and_then(moment::format),
        }
    }
}

impl Body {
    async fn new(call: &Call, secret: &Arc<SecretRecord>) -> Result<Self, Problem> {
        let bodies = Self::all(call, std::slice::from_ref(secret)).await?;
        let body = bodies.into_iter().next();
        Ok(body.unwrap_or_else(|| Self::gone(secret, std::iter::empty())))
    }

    async fn all(call: &Call, secrets: &[Arc<SecretRecord>]) -> Result<Vec<Self>, Problem> {
        let ids: Vec<_> = secrets.iter().map(|secret| secret.id).collect();
        let destinations = call.registry.destinations_of_secrets(call.account, &ids);
        let destinations = destinations.await?;
        let snapshot = call.snapshot();
        let bodies = secrets.iter().map(|secret| {
            let keys = snapshot.keys_of_secret(call.account, secret.id);
            let destination = destinations.get(&secret.id);
            Self {
                destination: destination.map(|destination| destination.entries().collect()),
                ..Self::gone(secret, keys)
            }
        });
        Ok(bodies.collect())
    }

    /// Without its destination, which goes with the value.
    fn gone<'a>(secret: &SecretRecord, keys: impl Iterator<Item = &'a Arc<ProviderKey>>) -> Self {
        Self {
            id: secret.id.to_string(),
            store_id: secret.store.to_string(),
            name: secret.name.clone(),
            comment: (!secret.comment.is_empty()).then(|| secret.comment.clone()),
            scopes: secret.scopes.clone(),
            // A secret is usable as soon as the call that stores it returned.
            status: "active",
            created: moment::format(secret.created_at),
            modified: moment::format(secret.modified_at),
            destination: None,
            used_by: keys.map(|key| UsedBy::new(key)).collect(),
            requests: Requests::default(),
        }
    }
}

pub(crate) async fn show(call: Call) -> Result<Reply, Problem> {
    let secret = find(&call)?;
    Reply::new(&Body::new(&call, &secret).await?)
}

pub(crate) async fn create(call: Call) -> Result<Reply, Problem> {
    store(call).await.map_err(Problem::of_secrets_store)
}

async fn store(mut call: Call) -> Result<Reply, Problem> {
    let shape = Shape {
        known: &["name", "scopes", "comment"],
        skipped: ANSWER_FIELDS,
        secrets: &["value"],
    };
    let several = call.take_several(shape, MOST_AT_ONCE)?;
    if !several.is_list || several.objects.is_empty() {
        let reason = "a list is required as the body, with one secret at least";
        return Err(Problem::invalid_body(reason));
    }
    let store = secrets_stores::find(&call)?.id;
    let new = several.objects.into_iter().map(read_new);
    let new: Vec<_> = new.collect::<Result<_, _>>()?;
    let stored = call
        .registry
        .create_secrets(call.account, store, new, call.actor(), call.now)
        .await?;
    Reply::new(&Body::all(&call, &stored).await?)
}

fn read_new(mut object: Object) -> Result<NewSecret, Problem> {
    Ok(NewSecret {
        name: read_name(&mut object)?,
        scopes: read_scopes(object.require("scopes")?)?,
        comment: read_comment(&mut object)?.unwrap_or_default(),
        value: object.require_secret("value")?,
    })
}

fn read_name(object: &mut Object) -> Result<SecretName, Problem> {
    object.require("name")?.parsed(SecretName::parse)
}

fn read_scopes(field: Field) -> Result<Vec<SecretScope>, Problem> {
    if field.is_off() {
        return Err(field.refuse("secret_scopes_empty: one scope at least is required"));
    }
    let scopes = field.list()?.into_iter();
    scopes.map(|scope| scope.parsed(str::parse)).collect()
}

/// `Some` where the comment is given; empty where it is null.
fn read_comment(object: &mut Object) -> Result<Option<String>, Problem> {
    match object.find_nullable("comment") {
        None => Ok(None),
        Some(None) => Ok(Some(String::new())),
        Some(Some(field)) => field.text(MAX_COMMENT).map(Some),
    }
}

pub(crate) async fn edit(call: Call) -> Result<Reply, Problem> {
    change(call).await.map_err(Problem::of_secrets_store)
}

async fn change(mut call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call)?;
    let mut body = call.take_body(Shape {
        known: &["name", "scopes", "comment"],
        skipped: ANSWER_FIELDS,
        secrets: &["value"],
    })?;
    let secret = find(&call)?;
    if let Some(name) = body.find("name") {
        return Err(name.refuse("cannot be changed; duplicate the secret under another name"));
    }
    let edit = SecretEdit {
        value: body.find_secret("value")?,
        scopes: body.find("scopes").map(read_scopes).transpose()?,
        comment: read_comment(&mut body)?,
    };
    if edit.value.is_none() && edit.scopes.is_none() && edit.comment.is_none() {
        let reason = "there is nothing to change; send `value`, `scopes` or `comment`";
        return Err(Problem::invalid(&FieldPath::body(), reason));
    }
    let is_revoked = edit.value.is_some() || edit.scopes.is_some();
    let changed = call
        .registry
        .edit_secret(
            call.account,
            secret.store,
            secret.id,
            edit,
            call.actor(),
            call.now,
        )
        .await?;
    let mut answer = Body::new(&call, &changed).await?;
    if is_revoked {
        // What uses the value that is current now goes on.
        let snapshot = call.snapshot();
        let keys = snapshot.keys_of_secret(call.account, changed.id);
        let uses: Vec<_> = keys
            .map(|key| Use::ProviderKey {
                id: key.record.id,
                keeps: key
                    .current
                    .as_ref()
                    .map(|current| (changed.id, current.version)),
            })
            .collect();
        answer.requests = under_way.settle_all(&call, uses);
    }
    Reply::new(&answer)
}

pub(crate) async fn duplicate(call: Call) -> Result<Reply, Problem> {
    copy(call).await.map_err(Problem::of_secrets_store)
}

async fn copy(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: &["name", "scopes", "comment"],
        skipped: &[],
        secrets: &[],
    })?;
    let secret = find(&call)?;
    let copy = SecretCopy {
        name: read_name(&mut body)?,
        scopes: read_scopes(body.require("scopes")?)?,
        comment: read_comment(&mut body)?.unwrap_or_default(),
    };
    let made = call
        .registry
        .copy_secret(
            call.account,
            secret.store,
            secret.id,
            copy,
            call.actor(),
            call.now,
        )
        .await?;
    Reply::new(&Body::new(&call, &made).await?)
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call).map_err(Problem::of_secrets_store)?;
    let secret = find(&call)?;
    let deleted = take_away(&call, secret.store, &[secret.id]).await?;
    let deleted = deleted.first().map(|one| gone(&call, under_way, one));
    Reply::new(&deleted)
}

/// Deletes the secrets that the body lists. Without ids nothing is deleted: clients send a request without a body
/// (wire-spec §8.1), and nobody means all of them.
pub(crate) async fn delete_several(call: Call) -> Result<Reply, Problem> {
    delete_listed(call).await.map_err(Problem::of_secrets_store)
}

async fn delete_listed(mut call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call)?;
    let ids = call.take_ids(MOST_IDS)?.into_iter();
    let store = secrets_stores::find(&call)?.id;
    let ids = ids.map(|id| id.parsed(SecretId::parse));
    let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
    let deleted = take_away(&call, store, &ids).await?;
    let deleted = deleted.iter().map(|one| gone(&call, under_way, one));
    Reply::new(&deleted.collect::<Vec<_>>())
}

async fn take_away(
    call: &Call,
    store: SecretsStoreId,
    ids: &[SecretId],
) -> Result<Vec<DeletedSecret>, Problem> {
    let deleted = call
        .registry
        .delete_secrets(call.account, store, ids, call.actor(), call.now);
    Ok(deleted.await?)
}

/// A deleted secret, and what becomes of the requests that use it.
fn gone(call: &Call, under_way: UnderWay, deleted: &DeletedSecret) -> Body {
    Body {
        status: "deleted",
        requests: under_way.settle_keys(call, &deleted.keys),
        ..Body::gone(&deleted.secret, deleted.keys.iter())
    }
}

/// The secret of the path.
fn find(call: &Call) -> Result<Arc<SecretRecord>, Problem> {
    let store = secrets_stores::find(call)?.id;
    let id = SecretId::parse(call.id()).ok();
    let found = id.and_then(|id| call.registry.secret(call.account, id));
    found.filter(|secret| secret.store == store).ok_or_else(|| {
        let id = Problem::shown(call.id());
        Refusal::Secret(SecretRefusal::NotFound(id)).into()
    })
}
