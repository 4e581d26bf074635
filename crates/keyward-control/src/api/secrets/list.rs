//! A page of a store's secrets: which of them, and in what order.

use std::cmp::Ordering;

use keyward_registry::SecretScope;
use keyward_vault::SecretRecord;

use super::Body;
use crate::{
    api::secrets_stores,
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    page::{Direction, Page},
};

/// What a list is ordered by.
#[derive(Clone, Copy)]
enum Order {
    Name,
    Comment,
    Created,
    Modified,
    /// Every secret that is listed has the same.
    Status,
}

impl Order {
    fn of(call: &Call) -> Result<Self, Problem> {
        Ok(match call.query("order") {
            None | Some("name") => Self::Name,
            Some("comment") => Self::Comment,
            Some("created") => Self::Created,
            Some("modified") => Self::Modified,
            Some("status") => Self::Status,
            Some(_) => {
                let path = FieldPath::query().name("order");
                let reason = "is `name`, `comment`, `created`, `modified` or `status`";
                return Err(Problem::invalid(&path, reason));
            }
        })
    }

    /// What is equal by this order is ordered by id, so that pages neither miss nor repeat any.
    fn compare(self, one: &SecretRecord, other: &SecretRecord) -> Ordering {
        let by = match self {
            Self::Name => one.name.cmp(&other.name),
            Self::Comment => one.comment.cmp(&other.comment),
            Self::Created => one.created_at.cmp(&other.created_at),
            Self::Modified => one.modified_at.cmp(&other.modified_at),
            Self::Status => Ordering::Equal,
        };
        by.then_with(|| one.id.cmp(&other.id))
    }
}

pub(crate) async fn list(call: Call) -> Result<Reply, Problem> {
    page(&call).await.map_err(Problem::of_secrets_store)
}

async fn page(call: &Call) -> Result<Reply, Problem> {
    let page = Page::of(call)?;
    let order = Order::of(call)?;
    let direction = Direction::of(call, Direction::Rising)?;
    let scopes = scopes(call)?;
    let search = call.query("search").unwrap_or_default().to_lowercase();
    let store = secrets_stores::find(call)?.id;
    let is_found = |secret: &SecretRecord| {
        secret.store == store
            && (scopes.is_empty() || scopes.iter().any(|group| has_all(secret, group)))
            && (search.is_empty()
                || [&secret.name, &secret.comment]
                    .iter()
                    .any(|text| text.to_lowercase().contains(&search)))
    };
    let mut secrets = call.registry.secrets(call.account);
    secrets.retain(|secret| is_found(secret));
    let (secrets, info) = page.cut_in_order(secrets, |one, other| {
        direction.turn(order.compare(one, other))
    });
    let bodies = Body::all(call, &secrets).await?;
    Reply::page(&bodies, info)
}

fn has_all(secret: &SecretRecord, scopes: &[SecretScope]) -> bool {
    scopes.iter().all(|scope| scope.is_of(secret))
}

/// The groups of scopes of which a secret must have one whole: the parameter may be repeated, and the scopes of a
/// group are separated by commas.
fn scopes(call: &Call) -> Result<Vec<Vec<SecretScope>>, Problem> {
    let scope = |text: &str| {
        text.trim().parse().map_err(|error| {
            let path = FieldPath::query().name("scopes");
            Problem::invalid(&path, format_args!("{error}"))
        })
    };
    call.queries("scopes")
        .map(|group| group.split(',').map(scope).collect())
        .collect()
}
