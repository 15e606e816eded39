//! The layered layout of a directed graph, callers left of those they call: Sugiyama, Tagawa and Toda,
//! "Methods for Visual Understanding of Hierarchical System Structures" (1981). Cycles are cut, nodes put
//! into layers, those of a layer ordered to cross few edges, and moved towards their neighbours. A layer
//! that would be very high gets several columns.
//!
//! Deterministic: the same graph looks the same everywhere.

mod layers;
mod order;
mod position;

use std::collections::BTreeMap;

use layers::layers;
use order::order;
use position::{BEND_ROWS, positions};

/// Edges across more layers than this are not led around the nodes between.
const SPAN_MAX: usize = 12;

/// A layer has one column up to so many rows; in a large graph up to so many times the root of its nodes.
const ROWS_MAX: f64 = 16.0;
const ROWS_PER_ROOT: f64 = 1.5;

/// Rows between two parts of the graph that no edge connects.
const COMPONENT_GAP: f64 = 1.0;

/// A place in the plane: columns to the right, rows down, one of which a node needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The column, from 0.
    pub column: f64,
    /// The row of its middle, from 0.
    pub row: f64,
}

/// Where everything is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GraphLayout {
    /// Of each node.
    pub nodes: Vec<Place>,
    /// Of each edge in the order given: the places between its ends, from caller to callee, that lead it
    /// around other nodes.
    pub bends: Vec<Vec<Place>>,
}

/// Lays out `count` nodes with these edges, each as caller and callee; edges from a node to itself change
/// nothing. Ends beyond the nodes must not be.
pub fn graph_layout(count: usize, edges: &[(usize, usize)]) -> GraphLayout {
    let mut layout = GraphLayout {
        nodes: vec![Place { column: 0.0, row: 0.0 }; count],
        bends: vec![Vec::new(); edges.len()],
    };
    let mut top = 0.0;
    for component in components(count, edges) {
        top = place_component(&mut layout, &component, edges, top) + COMPONENT_GAP;
    }
    layout
}

/// The parts that no edge connects, the largest first, with the numbers of their nodes and edges.
fn components(count: usize, edges: &[(usize, usize)]) -> Vec<Component> {
    let mut parents: Vec<usize> = (0..count).collect();
    for &(caller, callee) in edges {
        let (a, b) = (root(&mut parents, caller), root(&mut parents, callee));
        parents[a.max(b)] = a.min(b);
    }
    let mut components = BTreeMap::<usize, Component>::new();
    for node in 0..count {
        components.entry(root(&mut parents, node)).or_default().nodes.push(node);
    }
    for (edge, &(caller, callee)) in edges.iter().enumerate() {
        if caller != callee
            && let Some(component) = components.get_mut(&root(&mut parents, caller))
        {
            component.edges.push(edge);
        }
    }
    let mut components: Vec<Component> = components.into_values().collect();
    components.sort_by_key(|component| std::cmp::Reverse(component.nodes.len()));
    components
}

#[derive(Debug, Default)]
struct Component {
    nodes: Vec<usize>,
    edges: Vec<usize>,
}

fn root(parents: &mut [usize], mut node: usize) -> usize {
    while parents[node] != node {
        parents[node] = parents[parents[node]];
        node = parents[node];
    }
    node
}

/// Places a component below `top`; returns where it ends.
fn place_component(
    layout: &mut GraphLayout,
    component: &Component,
    edges: &[(usize, usize)],
    top: f64,
) -> f64 {
    let local: BTreeMap<usize, usize> =
        component.nodes.iter().enumerate().map(|(local, &node)| (node, local)).collect();
    let local_edges: Vec<(usize, usize)> =
        component.edges.iter().map(|&edge| (local[&edges[edge].0], local[&edges[edge].1])).collect();
    let layers = layers(component.nodes.len(), &local_edges);
    let mut graph = Layered::new(&layers, &local_edges);
    order(&mut graph);
    let rows = positions(&graph);
    let columns = graph.columns();
    let lowest = rows.iter().copied().fold(f64::INFINITY, f64::min);
    let place =
        |vertex: usize, column: usize| Place { column: column as f64, row: rows[vertex] - lowest + top };
    for (at, &node) in component.nodes.iter().enumerate() {
        layout.nodes[node] = place(at, columns[at]);
    }
    for (at, &edge) in component.edges.iter().enumerate() {
        let (caller, callee) = local_edges[at];
        // Straight through all columns of a layer.
        let through = |&vertex: &usize| {
            let last = columns[vertex] + graph.column_counts[graph.layer_of[vertex]] - 1;
            let mut ends = vec![place(vertex, columns[vertex]), place(vertex, last)];
            ends.dedup();
            if layers[caller] > layers[callee] {
                ends.reverse();
            }
            ends
        };
        layout.bends[edge] = graph.bends[at].iter().flat_map(through).collect();
    }
    rows.iter().copied().fold(lowest, f64::max) - lowest + top + 1.0
}

/// A graph whose edges join neighbouring layers: nodes first, then the bends of longer edges.
#[derive(Debug)]
struct Layered {
    /// How many vertices are nodes.
    node_count: usize,
    layer_of: Vec<usize>,
    /// The vertices of each layer from top to bottom.
    layers: Vec<Vec<usize>>,
    /// Neighbours of each vertex in the layer before.
    left: Vec<Vec<usize>>,
    /// And in the layer after.
    right: Vec<Vec<usize>>,
    /// The bends of each edge from caller to callee.
    bends: Vec<Vec<usize>>,
    /// How many columns each layer has.
    column_counts: Vec<usize>,
}

impl Layered {
    fn new(layer_of: &[usize], edges: &[(usize, usize)]) -> Self {
        let mut graph = Self {
            node_count: layer_of.len(),
            layer_of: layer_of.to_vec(),
            layers: vec![Vec::new(); layer_of.iter().max().map_or(0, |last| last + 1)],
            left: vec![Vec::new(); layer_of.len()],
            right: vec![Vec::new(); layer_of.len()],
            bends: Vec::with_capacity(edges.len()),
            column_counts: Vec::new(),
        };
        for &(caller, callee) in edges {
            let bends = graph.add_edge(caller, callee);
            graph.bends.push(bends);
        }
        for (vertex, &layer) in graph.layer_of.iter().enumerate() {
            graph.layers[layer].push(vertex);
        }
        let rows_max = ROWS_MAX.max(ROWS_PER_ROOT * (graph.node_count as f64).sqrt());
        let rows = |vertex: &usize| if graph.is_node(*vertex) { 1.0 } else { BEND_ROWS };
        let column_count =
            |layer: &Vec<usize>| (layer.iter().map(rows).sum::<f64>() / rows_max).ceil().max(1.0) as usize;
        graph.column_counts = graph.layers.iter().map(column_count).collect();
        graph
    }

    /// Joins the two through bends in all layers between.
    fn add_edge(&mut self, caller: usize, callee: usize) -> Vec<usize> {
        let (a, b) = (self.layer_of[caller], self.layer_of[callee]);
        let is_back = a > b;
        let (from, to) = if is_back { (callee, caller) } else { (caller, callee) };
        let (first, last) = (a.min(b), a.max(b));
        let mut bends = Vec::new();
        if last - first > SPAN_MAX {
            return bends;
        }
        let mut before = from;
        for layer in first + 1..last {
            let bend = self.layer_of.len();
            self.layer_of.push(layer);
            self.left.push(vec![before]);
            self.right.push(Vec::new());
            self.right[before].push(bend);
            bends.push(bend);
            before = bend;
        }
        if first < last {
            self.right[before].push(to);
            self.left[to].push(before);
        }
        if is_back {
            bends.reverse();
        }
        bends
    }

    /// The column of each node, in turns through those of its layer; of each bend, its layer's first.
    fn columns(&self) -> Vec<usize> {
        let mut columns = vec![0; self.layer_of.len()];
        let mut first = 0;
        for (layer, count) in self.layers.iter().zip(&self.column_counts) {
            let mut turn = 0;
            for &vertex in layer {
                columns[vertex] = first;
                if self.is_node(vertex) {
                    columns[vertex] += turn % count;
                    turn += 1;
                }
            }
            first += count;
        }
        columns
    }

    fn is_node(&self, vertex: usize) -> bool {
        vertex < self.node_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(layout: &GraphLayout, node: usize) -> usize {
        layout.nodes[node].column as usize
    }

    /// No two nodes of a layer overlap.
    fn check(layout: &GraphLayout) {
        for (a, first) in layout.nodes.iter().enumerate() {
            for second in &layout.nodes[a + 1..] {
                let apart =
                    (first.column - second.column).abs().max((first.row - second.row).abs()) > 0.999;
                assert!(apart, "{first:?} {second:?}");
            }
            assert!(first.row >= -0.001 && first.row.is_finite(), "{first:?}");
        }
    }

    // Catches callees left of their callers, and long edges through the nodes between.
    #[test]
    fn calls_go_to_the_right_around_what_lies_between() {
        let layout = graph_layout(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        check(&layout);
        assert_eq!([0, 1, 2, 3].map(|node| layer(&layout, node)), [0, 1, 2, 3]);
        assert_eq!(layout.bends[0], []);
        let bends = &layout.bends[3];
        assert_eq!(bends.iter().map(|bend| bend.column as usize).collect::<Vec<_>>(), [1, 2]);
        for (bend, node) in bends.iter().zip([1, 2]) {
            assert!((bend.row - layout.nodes[node].row).abs() > 0.4, "{bend:?}");
        }
    }

    // Catches cycles that never end, or that tear a chain apart at its entry.
    #[test]
    fn cycles_are_cut_where_they_return() {
        // 3 calls 0, which is in a cycle; 2 calls itself.
        let layout = graph_layout(4, &[(3, 0), (0, 1), (1, 2), (2, 0), (2, 2)]);
        check(&layout);
        assert_eq!([3, 0, 1, 2].map(|node| layer(&layout, node)), [0, 1, 2, 3]);
        assert_eq!(layout.bends[3].len(), 1, "the way back is led around, too");
        assert_eq!(layout.bends[4], []);
    }

    // Catches crossings that another order of the nodes would not have.
    #[test]
    fn parallel_chains_do_not_cross() {
        // Two chains whose nodes are numbered so that the order given crosses everywhere.
        let layout = graph_layout(7, &[(0, 1), (1, 4), (4, 5), (0, 2), (2, 3), (3, 6)]);
        check(&layout);
        let above = layout.nodes[1].row < layout.nodes[2].row;
        for (a, b) in [(4, 3), (5, 6)] {
            assert_eq!(layout.nodes[a].row < layout.nodes[b].row, above, "{layout:?}");
        }
    }

    // Catches parts of the graph on top of each other, and one that is not laid out.
    #[test]
    fn parts_lie_below_each_other() {
        let layout = graph_layout(5, &[(0, 1), (2, 3), (3, 4)]);
        check(&layout);
        let large = [2, 3, 4].map(|node| layout.nodes[node].row);
        let small = [0, 1].map(|node| layout.nodes[node].row);
        assert!(large.iter().all(|row| small.iter().all(|other| row + 1.5 < *other)), "{layout:?}");
    }

    // Catches a node that is not beside the one neighbour it has.
    #[test]
    fn nodes_lie_beside_their_neighbours() {
        let layout = graph_layout(3, &[(0, 1), (0, 2)]);
        let rows = [0, 1, 2].map(|node| layout.nodes[node].row);
        assert!(
            rows.iter().zip([0.5, 0.0, 1.0]).all(|(row, wanted)| (row - wanted).abs() < 1e-9),
            "{rows:?}"
        );
        assert_eq!(graph_layout(0, &[]), GraphLayout::default());
    }

    // Catches layouts that differ from one run to the next, panics and overlaps on odd graphs, and edges
    // that are led around without bound.
    #[test]
    fn any_graph_is_laid_out_the_same_each_time() {
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..30 {
            let count = 1 + random(60);
            let edges: Vec<(usize, usize)> =
                (0..random(150)).map(|_| (random(count), random(count))).collect();
            let layout = graph_layout(count, &edges);
            check(&layout);
            assert_eq!(layout, graph_layout(count, &edges));
            assert!(layout.bends.iter().all(|bends| bends.len() < 2 * SPAN_MAX));
        }
    }

    // Catches a layer of hundreds that is as high as all of them, and an order that its columns tear apart.
    #[test]
    fn a_high_layer_has_several_columns() {
        let edges: Vec<(usize, usize)> = (1..=300).map(|callee| (0, callee)).chain([(1, 301)]).collect();
        let layout = graph_layout(302, &edges);
        check(&layout);
        let highest = layout.nodes.iter().map(|place| place.row).fold(0.0, f64::max);
        assert!(highest < 28.0, "{highest}");
        let columns: std::collections::BTreeSet<usize> =
            (1..=300).map(|node| layer(&layout, node)).collect();
        assert_eq!(columns.into_iter().collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
        assert_eq!(layer(&layout, 301), 13, "what comes after has its own");
    }

    // Catches work that grows with the square of a chain's length.
    #[test]
    fn a_chain_of_thousands_is_laid_out() {
        let chain: Vec<(usize, usize)> =
            (0..2_000).flat_map(|node| [(node, node + 1), (0, node + 1)]).collect();
        let layout = graph_layout(2_001, &chain);
        assert_eq!(layer(&layout, 2_000), 2_000);
    }
}
