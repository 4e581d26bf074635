//! The pools of a gateway and the header of conversations: as requests carry them, and as answers show them.

use std::time::SystemTime;

use keyward_registry::{
    Alias, Gateway, GatewayRecord, Member, Pool, PoolStrategy, Pools, ProviderSlug, SessionHeader,
    Weight,
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::Schema};

use crate::{
    api::provider_configs::shown_status,
    call::Call,
    envelope::{FieldPath, Problem},
    object::{Field, Object},
    openapi::choice,
};

const MEMBER_FIELDS: &[&str] = &["alias", "weight", "key_id", "status"];
const POOL_FIELDS: &[&str] = &["provider", "strategy", "members"];

/// There is no key with the member's alias.
const MISSING: &str = "missing";
const STATUSES: [&str; 5] = ["active", "disabled", "expired", "invalid", MISSING];

/// The keys of one provider that stand in for each other, as answers carry them.
#[derive(Serialize, ToSchema)]
#[schema(as = GatewayPool)]
pub(super) struct PoolBody {
    provider: String,
    #[schema(schema_with = strategy)]
    strategy: &'static str,
    members: Vec<MemberBody>,
}

/// One key of a pool, as answers carry it.
#[derive(Serialize, ToSchema)]
#[schema(as = GatewayPoolMember)]
struct MemberBody {
    alias: String,
    weight: u16,
    /// The provider key. Null: there is none of this alias, and the member is passed over.
    key_id: Option<String>,
    /// The provider key's status, or `missing`. Limits that pass by themselves are not told here.
    #[schema(schema_with = status)]
    status: &'static str,
}

/// The keys of one provider that stand in for each other, as requests carry them.
#[derive(ToSchema)]
#[schema(as = GatewayPoolInput)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct PoolInput {
    /// The provider's slug. A provider has one pool in a gateway.
    provider: String,
    /// `ordered`: the first healthy key. `weighted`: by weight, a conversation that a header names staying with its key.
    /// `conversation`: by weight, and without that header a conversation is known by how it begins. Default `weighted`.
    #[schema(schema_with = strategy)]
    strategy: Option<String>,
    /// The keys, none twice.
    #[schema(min_items = 2, max_items = 16)]
    members: Vec<MemberInput>,
}

/// One key of a pool, as requests carry it. `key_id` and `status` are skipped: answers have them.
#[derive(ToSchema)]
#[schema(as = GatewayPoolMemberInput)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
struct MemberInput {
    /// Which of the provider's keys. There may be none of it yet.
    alias: String,
    /// How much of the traffic it has in relation to the others, in a weighted pool. Default 1.
    #[schema(minimum = 1, maximum = 1000)]
    weight: Option<u16>,
}

fn strategy() -> Schema {
    choice(PoolStrategy::ALL.map(PoolStrategy::as_str))
}

fn status() -> Schema {
    choice(STATUSES)
}

impl PoolBody {
    /// The pools of a gateway. `gateway` is none where the gateway itself is gone, and its keys with it.
    pub(super) fn all(
        record: &GatewayRecord,
        gateway: Option<&Gateway>,
        now: SystemTime,
    ) -> Vec<Self> {
        let member = |pool: &Pool, member: &Member| {
            let key = gateway
                .and_then(|gateway| gateway.key(pool.provider().as_str(), member.alias.as_str()));
            MemberBody {
                alias: member.alias.to_string(),
                weight: member.weight.get(),
                key_id: key.map(|key| key.record.id.to_string()),
                status: key.map_or(MISSING, |key| shown_status(key, now)),
            }
        };
        let pool = |pool: &Pool| Self {
            provider: pool.provider().to_string(),
            strategy: pool.strategy().as_str(),
            members: pool.members().iter().map(|one| member(pool, one)).collect(),
        };
        record.settings.pools.iter().map(pool).collect()
    }
}

/// Reads the pools. What is left out stays as it is: a client that does not know pools must not take them away by
/// being silent.
pub(super) fn read(body: &mut Object, known: &Pools) -> Result<Pools, Problem> {
    let field = match body.find_nullable("pools") {
        None => return Ok(known.clone()),
        Some(None) => return Ok(Pools::default()),
        Some(Some(field)) if field.is_off() => return Ok(Pools::default()),
        Some(Some(field)) => field,
    };
    let path = field.path().clone();
    let pools = field.list()?.into_iter().map(read_pool);
    let pools = pools.collect::<Result<Vec<_>, _>>()?;
    Pools::new(pools).map_err(|error| Problem::invalid(&path, error))
}

fn read_pool(field: Field) -> Result<Pool, Problem> {
    let mut pool = Object::nested(field, POOL_FIELDS)?;
    let provider = pool.require("provider")?.parsed(ProviderSlug::parse)?;
    let strategy = pool.find("strategy");
    let strategy = strategy.map_or(Ok(PoolStrategy::Weighted), |field| {
        field.parsed(PoolStrategy::parse)
    })?;
    let members = pool.require("members")?;
    let path = members.path().clone();
    let members = members.list()?.into_iter().map(read_member);
    let members = members.collect::<Result<Vec<_>, _>>()?;
    Pool::new(provider, strategy, members).map_err(|error| Problem::invalid(&path, error))
}

fn read_member(field: Field) -> Result<Member, Problem> {
    let mut member = Object::nested(field, MEMBER_FIELDS)?;
    let weight = member.find("weight");
    Ok(Member {
        alias: member.require("alias")?.parsed(Alias::parse)?,
        weight: weight.map_or(Ok(Weight::default()), read_weight)?,
    })
}

fn read_weight(field: Field) -> Result<Weight, Problem> {
    let path = field.path().clone();
    let number = field.whole(1..=Weight::MOST)?;
    Weight::new(number).map_err(|error| Problem::invalid(&path, error))
}

/// Reads the header of conversations. The one that gateways have anyway is none that is named.
pub(super) fn read_header(
    body: &mut Object,
    known: Option<&SessionHeader>,
) -> Result<Option<SessionHeader>, Problem> {
    let header = match body.find_nullable("session_header") {
        None => return Ok(known.cloned()),
        Some(None) => return Ok(None),
        Some(Some(field)) => field.parsed(SessionHeader::parse)?,
    };
    Ok((header != SessionHeader::default()).then_some(header))
}

/// Refuses a pool for a provider that does not exist, unless it was there before.
pub(super) fn check_providers(call: &Call, known: &Pools, wanted: &Pools) -> Result<(), Problem> {
    for (index, pool) in wanted.iter().enumerate() {
        let slug = pool.provider().as_str();
        let provider = call.registry.find_provider(call.account, slug);
        let is_named_so = provider.as_ref().is_some_and(|found| found.slug() == slug);
        if is_named_so || known.find(slug).is_some() {
            continue;
        }
        let path = FieldPath::body().name("pools");
        let path = path.index(index).name("provider");
        return Err(match provider {
            Some(found) => Problem::invalid(
                &path,
                format_args!("is called `{}` in keys and pools", found.slug()),
            ),
            None => Problem::invalid(&path, call.registry.provider_unknown(slug)),
        });
    }
    Ok(())
}
