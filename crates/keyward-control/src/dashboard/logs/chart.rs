//! Charts of the log: numbers for a template. They hold what the table beside each says. Pure.

use crate::dashboard::traffic::{grouped, millis};

/// How wide a step is in a chart, and how wide what is drawn in it.
const STEP_WIDTH: u32 = 20;
const BAR_WIDTH: u32 = 16;
/// How high a chart is, in units of its own: it is stretched to the page.
const HEIGHT: f64 = 1_000.0;
/// What is not nothing is seen.
const LEAST_HEIGHT: f64 = 8.0;

/// What a chart counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Whole things.
    Count,
    /// US dollars.
    Dollars,
    /// Milliseconds.
    Millis,
}

impl Unit {
    pub(crate) fn format(self, number: f64) -> String {
        match self {
            Self::Count => {
                let whole = format!("{number:.0}");
                whole.parse().map_or(whole, grouped)
            }
            Self::Dollars => super::dollars(number),
            Self::Millis => millis(number),
        }
    }
}

/// What is drawn of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// What it is called.
    pub(crate) name: String,
    /// Its colour: the name of a class.
    pub(crate) class: String,
    /// The number of the step, and the value there. In order.
    pub(crate) steps: Vec<(u32, f64)>,
}

/// The time that a chart spans.
#[derive(Clone, Debug, Default)]
pub(crate) struct Time {
    pub(crate) steps: u32,
    /// When a step begins, of those in which there was a request: such as `2027-01-15 08:00`.
    pub(crate) starts: Vec<(u32, String)>,
}

/// One chart.
#[derive(Debug)]
pub(crate) struct Chart {
    /// Unique on the page.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What it says, in a sentence.
    pub(crate) gist: String,
    /// What its height stands for.
    pub(crate) scale: String,
    pub(crate) width: u32,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) spots: Vec<Spot>,
    /// The names of the columns of the table.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// What is drawn of one series.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) class: String,
    pub(crate) d: String,
}

/// What is told of a step where a pointer rests on it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) x: u32,
    pub(crate) width: u32,
    pub(crate) label: String,
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) start: String,
    pub(crate) cells: Vec<String>,
}

/// What a chart is of.
pub(crate) struct Subject {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
}

impl Chart {
    /// Bars of which each series has its part. None: there is nothing to count.
    pub(crate) fn stacked(subject: &Subject, time: &Time, series: &[Values]) -> Option<Self> {
        let counted = |step| -> f64 { values_at(series, step).map(|(_, value)| value).sum() };
        let all = time.starts.iter().map(|(step, _)| counted(*step));
        let most = all.clone().fold(0.0, f64::max);
        if most <= 0.0 {
            return None;
        }
        let unit = subject.unit;
        let mut shapes: Vec<_> = series
            .iter()
            .map(|series| Shape {
                class: format!("{} c-fill", series.class),
                d: String::new(),
            })
            .collect();
        for (step, _) in &time.starts {
            stack(&mut shapes, series, *step, most);
        }
        shapes.retain(|shape| !shape.d.is_empty());
        let scale = format!("at most {}", unit.format(most));
        let gist = format!("{} in all, {scale} in one step", unit.format(all.sum()));
        Some(Self::new(subject, time, series, (gist, scale), shapes))
    }

    /// A line for each series; the scale is logarithmic. None: there is nothing to measure.
    pub(crate) fn lines(subject: &Subject, time: &Time, series: &[Values]) -> Option<Self> {
        let log = |value: f64| value.max(0.5).log2();
        let all = series.iter().flat_map(|series| &series.steps);
        let all = all.map(|(_, value)| log(*value));
        let lowest = all.clone().reduce(f64::min)?.floor();
        let highest = all.reduce(f64::max)?.ceil().max(lowest + 1.0);
        let place = |value: f64| HEIGHT * (highest - log(value)) / (highest - lowest);
        let shapes = series.iter().map(|series| {
            let mut d = String::new();
            let mut last = None;
            for (step, value) in &series.steps {
                let (x, y) = (step.saturating_mul(STEP_WIDTH), place(*value));
                let is_next = last.is_some_and(|last: u32| last.saturating_add(1) == *step);
                let to = if is_next { 'L' } else { 'M' };
                d += &format!("{to}{x} {y:.0}h{BAR_WIDTH}");
                last = Some(*step);
            }
            Shape {
                class: format!("{} c-line", series.class),
                d,
            }
        });
        let unit = subject.unit;
        let [low, high] = [lowest, highest].map(|power| unit.format(power.exp2()));
        let scale = format!("{low} to {high}");
        let gist = format!("between {scale}");
        let shapes = shapes.filter(|shape| !shape.d.is_empty()).collect();
        Some(Self::new(subject, time, series, (gist, scale), shapes))
    }

    fn new(
        subject: &Subject,
        time: &Time,
        series: &[Values],
        (gist, scale): (String, String),
        shapes: Vec<Shape>,
    ) -> Self {
        let unit = subject.unit;
        let spots = time.starts.iter().map(|(step, start)| {
            let parts = values_at(series, *step);
            let parts = parts.map(|(name, value)| format!("{name} {}", unit.format(value)));
            Spot {
                x: step.saturating_mul(STEP_WIDTH),
                width: STEP_WIDTH,
                label: format!("{start}: {}", parts.collect::<Vec<_>>().join(", ")),
            }
        });
        let rows = time.starts.iter().map(|(step, start)| Row {
            start: start.clone(),
            cells: series
                .iter()
                .map(|series| {
                    let value = series.at(*step);
                    value.map_or_else(|| "–".to_owned(), |value| unit.format(value))
                })
                .collect(),
        });
        Self {
            id: subject.id,
            title: subject.title,
            gist: format!("{}: {gist}", subject.title),
            scale,
            width: time.steps.saturating_mul(STEP_WIDTH),
            shapes,
            spots: spots.collect(),
            columns: series.iter().map(|series| series.name.clone()).collect(),
            rows: rows.collect(),
        }
    }
}

impl Values {
    fn at(&self, step: u32) -> Option<f64> {
        let found = self.steps.iter().find(|(known, _)| *known == step);
        found.map(|(_, value)| *value)
    }
}

/// What each series has in a step, but for noughts.
fn values_at(series: &[Values], step: u32) -> impl Iterator<Item = (&str, f64)> + Clone {
    series.iter().filter_map(move |series| {
        let value = series.at(step).filter(|value| *value > 0.0)?;
        Some((series.name.as_str(), value))
    })
}

/// Draws the bar of one step: the first series at its bottom.
fn stack(shapes: &mut [Shape], series: &[Values], step: u32, most: f64) {
    let heights = series.iter().map(|series| {
        let value = series.at(step).unwrap_or(0.0);
        if value > 0.0 {
            (HEIGHT * value / most).max(LEAST_HEIGHT)
        } else {
            0.0
        }
    });
    let heights: Vec<f64> = heights.collect();
    // Where many are small, they share what there is.
    let squeeze = (HEIGHT / heights.iter().sum::<f64>()).min(1.0);
    let x = step.saturating_mul(STEP_WIDTH);
    let mut bottom = HEIGHT;
    for (shape, height) in shapes.iter_mut().zip(heights) {
        if height > 0.0 {
            let top = (bottom - height * squeeze).max(0.0);
            let (from, to) = (format!("{bottom:.0}"), format!("{top:.0}"));
            shape.d += &format!("M{x} {from}h{BAR_WIDTH}V{to}h-{BAR_WIDTH}z");
            bottom = top;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Chart, Subject, Time, Unit, Values};

    const SUBJECT: Subject = Subject {
        id: "requests",
        title: "Requests",
        unit: Unit::Count,
    };

    fn values(name: &str, steps: &[(u32, f64)]) -> Values {
        Values {
            name: name.to_owned(),
            class: "s0".to_owned(),
            steps: steps.to_vec(),
        }
    }

    fn time(steps: u32) -> Time {
        Time {
            steps,
            starts: (0..steps)
                .map(|step| (step, format!("08:0{step}")))
                .collect(),
        }
    }

    #[test]
    fn a_bar_has_its_parts_above_each_other_and_a_table_says_the_same() {
        let series = [
            values("openai", &[(0, 30.0), (1, 20.0)]),
            values("groq", &[(0, 10.0)]),
            values("none", &[]),
        ];
        let chart = Chart::stacked(&SUBJECT, &time(2), &series).unwrap();
        assert_eq!(chart.gist, "Requests: 60 in all, at most 40 in one step");
        let drawn: Vec<_> = chart.shapes.iter().map(|shape| shape.d.as_str()).collect();
        assert_eq!(
            drawn,
            [
                "M0 1000h16V250h-16zM20 1000h16V500h-16z",
                "M0 250h16V0h-16z"
            ]
        );
        assert_eq!(chart.spots[0].label, "08:00: openai 30, groq 10");
        assert_eq!(chart.columns, ["openai", "groq", "none"]);
        assert_eq!(chart.rows[1].cells, ["20", "–", "–"]);
        assert!(Chart::stacked(&SUBJECT, &time(2), &[values("x", &[(0, 0.0)])]).is_none());
    }

    #[test]
    fn a_line_breaks_where_there_was_nothing() {
        let subject = Subject {
            unit: Unit::Millis,
            ..SUBJECT
        };
        let series = [values("openai", &[(0, 8.0), (1, 64.0), (3, 8.0)])];
        let chart = Chart::lines(&subject, &time(4), &series).unwrap();
        assert_eq!(chart.scale, "8.0 ms to 64 ms");
        assert_eq!(chart.shapes[0].d, "M0 1000h16L20 0h16M60 1000h16");
        assert!(Chart::lines(&subject, &time(4), &[]).is_none());
    }

    proptest! {
        #[test]
        fn what_is_drawn_stays_within_its_frame(
            all in proptest::collection::vec(
                proptest::collection::vec((0_u32..9, prop_oneof![Just(0.0), 1e-9..1e12_f64]), 0..9), 1..9),
        ) {
            let series: Vec<_> = all.into_iter().map(|steps| {
                let steps: std::collections::BTreeMap<u32, f64> = steps.into_iter().collect();
                Values { steps: steps.into_iter().collect(), ..Values::default() }
            }).collect();
            let charts = [
                Chart::stacked(&SUBJECT, &time(9), &series),
                Chart::lines(&SUBJECT, &time(9), &series),
            ];
            for chart in charts.into_iter().flatten() {
                for shape in chart.shapes {
                    let numbers = shape.d.split(|letter: char| !letter.is_ascii_digit());
                    let numbers: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
                    prop_assert!(numbers.iter().all(|number| *number <= 1_000), "{}", shape.d);
                    prop_assert!(!shape.d.contains("NaN") && !shape.d.contains("inf"), "{}", shape.d);
                }
            }
        }
    }
}
