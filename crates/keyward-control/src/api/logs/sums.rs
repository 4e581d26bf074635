//! Sums of entries by steps of time: `/accounts/{account}/keyward/gateways/{gateway}/logs/sums`. Ours beside the reference.

use std::time::{Duration, SystemTime};

use keyward_registry::{
    Latencies, LogGroup, LogSeries, LogSeriesName, LogSum, LogSumQuery, LogSums, traffic_secs,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{filters, place};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
};

const DAY: u64 = 24 * 3_600;
/// How long a step may be, in seconds: the shortest of which there are not too many is taken.
const STEPS: [u64; 10] = [
    10,
    60,
    300,
    900,
    1_800,
    3_600,
    3 * 3_600,
    6 * 3_600,
    12 * 3_600,
    DAY,
];
const MOST_STEPS: u64 = 64;
/// What is told apart: as many as people tell apart in a picture.
const MOST_GROUPS: u32 = 7;
/// The most entries that are read: somewhat below a second of a database (docs/logs.md).
const MOST_READ: u64 = 1_000_000;

/// Which entries are summed up. Every condition of the list is taken; they hold together.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct SumsQuery {
    /// `provider`, `model`, `key` or `token`: what they are told apart by.
    #[param(required = false, default = "provider")]
    by: String,
    /// Not before this, RFC 3339. Left out, from 24 hours before the end.
    #[param(required = false)]
    start_date: String,
    /// Not after this, RFC 3339; at most 63 days behind the start. Left out, until now.
    #[param(required = false)]
    end_date: String,
    /// As of the list; so are its other conditions.
    #[param(required = false)]
    filters: String,
    /// As of the list.
    #[param(required = false)]
    search: String,
}

/// Requests, step by step.
#[derive(Serialize, ToSchema)]
#[schema(as = LogSums)]
pub(crate) struct SumsBody {
    /// When the first step begins, RFC 3339.
    since: Option<String>,
    /// When the last step ends, RFC 3339.
    before: Option<String>,
    /// How long a step is, in seconds.
    step: u64,
    /// What was made before this is not in the sums, RFC 3339: at most 1,000,000 entries are read. As `since` where that is all;
    /// as `before` where nothing was read, since there are so many in the last step alone.
    read_since: Option<String>,
    /// What series are told apart by.
    by: &'static str,
    /// All series together.
    total: Sum,
    /// The most requests first; what is counted together comes last.
    series: Vec<Series>,
}

/// The requests of one provider, model, key or token, or of all others.
#[derive(Serialize, ToSchema)]
#[schema(as = LogSeries)]
struct Series {
    /// Null: of requests without any, or of all others.
    name: Option<String>,
    /// Whether it is of all that are not told apart.
    others: bool,
    /// All steps together.
    total: Sum,
    /// The steps with requests, the oldest first.
    steps: Vec<Step>,
}

/// The requests of one step.
#[derive(Serialize, ToSchema)]
#[schema(as = LogStep)]
struct Step {
    /// Its number, from 0.
    number: u32,
    /// Since when, RFC 3339.
    start: Option<String>,
    #[serde(flatten)]
    sum: Sum,
}

/// How many there were, and what they took.
#[derive(Serialize, ToSchema)]
#[schema(as = LogSum)]
struct Sum {
    requests: u64,
    /// Those that did not succeed.
    errors: u64,
    /// Of those that tell.
    tokens_in: u64,
    /// Of those that tell.
    tokens_out: u64,
    /// In US dollars, of those of which it is known.
    cost: f64,
    duration_ms: Durations,
}

/// The time to the end of the answer, in milliseconds; null where there was no request. Interpolated between bounds that
/// double from 1 to 65,536, which stands for itself and all beyond.
#[derive(Serialize, ToSchema)]
#[schema(as = LogDurations)]
struct Durations {
    p50: Option<f64>,
    p95: Option<f64>,
}

pub(crate) async fn sum(call: Call) -> Result<Reply, Problem> {
    let (by, query) = query(&call)?;
    let store = call.registry.store();
    let sums = store.sum_logs(query.clone()).await;
    Reply::new(&body(by, &query, &sums.map_err(Problem::from)?))
}

fn query(call: &Call) -> Result<(&'static str, LogSumQuery), Problem> {
    let (name, by) = group(call)?;
    let before = filters::date(call, "end_date")?.unwrap_or(call.now);
    let before = traffic_secs(before).saturating_add(1);
    let since = match filters::date(call, "start_date")? {
        None => before.saturating_sub(DAY),
        Some(since) => traffic_secs(since),
    };
    if since >= before {
        return Err(refuse("end_date", "must not lie before `start_date`"));
    }
    let (since, step, steps) = STEPS
        .into_iter()
        .map(|step| {
            let since = since - since % step;
            (since, step, (before - since).div_ceil(step))
        })
        .find(|(_, _, steps)| *steps <= MOST_STEPS)
        .ok_or_else(|| refuse("start_date", "must lie at most 63 days before `end_date`"))?;
    let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since));
    let query = LogSumQuery {
        place: place(call)?,
        filters: filters::all(call)?,
        by,
        since: since.ok_or_else(|| refuse("start_date", "lies too far off"))?,
        step: Duration::from_secs(step),
        steps: u32::try_from(steps).unwrap_or(u32::MAX),
        most_groups: MOST_GROUPS,
        most_read: MOST_READ,
    };
    Ok((name, query))
}

fn group(call: &Call) -> Result<(&'static str, LogGroup), Problem> {
    let wanted = call.query("by").unwrap_or("provider");
    let found = LogGroup::ALL.into_iter().find(|(name, _)| *name == wanted);
    found.ok_or_else(|| refuse("by", "is `provider`, `model`, `key` or `token`"))
}

fn refuse(name: &'static str, reason: &'static str) -> Problem {
    Problem::invalid(&FieldPath::query().name(name), reason)
}

fn body(by: &'static str, query: &LogSumQuery, sums: &LogSums) -> SumsBody {
    let start = |step| moment::format(query.start(step));
    let mut total = LogSum::default();
    let mut listed = Vec::new();
    for LogSeries { name, steps } in &sums.series {
        let mut own = LogSum::default();
        for (_, sum) in steps {
            own.merge(sum);
        }
        total.merge(&own);
        let steps = steps.iter().map(|(number, sum)| Step {
            number: *number,
            start: start(*number),
            sum: Sum::new(sum),
        });
        listed.push(Series {
            name: match name {
                LogSeriesName::Named(name) => Some(name.to_string()),
                LogSeriesName::Nothing | LogSeriesName::Others => None,
            },
            others: *name == LogSeriesName::Others,
            total: Sum::new(&own),
            steps: steps.collect(),
        });
    }
    SumsBody {
        since: start(0),
        before: start(query.steps),
        step: query.step.as_secs(),
        read_since: start(sums.first_step),
        by,
        total: Sum::new(&total),
        series: listed,
    }
}

impl Sum {
    fn new(sum: &LogSum) -> Self {
        Self {
            requests: sum.requests(),
            errors: sum.failed,
            tokens_in: sum.tokens_in,
            tokens_out: sum.tokens_out,
            cost: sum.cost.dollars(),
            duration_ms: Durations::new(&sum.durations),
        }
    }
}

impl Durations {
    fn new(durations: &Latencies) -> Self {
        let percentile = |percent| {
            let duration = durations.percentile(percent)?;
            Some(duration.as_secs_f64() * 1e3)
        };
        Self {
            p50: percentile(50),
            p95: percentile(95),
        }
    }
}
