//! Secrets stores: `/accounts/{account}/secrets_store/stores`, and the quota (wire-spec §4.8).

mod request;

use std::sync::Arc;

use keyward_registry::{
    Contents, DeletedSecretsStore, Refusal, SecretRefusal, SecretsStoreName, SecretsStoreRecord,
};
use keyward_vault::SecretsStoreId;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::request::{DeleteQuery, ListQuery, NewStore};
use super::{
    in_use::{Requests, UnderWay},
    secrets::UsedBy,
};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
    object::{Object, Shape},
    page::{Direction, Page},
};

/// The largest whole number that every client's number type holds: what an unlimited quota is told as.
const UNLIMITED: u64 = 9_007_199_254_740_991;

/// A store as answers carry it.
#[derive(Serialize, ToSchema)]
#[schema(as = SecretsStore)]
pub(crate) struct Body {
    id: String,
    name: String,
    account_id: String,
    created: Option<String>,
    modified: Option<String>,
}

/// A store that was deleted, and what went with it.
#[derive(Serialize, ToSchema)]
#[schema(as = DeletedSecretsStore)]
pub(crate) struct DeletedBody {
    #[serde(flatten)]
    store: Body,
    secrets_deleted: usize,
    used_by: Vec<UsedBy>,
    #[serde(flatten)]
    requests: Requests,
}

/// How many secrets there may be, and are.
#[derive(Serialize, ToSchema)]
#[schema(as = SecretsQuota)]
pub(crate) struct Quota {
    secrets: Used,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SecretsQuotaOf)]
struct Used {
    /// How many the account may have; the largest exact number where there is no limit.
    quota: u64,
    /// How many it has.
    usage: usize,
}

impl Body {
    fn new(record: &SecretsStoreRecord) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            account_id: record.account.to_string(),
            created: moment::format(record.created_at),
            modified: moment::format(record.modified_at),
        }
    }
}

pub(crate) fn list(call: &Call) -> Result<Reply, Problem> {
    page(call).map_err(Problem::of_secrets_store)
}

fn page(call: &Call) -> Result<Reply, Problem> {
    let page = Page::of(call)?;
    let direction = Direction::of(call, Direction::Rising)?;
    let snapshot = call.snapshot();
    let account = snapshot
        .account(call.account)
        .ok_or_else(Problem::no_account)?;
    let mut stores = account.secrets_stores().to_vec();
    match call.query("order") {
        None | Some("created") => {}
        Some("name") => stores.sort_by(|one, other| one.name.cmp(&other.name)),
        Some("modified") => stores.sort_by_key(|store| store.modified_at),
        Some(_) => {
            let path = FieldPath::query().name("order");
            return Err(Problem::invalid(
                &path,
                "is `name`, `created` or `modified`",
            ));
        }
    }
    if direction == Direction::Falling {
        stores.reverse();
    }
    let (stores, info) = page.cut(stores);
    let bodies: Vec<_> = stores.iter().map(|store| Body::new(store)).collect();
    Reply::page(&bodies, info)
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    let store = find(call)?;
    Reply::new(&Body::new(&store))
}

/// One store for an object, a list of stores for a list.
pub(crate) async fn create(call: Call) -> Result<Reply, Problem> {
    make(call).await.map_err(Problem::of_secrets_store)
}

/// More stores in one request than an account can sensibly have. A guess.
const MOST_AT_ONCE: usize = 100;

async fn make(mut call: Call) -> Result<Reply, Problem> {
    let shape = Shape {
        known: &["name"],
        skipped: &["id", "account_id", "created", "modified"],
        secrets: &[],
    };
    let several = call.take_several(shape, MOST_AT_ONCE)?;
    if several.objects.is_empty() {
        return Err(Problem::invalid_body(
            "the list must have one item at least",
        ));
    }
    let name = |mut object: Object| object.require("name")?.parsed(SecretsStoreName::parse);
    let names = several.objects.into_iter().map(name);
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    let made = call
        .registry
        .create_secrets_stores(call.account, &names, call.actor(), call.now)
        .await?;
    let bodies: Vec<_> = made.iter().map(Body::new).collect();
    match bodies.as_slice() {
        [one] if !several.is_list => Reply::new(one),
        all => Reply::new(&all),
    }
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call).map_err(Problem::of_secrets_store)?;
    let contents = match call.query("force") {
        None | Some("false") => Contents::Keep,
        Some("true") => Contents::Delete,
        Some(_) => {
            let path = FieldPath::query().name("force");
            return Err(Problem::invalid(&path, "is `true` or `false`").of_secrets_store());
        }
    };
    let id = find(&call)?.id;
    let deleted = call
        .registry
        .delete_secrets_store(call.account, id, contents, call.actor(), call.now)
        .await?;
    let DeletedSecretsStore {
        store,
        secrets,
        keys,
        ..
    } = deleted;
    Reply::new(&DeletedBody {
        store: Body::new(&store),
        secrets_deleted: secrets,
        used_by: keys.iter().map(|key| UsedBy::new(key)).collect(),
        requests: under_way.settle_keys(&call, &keys),
    })
}

/// How many secrets the account may have, and how many it has.
pub(crate) fn quota(call: &Call) -> Result<Reply, Problem> {
    let quota = call.registry.secret_limits().secrets;
    Reply::new(&Quota {
        secrets: Used {
            quota: quota.unwrap_or(UNLIMITED),
            usage: call.registry.secret_count(call.account),
        },
    })
}

/// The store of the path.
pub(super) fn find(call: &Call) -> Result<Arc<SecretsStoreRecord>, Problem> {
    let snapshot = call.snapshot();
    let found = SecretsStoreId::parse(call.store()).ok().and_then(|id| {
        let stores = snapshot.account(call.account)?.secrets_stores();
        stores.iter().find(|store| store.id == id).cloned()
    });
    found.ok_or_else(|| {
        let id = Problem::shown(call.store());
        Refusal::Secret(SecretRefusal::StoreNotFound(id)).into()
    })
}
