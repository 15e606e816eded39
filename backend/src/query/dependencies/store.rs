//! Walks over the graph, in SQL. A node is a text: a service's id, or kind and name of anything else.

use std::collections::HashMap;
use std::time::Duration;

use spanloom_model::api::{DependencyGraph, DependencyKind};
use sqlx::{PgConnection, PgPool, Row};

use super::graph::{Calls, graph};
use super::node::NodeName;
use crate::query::params::Window;
use crate::query::services::red::Part;
use crate::query::store::{begin_read, service_id, service_names};

/// Pairs of nodes that an answer has at most.
pub const PAIRS_MAX: i64 = 2_000;

/// Paths that an answer has at most.
pub const PATHS_MAX: usize = 100;

/// Services that an answer on impact has at most.
pub const AFFECTED_MAX: i64 = 2_000;

/// Ways that are followed while looking for paths.
const WALKS_MAX: i64 = 20_000;

/// How far impact is followed.
const IMPACT_DEPTH_MAX: i32 = 64;

/// A statement over `e`: caller, callee and calls of every pair of nodes in the window from $1 to $2.
macro_rules! over_edges {
    ($statement:literal) => {
        concat!(
            "WITH RECURSIVE e AS MATERIALIZED (
                 SELECT caller_id::text AS caller,
                        CASE WHEN callee_id <> 0 THEN callee_id::text ELSE kind::text || ':' || node END AS callee,
                        sum(call_count) AS calls
                 FROM edges_minute WHERE minute >= $1 AND minute < $2 GROUP BY 1, 2
             )",
            $statement
        )
    };
}

/// The part of the graph that is asked for.
#[derive(Debug)]
pub struct Focus {
    /// Where it begins.
    pub node: NodeName,
    /// Whether to follow callers.
    pub up: bool,
    /// Whether to follow callees.
    pub down: bool,
    /// Calls from there at most.
    pub depth: i32,
}

/// What was found, within bounds.
#[derive(Debug)]
pub enum Found<T> {
    /// All of it.
    All(T),
    /// More than the bound.
    TooMuch,
}

/// The graph, or what is around a node. An unknown node has nothing around it.
pub async fn dependencies(
    pool: &PgPool,
    window: Window,
    focus: Option<&Focus>,
    statement_time: Duration,
) -> sqlx::Result<Found<DependencyGraph>> {
    let mut tx = begin_read(pool, statement_time).await?;
    let pairs = match focus {
        None => {
            sqlx::query_as(over_edges!("SELECT caller, callee FROM e ORDER BY 1, 2 LIMIT $3"))
                .bind(window.start)
                .bind(window.end)
                .bind(PAIRS_MAX + 1)
                .fetch_all(&mut *tx)
                .await?
        }
        Some(focus) => match key(&mut tx, &focus.node).await? {
            None => Vec::new(),
            Some(key) => around(&mut tx, window, &key, focus).await?,
        },
    };
    if pairs.len() as i64 > PAIRS_MAX {
        return Ok(Found::TooMuch);
    }
    Ok(Found::All(graph_of(&mut tx, window, &pairs).await?))
}

/// As statements name the node; none for an unknown service.
async fn key(db: &mut PgConnection, node: &NodeName) -> sqlx::Result<Option<String>> {
    match node.key() {
        Some(key) => Ok(Some(key)),
        None => Ok(service_id(db, &node.name).await?.map(|id| id.to_string())),
    }
}

/// A node is visited once for each distance, which ends cycles at the depth without listing paths.
async fn around(
    db: &mut PgConnection,
    window: Window,
    key: &str,
    focus: &Focus,
) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query_as(over_edges!(
        ", down (node, depth) AS (
             SELECT $3::text, 0 WHERE $5
             UNION SELECT e.callee, d.depth + 1 FROM down d JOIN e ON e.caller = d.node WHERE d.depth < $4
         ), up (node, depth) AS (
             SELECT $3::text, 0 WHERE $6
             UNION SELECT e.caller, u.depth + 1 FROM up u JOIN e ON e.callee = u.node WHERE u.depth < $4
         )
         SELECT caller, callee FROM e
         WHERE caller IN (SELECT node FROM down WHERE depth < $4)
            OR callee IN (SELECT node FROM up WHERE depth < $4)
         ORDER BY 1, 2 LIMIT $7"
    ))
    .bind(window.start)
    .bind(window.end)
    .bind(key)
    .bind(focus.depth)
    .bind(focus.down)
    .bind(focus.up)
    .bind(PAIRS_MAX + 1)
    .fetch_all(db)
    .await
}

/// Counts and histograms of these pairs.
async fn graph_of(
    db: &mut PgConnection,
    window: Window,
    pairs: &[(String, String)],
) -> sqlx::Result<DependencyGraph> {
    let (callers, callees): (Vec<&str>, Vec<&str>) =
        pairs.iter().map(|(caller, callee)| (caller.as_str(), callee.as_str())).unzip();
    let rows = sqlx::query(
        "SELECT w.caller, w.callee, m.kind, m.is_error, m.bucket, sum(m.call_count),
                sum(m.duration_ns_sum)
         FROM edges_minute m JOIN unnest($3::text[], $4::text[]) AS w (caller, callee)
           ON w.caller = m.caller_id::text
          AND w.callee = CASE WHEN callee_id <> 0 THEN callee_id::text ELSE kind::text || ':' || node END
         WHERE m.minute >= $1 AND m.minute < $2 GROUP BY 1, 2, 3, 4, 5",
    )
    .bind(window.start)
    .bind(window.end)
    .bind(&callers)
    .bind(&callees)
    .fetch_all(&mut *db)
    .await?;
    let mut calls = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(kind) = DependencyKind::from_number(row.try_get(2)?) else { continue };
        calls.push(Calls {
            caller: row.try_get(0)?,
            callee: row.try_get(1)?,
            kind,
            part: Part::of_row(row, 3)?,
        });
    }
    let names = names(db, callers.into_iter().chain(callees)).await?;
    Ok(graph(&calls, &names, window.seconds()))
}

/// Names of the services among the keys.
async fn names(
    db: &mut PgConnection,
    keys: impl Iterator<Item = &str>,
) -> sqlx::Result<HashMap<i32, String>> {
    let ids: Vec<i32> = keys.filter_map(|key| key.parse().ok()).collect();
    service_names(db, &ids).await
}

/// Paths as ids of their nodes, and their graph.
#[derive(Debug, Default)]
pub struct Paths {
    /// The shortest first.
    pub list: Vec<Vec<String>>,
    /// Whether there may be more.
    pub is_truncated: bool,
    /// Their nodes and edges.
    pub graph: DependencyGraph,
}

/// Paths of at most `depth` calls that visit no node twice; from a node to itself, the cycles through it.
pub async fn paths(
    pool: &PgPool,
    window: Window,
    (from, to): (&NodeName, &NodeName),
    depth: i32,
    statement_time: Duration,
) -> sqlx::Result<Paths> {
    let mut tx = begin_read(pool, statement_time).await?;
    let (Some(from), Some(to)) = (key(&mut tx, from).await?, key(&mut tx, to).await?) else {
        return Ok(Paths::default());
    };
    // Only nodes from which the goal is within reach are visited.
    let rows: Vec<(i64, Option<Vec<String>>)> = sqlx::query_as(over_edges!(
        ", near (node, depth) AS (
             SELECT $4::text, 0
             UNION SELECT e.caller, n.depth + 1 FROM near n JOIN e ON e.callee = n.node WHERE n.depth < $5
         ), nearest AS MATERIALIZED (
             SELECT node, min(depth) AS depth FROM near GROUP BY 1
         ), walk (node, path) AS (
             SELECT $3::text, ARRAY[$3::text]
             UNION ALL
             SELECT e.callee, w.path || e.callee
             FROM walk w JOIN e ON e.caller = w.node JOIN nearest n ON n.node = e.callee
             WHERE (e.callee = $4 OR e.callee <> ALL (w.path))
               AND (w.node <> $4 OR cardinality(w.path) = 1)
               AND cardinality(w.path) + n.depth <= $5
         ), walks AS MATERIALIZED (
             SELECT node, path FROM walk LIMIT $6
         )
         SELECT c.count, w.path FROM (SELECT count(*) FROM walks) c
         LEFT JOIN walks w ON w.node = $4 AND cardinality(w.path) > 1
         ORDER BY cardinality(w.path), w.path LIMIT $7"
    ))
    .bind(window.start)
    .bind(window.end)
    .bind(&from)
    .bind(&to)
    .bind(depth)
    .bind(WALKS_MAX)
    .bind(PATHS_MAX as i64 + 1)
    .fetch_all(&mut *tx)
    .await?;
    let is_truncated = rows.len() > PATHS_MAX || rows.first().is_some_and(|(walks, _)| *walks >= WALKS_MAX);
    let paths: Vec<Vec<String>> = rows.into_iter().filter_map(|(_, path)| path).take(PATHS_MAX).collect();
    let steps = paths.iter().flat_map(|path| path.windows(2));
    let mut pairs: Vec<(String, String)> = steps.map(|step| (step[0].clone(), step[1].clone())).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let graph = graph_of(&mut tx, window, &pairs).await?;
    let names = names(&mut tx, paths.iter().flatten().map(String::as_str)).await?;
    let ids = |path: &Vec<String>| {
        path.iter().map(|key| Some(NodeName::of_key(key, &names)?.id())).collect::<Option<Vec<_>>>()
    };
    Ok(Paths { list: paths.iter().filter_map(ids).collect(), is_truncated, graph })
}

/// A service that reaches a node: its name, the distance, its calls, those towards the node.
pub type Affected = (String, i32, f64, f64);

/// Services that reach the node through any number of calls, the largest share first.
pub async fn impact(
    pool: &PgPool,
    window: Window,
    node: &NodeName,
    statement_time: Duration,
) -> sqlx::Result<Found<Vec<Affected>>> {
    let mut tx = begin_read(pool, statement_time).await?;
    let Some(key) = key(&mut tx, node).await? else { return Ok(Found::All(Vec::new())) };
    let rows: Vec<Affected> = sqlx::query_as(over_edges!(
        ", up (node, depth) AS (
             SELECT $3::text, 0
             UNION SELECT e.caller, u.depth + 1 FROM up u JOIN e ON e.callee = u.node WHERE u.depth < $4
         ), reaching AS MATERIALIZED (
             SELECT node, min(depth) AS depth FROM up GROUP BY 1
         ), shares AS (
             SELECT r.node, r.depth, sum(e.calls) AS calls,
                    sum(e.calls) FILTER (WHERE e.callee IN (SELECT node FROM reaching)) AS towards
             FROM reaching r JOIN e ON e.caller = r.node
             WHERE r.node <> $3 AND e.callee <> e.caller
               AND (left(e.callee, 2) <> '3:' OR e.callee = $3)
             GROUP BY 1, 2
         )
         SELECT s.name, x.depth, x.calls, x.towards FROM shares x JOIN services s ON s.id = x.node::int
         WHERE x.calls > 0 ORDER BY x.towards / x.calls DESC, x.towards DESC, 1 LIMIT $5"
    ))
    .bind(window.start)
    .bind(window.end)
    .bind(key)
    .bind(IMPACT_DEPTH_MAX)
    .bind(AFFECTED_MAX + 1)
    .fetch_all(&mut *tx)
    .await?;
    if rows.len() as i64 > AFFECTED_MAX { Ok(Found::TooMuch) } else { Ok(Found::All(rows)) }
}
