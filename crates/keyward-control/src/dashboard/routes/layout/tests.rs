use proptest::{collection::vec, prelude::*};

use super::{BOX_HEIGHT, Layout, Place, Shape, place};

fn shape(to: &[usize]) -> Shape {
    Shape {
        width: 180,
        to: to.to_vec(),
    }
}

/// Everything that a picture must keep to, whatever the graph.
#[track_caller]
fn check(shapes: &[Shape]) -> Layout {
    let layout = place(shapes);
    assert_eq!(layout.places.len(), shapes.len());
    let boxes: Vec<_> = layout.places.iter().zip(shapes).collect();
    for (number, (at, shape)) in boxes.iter().enumerate() {
        assert!(at.x >= 0 && at.y >= 0, "{at:?}");
        assert!(at.x + shape.width <= layout.width, "{at:?}");
        assert!(at.y + BOX_HEIGHT <= layout.height, "{at:?}");
        for (other, their) in boxes.iter().skip(number + 1) {
            let is_beside = at.x + shape.width < other.x || other.x + their.width < at.x;
            let is_below = at.y + BOX_HEIGHT < other.y || other.y + BOX_HEIGHT < at.y;
            assert!(is_beside || is_below, "{at:?} and {other:?} overlap");
        }
    }
    let wanted = shapes.iter().enumerate().flat_map(|(from, shape)| {
        let inside = shape
            .to
            .iter()
            .enumerate()
            .filter(|(_, to)| **to < shapes.len());
        inside.map(move |(output, _)| (from, output))
    });
    let drawn = layout.lines.iter().map(|line| (line.from, line.output));
    assert!(wanted.eq(drawn), "not every line is drawn once");
    for line in &layout.lines {
        let [(from, width), (to, other)] = [line.from, shapes[line.from].to[line.output]]
            .map(|at| (layout.places[at], shapes[at].width));
        let (first, last) = (line.points[0], line.points[line.points.len() - 1]);
        if line.is_back {
            assert_eq!((first.x, last.x), (from.x + width, to.x + other));
            continue;
        }
        assert_eq!(first.y, from.y + BOX_HEIGHT, "{line:?}");
        assert!((from.x..=from.x + width).contains(&first.x), "{line:?}");
        assert_eq!(
            last,
            Place {
                x: to.x + other / 2,
                y: to.y
            }
        );
        assert!(line.points.is_sorted_by_key(|point| point.y), "{line:?}");
        // It bends between layers alone, and stands in no box where it passes one.
        for pair in line.points.windows(2).skip(1).step_by(2) {
            assert_eq!(pair[0].x, pair[1].x, "{line:?}");
            for (at, shape) in &boxes {
                let is_in = (at.x..=at.x + shape.width).contains(&pair[0].x) && at.y == pair[0].y;
                assert!(!is_in, "{line:?} runs through {at:?}");
            }
        }
    }
    layout
}

#[test]
fn a_box_stands_below_everything_that_leads_to_it() {
    // start → condition → (large → small) | small → end
    let layout = check(&[
        shape(&[1]),
        shape(&[2, 3]),
        shape(&[4, 3]),
        shape(&[4]),
        shape(&[]),
    ]);
    let y: Vec<_> = layout.places.iter().map(|place| place.y).collect();
    assert!(
        y.is_sorted() && y[0] < y[1] && y[2] < y[3] && y[3] < y[4],
        "{y:?}"
    );
    assert!(layout.lines.iter().all(|line| !line.is_back));
}

#[test]
fn two_outputs_of_one_box_begin_apart_and_do_not_cross() {
    let layout = check(&[shape(&[1, 2]), shape(&[3]), shape(&[3]), shape(&[])]);
    let [yes, no] = [0, 1].map(|output| &layout.lines[output].points);
    assert_ne!(yes[0].x, no[0].x);
    assert_eq!(yes[0].x < no[0].x, yes[1].x < no[1].x);
}

#[test]
fn a_chain_is_straight() {
    let layout = check(&[shape(&[1]), shape(&[2]), shape(&[])]);
    assert!(
        layout
            .places
            .iter()
            .all(|place| place.x == layout.places[0].x)
    );
    assert_eq!(layout.lines[0].points.len(), 2);
}

#[test]
fn what_is_no_route_is_drawn_all_the_same() {
    check(&[]);
    check(&[shape(&[])]);
    // A line to itself, a circle, an element that nothing leads to, two lines to one box, a line to nowhere.
    assert!(check(&[shape(&[0])]).lines[0].is_back);
    let circle = check(&[shape(&[1]), shape(&[2]), shape(&[1, 3]), shape(&[])]);
    assert_eq!(circle.lines.iter().filter(|line| line.is_back).count(), 1);
    check(&[shape(&[1]), shape(&[]), shape(&[1]), shape(&[])]);
    check(&[shape(&[1, 1, 1]), shape(&[])]);
    check(&[shape(&[7]), shape(&[])]);
}

#[test]
fn a_graph_as_large_as_they_get_is_placed() {
    // Each leads to the six behind it that are furthest away, and to the next.
    let count = 200;
    let shapes: Vec<_> = (0..count)
        .map(|at| {
            let far = (0..6)
                .map(|back| count - 1 - back)
                .filter(|to| *to > at + 1);
            let next = (at + 1 < count).then_some(at + 1);
            shape(&next.into_iter().chain(far).collect::<Vec<_>>())
        })
        .collect();
    let layout = check(&shapes);
    let points: usize = layout.lines.iter().map(|line| line.points.len()).sum();
    assert!(points < 600 * 400, "{points}");
}

proptest! {
    #[test]
    fn any_graph_is_drawn_whole_and_nothing_overlaps(
        graph in vec((80_i32..400, vec(0_usize..30, 0..7)), 0..25)
    ) {
        let shapes: Vec<_> = graph.into_iter().map(|(width, to)| Shape { width, to }).collect();
        check(&shapes);
    }
}
