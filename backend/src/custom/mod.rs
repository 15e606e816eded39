//! Custom metrics: what people define, how it is counted, what comes of it.
//!
//! The writers count new spans (`collect/write/custom.rs`), [`backfill`] what was stored before, both
//! with `spanloom_measure`, and the migration tells how the two meet. [`store`] has the definitions,
//! [`series_store`] what was counted, [`exposed_store`] what Prometheus gets of it; [`preview`] tries a
//! definition that is not saved yet.

pub mod backfill;
mod backfill_store;
pub mod exposed_store;
pub mod groups_store;
pub mod http;
mod http_docs;
pub mod live_store;
mod preview;
mod preview_http;
mod series;
mod series_http;
pub mod series_store;
mod spans_store;
pub mod store;

pub use http::routes;

/// Custom metrics at most: each that could match costs something for each span.
pub const METRICS_MAX: u32 = 100;

/// First half of the lock that orders writers and the back-fill; the second is 0. Every transaction that
/// counts shares it; who changes what is to be counted has it alone.
pub const SEAM_LOCK: i32 = 0x4355_534E;
