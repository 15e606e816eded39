//! `GET dependencies`, `GET dependencies/paths` and `GET dependencies/impact`.

use actix_web::{HttpRequest, get, web};
use spanloom_model::api::{
    DependenciesResponse, DependencyImpact, DependencyImpactResponse, DependencyPathsResponse,
};

use super::http_docs::GraphErrors;
use super::node::{NODE_CHARS_MAX, NodeName};
use super::store::{self, Focus, Found, PAIRS_MAX};
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::params::Params;
use crate::query::services::http::window;
use crate::web::{ApiError, ApiResult};

const DEPTH_DEFAULT: i32 = 3;
const DEPTH_MAX: i32 = 16;

/// The number of simple paths grows exponentially with their length.
const PATH_DEPTH_DEFAULT: i32 = 6;
const PATH_DEPTH_MAX: i32 = 8;

fn node(params: &mut Params, name: &str) -> Option<NodeName> {
    params.text(name, NODE_CHARS_MAX).map(|text| NodeName::parse(&text))
}

/// A node that must be given.
fn required_node(params: &mut Params, name: &str) -> NodeName {
    node(params, name).unwrap_or_else(|| {
        params.reject(name, "must be given: a service's name or a node's id");
        NodeName::parse("")
    })
}

fn depth(params: &mut Params, default: i32, max: i32) -> Option<i32> {
    let wrong = || format!("must be a whole number from 1 to {max}, the default is {default}");
    params.parsed("depth", |text| {
        text.parse().ok().filter(|depth| (1..=max).contains(depth)).ok_or_else(wrong)
    })
}

/// Whether to follow callers, and whether callees.
fn direction(text: &str) -> Result<(bool, bool), String> {
    match text {
        "up" => Ok((true, false)),
        "down" => Ok((false, true)),
        "both" => Ok((true, true)),
        _ => Err("must be up, down or both".to_owned()),
    }
}

/// 400: an answer beyond its bound.
pub fn too_many(field: &str) -> ApiError {
    ApiError::invalid(
        field,
        format!(
            "the graph has more than {PAIRS_MAX} edges here: narrow it by service, direction, depth or time"
        ),
    )
}

#[utoipa::path(
    get,
    path = "/dependencies",
    tag = "dependencies",
    operation_id = "getDependencies",
    summary = "Tell who calls whom",
    description = "The services, databases, queues and external hosts that were called in the window, \
        which is rounded to whole minutes, and the calls between them with rate, share of errors and \
        duration; with `service`, what it reaches and what reaches it within `depth` calls. The numbers \
        come from all spans received, not from the spans stored. A call between two services is known \
        when the spans of both have come, one of a host that sends no spans some ten minutes later; one of \
        a database or queue at once.\n\nAt most 2000 pairs of nodes; more are refused.",
    params(
        ("service" = Option<String>, Query, description = "A service's name, or the id of any node, as \
            `database:postgresql/shop`. Default: the whole graph.", max_length = 265, example = "checkout"),
        ("direction" = Option<String>, Query, description = "`up`: who calls it. `down`: whom it calls. \
            `both`, the default. Only with `service`.", example = "both"),
        ("depth" = Option<i32>, Query, description = "Calls from the service at most, 1 to 16. Default: 3. \
            Only with `service`.", example = 2),
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
    ),
    responses(
        (status = 200, description = "Nodes by id, edges by caller, callee and kind.",
            body = DependenciesResponse, example = json!({
            "nodes": [
                {"id": "database:postgresql/orders", "type": "database", "name": "postgresql/orders",
                 "count": 7200.0, "ratePerSecond": 2.0, "errorRate": 0.0, "meanNs": 2_700_000.0, "p50Ns": 2_100_000.0,
                 "p95Ns": 8_700_000.0, "p99Ns": 21_000_000.0},
                {"id": "service:checkout", "type": "service", "name": "checkout",
                 "count": 0.0, "ratePerSecond": 0.0, "errorRate": 0.0, "meanNs": 0.0, "p50Ns": 0.0, "p95Ns": 0.0,
                 "p99Ns": 0.0}
            ],
            "edges": [
                {"caller": "service:checkout", "callee": "database:postgresql/orders", "kind": "database",
                 "count": 7200.0, "ratePerSecond": 2.0, "errorRate": 0.0, "meanNs": 2_700_000.0, "p50Ns": 2_100_000.0,
                 "p95Ns": 8_700_000.0, "p99Ns": 21_000_000.0}
            ],
            "startTime": "2026-11-23T11:00:00Z",
            "endTime": "2026-11-23T12:00:00Z"
        })),
        GraphErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/dependencies")]
pub(in crate::query) async fn get_dependencies(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<DependenciesResponse>> {
    let mut params = query_params(&request)?;
    let window = window(&mut params);
    let service = node(&mut params, "service");
    let direction = params.parsed("direction", direction);
    let depth = depth(&mut params, DEPTH_DEFAULT, DEPTH_MAX);
    if service.is_none() {
        for (name, is_given) in [("direction", direction.is_some()), ("depth", depth.is_some())] {
            if is_given {
                params.reject(name, "needs service");
            }
        }
    }
    params.finish().map_err(ApiError::invalid_fields)?;
    let (up, down) = direction.unwrap_or((true, true));
    let focus = service.map(|node| Focus { node, up, down, depth: depth.unwrap_or(DEPTH_DEFAULT) });
    let found =
        store::dependencies(&query.store.pool, window, focus.as_ref(), query.statement_time()).await?;
    let Found::All(graph) = found else { return Err(too_many("service")) };
    Ok(web::Json(DependenciesResponse { graph, start_time: window.start, end_time: window.end }))
}

#[utoipa::path(
    get,
    path = "/dependencies/paths",
    tag = "dependencies",
    operation_id = "getDependencyPaths",
    summary = "Find the ways from one service to another",
    description = "Paths of calls that visit no node twice, the shortest first, at most 100; \
        `isTruncated` tells whether there may be more. From a service to itself: the cycles through it. \
        A path says that each calls the next, not that one request went all the way.",
    params(
        ("from" = String, Query, description = "A service's name, or its id.", max_length = 265,
            example = "frontend"),
        ("to" = String, Query, description = "A service's name, or the id of any node.", max_length = 265,
            example = "database:postgresql/orders"),
        ("depth" = Option<i32>, Query, description = "Calls of a path at most, 1 to 8. Default: 6.",
            example = 6),
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
    ),
    responses(
        (status = 200, description = "Paths, the shortest first, with their nodes and edges.",
            body = DependencyPathsResponse, example = json!({
            "paths": [["service:checkout", "service:payment"]],
            "isTruncated": false,
            "nodes": [
                {"id": "service:checkout", "type": "service", "name": "checkout", "count": 0.0,
                 "ratePerSecond": 0.0, "errorRate": 0.0, "meanNs": 0.0, "p50Ns": 0.0, "p95Ns": 0.0, "p99Ns": 0.0},
                {"id": "service:payment", "type": "service", "name": "payment", "count": 3600.0,
                 "ratePerSecond": 1.0, "errorRate": 0.01, "meanNs": 94_000_000.0, "p50Ns": 81_000_000.0, "p95Ns": 190_000_000.0,
                 "p99Ns": 420_000_000.0}
            ],
            "edges": [
                {"caller": "service:checkout", "callee": "service:payment", "kind": "rpc",
                 "count": 3600.0, "ratePerSecond": 1.0, "errorRate": 0.01, "meanNs": 94_000_000.0, "p50Ns": 81_000_000.0,
                 "p95Ns": 190_000_000.0, "p99Ns": 420_000_000.0}
            ],
            "startTime": "2026-11-23T11:00:00Z",
            "endTime": "2026-11-23T12:00:00Z"
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/dependencies/paths")]
pub(in crate::query) async fn get_paths(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<DependencyPathsResponse>> {
    let mut params = query_params(&request)?;
    let window = window(&mut params);
    let (from, to) = (required_node(&mut params, "from"), required_node(&mut params, "to"));
    let depth = depth(&mut params, PATH_DEPTH_DEFAULT, PATH_DEPTH_MAX).unwrap_or(PATH_DEPTH_DEFAULT);
    params.finish().map_err(ApiError::invalid_fields)?;
    let found =
        store::paths(&query.store.pool, window, (&from, &to), depth, query.statement_time()).await?;
    Ok(web::Json(DependencyPathsResponse {
        paths: found.list,
        is_truncated: found.is_truncated,
        graph: found.graph,
        start_time: window.start,
        end_time: window.end,
    }))
}

#[utoipa::path(
    get,
    path = "/dependencies/impact",
    tag = "dependencies",
    operation_id = "getDependencyImpact",
    summary = "Tell who is affected if a service fails",
    description = "Every service that reaches the node through calls, directly or through others, with the \
        share of its outgoing calls that go towards it: calls to the node itself or to any service that \
        reaches it, divided by all outgoing calls. Calls of a service to itself do not count, nor those to \
        a queue other than the node itself, because a message counts where it is consumed.",
    params(
        ("service" = String, Query, description = "A service's name, or the id of any node, as \
            `database:postgresql/shop`.", max_length = 265, example = "payment"),
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
    ),
    responses(
        (status = 200, description = "Services, the largest share first.", body = DependencyImpactResponse,
            example = json!({
            "services": [
                {"id": "service:checkout", "name": "checkout", "distance": 1, "calls": 7200.0,
                 "callsTowards": 3600.0, "share": 0.5},
                {"id": "service:frontend", "name": "frontend", "distance": 2, "calls": 14400.0,
                 "callsTowards": 3600.0, "share": 0.25}
            ],
            "startTime": "2026-11-23T11:00:00Z",
            "endTime": "2026-11-23T12:00:00Z"
        })),
        GraphErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/dependencies/impact")]
pub(in crate::query) async fn get_impact(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<DependencyImpactResponse>> {
    let mut params = query_params(&request)?;
    let window = window(&mut params);
    let node = required_node(&mut params, "service");
    params.finish().map_err(ApiError::invalid_fields)?;
    let found = store::impact(&query.store.pool, window, &node, query.statement_time()).await?;
    let Found::All(affected) = found else { return Err(too_many("service")) };
    let services = affected
        .into_iter()
        .map(|(name, distance, calls, calls_towards)| DependencyImpact {
            id: NodeName::parse(&format!("service:{name}")).id(),
            name,
            distance: distance.unsigned_abs(),
            calls,
            calls_towards,
            share: calls_towards / calls,
        })
        .collect();
    Ok(web::Json(DependencyImpactResponse { services, start_time: window.start, end_time: window.end }))
}
