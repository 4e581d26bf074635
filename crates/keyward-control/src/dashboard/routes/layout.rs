//! Where the boxes and lines of a graph stand: layers from top to bottom, each box as far down as the longest way to it.
//!
//! A line that passes a layer has a place of its own there, so that none runs through a box. Lines that pass a layer on
//! their way to the same box share that place: they are drawn as one.

mod columns;
mod layers;

use self::layers::Layers;

/// The height of every box.
pub(super) const BOX_HEIGHT: i32 = 64;
/// What is free between two layers, for lines and the names at them.
const GAP: i32 = 52;
/// What is free between two things of a layer.
const SPACE: i32 = 24;
/// What is free around the graph.
const MARGIN: i32 = 20;

/// A box to be placed: how wide it is, and the boxes that its lines lead to.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) width: i32,
    pub(super) to: Vec<usize>,
}

/// Where everything stands. Coordinates grow to the right and down, from 0.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// In the order of the shapes.
    pub(super) places: Vec<Place>,
    /// Shape by shape, in the order of what each leads to.
    pub(super) lines: Vec<Line>,
}

/// The upper left corner of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) x: i32,
    pub(super) y: i32,
}

/// A line from one box to another.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) from: usize,
    /// Which of the lines of its box it is, from 0.
    pub(super) output: usize,
    /// From the lower edge of a box by the layers that it passes to the upper edge of another. Of one that leads back:
    /// from edge to edge on the right of both.
    pub(super) points: Vec<Place>,
    /// Whether it leads back to where its own way comes from. No route that is served has one.
    pub(super) is_back: bool,
}

/// Places boxes. The first one is the start; what it does not lead to stands beside it. What leads to no shape is left out.
pub(super) fn place(shapes: &[Shape]) -> Layout {
    let placed = Placed::new(shapes);
    let mut lines = Vec::new();
    for (from, shape) in shapes.iter().enumerate() {
        let ports = Ports::of(shape, |output| placed.next(from, output));
        for (output, &to) in shape.to.iter().enumerate() {
            if to >= shapes.len() {
                continue;
            }
            let is_back = placed.layers.is_back(from, output);
            lines.push(Line {
                from,
                output,
                points: match is_back {
                    true => placed.back(from, to),
                    false => placed.down(from, ports.offset(output), to),
                },
                is_back,
            });
        }
    }
    // What leads back bends around boxes on their right.
    let is_any_back = lines.iter().any(|line| line.is_back);
    let beside = if is_any_back { 2 * GAP } else { 0 };
    let bottom = Placed::top(placed.layers.count()) - GAP + MARGIN;
    Layout {
        width: placed.width() + beside,
        height: bottom.max(2 * MARGIN),
        places: (0..shapes.len())
            .map(|vertex| placed.corner(vertex))
            .collect(),
        lines,
    }
}

/// Everything in its layer and its column.
struct Placed {
    layers: Layers,
    /// Of each vertex, from the left margin on.
    centres: Vec<i32>,
}

impl Placed {
    fn new(shapes: &[Shape]) -> Self {
        let layers = layers::arrange(shapes);
        let mut centres = columns::centres(&layers);
        let left = centres.iter().enumerate();
        let left = left.map(|(vertex, centre)| centre - layers.width(vertex) / 2);
        let shift = MARGIN - left.min().unwrap_or_default();
        for centre in &mut centres {
            *centre += shift;
        }
        Self { layers, centres }
    }

    fn width(&self) -> i32 {
        let right = self.centres.iter().enumerate();
        let right = right.map(|(vertex, centre)| centre + self.layers.width(vertex) / 2);
        right.max().unwrap_or_default() + MARGIN
    }

    fn centre(&self, vertex: usize) -> i32 {
        self.centres.get(vertex).copied().unwrap_or_default()
    }

    /// The upper edge of a layer.
    fn top(rank: usize) -> i32 {
        MARGIN + i32::try_from(rank).unwrap_or_default() * (BOX_HEIGHT + GAP)
    }

    fn corner(&self, vertex: usize) -> Place {
        Place {
            x: self.centre(vertex) - self.layers.width(vertex) / 2,
            y: Self::top(self.layers.rank(vertex)),
        }
    }

    /// How far to the right a line goes on in the layer below.
    fn next(&self, from: usize, output: usize) -> i32 {
        let next = self.layers.next(from, output);
        next.map_or(i32::MAX, |next| self.centre(next))
    }

    fn down(&self, from: usize, port: i32, to: usize) -> Vec<Place> {
        let Place { x, y } = self.corner(from);
        let mut points = vec![Place {
            x: x + port,
            y: y + BOX_HEIGHT,
        }];
        for passed in self.layers.passed(from, to) {
            let (x, y) = (self.centre(passed), Self::top(self.layers.rank(passed)));
            points.push(Place { x, y });
            points.push(Place {
                x,
                y: y + BOX_HEIGHT,
            });
        }
        points.push(Place {
            x: self.centre(to),
            y: Self::top(self.layers.rank(to)),
        });
        points
    }

    fn back(&self, from: usize, to: usize) -> Vec<Place> {
        let edge = |vertex| {
            let Place { x, y } = self.corner(vertex);
            Place {
                x: x + self.layers.width(vertex),
                y: y + BOX_HEIGHT / 2,
            }
        };
        vec![edge(from), edge(to)]
    }
}

/// Where the lines of a box begin: side by side on its lower edge, so that they do not cross each other there.
struct Ports {
    width: i32,
    /// The outputs from left to right.
    order: Vec<usize>,
}

impl Ports {
    fn of(shape: &Shape, next: impl Fn(usize) -> i32) -> Self {
        let mut order: Vec<_> = (0..shape.to.len()).collect();
        order.sort_by_key(|output| next(*output));
        Self {
            width: shape.width,
            order,
        }
    }

    fn offset(&self, output: usize) -> i32 {
        let place = self.order.iter().position(|known| *known == output);
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX / 1_000);
        let (place, count) = (number(place.unwrap_or_default()), number(self.order.len()));
        self.width * (2 * place + 1) / (2 * count.max(1))
    }
}

#[cfg(test)]
mod tests;
