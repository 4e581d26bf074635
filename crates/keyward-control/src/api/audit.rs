//! The audit log: `/accounts/{account}/logs/audit`, in the shape of Cloudflare's audit logs of version 2, and the
//! state of its chain (docs/audit.md).
//!
//! Ours: `keyward`, which holds the whole line as it is stored, `.../audit/state` and `.../audit/verify`. Lines
//! about no account, the vault's and attempts that named none, are for tokens that may read the vault as well.

use std::time::{Duration, SystemTime};

use keyward_auth::{ManagePlace, Permission};
use keyward_registry::{AuditEntry, AuditQuery, AuditResult, AuditState};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    call::Call,
    envelope::{CursorInfo, FieldPath, Problem, Reply},
    moment,
    page::Direction,
};

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 1_000;

/// Which lines of the audit log are listed. Conditions hold together.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct ListQuery {
    /// Not before this: a moment (RFC 3339), or a day in UTC.
    #[param(required = false)]
    since: String,
    /// Before this: a moment (RFC 3339), or the end of a day in UTC.
    #[param(required = false)]
    before: String,
    /// The token's id, or the actor as the log names it.
    #[param(required = false)]
    actor_id: String,
    /// The id of the token.
    #[param(required = false)]
    actor_token_id: String,
    /// The address that the request came from.
    #[param(required = false)]
    actor_ip_address: String,
    /// The action, such as `provider_key.rotate`.
    #[param(required = false)]
    action: String,
    /// `success` or `failure`; or, more narrowly, `done`, `denied` or `unauthenticated`.
    #[param(required = false)]
    action_result: String,
    /// The kind of record, such as `provider_key`.
    #[param(required = false)]
    resource_type: String,
    /// The record's id.
    #[param(required = false)]
    resource_id: String,
    /// `desc`, the newest first, or `asc`.
    #[param(required = false, default = "desc")]
    direction: String,
    /// How many lines at most.
    #[param(minimum = 1, maximum = 1000, default = 100, required = false)]
    limit: u64,
    /// From where to go on: `result_info.cursor` of the answer before.
    #[param(required = false)]
    cursor: String,
}

/// A line of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLine)]
pub(crate) struct Body {
    /// The line's number, as text.
    id: String,
    account: AccountRef,
    action: Action,
    actor: ActorBody,
    resource: Resource,
    /// The line as it is stored: what an export holds, and what its hash is computed of.
    #[schema(value_type = Object)]
    keyward: AuditEntry,
}

/// The account that a line is about.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditAccount)]
struct AccountRef {
    /// Null: about no account.
    id: Option<String>,
}

/// What was done.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditAction)]
struct Action {
    /// Such as `provider_key.rotate`.
    description: String,
    /// `success` or `failure`.
    result: &'static str,
    /// RFC 3339, to the millisecond.
    time: Option<String>,
    /// `create`, `update`, `delete` or `view`.
    #[serde(rename = "type")]
    kind: &'static str,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
struct ActorBody {
    /// The token's id, or the actor as the log names it.
    id: String,
    /// `api_token`, or null.
    context: Option<&'static str>,
    /// Where the request came from.
    ip_address: Option<String>,
    /// The token's id.
    token_id: Option<String>,
    /// `account`, `system` for a command on the machine, or `unknown`.
    #[serde(rename = "type")]
    kind: &'static str,
}

/// To what it was done.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditResource)]
struct Resource {
    id: String,
    /// Such as `provider_key`.
    #[serde(rename = "type")]
    kind: String,
}

impl Body {
    fn new(entry: AuditEntry) -> Self {
        let token = entry.actor.strip_prefix("token ").map(str::to_owned);
        let is_done = entry.result == AuditResult::Done.as_str();
        Self {
            id: entry.seq.to_string(),
            account: AccountRef {
                id: entry.subject_account.clone(),
            },
            action: Action {
                description: entry.action.clone(),
                result: if is_done { "success" } else { "failure" },
                time: moment::format_millis(entry.at),
                kind: kind_of(&entry.action),
            },
            actor: ActorBody {
                id: token.clone().unwrap_or_else(|| entry.actor.clone()),
                context: token.as_ref().map(|_id| "api_token"),
                ip_address: entry.source.clone(),
                kind: match &token {
                    Some(_) => "account",
                    None if entry.actor == "system" || entry.actor.starts_with("command ") => {
                        "system"
                    }
                    None => "unknown",
                },
                token_id: token,
            },
            resource: Resource {
                id: entry.subject_id.clone(),
                kind: entry.subject_kind.clone(),
            },
            keyward: entry,
        }
    }
}

/// The kind of an action, as Cloudflare names them. Only refused attempts tell of reads: by the name of the route.
fn kind_of(action: &str) -> &'static str {
    match action.rsplit('.').next() {
        Some("create" | "duplicate") => "create",
        Some("delete") => "delete",
        Some("list" | "show" | "scan" | "sums" | "own" | "state" | "quota" | "verify" | "url") => {
            "view"
        }
        _ => "update",
    }
}

pub(crate) async fn list(call: Call) -> Result<Reply, Problem> {
    let query = read_query(&call)?;
    let limit = query.limit;
    let listed = call.registry.store().list_audit(query).await;
    let lines = listed.map_err(Problem::from)?;
    let is_full = lines.len() >= limit;
    let cursor = lines.last().filter(|_| is_full);
    let cursor = cursor.map(|line| line.seq.to_string());
    let bodies: Vec<_> = lines.into_iter().map(Body::new).collect();
    let info = CursorInfo {
        count: bodies.len(),
        cursor,
    };
    Reply::by_cursor(&bodies, info)
}

fn read_query(call: &Call) -> Result<AuditQuery, Problem> {
    let text = |name| call.query(name).map(str::to_owned);
    let mut query = AuditQuery::new(call.account);
    query.with_server = call.may(Permission::VaultRead, ManagePlace::Account);
    query.since = read(call, "since", |text| moment_or_day(text, 0))?;
    query.before = read(call, "before", |text| moment_or_day(text, 1))?;
    query.actor = text("actor_id");
    query.token = text("actor_token_id");
    query.source = text("actor_ip_address");
    query.action = text("action");
    query.result = read(call, "action_result", |text| match text {
        "success" => Some(Some(AuditResult::Done)),
        "failure" => Some(None),
        text => AuditResult::parse(text).map(Some),
    })?
    .flatten();
    query.is_refused = call.query("action_result") == Some("failure");
    query.subject_kind = text("resource_type");
    query.subject_id = text("resource_id");
    query.newest_first = Direction::of(call, Direction::Falling)? == Direction::Falling;
    query.limit = read(call, "limit", |text| {
        let limit = text.parse().ok();
        limit.filter(|limit| (1..=MOST).contains(limit))
    })?
    .unwrap_or(DEFAULT_LIMIT);
    query.after = read(call, "cursor", |text| match text {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    })?
    .flatten();
    Ok(query)
}

/// Reads a parameter; what does not parse is refused by name.
fn read<T>(
    call: &Call,
    name: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = call.query(name) else {
        return Ok(None);
    };
    let refuse = || {
        let reason = match name {
            "since" | "before" => {
                "is neither a moment such as 2027-01-15T08:00:00Z nor a day such as 2027-01-15"
            }
            "action_result" => "is none of success, failure, done, denied and unauthenticated",
            "limit" => "must be a whole number from 1 to 1000",
            _ => "is not a cursor that an answer gave",
        };
        Problem::invalid(&FieldPath::query().name(name), reason)
    };
    parse(text).map(Some).ok_or_else(refuse)
}

/// A moment, or the start of the day that comes `later` days after the one that is named.
pub(super) fn moment_or_day(text: &str, later: u64) -> Option<SystemTime> {
    const DAY: u64 = 24 * 60 * 60;
    if text.len() != "2027-01-15".len() {
        return moment::parse(text);
    }
    let start = moment::parse(&format!("{text}T00:00:00Z"))?;
    start.checked_add(Duration::from_secs(DAY.checked_mul(later)?))
}

/// What is known of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditState)]
pub(crate) struct StateBody {
    /// `whole`, `broken`, or `unchecked` before the first check.
    state: &'static str,
    /// Lines up to this number were checked.
    verified_to: u64,
    /// When, RFC 3339.
    checked_at: Option<String>,
    /// What is not as it was written; a hundred at most.
    findings: Vec<FindingBody>,
    /// The key that checks checkpoints.
    public_key: Option<String>,
    /// Null: no file is configured for them.
    checkpoints: Option<CheckpointsBody>,
}

/// Something that is not as it was written.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditFinding)]
struct FindingBody {
    /// The number of the line; 0 for none.
    line: u64,
    what: String,
}

/// How checkpoints fare.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditCheckpoints)]
struct CheckpointsBody {
    /// The line that the newest one since the start is of.
    newest: Option<u64>,
    /// When it was signed, RFC 3339.
    signed_at: Option<String>,
    /// Whether the last one could not be written.
    is_failing: bool,
}

impl StateBody {
    /// What is known now, as the caller may see it.
    pub(super) fn of(call: &Call) -> Self {
        Self::new(call.registry.store().audit_state()).seen_by(call)
    }

    fn new(state: AuditState) -> Self {
        Self {
            state: match (state.checked_at, state.findings.as_slice()) {
                (_, [_, ..]) => "broken",
                (Some(_), []) => "whole",
                (None, []) => "unchecked",
            },
            verified_to: state.verified_to,
            checked_at: state.checked_at.and_then(moment::format),
            public_key: state.public_key,
            checkpoints: state.checkpoints.map(|state| CheckpointsBody {
                newest: state.newest,
                signed_at: state.signed_at.and_then(moment::format),
                is_failing: state.is_failing,
            }),
            findings: state
                .findings
                .into_iter()
                .map(|finding| FindingBody {
                    line: finding.seq,
                    what: finding.what,
                })
                .collect(),
        }
    }

    /// What a finding names may be another account's: without the right to read the vault it is told that there
    /// is one, and where.
    fn seen_by(mut self, call: &Call) -> Self {
        if !call.may(Permission::VaultRead, ManagePlace::Account) {
            for finding in &mut self.findings {
                "is not as it was written".clone_into(&mut finding.what);
            }
        }
        self
    }
}

pub(crate) fn state(call: &Call) -> Result<Reply, Problem> {
    Reply::new(&StateBody::of(call))
}

/// Checks the whole log now.
pub(crate) async fn verify(call: Call) -> Result<Reply, Problem> {
    let checked = call.registry.store().check_audit().await;
    let state = StateBody::new(checked.map_err(Problem::from)?);
    Reply::new(&state.seen_by(&call))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::kind_of;
    use crate::{refused::action, route::routes};

    #[test]
    fn what_only_reads_is_a_view() {
        for route in routes().filter(|route| route.method == Method::GET) {
            assert_eq!(kind_of(&action(route.name)), "view", "{}", route.name);
        }
    }
}
