//! Who calls whom.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::RedSummary;

/// How one calls another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DependencyKind {
    /// A request over HTTP, or over something that the span does not name.
    Http,
    /// A remote procedure call (`rpc.system`).
    Rpc,
    /// A message (`messaging.system`, or a consumer's span).
    Messaging,
    /// A database or cache (`db.system.name`, `db.system`).
    Database,
    /// A server that sends no spans.
    External,
}

impl DependencyKind {
    const ALL: [Self; 5] = [Self::Http, Self::Rpc, Self::Messaging, Self::Database, Self::External];

    /// The stored number, 1 to 5.
    pub fn number(self) -> i16 {
        self as i16 + 1
    }

    /// The reverse of [`Self::number`].
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// What a node of the graph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DependencyNodeType {
    /// A service that sends spans.
    Service,
    /// A database or cache, named `system/namespace`, `system/host` or by the system alone.
    Database,
    /// A queue or topic, named `system/destination` or by the system alone.
    Messaging,
    /// A server that sends no spans, named by `peer.service` or its host.
    External,
}

impl DependencyNodeType {
    /// The word before the colon of an id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Database => "database",
            Self::Messaging => "messaging",
            Self::External => "external",
        }
    }
}

/// A node of the graph, with the calls to it that the answer shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyNode {
    /// Type, colon, name.
    #[cfg_attr(feature = "openapi", schema(example = "service:checkout"))]
    pub id: String,
    /// What it is.
    #[serde(rename = "type")]
    pub node_type: DependencyNodeType,
    /// Its name; unique among its type.
    #[cfg_attr(feature = "openapi", schema(example = "checkout"))]
    pub name: String,
    /// Rate, errors, duration of the calls to it that the answer shows; all zero if there are none.
    #[serde(flatten)]
    pub red: RedSummary,
}

/// Calls of one kind from one node to another. A call's duration, error and minute are those of the
/// called service's span; where no service answers, of the caller's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyEdge {
    /// The caller's id, always a service.
    #[cfg_attr(feature = "openapi", schema(example = "service:frontend"))]
    pub caller: String,
    /// The callee's id; the caller's own for calls to itself.
    #[cfg_attr(feature = "openapi", schema(example = "service:checkout"))]
    pub callee: String,
    /// How it is called.
    pub kind: DependencyKind,
    /// Rate, errors, duration.
    #[serde(flatten)]
    pub red: RedSummary,
}

/// Nodes by id, and edges by caller, callee and kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyGraph {
    /// Everything that an edge begins or ends at.
    pub nodes: Vec<DependencyNode>,
    /// Who calls whom.
    pub edges: Vec<DependencyEdge>,
}

/// The graph of calls in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependenciesResponse {
    /// Nodes and edges.
    #[serde(flatten)]
    pub graph: DependencyGraph,
    /// Start of the window, rounded down to the minute.
    pub start_time: DateTime<Utc>,
    /// End of the window, exclusive, rounded up to the minute.
    pub end_time: DateTime<Utc>,
}

/// The ways from one node to another that visit no node twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyPathsResponse {
    /// Each as the ids of its nodes, both ends included; the shortest first.
    pub paths: Vec<Vec<String>>,
    /// Whether there are, or may be, more.
    pub is_truncated: bool,
    /// The nodes and edges of these paths.
    #[serde(flatten)]
    pub graph: DependencyGraph,
    /// Start of the window, rounded down to the minute.
    pub start_time: DateTime<Utc>,
    /// End of the window, exclusive, rounded up to the minute.
    pub end_time: DateTime<Utc>,
}

/// A service that is affected if another node fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyImpact {
    /// The service's id.
    #[cfg_attr(feature = "openapi", schema(example = "service:frontend"))]
    pub id: String,
    /// The service's name.
    #[cfg_attr(feature = "openapi", schema(example = "frontend"))]
    pub name: String,
    /// Calls on the shortest way to the node: 1 if it is called directly.
    pub distance: u32,
    /// The service's outgoing calls. Those to itself do not count, nor those to a queue other than the
    /// node asked for: a message counts where it is consumed.
    pub calls: f64,
    /// How many of them go to the node itself or to a service that reaches it.
    pub calls_towards: f64,
    /// `callsTowards / calls`, 0 to 1.
    pub share: f64,
}

/// Who is affected if a node fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyImpactResponse {
    /// Every service that reaches the node, the largest share first.
    pub services: Vec<DependencyImpact>,
    /// Start of the window, rounded down to the minute.
    pub start_time: DateTime<Utc>,
    /// End of the window, exclusive, rounded up to the minute.
    pub end_time: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches numbers that no longer mean what is stored.
    #[test]
    fn kinds_keep_their_numbers() {
        let numbers: Vec<i16> = DependencyKind::ALL.into_iter().map(DependencyKind::number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        assert_eq!(DependencyKind::from_number(4), Some(DependencyKind::Database));
        assert_eq!(DependencyKind::from_number(0), None);
    }
}
