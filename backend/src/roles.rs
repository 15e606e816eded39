//! What a server does: everything, or its part of a larger installation.

use serde::{Deserialize, Serialize};

/// One thing that a server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerRole {
    /// Takes spans from clients into the queue.
    Receive,
    /// Takes spans from the queue into the database.
    Write,
    /// Serves the API and the browser application.
    Query,
    /// Keeps the database in order.
    Jobs,
}

/// What one server does. Written as a list: `["receive", "write"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<ServerRole>", into = "Vec<ServerRole>")]
pub struct Roles {
    /// [`ServerRole::Receive`]
    pub receive: bool,
    /// [`ServerRole::Write`]
    pub write: bool,
    /// [`ServerRole::Query`]
    pub query: bool,
    /// [`ServerRole::Jobs`]
    pub jobs: bool,
}

impl Roles {
    /// Everything.
    pub const ALL: Self = Self { receive: true, write: true, query: true, jobs: true };

    /// Whether it does nothing at all.
    pub fn is_empty(self) -> bool {
        Vec::from(self).is_empty()
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self::ALL
    }
}

impl From<Vec<ServerRole>> for Roles {
    fn from(roles: Vec<ServerRole>) -> Self {
        let has = |role| roles.contains(&role);
        Self {
            receive: has(ServerRole::Receive),
            write: has(ServerRole::Write),
            query: has(ServerRole::Query),
            jobs: has(ServerRole::Jobs),
        }
    }
}

impl From<Roles> for Vec<ServerRole> {
    fn from(roles: Roles) -> Self {
        let all = [
            (roles.receive, ServerRole::Receive),
            (roles.write, ServerRole::Write),
            (roles.query, ServerRole::Query),
            (roles.jobs, ServerRole::Jobs),
        ];
        all.into_iter().filter_map(|(has, role)| has.then_some(role)).collect()
    }
}
