//! What must hold of the edges of a graph: each leads somewhere, none leads back, all elements are reached.

use std::collections::HashMap;

use super::{Kind, fault::Faults};

/// An element as it was read, before its edges are followed.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) id: Option<Box<str>>,
    pub(super) is_start: bool,
    /// `None` where something of it was refused.
    pub(super) kind: Option<Kind<Box<str>>>,
    pub(super) edges: Vec<Edge>,
}

/// An output, and the id of the element that it leads to.
#[derive(Debug)]
pub(super) struct Edge {
    output: Box<str>,
    to: Box<str>,
}

impl Edge {
    pub(super) fn new(output: &str, to: &str) -> Self {
        Self {
            output: output.into(),
            to: to.into(),
        }
    }
}

/// Where each id stands. Of one that stands twice, the first place.
fn indices(drafts: &[Draft]) -> HashMap<Box<str>, usize> {
    let mut indices = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        if let Some(id) = &draft.id {
            indices.entry(id.clone()).or_insert(at);
        }
    }
    indices
}

/// Checks the edges of all elements: the index of the start, and those of all ids. `None` where a fault was found, here or
/// before.
pub(super) fn check(
    drafts: &[Draft],
    faults: &mut Faults,
) -> Option<(usize, HashMap<Box<str>, usize>)> {
    let indices = indices(drafts);
    check_ids(drafts, &indices, faults);
    let start = find_start(drafts, faults);
    check_targets(drafts, &indices, faults);
    // What a refused output would have reached is no further fault.
    if !faults.is_empty() {
        return None;
    }
    let start = start?;
    let reached = check_cycles(drafts, start, &indices, faults);
    for (at, draft) in drafts.iter().enumerate() {
        if !reached.contains(&at) {
            faults.enter_element(at, draft.id.as_deref());
            faults.add("cannot be reached from the start; lead an output to it, or leave it out");
            faults.leave_element();
        }
    }
    faults.is_empty().then_some((start, indices))
}

fn check_ids(drafts: &[Draft], indices: &HashMap<Box<str>, usize>, faults: &mut Faults) {
    for (at, draft) in drafts.iter().enumerate() {
        let Some(id) = &draft.id else { continue };
        if let Some(first) = indices.get(id).filter(|first| **first != at) {
            faults.enter_element(at, Some(id));
            faults.add_at(
                "id",
                format_args!("stands at elements[{first}] too; choose another"),
            );
            faults.leave_element();
        }
    }
}

fn find_start(drafts: &[Draft], faults: &mut Faults) -> Option<usize> {
    let mut starts = drafts
        .iter()
        .enumerate()
        .filter(|(_, draft)| draft.is_start);
    let first = starts.next().map(|(at, _)| at);
    if first.is_none() {
        faults.add("has no element of type start; add one");
    }
    for (at, draft) in starts {
        faults.enter_element(at, draft.id.as_deref());
        faults.add_at("type", "is a second start; keep one");
        faults.leave_element();
    }
    first
}

fn check_targets(drafts: &[Draft], indices: &HashMap<Box<str>, usize>, faults: &mut Faults) {
    for (at, draft) in drafts.iter().enumerate() {
        faults.enter_element(at, draft.id.as_deref());
        faults.enter("outputs");
        for edge in &draft.edges {
            if !indices.contains_key(&edge.to) {
                faults.enter(&edge.output);
                faults.add_at(
                    "elementId",
                    format_args!(
                        "is {:?}, and no element has that id; name one that there is",
                        edge.to
                    ),
                );
                faults.leave();
            }
        }
        faults.leave();
        faults.leave_element();
    }
}

/// Follows every edge from the start: the elements that are reached. An edge back to an element on its own way is a fault.
fn check_cycles(
    drafts: &[Draft],
    start: usize,
    indices: &HashMap<Box<str>, usize>,
    faults: &mut Faults,
) -> Vec<usize> {
    let mut reached = vec![start];
    // The way to here: each element with how many of its edges were followed.
    let mut way = vec![(start, 0)];
    while let Some((at, followed)) = way.last_mut() {
        let at = *at;
        let edge = drafts.get(at).and_then(|draft| draft.edges.get(*followed));
        let Some(edge) = edge else {
            way.pop();
            continue;
        };
        *followed += 1;
        let Some(&next) = indices.get(&edge.to) else {
            continue;
        };
        if way.iter().any(|(on, _)| *on == next) {
            let id = drafts.get(at).and_then(|draft| draft.id.as_deref());
            faults.enter_element(at, id);
            faults.enter("outputs");
            faults.add_at(
                &edge.output,
                format_args!(
                    "leads back to {:?}, so that a request would go round; lead it on",
                    edge.to
                ),
            );
            faults.leave();
            faults.leave_element();
        } else if !reached.contains(&next) {
            reached.push(next);
            way.push((next, 0));
        }
    }
    reached
}
