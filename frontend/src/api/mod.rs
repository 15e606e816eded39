//! The server's API as typed functions, one module per domain.

mod client;
mod custom_metrics;
mod dependencies;
mod error;
mod errors;
mod identity;
mod logs;
mod metrics;
mod sampling;
mod storage;
mod traces;

pub use client::{Abort, on_session_end};
pub use custom_metrics::{
    create_metric, custom_metric, custom_metrics, delete_metric, metric_series, metric_total,
    preview_metric, save_metric, stop_backfill,
};
pub use dependencies::{call_metrics, dependencies, impact};
pub use error::ApiError;
pub use errors::{change_errors, error, errors};
pub use identity::{
    add_user, change_password, change_user, create_key, keys, log_in, log_out, me, revoke_key, users,
};
pub use logs::{delete_log_link, log_histogram, log_links, logs, save_log_link, trace_logs};
pub use metrics::{service_exemplars, service_histories, service_metrics, service_versions};
pub use sampling::{sampling, sampling_history, save_sampling, try_sampling};
pub use storage::storage;
pub use traces::{operations, search, services, tag_keys, tag_values, trace, window_query};
