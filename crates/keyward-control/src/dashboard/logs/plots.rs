//! The log of requests to a gateway, as plots over time.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::{
    chart::{Chart, Subject, Time, Unit, Values},
    filter::GROUPS,
    list::{Bar, or_wrong},
};
use crate::{
    dashboard::{
        answer,
        gateways::find,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// The colour of all that are not told apart: the last.
const OTHERS: usize = 7;

/// Sums as answers carry them.
#[derive(Debug, Deserialize)]
struct Sums {
    since: Option<String>,
    before: Option<String>,
    step: u64,
    read_since: Option<String>,
    total: Sum,
    series: Vec<Series>,
}

#[derive(Debug, Deserialize)]
struct Series {
    name: Option<String>,
    others: bool,
    total: Sum,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    number: u32,
    start: Option<String>,
    #[serde(flatten)]
    sum: Sum,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Sum {
    requests: f64,
    errors: f64,
    tokens_in: f64,
    tokens_out: f64,
    cost: f64,
    duration_ms: Durations,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Durations {
    p50: Option<f64>,
    p95: Option<f64>,
}

/// A series, or all together, in the table below the plots.
struct Line {
    name: String,
    /// Its colour; none of all together.
    class: String,
    /// Where its requests are listed.
    link: Option<String>,
    cells: [String; 7],
}

/// What the plots say.
struct Plots {
    first: String,
    last: String,
    step: String,
    /// Only what was made since then is drawn: there was too much before.
    read_since: Option<String>,
    /// There was too much to draw anything.
    is_too_much: bool,
    charts: Vec<Chart>,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "log_plots.html")]
struct PlotsPage {
    frame: Frame,
    bar: Bar,
    plots: Option<Plots>,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let mut bar = Bar::load(&visit, &gateway).await?;
    let asked = GROUPS.iter().find(|(name, _)| *name == visit.query("by"));
    let by = asked.map_or(bar.by, |(name, _)| name);
    bar.by = by;
    let to = || {
        To::new("log_sums")
            .at("gateway", &gateway.id)
            .with("by", by)
    };
    let read = bar.filter.read::<Sums>(&visit, to()).await;
    let (status, answer) = or_wrong(read, &mut bar.wrong)?;
    let page = PlotsPage {
        frame: visit.frame(Section::Logs),
        plots: answer.map(|answer| Plots::new(&answer.result, by, &bar)),
        by_hand: ByHand::call(bar.filter.narrow(to()).curl(&visit.account(), None)),
        bar,
    };
    answer::page(status, &page)
}

impl Plots {
    fn new(sums: &Sums, by: &str, bar: &Bar) -> Self {
        let time = Time {
            steps: sums.steps(),
            starts: sums.starts(),
        };
        let is_all = sums.read_since == sums.since;
        let is_too_much = sums.read_since == sums.before && !is_all;
        Self {
            first: minute(sums.since.as_deref()),
            last: minute(sums.before.as_deref()),
            step: step_name(sums.step),
            read_since: (!is_all).then(|| minute(sums.read_since.as_deref())),
            is_too_much,
            charts: charts(sums, by, bar, &time),
            lines: lines(sums, by, bar),
        }
    }

    fn is_empty(&self) -> bool {
        self.charts.is_empty()
    }
}

impl Sums {
    fn steps(&self) -> u32 {
        let seconds = |moment: &Option<String>| {
            let time = crate::moment::parse(moment.as_deref()?)?;
            Some(keyward_registry::traffic_secs(time))
        };
        let length = seconds(&self.before).zip(seconds(&self.since));
        let length = length.map_or(0, |(before, since)| before.saturating_sub(since));
        let steps = length.checked_div(self.step).unwrap_or(0);
        u32::try_from(steps).unwrap_or(u32::MAX)
    }

    /// The steps in which there was a request.
    fn starts(&self) -> Vec<(u32, String)> {
        let all = self.series.iter().flat_map(|series| &series.steps);
        let starts = all.map(|step| (step.number, minute(step.start.as_deref())));
        let mut starts: Vec<_> = starts.collect();
        starts.sort();
        starts.dedup();
        starts
    }
}

impl Series {
    fn name(&self, by: &str, bar: &Bar) -> String {
        match (&self.name, by) {
            (Some(id), "key") => bar.names.key(id).to_owned(),
            (Some(id), "token") => bar.names.token(id).to_owned(),
            (Some(name), _) => name.clone(),
            (None, _) if self.others => "others".to_owned(),
            (None, by) => format!("no {by}"),
        }
    }

    fn class(&self, number: usize) -> String {
        let number = if self.others { OTHERS } else { number };
        format!("s{number}")
    }
}

fn charts(sums: &Sums, by: &str, bar: &Bar, time: &Time) -> Vec<Chart> {
    let values = |value: fn(&Sum) -> Option<f64>| -> Vec<Values> {
        let series = sums.series.iter().enumerate();
        let series = series.map(|(number, series)| Values {
            name: short(&series.name(by, bar)),
            class: series.class(number),
            steps: series
                .steps
                .iter()
                .filter_map(|step| Some((step.number, value(&step.sum)?)))
                .collect(),
        });
        series.collect()
    };
    let subject = |id, title, unit| Subject { id, title, unit };
    let stacked = |subject: Subject, value| Chart::stacked(&subject, time, &values(value));
    let lined = |subject: Subject, value| Chart::lines(&subject, time, &values(value));
    let charts = [
        stacked(subject("requests", "Requests", Unit::Count), |sum| {
            Some(sum.requests)
        }),
        stacked(subject("errors", "Errors", Unit::Count), |sum| {
            Some(sum.errors)
        }),
        stacked(subject("tokens", "Tokens", Unit::Count), |sum| {
            Some(sum.tokens_in + sum.tokens_out)
        }),
        stacked(subject("cost", "Cost, USD", Unit::Dollars), |sum| {
            Some(sum.cost)
        }),
        lined(subject("median", "Duration, median", Unit::Millis), |sum| {
            sum.duration_ms.p50
        }),
        lined(subject("p95", "Duration, p95", Unit::Millis), |sum| {
            sum.duration_ms.p95
        }),
    ];
    charts.into_iter().flatten().collect()
}

fn lines(sums: &Sums, by: &str, bar: &Bar) -> Vec<Line> {
    let path = bar.path("");
    let series = sums.series.iter().enumerate();
    let series = series.map(|(number, series)| Line {
        name: series.name(by, bar),
        class: series.class(number),
        link: series
            .name
            .as_ref()
            .map(|name| bar.filter.narrowed(by, name).link(&path, &[])),
        cells: cells(&series.total),
    });
    let all = Line {
        name: "all".to_owned(),
        class: String::new(),
        link: None,
        cells: cells(&sums.total),
    };
    series.chain([all]).collect()
}

fn cells(sum: &Sum) -> [String; 7] {
    let millis = |millis: Option<f64>| {
        millis.map_or_else(|| "–".to_owned(), |millis| Unit::Millis.format(millis))
    };
    [
        Unit::Count.format(sum.requests),
        Unit::Count.format(sum.errors),
        Unit::Count.format(sum.tokens_in),
        Unit::Count.format(sum.tokens_out),
        Unit::Dollars.format(sum.cost),
        millis(sum.duration_ms.p50),
        millis(sum.duration_ms.p95),
    ]
}

/// What fits into a table and beside a picture: the line of the series has all of it.
fn short(name: &str) -> String {
    const LONGEST: usize = 40;
    match name.char_indices().nth(LONGEST) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
    }
}

/// A moment as answers carry it, to the minute, or to the second where it has some: such as `2027-01-15 08:00`.
fn minute(moment: Option<&str>) -> String {
    let text = moment.unwrap_or_default().replace('T', " ");
    let text = text.trim_end_matches('Z');
    text.strip_suffix(":00").unwrap_or(text).to_owned()
}

/// How long a step is, in words.
fn step_name(seconds: u64) -> String {
    match seconds {
        86_400 => "1 day".to_owned(),
        seconds if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{minute, short, step_name};

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(short("gpt-5"), "gpt-5");
        assert_eq!(short(&"é".repeat(40)), "é".repeat(40));
        assert_eq!(short(&"é".repeat(41)), format!("{}…", "é".repeat(40)));
    }

    #[test]
    fn times_are_told_as_short_as_they_are() {
        assert_eq!(minute(Some("2027-01-15T08:00:00Z")), "2027-01-15 08:00");
        assert_eq!(minute(Some("2027-01-15T08:00:10Z")), "2027-01-15 08:00:10");
        for (seconds, name) in [
            (10, "10 s"),
            (900, "15 min"),
            (10_800, "3 h"),
            (86_400, "1 day"),
        ] {
            assert_eq!(step_name(seconds), name);
        }
    }
}
