//! Prometheus' text format, read.

use std::collections::{BTreeMap, BTreeSet};

/// One line of values.
#[derive(Debug)]
pub(super) struct Sample {
    /// As it stands there: of a histogram with `_bucket`, `_sum` or `_count`.
    name: String,
    pub(super) labels: BTreeMap<String, String>,
    value: f64,
}

/// One metric.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) help: String,
    pub(super) kind: String,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug, Default)]
pub(super) struct Exposition(pub(super) BTreeMap<String, Family>);

impl Exposition {
    /// # Panics
    ///
    /// When a line is none of the format's, or a value stands before its metric's type.
    #[track_caller]
    pub(super) fn parse(text: &str) -> Self {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut last = String::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(line) = line.strip_prefix("# HELP ") {
                let (name, help) = line.split_once(' ').unwrap();
                families.entry(name.to_owned()).or_default().help = help.to_owned();
            } else if let Some(line) = line.strip_prefix("# TYPE ") {
                let (name, kind) = line.split_once(' ').unwrap();
                let family = families.entry(name.to_owned()).or_default();
                assert!(family.kind.is_empty(), "{name} has two types");
                family.kind = kind.to_owned();
                last = name.to_owned();
            } else {
                let sample = sample(line);
                assert!(sample.name.starts_with(&last), "{line} stands at {last}");
                families.get_mut(&last).unwrap().samples.push(sample);
            }
        }
        Self(families)
    }

    /// The value of the line with this name and, among others, these labels.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(name, value)| sample.labels.get(*name).is_some_and(|own| own == value))
        };
        let mut samples = self.0.values().flat_map(|family| &family.samples);
        samples.find(has).map(|sample| sample.value)
    }

    /// Every value of a label, whatever the metric.
    pub(super) fn values_of(&self, label: &str) -> BTreeSet<String> {
        let samples = self.0.values().flat_map(|family| &family.samples);
        samples
            .filter_map(|sample| sample.labels.get(label).cloned())
            .collect()
    }
}

fn sample(line: &str) -> Sample {
    let (of, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match of.split_once('{') {
        None => (of, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
    };
    let labels = labels.split("\",").filter(|label| !label.is_empty());
    let labels = labels.map(|label| {
        let (name, value) = label.split_once("=\"").unwrap();
        let value = value.strip_suffix('"').unwrap_or(value);
        (name.to_owned(), value.to_owned())
    });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().unwrap(),
    }
}
