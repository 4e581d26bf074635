//! The picture of a route: boxes and lines with what stands at them, for `route_graph.html`.

use std::fmt::Write as _;

use askama::{Template, filters::HtmlSafe};

use super::{
    graph::{Element, Sketch, cut},
    layout::{self, BOX_HEIGHT, Layout, Line, Place, Shape},
};

/// The least width of a box.
const LEAST_WIDTH: i32 = 184;
/// What a line's name takes at the edge of a box.
const NAME_WIDTH: i32 = 60;
/// The longest texts that fit, in characters: names of elements, and of lines.
const LONGEST_ID: usize = 22;
const LONGEST_WHAT: usize = 24;
const LONGEST_NAME: usize = 9;

/// What is marked in a picture: nothing, unless a page says so.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Elements in which something is wrong.
    pub(super) wrong: Vec<usize>,
    /// The elements that a request visits, in its order.
    pub(super) way: Vec<usize>,
    /// The lines between them: from which element, by which of its outputs.
    pub(super) lines: Vec<(usize, usize)>,
}

/// The picture. It is one image to who does not see it, and the table beside it says the same in words.
#[derive(Template)]
#[template(path = "route_graph.html")]
pub(super) struct Drawing {
    title: String,
    width: i32,
    height: i32,
    boxes: Vec<Drawn>,
    lines: Vec<Path>,
    names: Vec<Name>,
    has_way: bool,
}

/// Its own template has escaped it.
impl HtmlSafe for Drawing {}

struct Drawn {
    class: &'static str,
    x: i32,
    y: i32,
    width: i32,
    /// What is told of it in full where a pointer rests on it.
    full: String,
    kind: String,
    id: String,
    what: String,
    /// Its number on the way, or that something is wrong.
    mark: String,
}

struct Path {
    class: &'static str,
    d: String,
    /// The tip of the arrow.
    tip: String,
}

/// What an output is called, where its line begins.
struct Name {
    x: i32,
    y: i32,
    text: String,
    class: &'static str,
}

impl Drawing {
    /// Draws a route. `name` is what it is called.
    pub(super) fn new(name: &str, sketch: &Sketch, marks: &Marks) -> Self {
        // Whatever is first is the start of the picture.
        let start = sketch
            .elements
            .iter()
            .position(|element| element.kind == "start");
        let start = start.unwrap_or_default();
        let order = Order { start };
        let shapes: Vec<_> = (0..sketch.elements.len())
            .filter_map(|place| Some(shape(sketch.elements.get(order.element(place))?, order)))
            .collect();
        let layout = layout::place(&shapes);
        let boxes = layout.places.iter().zip(&shapes).enumerate();
        let boxes = boxes.filter_map(|(place, (at, shape))| {
            let element = order.element(place);
            Some(Drawn::new(
                sketch.elements.get(element)?,
                *at,
                shape.width,
                &Mark::of(element, marks),
            ))
        });
        let count = sketch.elements.len();
        Self {
            title: format!("Graph of {}: {count} elements", cut(name, 64)),
            width: layout.width,
            height: layout.height,
            boxes: boxes.collect(),
            names: names(sketch, order, &layout, marks),
            lines: paths(sketch, order, &layout, marks),
            has_way: !marks.way.is_empty(),
        }
    }

    fn box_height(&self) -> i32 {
        BOX_HEIGHT
    }
}

/// In which order elements are placed: the start changes places with the first.
#[derive(Clone, Copy)]
struct Order {
    start: usize,
}

impl Order {
    /// The element at a place, and the place of an element.
    const fn element(self, place: usize) -> usize {
        if place == 0 {
            self.start
        } else if place == self.start {
            0
        } else {
            place
        }
    }
}

fn shape(element: &Element, order: Order) -> Shape {
    let to = element.outputs.iter().filter_map(|output| output.at);
    let to: Vec<_> = to.map(|at| order.element(at)).collect();
    let count = i32::try_from(to.len()).unwrap_or_default();
    Shape {
        width: LEAST_WIDTH.max(count * NAME_WIDTH),
        to,
    }
}

enum Mark {
    None,
    Wrong,
    /// Its number on the way, from 1.
    Way(usize),
    /// Others are on the way, this one is not.
    Off,
}

impl Mark {
    fn of(element: usize, marks: &Marks) -> Self {
        if marks.wrong.contains(&element) {
            return Self::Wrong;
        }
        match marks.way.iter().position(|at| *at == element) {
            Some(number) => Self::Way(number + 1),
            None if marks.way.is_empty() => Self::None,
            None => Self::Off,
        }
    }
}

impl Drawn {
    fn new(element: &Element, at: Place, width: i32, mark: &Mark) -> Self {
        let (class, mark) = match mark {
            Mark::None => ("", String::new()),
            Mark::Wrong => (" g-wrong", "!".to_owned()),
            Mark::Way(number) => (" g-on", number.to_string()),
            Mark::Off => (" g-off", String::new()),
        };
        let parts = [&element.id, &element.kind, &element.what];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let full = parts
            .iter()
            .map(|part| part.as_str())
            .collect::<Vec<_>>()
            .join(" · ");
        Self {
            class,
            x: at.x,
            y: at.y,
            width,
            full,
            kind: cut(&element.kind, LONGEST_ID),
            id: cut(&element.id, LONGEST_ID),
            what: cut(&element.what, LONGEST_WHAT),
            mark,
        }
    }
}

/// Which of its element's outputs a line is: those that lead nowhere have no line.
fn output(sketch: &Sketch, order: Order, line: &Line) -> Option<(usize, usize)> {
    let element = order.element(line.from);
    let outputs = sketch.elements.get(element)?.outputs.iter().enumerate();
    let mut drawn = outputs.filter(|(_, output)| output.at.is_some());
    Some((element, drawn.nth(line.output)?.0))
}

fn paths(sketch: &Sketch, order: Order, layout: &Layout, marks: &Marks) -> Vec<Path> {
    let path = |line: &Line| {
        let is_on = output(sketch, order, line).is_some_and(|at| marks.lines.contains(&at));
        let class = match (line.is_back, is_on) {
            (true, _) => " g-back",
            (false, true) => " g-on",
            (false, false) if marks.way.is_empty() => "",
            (false, false) => " g-off",
        };
        Path {
            class,
            d: curve(line),
            tip: tip(line),
        }
    };
    let mut paths: Vec<_> = layout.lines.iter().map(path).collect();
    // What is marked lies on top.
    paths.sort_by_key(|path| path.class == " g-on");
    paths
}

fn names(sketch: &Sketch, order: Order, layout: &Layout, marks: &Marks) -> Vec<Name> {
    let name = |line: &Line| {
        let (element, at) = output(sketch, order, line)?;
        let first = line.points.first()?;
        let is_on = marks.lines.contains(&(element, at));
        Some(Name {
            x: first.x,
            y: if line.is_back {
                first.y - 8
            } else {
                first.y + 15
            },
            text: cut(
                &sketch.elements.get(element)?.outputs.get(at)?.name,
                LONGEST_NAME,
            ),
            class: if is_on || marks.way.is_empty() {
                ""
            } else {
                " g-off"
            },
        })
    };
    layout.lines.iter().filter_map(name).collect()
}

/// The line as a path: it leaves and enters downwards.
fn curve(line: &Line) -> String {
    let mut points = line.points.iter();
    let Some(mut last) = points.next().copied() else {
        return String::new();
    };
    let mut d = format!("M{} {}", last.x, last.y);
    if let (true, Some(to)) = (line.is_back, points.clone().next()) {
        let out = last.x.max(to.x) + 80;
        let _ = write!(
            d,
            "C{out} {} {out} {} {} {}",
            last.y + 24,
            to.y - 24,
            to.x,
            to.y
        );
        return d;
    }
    while let Some(point) = points.next() {
        let is_straight = |next: &Place| last.x == point.x && point.x == next.x;
        if points.clone().next().is_some_and(is_straight) {
            // The next one leads as far.
            continue;
        }
        // A text takes whatever is written to it.
        let _ = if point.x == last.x {
            write!(d, "V{}", point.y)
        } else {
            let middle = i32::midpoint(last.y, point.y);
            write!(
                d,
                "C{} {middle} {} {middle} {} {}",
                last.x, point.x, point.x, point.y
            )
        };
        last = *point;
    }
    d
}

fn tip(line: &Line) -> String {
    let Some(Place { x, y }) = line.points.last().copied() else {
        return String::new();
    };
    if line.is_back {
        return format!("M{x} {y}l7 -4v8z");
    }
    format!("M{x} {y}l-4 -7h8z")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Drawing, Marks};
    use crate::dashboard::routes::graph::{MOST_DRAWN, Sketch};

    fn draw(elements: &Value, marks: &Marks) -> String {
        Drawing::new("support", &Sketch::of(elements).unwrap(), marks).to_string()
    }

    fn element(id: &str, kind: &str, outputs: &[(&str, &str)]) -> Value {
        let outputs = outputs.iter();
        let outputs = outputs.map(|(name, to)| ((*name).to_owned(), json!({"elementId": to})));
        json!({"id": id, "type": kind, "outputs": outputs.collect::<serde_json::Map<_, _>>()})
    }

    #[test]
    fn the_start_stands_on_top_wherever_it_was_written() {
        let svg = draw(
            &json!([
                element("end", "end", &[]),
                element(
                    "answer",
                    "model",
                    &[("success", "end"), ("fallback", "none")]
                ),
                element("start", "start", &[("next", "answer")]),
            ]),
            &Marks::default(),
        );
        let y = |id: &str| {
            let (_, rest) = svg
                .split_once(&format!("<title>{id} "))
                .unwrap_or_else(|| panic!("{svg}"));
            let (before, _) = svg.split_at(svg.len() - rest.len());
            let (_, y) = before.rsplit_once(" y=\"").unwrap();
            y.split_once('"').unwrap().0.parse::<i32>().unwrap()
        };
        assert!(y("start") < y("answer") && y("answer") < y("end"), "{svg}");
        // What leads nowhere has no line.
        assert_eq!(svg.matches("g-line").count(), 2, "{svg}");
        assert!(
            svg.contains(r#"role="img""#)
                && svg.contains("<title>Graph of support: 3 elements</title>")
        );
    }

    #[test]
    fn a_way_and_what_is_wrong_are_marked_and_not_by_colour_alone() {
        let elements = json!([
            element("start", "start", &[("next", "plan")]),
            element(
                "plan",
                "conditional",
                &[("true", "end"), ("false", "other")]
            ),
            element("other", "end", &[]),
            element("end", "end", &[]),
        ]);
        let way = Marks {
            way: vec![0, 1, 3],
            lines: vec![(0, 0), (1, 0)],
            ..Marks::default()
        };
        let svg = draw(&elements, &way);
        for (class, count) in [
            ("g-box g-on", 3),
            ("g-box g-off", 1),
            ("g-line g-on", 2),
            ("g-line g-off", 1),
        ] {
            assert_eq!(svg.matches(class).count(), count, "{class}: {svg}");
        }
        for number in [">1</text>", ">2</text>", ">3</text>"] {
            assert!(svg.contains(number), "{svg}");
        }
        let wrong = Marks {
            wrong: vec![1],
            ..Marks::default()
        };
        let svg = draw(&elements, &wrong);
        assert_eq!(svg.matches("g-wrong").count(), 1, "{svg}");
        assert!(svg.contains(">!</text>"), "{svg}");
    }

    #[test]
    fn what_others_wrote_is_text_and_cut() {
        let hostile = "</title></svg><script>alert(1)</script>\"'onload=x";
        let long = "x".repeat(150);
        let svg = draw(
            &json!([
                element(hostile, "start", &[(hostile, &long)]),
                element(&long, hostile, &[]),
                {"id": "m", "type": "model", "properties": {"provider": hostile, "model": hostile}},
            ]),
            &Marks::default(),
        );
        assert!(!svg.contains("<script") && !svg.contains("\"'"), "{svg}");
        assert_eq!(svg.matches("</svg>").count(), 4, "{svg}");
        assert!(
            svg.contains(&format!(">{}…</text>", "x".repeat(21))),
            "{svg}"
        );
    }

    #[test]
    fn the_largest_picture_is_bounded() {
        // Each leads to the next, and to the seven furthest away.
        let id = |at: usize| format!("element {at}");
        let elements = (0..MOST_DRAWN).map(|at| {
            let far = (0..7)
                .map(|back| MOST_DRAWN - 1 - back)
                .filter(|to| *to > at);
            let to = [at + 1].into_iter().chain(far).map(id);
            let outputs: Vec<_> = to
                .enumerate()
                .map(|(name, to)| (format!("{name}%"), to))
                .collect();
            let outputs: Vec<_> = outputs
                .iter()
                .map(|(name, to)| (name.as_str(), to.as_str()))
                .collect();
            element(&id(at), "percentage", &outputs)
        });
        let svg = draw(&Value::Array(elements.collect()), &Marks::default());
        assert!(svg.len() < 2_000_000, "{} bytes", svg.len());
        assert!(svg.matches("g-line").count() > 1_500);
    }
}
