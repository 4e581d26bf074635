//! What must have happened for a request to come to an element: on whichever way, as several may lead there.

use std::{collections::BTreeMap, rc::Rc};

/// The most ways to one element that are told: there may be more of them than anybody reads.
const MOST: usize = 4;

/// What leads from one element to another.
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// What it depends on. `None` where the request takes it for certain, or is to take it.
    pub(super) condition: Option<Rc<str>>,
}

/// What must have happened on one way, all of it.
type Way = Vec<Rc<str>>;

/// Ways to one element, none of which includes another. An empty one is taken for certain.
#[derive(Clone, Default)]
struct Ways {
    told: Vec<Way>,
    are_more: bool,
}

/// What leads to the elements that a request may visit.
pub(super) struct Leads {
    edges: Vec<Edge>,
    known: BTreeMap<usize, Ways>,
}

impl Leads {
    /// Takes the edges between the visited elements, the first choice first. There is no cycle.
    pub(super) fn new(start: usize, edges: Vec<Edge>) -> Self {
        let certain = Ways {
            told: vec![Way::new()],
            are_more: false,
        };
        Self {
            edges,
            known: BTreeMap::from([(start, certain)]),
        }
    }

    /// In words; `None` where the request comes to the element for certain, or on its first choice.
    pub(super) fn when(&mut self, at: usize) -> Option<String> {
        let ways = self.ways(at);
        if ways.told.iter().any(Vec::is_empty) {
            return None;
        }
        let told: Vec<_> = ways.told.iter().map(|way| way.join(", and ")).collect();
        let more = if ways.are_more { ", or otherwise" } else { "" };
        Some(format!("{}{more}", told.join(", or ")))
    }

    /// As deep as the graph, which has at most [`MOST_ELEMENTS`](crate::MOST_ELEMENTS) elements.
    fn ways(&mut self, at: usize) -> Ways {
        if let Some(known) = self.known.get(&at) {
            return known.clone();
        }
        let into = self.edges.iter().filter(|edge| edge.to == at);
        let into: Vec<_> = into
            .map(|edge| (edge.from, edge.condition.clone()))
            .collect();
        let mut ways = Ways::default();
        for (from, condition) in into {
            let before = self.ways(from);
            ways.are_more |= before.are_more;
            for mut way in before.told {
                way.extend(condition.clone());
                ways.add(way);
            }
        }
        self.known.insert(at, ways.clone());
        ways
    }
}

impl Ways {
    fn add(&mut self, way: Way) {
        if self.told.iter().any(|other| includes(&way, other)) {
            return;
        }
        self.told.retain(|other| !includes(other, &way));
        if self.told.len() == MOST {
            self.are_more = true;
        } else {
            self.told.push(way);
        }
    }
}

/// Whether all that must happen on `other` happens on `way`. Two percentages may say the same of themselves, so a condition
/// is that of its edge alone.
fn includes(way: &Way, other: &Way) -> bool {
    let happens = |condition| way.iter().any(|own| Rc::ptr_eq(own, condition));
    other.iter().all(happens)
}
