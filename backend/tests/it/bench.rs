//! The benchmark's generator and its count, against the real server.

use std::sync::Arc;

use spanloom::bench::load::{self, Plan, State, Supply};
use spanloom::bench::send::{Protocol, Target};
use spanloom::bench::shape::Shape;
use spanloom::bench::store::Database;
use spanloom::bench::verify::Stored;
use spanloom::store::parse_url;

use super::harness::Spanloom;

/// Sends 4,000 spans or more, some of the prepared requests several times, and counts them.
async fn send(shape: Shape, protocol: Protocol) {
    let server = Spanloom::start().await;
    let supply = Arc::new(Supply::prepare(shape, 1, 2, 3, 400).unwrap());
    let address = match protocol {
        Protocol::Grpc => server.server.otlp_grpc.unwrap(),
        Protocol::Http => server.server.otlp_http.unwrap(),
    };
    let target = Target::connect(protocol, address, 2).await.unwrap();
    let plan = Plan { requests: 10, time: None, rate: None, in_flight: 4, retry: true };
    let load = load::run(&target, &supply, plan).await.unwrap();
    assert_eq!(load.outcomes.len(), 10);
    assert!(load.outcomes.iter().all(|(_, state)| *state == State::Accepted));
    assert!(load.spans_accepted >= 4_000);

    server.server.settled().await;
    let options = parse_url(server.config.storage.database_url.as_deref().unwrap()).unwrap();
    let mut database = Database::connect(&options).await.unwrap();
    let stored = Stored::count(&mut database, &supply, &load.outcomes).await.unwrap();
    let exact = Stored { spans: load.spans_accepted, missing: 0, duplicates: 0, unexpected: 0 };
    assert_eq!(stored, exact);
    assert_eq!(database.queryable_spans().await.unwrap(), load.spans_accepted);
    assert_eq!(database.metrics_spans().await.unwrap(), load.spans_accepted);
}

/// Catches a generator whose spans are refused, or taken for one another because their ids repeat.
#[tokio::test(flavor = "multi_thread")]
async fn every_span_over_grpc_arrives_exactly_once() {
    send(Shape::Wide, Protocol::Grpc).await;
}

/// See above; the demo's spans have events and links besides.
#[tokio::test(flavor = "multi_thread")]
async fn every_span_over_http_arrives_exactly_once() {
    send(Shape::Demo, Protocol::Http).await;
}

/// Catches a check that finds everything in order whatever the database holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_and_a_doubled_span_are_found() {
    let server = Spanloom::start().await;
    let supply = Arc::new(Supply::prepare(Shape::Wide, 1, 3, 1, 50).unwrap());
    let target = Target::connect(Protocol::Grpc, server.server.otlp_grpc.unwrap(), 1).await.unwrap();
    let plan = Plan { requests: 2, time: None, rate: Some(100_000.0), in_flight: 1, retry: false };
    let load = load::run(&target, &supply, plan).await.unwrap();
    server.server.settled().await;
    let damage = "WITH chosen AS (SELECT span_id FROM spans ORDER BY span_id LIMIT 1)
                  DELETE FROM spans WHERE span_id IN (SELECT span_id FROM chosen)";
    sqlx::query(damage).execute(server.pool()).await.unwrap();
    let damage = "INSERT INTO spans SELECT * FROM spans ORDER BY span_id DESC LIMIT 2";
    sqlx::query(damage).execute(server.pool()).await.unwrap();

    let options = parse_url(server.config.storage.database_url.as_deref().unwrap()).unwrap();
    let mut database = Database::connect(&options).await.unwrap();
    let stored = Stored::count(&mut database, &supply, &load.outcomes).await.unwrap();
    let damaged = Stored { spans: load.spans_accepted + 1, missing: 1, duplicates: 2, unexpected: 0 };
    assert_eq!(stored, damaged);
    assert!(stored.ensure_exact().is_err());
}
