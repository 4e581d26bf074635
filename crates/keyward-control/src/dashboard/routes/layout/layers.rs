//! Which layer each box stands in, and the order within a layer.

use std::collections::BTreeMap;

use super::{SPACE, Shape};

/// How often the order is looked at, from the top and from the bottom.
const SWEEPS: usize = 6;

/// Boxes and the places where lines pass, in layers.
pub(super) struct Layers {
    /// The boxes first, in the order of the shapes.
    pub(super) vertices: Vec<Vertex>,
    /// What stands in each layer, from left to right.
    pub(super) rows: Vec<Vec<usize>>,
    /// Lines between neighbouring layers, each once: from the upper to the lower.
    pub(super) segments: Vec<(usize, usize)>,
    /// The places where lines to a box pass layers.
    passing: BTreeMap<(usize, usize), usize>,
    shapes: Vec<Shape>,
    back: Vec<Vec<bool>>,
}

pub(super) struct Vertex {
    rank: usize,
    width: i32,
}

impl Layers {
    pub(super) fn rank(&self, vertex: usize) -> usize {
        self.vertices.get(vertex).map_or(0, |vertex| vertex.rank)
    }

    pub(super) fn width(&self, vertex: usize) -> i32 {
        self.vertices.get(vertex).map_or(0, |vertex| vertex.width)
    }

    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_back(&self, from: usize, output: usize) -> bool {
        let outputs = self.back.get(from).and_then(|outputs| outputs.get(output));
        outputs.copied().unwrap_or_default()
    }

    /// Where a line passes layers, from top to bottom.
    pub(super) fn passed(&self, from: usize, to: usize) -> impl Iterator<Item = usize> {
        let ranks = self.rank(from) + 1..self.rank(to);
        ranks.filter_map(move |rank| self.passing.get(&(to, rank)).copied())
    }

    /// What a line of a box leads to in the layer below. None: it leads back.
    pub(super) fn next(&self, from: usize, output: usize) -> Option<usize> {
        let to = *self.shapes.get(from)?.to.get(output)?;
        if self.is_back(from, output) || to >= self.shapes.len() {
            return None;
        }
        Some(self.passed(from, to).next().unwrap_or(to))
    }

    /// What each vertex is joined to in the layer above, and in the layer below.
    pub(super) fn neighbours(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let mut above = vec![Vec::new(); self.vertices.len()];
        let mut below = above.clone();
        for &(upper, lower) in &self.segments {
            if let Some(list) = above.get_mut(lower) {
                list.push(upper);
            }
            if let Some(list) = below.get_mut(upper) {
                list.push(lower);
            }
        }
        (above, below)
    }
}

pub(super) fn arrange(shapes: &[Shape]) -> Layers {
    let Visited { order, back } = visit(shapes);
    let ranks = ranks(shapes, &order, &back);
    let mut layers = Layers {
        vertices: Vec::new(),
        rows: Vec::new(),
        segments: Vec::new(),
        passing: BTreeMap::new(),
        shapes: shapes.to_vec(),
        back,
    };
    for (shape, rank) in shapes.iter().zip(ranks) {
        let width = shape.width;
        layers.vertices.push(Vertex { rank, width });
    }
    layers.rows = vec![
        Vec::new();
        layers
            .vertices
            .iter()
            .map(|vertex| vertex.rank + 1)
            .max()
            .unwrap_or(0)
    ];
    // As they are come to, so that what stands together is come to together.
    for from in order {
        let rank = layers.rank(from);
        put(&mut layers.rows, rank, from);
        for output in 0..shapes.get(from).map_or(0, |shape| shape.to.len()) {
            layers.join(from, output);
        }
    }
    layers.segments.sort_unstable();
    layers.segments.dedup();
    layers.order();
    layers
}

fn put(rows: &mut [Vec<usize>], rank: usize, vertex: usize) {
    if let Some(row) = rows.get_mut(rank) {
        row.push(vertex);
    }
}

impl Layers {
    /// Leads a line from layer to layer.
    fn join(&mut self, from: usize, output: usize) {
        let to = self.shapes.get(from).and_then(|shape| shape.to.get(output));
        let Some(&to) = to.filter(|to| **to < self.shapes.len()) else {
            return;
        };
        if self.is_back(from, output) {
            return;
        }
        let mut last = from;
        for rank in self.rank(from) + 1..self.rank(to) {
            let place = if let Some(place) = self.passing.get(&(to, rank)) {
                *place
            } else {
                let place = self.vertices.len();
                self.vertices.push(Vertex { rank, width: SPACE });
                self.passing.insert((to, rank), place);
                put(&mut self.rows, rank, place);
                place
            };
            self.segments.push((last, place));
            last = place;
        }
        self.segments.push((last, to));
    }

    /// Orders each layer by where its neighbours stand, which makes few lines cross.
    fn order(&mut self) {
        let (above, below) = self.neighbours();
        for sweep in 0..SWEEPS {
            let downwards = sweep % 2 == 0;
            let neighbours = if downwards { &above } else { &below };
            let count = self.rows.len();
            let mut places = self.places();
            for step in 0..count {
                let rank = if downwards { step } else { count - 1 - step };
                let Some(row) = self.rows.get_mut(rank) else {
                    continue;
                };
                let place = |vertex: usize| places.get(vertex).copied().unwrap_or_default();
                let mut keyed: Vec<_> = row
                    .iter()
                    .map(|&vertex| {
                        let near = neighbours
                            .get(vertex)
                            .map(Vec::as_slice)
                            .unwrap_or_default();
                        let sum: i64 = near.iter().map(|near| place(*near)).sum();
                        let count = i64::try_from(near.len()).unwrap_or(1);
                        let mean = sum.checked_div(count);
                        (mean.unwrap_or_else(|| place(vertex)), vertex)
                    })
                    .collect();
                // What has the same place keeps its order.
                keyed.sort_by_key(|(mean, _)| *mean);
                *row = keyed.into_iter().map(|(_, vertex)| vertex).collect();
                spread(row, &mut places);
            }
        }
    }

    fn places(&self) -> Vec<i64> {
        let mut places = vec![0; self.vertices.len()];
        for row in &self.rows {
            spread(row, &mut places);
        }
        places
    }
}

/// The whole width of a layer.
const WHOLE: i64 = 1 << 32;

/// Says where the things of a layer stand, as parts of its width.
fn spread(row: &[usize], places: &mut [i64]) {
    let count = i64::try_from(row.len()).unwrap_or(1).max(1);
    for (number, vertex) in (0_i64..).zip(row) {
        if let Some(place) = places.get_mut(*vertex) {
            *place = WHOLE / (2 * count) * (2 * number + 1);
        }
    }
}

struct Visited {
    /// Every shape, each before what it leads to.
    order: Vec<usize>,
    /// Of each line, whether it leads back.
    back: Vec<Vec<bool>>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// Goes through the shapes in depth, from the first one on and then from each that was not reached. The last output goes
/// first, as what is finished last stands first.
fn visit(shapes: &[Shape]) -> Visited {
    let mut state = vec![State::New; shapes.len()];
    let mut back: Vec<_> = shapes
        .iter()
        .map(|shape| vec![false; shape.to.len()])
        .collect();
    let mut finished = Vec::with_capacity(shapes.len());
    let outputs = |at: usize| shapes.get(at).map_or(0, |shape| shape.to.len());
    for root in 0..shapes.len() {
        if state.get(root) != Some(&State::New) {
            continue;
        }
        set(&mut state, root, State::Open);
        // What is gone through, with how many of its outputs are left.
        let mut open = vec![(root, outputs(root))];
        while let Some((at, left)) = open.pop() {
            let Some(output) = left.checked_sub(1) else {
                set(&mut state, at, State::Done);
                finished.push(at);
                continue;
            };
            open.push((at, output));
            let to = shapes.get(at).and_then(|shape| shape.to.get(output));
            let to = to.copied().unwrap_or(usize::MAX);
            match state.get(to) {
                Some(State::New) => {
                    set(&mut state, to, State::Open);
                    open.push((to, outputs(to)));
                }
                Some(State::Open) => {
                    let outputs = back.get_mut(at);
                    if let Some(is_back) = outputs.and_then(|outputs| outputs.get_mut(output)) {
                        *is_back = true;
                    }
                }
                Some(State::Done) | None => {}
            }
        }
    }
    finished.reverse();
    Visited {
        order: finished,
        back,
    }
}

fn set(state: &mut [State], at: usize, to: State) {
    if let Some(state) = state.get_mut(at) {
        *state = to;
    }
}

/// How many steps the longest way to each shape has.
fn ranks(shapes: &[Shape], order: &[usize], back: &[Vec<bool>]) -> Vec<usize> {
    let mut ranks = vec![0_usize; shapes.len()];
    for &from in order {
        let below = ranks.get(from).copied().unwrap_or_default() + 1;
        let Some((shape, back)) = shapes.get(from).zip(back.get(from)) else {
            continue;
        };
        for (to, _) in shape.to.iter().zip(back).filter(|(_, is_back)| !**is_back) {
            if let Some(rank) = ranks.get_mut(*to) {
                *rank = below.max(*rank);
            }
        }
    }
    ranks
}
