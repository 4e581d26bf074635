//! How far to the right everything stands: near what it is joined to, and apart from its neighbours.

use super::{SPACE, layers::Layers};

/// How often each layer is moved to where its neighbours are.
const SWEEPS: usize = 8;

/// The centre of each vertex. It may be left of 0.
pub(super) fn centres(layers: &Layers) -> Vec<i32> {
    let mut centres = vec![0; layers.vertices.len()];
    let (above, below) = layers.neighbours();
    for sweep in 0..SWEEPS {
        let downwards = sweep % 2 == 0;
        let neighbours = if downwards { &above } else { &below };
        let count = layers.rows.len();
        for step in 0..count {
            let rank = if downwards { step } else { count - 1 - step };
            let row = layers.rows.get(rank).map(Vec::as_slice).unwrap_or_default();
            let wanted: Vec<_> = row
                .iter()
                .map(|&vertex| {
                    let near = neighbours
                        .get(vertex)
                        .map(Vec::as_slice)
                        .unwrap_or_default();
                    mean(near.iter().map(|near| at(&centres, *near)))
                        .unwrap_or_else(|| at(&centres, vertex))
                })
                .collect();
            for (vertex, centre) in row.iter().zip(apart(layers, row, &wanted)) {
                if let Some(place) = centres.get_mut(*vertex) {
                    *place = centre;
                }
            }
        }
    }
    centres
}

fn at(centres: &[i32], vertex: usize) -> i32 {
    centres.get(vertex).copied().unwrap_or_default()
}

fn mean(values: impl Iterator<Item = i32>) -> Option<i32> {
    let (sum, count) = values.fold((0_i64, 0_i64), |(sum, count), value| {
        (sum + i64::from(value), count + 1)
    });
    i32::try_from(sum.checked_div(count)?).ok()
}

/// A run of neighbours that touch: how many, and the sum of what each wants, both without the widths between them.
struct Run {
    count: i64,
    sum: i64,
}

impl Run {
    fn mean(&self) -> i64 {
        self.sum.div_euclid(self.count.max(1))
    }
}

/// The places nearest to those wanted at which nothing in the row touches: least squares, by pooling neighbours that
/// would come too close (isotonic regression, Ayer et al., 1955).
fn apart(layers: &Layers, row: &[usize], wanted: &[i32]) -> Vec<i32> {
    let mut offsets = Vec::with_capacity(row.len());
    let (mut offset, mut last) = (0_i64, None);
    for &vertex in row {
        let width = i64::from(layers.width(vertex));
        if let Some(last) = last {
            offset += (width + last + 1) / 2 + i64::from(SPACE);
        }
        last = Some(width);
        offsets.push(offset);
    }
    let mut runs: Vec<Run> = Vec::new();
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        let mut run = Run {
            count: 1,
            sum: i64::from(*wanted) - offset,
        };
        while let Some(before) = runs.pop_if(|before| before.mean() > run.mean()) {
            run.count += before.count;
            run.sum += before.sum;
        }
        runs.push(run);
    }
    let means = runs
        .iter()
        .flat_map(|run| (0..run.count).map(|_| run.mean()));
    let centres = means.zip(offsets).map(|(mean, offset)| mean + offset);
    centres
        .map(|centre| i32::try_from(centre).unwrap_or_default())
        .collect()
}
