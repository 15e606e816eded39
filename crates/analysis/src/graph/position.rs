//! The rows of the vertices: as near to their neighbours as the order in their layer allows.

use super::Layered;

/// Rounds over all layers; after this many nothing moves visibly.
const ROUNDS: usize = 16;

/// Rows that a bend needs.
pub const BEND_ROWS: f64 = 0.5;

/// The row of each vertex.
pub fn positions(graph: &Layered) -> Vec<f64> {
    let mut rows = vec![0.0; graph.layer_of.len()];
    for layer in &graph.layers {
        let offsets = offsets(graph, layer);
        let middle = offsets.last().copied().unwrap_or_default() / 2.0;
        for (&vertex, offset) in layer.iter().zip(offsets) {
            rows[vertex] = offset - middle;
        }
    }
    for round in 0..ROUNDS {
        let count = graph.layers.len();
        for step in 0..count {
            let layer = &graph.layers[if round % 2 == 0 { step } else { count - 1 - step }];
            let wanted: Vec<f64> = layer.iter().map(|&vertex| wanted(graph, &rows, vertex)).collect();
            for (&vertex, row) in layer.iter().zip(apart(&wanted, &offsets(graph, layer))) {
                rows[vertex] = row;
            }
        }
    }
    rows
}

/// The mean of the neighbours, those at either side together counting the same.
fn wanted(graph: &Layered, rows: &[f64], vertex: usize) -> f64 {
    let mean = |neighbours: &[usize]| {
        let sum: f64 = neighbours.iter().map(|&neighbour| rows[neighbour]).sum();
        (!neighbours.is_empty()).then(|| sum / neighbours.len() as f64)
    };
    match (mean(&graph.left[vertex]), mean(&graph.right[vertex])) {
        (Some(left), Some(right)) => f64::midpoint(left, right),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => rows[vertex],
    }
}

/// Rows of a layer's vertices if they stand as close as they may: in a layer of several columns the nodes
/// of a column stay a row apart.
fn offsets(graph: &Layered, layer: &[usize]) -> Vec<f64> {
    let half = |vertex: usize| {
        let rows = if graph.is_node(vertex) { 1.0 } else { BEND_ROWS };
        rows / 2.0 / graph.column_counts[graph.layer_of[vertex]] as f64
    };
    let mut at = 0.0;
    let mut offsets = Vec::with_capacity(layer.len());
    for (place, &vertex) in layer.iter().enumerate() {
        if place > 0 {
            at += half(layer[place - 1]) + half(vertex);
        }
        offsets.push(at);
    }
    offsets
}

/// The rows nearest to the wanted ones by least squares that keep the distances: isotonic regression by
/// pooling adjacent violators (Ayer et al. 1955).
fn apart(wanted: &[f64], offsets: &[f64]) -> Vec<f64> {
    // Mean and size of each pool.
    let mut pools: Vec<(f64, usize)> = Vec::with_capacity(wanted.len());
    for (wanted, offset) in wanted.iter().zip(offsets) {
        let mut pool = (wanted - offset, 1);
        while let Some(&(mean, size)) = pools.last().filter(|(mean, _)| *mean > pool.0) {
            let both = size + pool.1;
            pool = ((mean * size as f64 + pool.0 * pool.1 as f64) / both as f64, both);
            pools.pop();
        }
        pools.push(pool);
    }
    let means = pools.into_iter().flat_map(|(mean, size)| std::iter::repeat_n(mean, size));
    means.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches vertices that overlap, and ones that are moved although there is room.
    #[test]
    fn rows_keep_their_distance_and_move_no_further_than_needed() {
        let offsets = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(apart(&[0.0, 5.0, 9.0, 20.0], &offsets), [0.0, 5.0, 9.0, 20.0]);
        assert_eq!(apart(&[4.0, 4.0, 9.0, 9.0], &offsets), [3.5, 4.5, 8.5, 9.5]);
        assert_eq!(apart(&[3.0, 2.0, 1.0, 0.0], &offsets), [0.0, 1.0, 2.0, 3.0]);
    }
}
