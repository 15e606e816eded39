//! The order of the vertices in each layer: by the mean of their neighbours' places, back and forth,
//! keeping the order with the fewest crossings.

use super::Layered;

/// Sweeps over all layers; more hardly ever find better orders.
const SWEEPS: usize = 24;

/// Sweeps without a better order, after which it ends.
const PATIENCE: usize = 6;

/// Orders the layers of the graph.
pub fn order(graph: &mut Layered) {
    let mut places = places(graph);
    let mut best = graph.layers.clone();
    let mut fewest = crossings(graph, &places);
    let mut since = 0;
    for sweep in 0..SWEEPS {
        if fewest == 0 || since >= PATIENCE {
            break;
        }
        let count = graph.layers.len();
        for step in 1..count {
            let layer = if sweep % 2 == 0 { step } else { count - 1 - step };
            let neighbours = if sweep % 2 == 0 { &graph.left } else { &graph.right };
            sort_layer(&mut graph.layers[layer], neighbours, &mut places);
        }
        let now = crossings(graph, &places);
        since += 1;
        if now < fewest {
            (fewest, since) = (now, 0);
            best.clone_from(&graph.layers);
        }
    }
    graph.layers = best;
}

/// The place of each vertex in its layer.
fn places(graph: &Layered) -> Vec<usize> {
    let mut places = vec![0; graph.layer_of.len()];
    for layer in &graph.layers {
        for (place, &vertex) in layer.iter().enumerate() {
            places[vertex] = place;
        }
    }
    places
}

/// Sorts a layer by the mean place of the neighbours; vertices without any keep theirs.
fn sort_layer(layer: &mut [usize], neighbours: &[Vec<usize>], places: &mut [usize]) {
    let mut wanted: Vec<(f64, usize)> = layer
        .iter()
        .enumerate()
        .map(|(place, &vertex)| {
            let places = neighbours[vertex].iter().map(|&neighbour| places[neighbour] as f64);
            let count = neighbours[vertex].len();
            (if count == 0 { place as f64 } else { places.sum::<f64>() / count as f64 }, vertex)
        })
        .collect();
    // Stable: equal ones stay as they are.
    wanted.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (place, (slot, (_, vertex))) in layer.iter_mut().zip(wanted).enumerate() {
        *slot = vertex;
        places[vertex] = place;
    }
}

/// How often edges cross: inversions, counted with a Fenwick tree (Barth, Jünger and Mutzel 2002).
fn crossings(graph: &Layered, places: &[usize]) -> usize {
    let mut count = 0;
    for pair in graph.layers.windows(2) {
        let mut tree = vec![0_usize; pair[1].len() + 1];
        let mut seen = 0;
        for &vertex in &pair[0] {
            let mut ends: Vec<usize> = graph.right[vertex].iter().map(|&end| places[end]).collect();
            ends.sort_unstable();
            for end in &ends {
                let mut not_above = 0;
                let mut index = end + 1;
                while index > 0 {
                    not_above += tree[index];
                    index &= index - 1;
                }
                count += seen - not_above;
            }
            for end in ends {
                seen += 1;
                let mut index = end + 1;
                while index < tree.len() {
                    tree[index] += 1;
                    index += index & index.wrapping_neg();
                }
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches crossings that are missed, or counted for edges that share an end.
    #[test]
    fn crossings_are_counted() {
        let count = |edges: &[(usize, usize)]| {
            let graph = Layered::new(&[0, 0, 0, 1, 1, 1], edges);
            crossings(&graph, &places(&graph))
        };
        assert_eq!(count(&[(0, 3), (1, 4), (2, 5)]), 0);
        assert_eq!(count(&[(0, 5), (1, 4), (2, 3)]), 3);
        assert_eq!(count(&[(0, 3), (0, 4), (1, 4), (1, 3)]), 1);
        assert_eq!(count(&[(0, 3), (0, 3), (1, 3)]), 0);
    }

    // Catches sweeps that end with a worse order than they began with.
    #[test]
    fn no_order_is_worse_than_the_first() {
        let edges = [(0, 6), (1, 5), (2, 4), (0, 4), (1, 6), (2, 5), (3, 5), (3, 4)];
        let mut graph = Layered::new(&[0, 0, 0, 0, 1, 1, 1], &edges);
        let before = crossings(&graph, &places(&graph));
        order(&mut graph);
        assert!(crossings(&graph, &places(&graph)) < before);
    }
}
