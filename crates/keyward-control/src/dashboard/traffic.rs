//! How many requests there were and how long they took, as figures, charts and a table.
//!
//! The charts are drawn here, as numbers for a template; they hold what the table beside them says.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use keyward_auth::{ManagePlace, Permission};
use serde::Deserialize;

use super::visit::{To, Visit};
use crate::{envelope::Problem, moment};

const HOUR: u64 = 3_600;
/// How many hours are shown, the running one among them.
const HOURS: u64 = 24;
/// How wide an hour is in a chart, and how wide the bar in it.
const STEP_WIDTH: usize = 20;
const BAR_WIDTH: usize = 16;
/// How high a chart is, in units of its own: it is stretched to the page.
const HEIGHT: u64 = 1_000;
/// What is not nothing is seen.
const LEAST_HEIGHT: u64 = 12;

/// The requests of the last 24 hours by the hour, as a page shows them.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) total: Figures,
    pub(crate) hours: Vec<Figures>,
}

/// The requests of one hour, or of all, as answers carry them.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Figures {
    start: Option<String>,
    requests: u64,
    errors: u64,
    latency_ms: Latency,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Latency {
    p50: Option<f64>,
    p99: Option<f64>,
}

#[derive(Deserialize)]
struct Body {
    kept_since: Option<String>,
    total: Figures,
    steps: Vec<Figures>,
}

/// A bar of the chart of requests: errors at the bottom, the others above them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) x: usize,
    pub(crate) good_y: u64,
    pub(crate) good: u64,
    pub(crate) bad_y: u64,
    pub(crate) bad: u64,
    pub(crate) label: String,
}

/// An hour in the chart of latencies: from its p50 to its p99.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) x: usize,
    /// Where p99 stands, from the top.
    pub(crate) top: String,
    /// Where p50 stands, from the top.
    pub(crate) bottom: String,
    pub(crate) height: String,
    pub(crate) label: String,
}

/// The chart of latencies; its scale is logarithmic.
#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) lowest: String,
    pub(crate) highest: String,
    pub(crate) spans: Vec<Span>,
}

impl Figures {
    pub(crate) fn requests(&self) -> String {
        grouped(self.requests)
    }

    pub(crate) fn errors(&self) -> String {
        grouped(self.errors)
    }

    /// The errors' share of the requests; empty where there is nothing to tell.
    pub(crate) fn share(&self) -> String {
        let thousandths = u128::from(self.errors) * 1_000;
        match thousandths.checked_div(u128::from(self.requests)) {
            None => String::new(),
            Some(_) if self.errors == 0 => String::new(),
            Some(0) => "under 0.1 %".to_owned(),
            Some(share) => format!("{}.{} %", share / 10, share % 10),
        }
    }

    pub(crate) fn p50(&self) -> String {
        self.latency_ms.p50.map_or_else(|| "–".to_owned(), millis)
    }

    pub(crate) fn p99(&self) -> String {
        self.latency_ms.p99.map_or_else(|| "–".to_owned(), millis)
    }

    /// The moment at which it begins, as `datetime` takes it.
    pub(crate) fn start(&self) -> &str {
        self.start.as_deref().unwrap_or_default()
    }

    /// The hour of the day in UTC, such as `22:00`.
    pub(crate) fn clock(&self) -> &str {
        self.start().get(11..16).unwrap_or_default()
    }

    /// The day and the hour in UTC.
    pub(crate) fn day(&self) -> String {
        self.start().get(..16).unwrap_or_default().replace('T', " ")
    }
}

impl Traffic {
    /// Of what `to` narrows [`asked`] to. None: the token may not see any.
    pub(crate) async fn load(visit: &Visit, to: To<'_>) -> Result<Option<Self>, Problem> {
        if !visit.may(Permission::AiGatewayRead, ManagePlace::Token) {
            return Ok(None);
        }
        let now = seconds(visit.now);
        let since = (now - now % HOUR).saturating_sub((HOURS - 1) * HOUR);
        let to = to.with("since", &format(since));
        let body: Body = visit.get(to).await?.result;
        Ok(Some(Self {
            total: body.total,
            hours: body.steps,
        }))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total.requests == 0
    }

    fn most(&self) -> u64 {
        let requests = self.hours.iter().map(|hour| hour.requests);
        requests.max().unwrap_or(0)
    }

    /// The most requests in an hour.
    pub(crate) fn peak(&self) -> String {
        grouped(self.most())
    }

    /// How wide the charts are, in units of their own.
    pub(crate) fn width(&self) -> usize {
        self.hours.len() * STEP_WIDTH
    }

    pub(crate) fn first(&self) -> &str {
        self.hours.first().map(Figures::clock).unwrap_or_default()
    }

    /// What the chart of requests says, in a sentence.
    pub(crate) fn gist(&self) -> String {
        format!(
            "{} in 24 hours, {} of them errors; {} in the busiest hour",
            of_requests(self.total.requests),
            self.total.errors(),
            self.peak()
        )
    }

    /// What the chart of latencies says, in a sentence.
    pub(crate) fn latency_gist(&self) -> String {
        let (p50, p99) = (self.total.p50(), self.total.p99());
        format!("Half of the answers began within {p50}, 99 % within {p99}")
    }

    pub(crate) fn bars(&self) -> Vec<Bar> {
        let most = self.most();
        let hours = self.hours.iter().enumerate();
        let busy = hours.filter(|(_, hour)| hour.requests > 0);
        busy.map(|(number, hour)| {
            let whole = height(hour.requests, most);
            let bad = height(hour.errors, most).min(whole);
            let has_good = hour.requests > hour.errors;
            let good = if has_good {
                (whole - bad).max(LEAST_HEIGHT)
            } else {
                0
            };
            let bad_y = HEIGHT - bad;
            Bar {
                x: number * STEP_WIDTH,
                good_y: bad_y.saturating_sub(good),
                good: good.min(bad_y),
                bad_y,
                bad,
                label: format!(
                    "{}: {}, errors: {}",
                    hour.clock(),
                    of_requests(hour.requests),
                    hour.errors()
                ),
            }
        })
        .collect()
    }

    /// None: no provider answered.
    pub(crate) fn spans(&self) -> Option<Spans> {
        let hours = self.hours.iter().enumerate();
        let known: Vec<_> = hours
            .filter_map(|(number, hour)| {
                Some((number, hour, hour.latency_ms.p50?, hour.latency_ms.p99?))
            })
            .collect();
        let log = |millis: f64| millis.max(0.5).log2();
        let lowest = known.iter().map(|(_, _, p50, _)| log(*p50));
        let lowest = lowest.reduce(f64::min)?.floor();
        let highest = known.iter().map(|(_, _, _, p99)| log(*p99));
        let highest = highest.reduce(f64::max)?.ceil().max(lowest + 1.0);
        let place = |millis: f64| 1_000.0 * (highest - log(millis)) / (highest - lowest);
        let spans = known.iter().map(|(number, hour, p50, p99)| Span {
            x: number * STEP_WIDTH,
            top: format!("{:.0}", place(*p99)),
            bottom: format!("{:.0}", place(*p50)),
            height: format!("{:.0}", place(*p50) - place(*p99)),
            label: format!("{}: p50 {}, p99 {}", hour.clock(), hour.p50(), hour.p99()),
        });
        Some(Spans {
            lowest: millis(lowest.exp2()),
            highest: millis(highest.exp2()),
            spans: spans.collect(),
        })
    }

    pub(crate) fn bar_width(&self) -> usize {
        BAR_WIDTH
    }
}

/// The call that gives what pages show.
pub(crate) fn asked<'a>() -> To<'a> {
    To::new("traffic_show")
}

/// How many requests there were of late. In words: `41 requests in the last hour`.
#[derive(Debug)]
pub(crate) struct LastHour {
    requests: u64,
    /// The oldest minutes went because there were too many.
    is_part: bool,
}

impl LastHour {
    pub(crate) fn is_quiet(&self) -> bool {
        self.requests == 0 && !self.is_part
    }
}

impl fmt::Display for LastHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_least = if self.is_part { "at least " } else { "" };
        write!(
            f,
            "{at_least}{} in the last hour",
            of_requests(self.requests)
        )
    }
}

/// How many requests there were of late. None: the token may not see any.
pub(crate) async fn last_hour(visit: &Visit, to: To<'_>) -> Result<Option<LastHour>, Problem> {
    if !visit.may(Permission::AiGatewayRead, ManagePlace::Token) {
        return Ok(None);
    }
    let now = seconds(visit.now);
    let since = format((now - now % 60).saturating_sub(HOUR - 60));
    let to = to.with_number("step", 60).with("since", &since);
    let body: Body = visit.get(to).await?.result;
    Ok(Some(LastHour {
        requests: body.total.requests,
        is_part: body.kept_since.is_some_and(|kept| kept > since),
    }))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn format(seconds: u64) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time.and_then(moment::format).unwrap_or_default()
}

fn of_requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{} requests", grouped(count)),
    }
}

/// How high `count` stands where `most` reaches the top.
fn height(count: u64, most: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    let height = u128::from(count) * u128::from(HEIGHT);
    let height = height.checked_div(u128::from(most)).unwrap_or(0);
    u64::try_from(height)
        .unwrap_or(HEIGHT)
        .clamp(LEAST_HEIGHT, HEIGHT)
}

/// With a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Two digits that count, as much as the buckets tell.
pub(crate) fn millis(millis: f64) -> String {
    if millis < 9.95 {
        format!("{millis:.1} ms")
    } else if millis < 999.5 {
        format!("{millis:.0} ms")
    } else if millis < 9_950.0 {
        format!("{:.1} s", millis / 1_000.0)
    } else {
        format!("{:.0} s", millis / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Figures, HEIGHT, LEAST_HEIGHT, Latency, Traffic, grouped, millis};

    fn hour(requests: u64, errors: u64, latency: Option<(f64, f64)>) -> Figures {
        Figures {
            start: Some("2027-01-15T08:00:00Z".to_owned()),
            requests,
            errors,
            latency_ms: Latency {
                p50: latency.map(|(p50, _)| p50),
                p99: latency.map(|(_, p99)| p99),
            },
        }
    }

    fn traffic(hours: Vec<Figures>) -> Traffic {
        let total = hour(
            hours.iter().map(|hour| hour.requests).sum(),
            hours.iter().map(|hour| hour.errors).sum(),
            None,
        );
        Traffic { total, hours }
    }

    #[test]
    fn numbers_are_told_as_people_read_them() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        for (number, text) in [
            (0.5, "0.5 ms"),
            (7.2, "7.2 ms"),
            (9.96, "10 ms"),
            (320.4, "320 ms"),
            (999.6, "1.0 s"),
            (65_536.0, "66 s"),
        ] {
            assert_eq!(millis(number), text);
        }
        assert_eq!(hour(1_000, 125, None).share(), "12.5 %");
        assert_eq!(hour(10_000, 1, None).share(), "under 0.1 %");
        assert_eq!(hour(0, 0, None).share() + &hour(1, 0, None).share(), "");
    }

    #[test]
    fn a_bar_is_as_high_as_its_share_of_the_busiest_hour() {
        let traffic = traffic(vec![
            hour(100, 25, None),
            hour(0, 0, None),
            hour(50, 50, None),
            hour(1, 0, None),
        ]);
        let bars: Vec<_> = traffic
            .bars()
            .iter()
            .map(|bar| (bar.x, bar.good, bar.bad))
            .collect();
        assert_eq!(bars, [(0, 750, 250), (40, 0, 500), (60, LEAST_HEIGHT, 0)]);
        assert_eq!(
            traffic.gist(),
            "151 requests in 24 hours, 75 of them errors; 100 in the busiest hour"
        );
    }

    #[test]
    fn latencies_stand_on_a_scale_of_powers_of_two() {
        let one = traffic(vec![hour(1, 0, None), hour(9, 0, Some((8.0, 64.0)))]);
        let spans = one.spans().unwrap();
        assert_eq!((&*spans.lowest, &*spans.highest), ("8.0 ms", "64 ms"));
        let span = &spans.spans[0];
        assert_eq!((span.x, &*span.top, &*span.bottom), (20, "0", "1000"));
        assert!(traffic(vec![hour(1, 1, None)]).spans().is_none());
        // One value is a scale all the same.
        let flat = traffic(vec![hour(9, 0, Some((8.0, 8.0)))]).spans().unwrap();
        assert_eq!(flat.spans[0].top, "1000");
    }

    proptest! {
        #[test]
        fn charts_stay_within_their_frame(
            hours in proptest::collection::vec((0_u64..u64::MAX / 64, 0_u64..=100, 0.0_f64..70_000.0, 0.0_f64..70_000.0), 1..30),
        ) {
            let hours: Vec<_> = hours.into_iter().map(|(requests, share, one, two)| {
                let errors = requests / 100 * share;
                hour(requests, errors, Some((one.min(two), one.max(two))))
            }).collect();
            let busy = hours.iter().filter(|hour| hour.requests > 0).count();
            let traffic = traffic(hours);
            let bars = traffic.bars();
            prop_assert_eq!(bars.len(), busy);
            for bar in bars {
                prop_assert_eq!(bar.bad_y + bar.bad, HEIGHT);
                prop_assert_eq!(bar.good_y + bar.good, bar.bad_y);
                prop_assert!(bar.good + bar.bad > 0);
            }
            for span in traffic.spans().unwrap().spans {
                let (top, bottom): (f64, f64) = (span.top.parse().unwrap(), span.bottom.parse().unwrap());
                prop_assert!(0.0 <= top && top <= bottom && bottom <= 1_000.0);
            }
        }
    }
}
