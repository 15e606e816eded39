//! Where the nodes are: laid out once, and then remembered, so that the map stays still while its data
//! is refreshed. Pure.

use std::collections::{HashMap, HashSet};

use spanloom_analysis::{Place, graph_layout};

/// More remembered nodes than this many times those shown, and the memory begins anew.
const REMEMBERED_MAX: usize = 4;

/// Rows that a node keeps free around its middle.
const ROW: f64 = 1.0;

/// Caller and callee.
pub type EdgeKey = (String, String);

/// Remembered places.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    nodes: HashMap<String, Place>,
    bends: HashMap<EdgeKey, Vec<Place>>,
}

impl Places {
    /// Lays the graph out anew.
    pub fn fresh(nodes: &[&str], edges: &[EdgeKey]) -> Self {
        let numbers: HashMap<&str, usize> = nodes.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let known: Vec<(&EdgeKey, (usize, usize))> = edges
            .iter()
            .filter_map(|key| {
                let (caller, callee) = (numbers.get(key.0.as_str())?, numbers.get(key.1.as_str())?);
                Some((key, (*caller, *callee)))
            })
            .collect();
        let pairs: Vec<(usize, usize)> = known.iter().map(|(_, pair)| *pair).collect();
        let layout = graph_layout(nodes.len(), &pairs);
        Self {
            nodes: nodes.iter().map(|id| (*id).to_owned()).zip(layout.nodes).collect(),
            bends: known.into_iter().map(|(key, _)| key.clone()).zip(layout.bends).collect(),
        }
    }

    /// The same places with room for nodes that are new; all anew if most are.
    pub fn with(mut self, nodes: &[&str], edges: &[EdgeKey]) -> Self {
        let new: Vec<&str> = nodes.iter().copied().filter(|id| !self.nodes.contains_key(*id)).collect();
        if new.len() * 2 > nodes.len() || self.nodes.len() > nodes.len() * REMEMBERED_MAX {
            return Self::fresh(nodes, edges);
        }
        let mut left: Vec<&str> = new;
        while !left.is_empty() {
            let before = left.len();
            left.retain(|id| !self.place_beside(id, edges));
            if left.len() == before {
                self.place_below(&left, edges);
                break;
            }
        }
        self
    }

    /// Where a node is.
    pub fn node(&self, id: &str) -> Option<Place> {
        self.nodes.get(id).copied()
    }

    /// What an edge goes around, from caller to callee.
    pub fn bends(&self, key: &EdgeKey) -> &[Place] {
        self.bends.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Places a node beside the neighbours that have places; false if there are none.
    fn place_beside(&mut self, id: &str, edges: &[EdgeKey]) -> bool {
        let places = |is_caller: bool| -> Vec<Place> {
            let other = |(caller, callee): &EdgeKey| match is_caller {
                true if callee == id => self.nodes.get(caller).copied(),
                false if caller == id => self.nodes.get(callee).copied(),
                _ => None,
            };
            edges.iter().filter_map(other).collect()
        };
        let (callers, callees) = (places(true), places(false));
        let column = if callers.is_empty() {
            callees.iter().map(|place| place.column).fold(f64::INFINITY, f64::min) - 1.0
        } else {
            callers.iter().map(|place| place.column).fold(f64::NEG_INFINITY, f64::max) + 1.0
        };
        if !column.is_finite() {
            return false;
        }
        let rows = callers.iter().chain(&callees).map(|place| place.row);
        let wanted = rows.sum::<f64>() / (callers.len() + callees.len()) as f64;
        let row = self.free_row(column, wanted);
        self.nodes.insert(id.to_owned(), Place { column, row });
        true
    }

    /// The row nearest to the wanted one that no node of the column needs.
    fn free_row(&self, column: f64, wanted: f64) -> f64 {
        let taken: Vec<f64> = self
            .nodes
            .values()
            .filter(|place| (place.column - column).abs() < 0.5)
            .map(|place| place.row)
            .collect();
        let is_free = |row: &f64| taken.iter().all(|other| (other - row).abs() >= ROW);
        // Right above or below some node there is room, if nowhere nearer.
        let beside = taken.iter().flat_map(|row| [row - ROW, row + ROW]);
        std::iter::once(wanted)
            .chain(beside)
            .filter(is_free)
            .min_by(|a, b| (a - wanted).abs().total_cmp(&(b - wanted).abs()))
            .unwrap_or(wanted)
    }

    /// Lays out a part that nothing connects to the rest, below it.
    fn place_below(&mut self, nodes: &[&str], edges: &[EdgeKey]) {
        let bottom = self.nodes.values().map(|place| place.row).fold(0.0, f64::max) + 2.0 * ROW;
        let within: HashSet<&str> = nodes.iter().copied().collect();
        let edges: Vec<EdgeKey> = edges
            .iter()
            .filter(|(caller, callee)| within.contains(caller.as_str()) && within.contains(callee.as_str()))
            .cloned()
            .collect();
        let down = |place: Place| Place { row: place.row + bottom, ..place };
        let part = Self::fresh(nodes, &edges);
        self.nodes.extend(part.nodes.into_iter().map(|(id, place)| (id, down(place))));
        let bends = part.bends.into_iter();
        self.bends.extend(bends.map(|(key, bends)| (key, bends.into_iter().map(down).collect())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(caller: &str, callee: &str) -> EdgeKey {
        (caller.to_owned(), callee.to_owned())
    }

    fn taken_twice(places: &Places) -> bool {
        let all: Vec<&Place> = places.nodes.values().collect();
        all.iter().enumerate().any(|(at, a)| {
            all[at + 1..].iter().any(|b| (a.column - b.column).abs() < 0.5 && (a.row - b.row).abs() < 0.999)
        })
    }

    // Catches a map that jumps when a service appears, goes or comes back.
    #[test]
    fn nothing_moves_when_the_data_changes() {
        let edges = [edge("a", "b"), edge("b", "c"), edge("a", "c"), edge("c", "d")];
        let before = Places::fresh(&["a", "b", "c", "d"], &edges);
        assert_eq!(before.bends(&edges[2]).len(), 1);
        let fewer = before.clone().with(&["a", "b"], &edges[..1]);
        assert_eq!(fewer, before, "who is gone keeps its place");

        let more = [&edges[..], &[edge("b", "new"), edge("new", "d"), edge("x", "y")]].concat();
        let nodes = ["a", "b", "c", "d", "new", "x", "y"];
        let after = before.clone().with(&nodes, &more);
        for id in ["a", "b", "c", "d"] {
            assert_eq!(after.node(id), before.node(id));
        }
        let columns = ["b", "new"].map(|id| after.node(id).unwrap().column as usize);
        assert_eq!(columns, [1, 2]);
        assert!(!taken_twice(&after), "{after:?}");
        assert!(after.node("x").unwrap().row > before.node("d").unwrap().row + 1.0);
        assert!(after.node("y").unwrap().column > after.node("x").unwrap().column);
    }

    // Catches a map of leftovers after another environment is looked at.
    #[test]
    fn another_graph_is_laid_out_anew() {
        let edges = [edge("a", "b"), edge("b", "c"), edge("c", "a")];
        let old = Places::fresh(&["x", "y", "a"], &[edge("x", "y")]);
        assert_eq!(old.with(&["a", "b", "c"], &edges), Places::fresh(&["a", "b", "c"], &edges));
    }
}
