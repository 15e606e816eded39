//! Counts into nodes and edges.

use std::collections::{BTreeMap, HashMap};

use spanloom_model::api::{DependencyEdge, DependencyGraph, DependencyKind, DependencyNode};

use super::node::NodeName;
use crate::query::services::red::{Part, Red};

/// Calls with something in common, nodes by their keys.
#[derive(Debug)]
pub struct Calls {
    /// A service.
    pub caller: String,
    /// Anything.
    pub callee: String,
    /// How it is called.
    pub kind: DependencyKind,
    /// How many, how long.
    pub part: Part,
}

/// The graph of these calls over a window; `services` has the names of all services in it.
pub fn graph(calls: &[Calls], services: &HashMap<i32, String>, window_seconds: f64) -> DependencyGraph {
    let mut nodes: BTreeMap<String, (NodeName, Red)> = BTreeMap::new();
    let mut edges: BTreeMap<(String, String, DependencyKind), Red> = BTreeMap::new();
    for calls in calls {
        let (Some(caller), Some(callee)) =
            (NodeName::of_key(&calls.caller, services), NodeName::of_key(&calls.callee, services))
        else {
            continue;
        };
        let (caller_id, callee_id) = (caller.id(), callee.id());
        let edge = edges.entry((caller_id.clone(), callee_id.clone(), calls.kind)).or_default();
        edge.add(calls.part);
        nodes.entry(caller_id).or_insert_with(|| (caller, Red::default()));
        let callee = nodes.entry(callee_id).or_insert_with(|| (callee, Red::default()));
        callee.1.add(calls.part);
    }
    let node = |(id, (node, red)): (String, (NodeName, Red))| DependencyNode {
        id,
        node_type: node.node_type,
        name: node.name,
        red: red.summary(window_seconds),
    };
    let edge = |((caller, callee, kind), red): ((String, String, DependencyKind), Red)| DependencyEdge {
        caller,
        callee,
        kind,
        red: red.summary(window_seconds),
    };
    DependencyGraph {
        nodes: nodes.into_iter().map(node).collect(),
        edges: edges.into_iter().map(edge).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches calls that are counted at the wrong end, and kinds that are mixed.
    #[test]
    fn calls_add_up_at_their_edge_and_at_the_callee() {
        let services = HashMap::from([(1, "a".to_owned()), (2, "b".to_owned())]);
        let calls = |callee: &str, kind, is_error, count| Calls {
            caller: "1".to_owned(),
            callee: callee.to_owned(),
            kind,
            part: Part { is_error, bucket: 100, count, duration_ns: 130.0 * count },
        };
        let graph = graph(
            &[
                calls("2", DependencyKind::Http, false, 6.0),
                calls("2", DependencyKind::Http, true, 2.0),
                calls("2", DependencyKind::Rpc, false, 2.0),
                calls("1", DependencyKind::Http, false, 1.0),
                calls("99", DependencyKind::Http, false, 1.0),
            ],
            &services,
            10.0,
        );
        let edges: Vec<_> =
            graph.edges.iter().map(|it| (&*it.caller, &*it.callee, it.kind, it.red.count)).collect();
        assert_eq!(
            edges,
            [
                ("service:a", "service:a", DependencyKind::Http, 1.0),
                ("service:a", "service:b", DependencyKind::Http, 8.0),
                ("service:a", "service:b", DependencyKind::Rpc, 2.0),
            ]
        );
        assert!((graph.edges[1].red.error_rate - 0.25).abs() < 1e-9);
        let nodes: Vec<_> = graph.nodes.iter().map(|it| (&*it.id, it.red.count)).collect();
        assert_eq!(nodes, [("service:a", 1.0), ("service:b", 10.0)]);
    }
}
