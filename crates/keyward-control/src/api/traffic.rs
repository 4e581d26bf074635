//! How many requests there were and how long they took: ours beside the reference.
//!
//! `/accounts/{account}/keyward/traffic` sums up what the data plane counts (docs/traffic.md), step by step. A token
//! sees the gateways, providers and keys that its scopes hold.

use std::{
    str::FromStr,
    time::{Duration, SystemTime},
};

use keyward_auth::{ManagePlace, Permission, Scope};
use keyward_registry::{
    Latencies, ProviderKeyId, ProviderKeyRecord, TrafficClass, TrafficQuery, TrafficSpan,
    TrafficSums, traffic_secs,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::audit::moment_or_day;
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
};

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// The longest step: as long as anything is kept.
const LONGEST_STEP: u64 = 30 * DAY;
const MOST_STEPS: u64 = 1_500;

/// Which requests are summed up. Conditions hold together.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct Query {
    /// Only those to this gateway.
    #[param(required = false)]
    gateway_id: String,
    /// Only those to this provider, by the slug that keys carry.
    #[param(required = false)]
    provider_slug: String,
    /// Only those with this stored key.
    #[param(required = false)]
    provider_key_id: String,
    /// From the minute or the hour of this moment (RFC 3339), or from the start of this day in UTC. Left out, from 24
    /// hours before the end.
    #[param(required = false)]
    since: String,
    /// Up to the step of this moment, or to the end of this day in UTC. Left out, until now.
    #[param(required = false)]
    before: String,
    /// How long a step is, in seconds: a multiple of 60 below an hour, which counts by the minute; or a multiple of 3,600,
    /// which counts by the hour. There are 1,500 steps at most.
    #[param(minimum = 60, maximum = 2592000, default = 3600, required = false)]
    step: u64,
}

/// How many requests there were, step by step.
#[derive(Serialize, ToSchema)]
#[schema(as = Traffic)]
pub(crate) struct Body {
    /// The end of the last step, RFC 3339.
    before: Option<String>,
    /// How long a step is, in seconds.
    step: u64,
    /// What was counted before this is not kept, RFC 3339.
    kept_since: Option<String>,
    /// All steps together.
    total: Figures,
    /// Every step, the oldest first, also those without requests.
    steps: Vec<Figures>,
}

/// The requests of one step, or of all.
#[derive(Serialize, ToSchema)]
#[schema(as = TrafficFigures)]
struct Figures {
    /// Since when, RFC 3339.
    start: Option<String>,
    requests: u64,
    /// Those that were answered 4xx or 5xx, by the provider or by the gateway.
    errors: u64,
    classes: Classes,
    latency_ms: Percentiles,
}

/// What became of the requests.
#[derive(Serialize, ToSchema)]
#[schema(as = TrafficClasses)]
struct Classes {
    /// The provider answered 1xx or 2xx.
    success: u64,
    /// 3xx.
    redirect: u64,
    /// 4xx.
    client_error: u64,
    /// 5xx.
    server_error: u64,
    /// The gateway answered itself: it refused the request, or could not reach the provider.
    refused: u64,
    /// The client went away before there was an answer.
    canceled: u64,
}

/// The time until the head of the provider's answer, in milliseconds; null where there was none. Interpolated between
/// bounds that double from 1 to 65,536, which stands for itself and all beyond.
#[derive(Serialize, ToSchema)]
#[schema(as = TrafficLatency)]
struct Percentiles {
    p50: Option<f64>,
    p99: Option<f64>,
}

pub(crate) async fn show(call: Call) -> Result<Reply, Problem> {
    let query = read_query(&call)?;
    let store = call.registry.store();
    let sums = store.sum_traffic(query.clone()).await;
    Reply::new(&body(&query, &sums.map_err(Problem::from)?, call.now))
}

fn read_query(call: &Call) -> Result<TrafficQuery, Problem> {
    let step = read(call, "step", read_step)?.unwrap_or(HOUR);
    let span = if step.is_multiple_of(HOUR) {
        TrafficSpan::Hour
    } else {
        TrafficSpan::Minute
    };
    let moment = |name, later| {
        let read = read(call, name, |text| moment_or_day(text, later));
        read.map(|moment| moment.map(traffic_secs))
    };
    let before = moment("before", 1)?.unwrap_or_else(|| traffic_secs(call.now).saturating_add(1));
    let since = moment("since", 0)?.unwrap_or_else(|| before.saturating_sub(DAY));
    let since = span.start(since);
    let refuse = |name, reason| Problem::invalid(&FieldPath::query().name(name), reason);
    if since >= before {
        return Err(refuse("before", "must lie behind `since`"));
    }
    let steps = (before - since).div_ceil(step);
    if steps > MOST_STEPS {
        let reason = "makes more than 1500 steps between `since` and `before`; take a longer one";
        return Err(refuse("step", reason));
    }
    Ok(TrafficQuery {
        account: call.account,
        gateways: names(call, "gateway_id", &call.caller.grant().gateways)?,
        providers: names(call, "provider_slug", &call.caller.grant().providers)?,
        keys: keys(call)?,
        span,
        since,
        step,
        steps,
    })
}

/// The name that is asked for, where the scope holds it; where none is, the names of the scope.
fn names<T: FromStr>(
    call: &Call,
    name: &'static str,
    scope: &Scope,
) -> Result<Option<Vec<T>>, Problem> {
    let asked = read(call, name, |text| {
        Some((text.to_owned(), text.parse().ok()?))
    })?;
    Ok(match (asked, scope) {
        (Some((text, id)), scope) if scope.allows(&text) => Some(vec![id]),
        (Some(_), _) => Some(Vec::new()),
        (None, Scope::All) => None,
        (None, Scope::Only(names)) => {
            Some(names.iter().filter_map(|name| name.parse().ok()).collect())
        }
    })
}

/// The key that is asked for; without one, those that a token for some aliases may see. None: any, and none.
fn keys(call: &Call) -> Result<Option<Vec<ProviderKeyId>>, Problem> {
    let snapshot = call.snapshot();
    let may_see = |record: &ProviderKeyRecord| {
        let place = ManagePlace::ProviderKey {
            gateway: record.gateway.as_str(),
            provider: record.provider.as_str(),
            alias: record.alias.as_str(),
        };
        call.may(Permission::AiGatewayRead, place)
    };
    if let Some(id) = read(call, "provider_key_id", |text| text.parse().ok())? {
        let key = snapshot.provider_key(call.account, id);
        return match key.filter(|key| may_see(&key.record)) {
            Some(_) => Ok(Some(vec![id])),
            None => Err(Problem::key_not_found(&id.to_string())),
        };
    }
    if call.caller.grant().aliases == Scope::All {
        return Ok(None);
    }
    let account = snapshot.account(call.account);
    let keys = account
        .into_iter()
        .flat_map(|account| account.provider_keys());
    let seen = keys.map(|key| &key.record).filter(|record| may_see(record));
    Ok(Some(seen.map(|record| record.id).collect()))
}

fn read_step(text: &str) -> Option<u64> {
    let step: u64 = text.parse().ok()?;
    let is_whole = match step {
        MINUTE..HOUR => step.is_multiple_of(MINUTE),
        HOUR..=LONGEST_STEP => step.is_multiple_of(HOUR),
        _ => false,
    };
    is_whole.then_some(step)
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
            "step" => {
                "must be a number of seconds: a multiple of 60 below 3600, or a multiple of 3600 up to 2592000"
            }
            "gateway_id" => "is no gateway's name",
            "provider_slug" => "is no provider's slug",
            _ => "is no provider key's id",
        };
        Problem::invalid(&FieldPath::query().name(name), reason)
    };
    parse(text).map(Some).ok_or_else(refuse)
}

fn body(query: &TrafficQuery, sums: &TrafficSums, now: SystemTime) -> Body {
    let mut steps: Vec<_> = (0..query.steps).map(|_step| Counted::default()).collect();
    let mut total = Counted::default();
    for sum in &sums.sums {
        total.add(sum.class, &sum.latencies);
        let step = usize::try_from(sum.step).ok();
        if let Some(step) = step.and_then(|step| steps.get_mut(step)) {
            step.add(sum.class, &sum.latencies);
        }
    }
    let kept_since = query.span.kept_since(traffic_secs(now));
    let starts = (0..).map(|step: u64| query.since.saturating_add(step.saturating_mul(query.step)));
    Body {
        before: moment_of(
            query
                .since
                .saturating_add(query.steps.saturating_mul(query.step)),
        ),
        step: query.step,
        kept_since: moment_of(kept_since.max(sums.dropped_until)),
        total: total.figures(query.since),
        steps: steps
            .iter()
            .zip(starts)
            .map(|(step, start)| step.figures(start))
            .collect(),
    }
}

fn moment_of(secs: u64) -> Option<String> {
    moment::format(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(secs))?)
}

/// What is summed up so far.
#[derive(Default)]
struct Counted {
    classes: [u64; TrafficClass::ALL.len()],
    /// Of the requests that a provider answered.
    answered: Latencies,
}

impl Counted {
    fn add(&mut self, class: TrafficClass, latencies: &Latencies) {
        if let Some(count) = self.classes.get_mut(class.index()) {
            *count = count.saturating_add(latencies.total());
        }
        if !matches!(class, TrafficClass::Refused | TrafficClass::Canceled) {
            self.answered.merge(latencies);
        }
    }

    fn figures(&self, start: u64) -> Figures {
        let of = |class: TrafficClass| self.classes.get(class.index()).copied().unwrap_or(0);
        let sum = |is_wanted: fn(TrafficClass) -> bool| {
            let wanted = TrafficClass::ALL
                .into_iter()
                .filter(|class| is_wanted(*class));
            wanted.fold(0_u64, |sum, class| sum.saturating_add(of(class)))
        };
        let millis = |percent| {
            let latency = self.answered.percentile(percent)?;
            let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
            Some(f64::from(micros) / 1_000.0)
        };
        Figures {
            start: moment_of(start),
            requests: sum(|_class| true),
            errors: sum(TrafficClass::is_error),
            classes: Classes {
                success: of(TrafficClass::Success),
                redirect: of(TrafficClass::Redirect),
                client_error: of(TrafficClass::ClientError),
                server_error: of(TrafficClass::ServerError),
                refused: of(TrafficClass::Refused),
                canceled: of(TrafficClass::Canceled),
            },
            latency_ms: Percentiles {
                p50: millis(50),
                p99: millis(99),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read_step;

    #[test]
    fn steps_are_whole_minutes_or_whole_hours() {
        for text in ["60", "120", "3540", "3600", "7200", "2592000"] {
            assert_eq!(read_step(text), text.parse().ok(), "{text}");
        }
        for text in [
            "",
            "0",
            "59",
            "61",
            "3660",
            "2595600",
            "-60",
            "60.0",
            "18446744073709551616",
        ] {
            assert_eq!(read_step(text), None, "{text}");
        }
    }
}
