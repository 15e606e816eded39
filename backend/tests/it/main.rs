//! Integration tests: the real server on a real PostgreSQL, a database for each test.
//!
//! `SPANLOOM_TEST_DATABASE_URL` names a server to use, where a database may be created for each
//! test; without it a private PostgreSQL is started.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod bench;
mod broker;
mod calls;
mod clock;
mod crash;
mod custom_metrics;
mod dependencies;
mod embedded;
mod errors;
mod exact;
mod exemplars;
mod formats;
mod harness;
mod identity;
mod ingest;
mod jobs;
mod load;
mod log_links;
mod logs;
mod logs_search;
mod metrics;
mod migrations;
mod openapi;
mod operate;
mod pairs;
mod pairs_retention;
mod prometheus;
mod prometheus_server;
mod query;
mod query_search;
mod rabbit;
mod rate_limits;
mod redaction;
mod roles;
mod sampling;
mod scale_out;
mod storage;
mod transfer;
