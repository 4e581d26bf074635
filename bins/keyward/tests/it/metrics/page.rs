//! The table of docs/metrics.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{docs, exposition::Exposition};

#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) labels: BTreeSet<String>,
    meaning: String,
}

#[derive(Debug)]
pub(super) struct Page(pub(super) BTreeMap<String, Row>);

impl Page {
    pub(super) fn read() -> Self {
        let page = fs::read_to_string(docs().join("metrics.md")).unwrap();
        let rows = page.lines().filter(|line| line.starts_with("| `keyward_"));
        let rows = rows.map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let labels = cells[2].split(", ").filter(|label| !label.is_empty());
            let row = Row {
                kind: cells[1].to_owned(),
                labels: labels
                    .map(|label| label.trim_matches('`').to_owned())
                    .collect(),
                meaning: cells[3].to_owned(),
            };
            (cells[0].trim_matches('`').to_owned(), row)
        });
        Self(rows.collect())
    }

    /// What is exposed stands in the page as it is: with its type, its labels and its meaning.
    #[track_caller]
    pub(super) fn has_all_of(&self, exposed: &Exposition) {
        for (name, family) in &exposed.0 {
            let row = self
                .0
                .get(name)
                .unwrap_or_else(|| panic!("{name} is exposed and not in the page"));
            assert_eq!(family.kind, row.kind, "{name}");
            assert_eq!(family.help, row.meaning, "{name}");
            assert!(!family.samples.is_empty(), "{name}");
            for sample in &family.samples {
                let mut labels: BTreeSet<_> = sample.labels.keys().cloned().collect();
                if family.kind == "histogram" {
                    labels.remove("le");
                }
                assert_eq!(labels, row.labels, "{name}");
            }
        }
    }
}
