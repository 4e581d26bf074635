//! Entries one after another: `/accounts/{account}/keyward/gateways/{gateway}/logs`. Ours beside the reference, whose lists
//! count all that there are for each page.

use keyward_registry::{LogId, LogScan};
use utoipa::IntoParams;

use super::{Body, filters, place, query};
use crate::{
    call::Call,
    envelope::{CursorInfo, FieldPath, Problem, Reply},
};

const DEFAULT_LIMIT: u32 = 100;
const MOST: u32 = 1_000;

/// Which entries are read. Every condition of the list is taken; they hold together.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct ScanQuery {
    /// As of the list; so are its other conditions.
    #[param(required = false)]
    filters: String,
    /// As of the list.
    #[param(required = false)]
    search: String,
    /// Not before this, RFC 3339.
    #[param(required = false)]
    start_date: String,
    /// Not after this, RFC 3339.
    #[param(required = false)]
    end_date: String,
    /// `desc`: the newest first; or `asc`.
    #[param(required = false, default = "desc")]
    direction: String,
    /// How many entries at most.
    #[param(minimum = 1, maximum = 1000, default = 100, required = false)]
    limit: u32,
    /// The id of the entry behind which to go on: `result_info.cursor` of the answer before.
    #[param(required = false)]
    cursor: String,
}

pub(crate) async fn scan(call: Call) -> Result<Reply, Problem> {
    let limit = limit(&call)?;
    check_order(&call)?;
    let scan = LogScan {
        place: place(&call)?,
        filters: filters::all(&call)?,
        direction: query::direction(&call)?,
        after: cursor(&call)?,
        // One more tells whether there is one more.
        most: limit.saturating_add(1),
    };
    let read = call.registry.store().scan_logs(scan).await;
    let mut entries = read.map_err(Problem::from)?;
    let has_more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let last = entries.last().filter(|_| has_more);
    let info = CursorInfo {
        count: entries.len(),
        cursor: last.map(|entry| entry.id.to_string()),
    };
    let bodies: Vec<_> = entries.iter().map(Body::new).collect();
    Reply::by_cursor(&bodies, info)
}

fn limit(call: &Call) -> Result<u32, Problem> {
    let Some(text) = call.query("limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| refuse("limit", "must be a whole number from 1 to 1000"))
}

/// It goes by time, since a cursor stands between two moments.
fn check_order(call: &Call) -> Result<(), Problem> {
    match call.query("order_by") {
        None | Some("created_at") => Ok(()),
        Some(_) => {
            let reason = "is `created_at`; the list of the log has other orders";
            Err(refuse("order_by", reason))
        }
    }
}

fn cursor(call: &Call) -> Result<Option<LogId>, Problem> {
    let Some(text) = call.query("cursor") else {
        return Ok(None);
    };
    let id = LogId::parse(text);
    id.map(Some)
        .map_err(|_invalid| refuse("cursor", "must be the id of a log entry"))
}

fn refuse(name: &'static str, reason: &'static str) -> Problem {
    Problem::invalid(&FieldPath::query().name(name), reason)
}
