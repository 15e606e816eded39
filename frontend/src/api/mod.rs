//! The server's API as typed functions, one module per domain.

mod client;
mod error;
mod identity;
mod logs;
mod metrics;
mod sampling;
mod storage;
mod traces;

pub use client::{Abort, on_session_end};
pub use error::ApiError;
pub use identity::{
    add_user, change_password, change_user, create_key, keys, log_in, log_out, me, revoke_key, users,
};
pub use logs::{delete_log_link, log_histogram, log_links, logs, save_log_link, trace_logs};
pub use metrics::service_metrics;
pub use sampling::{sampling, sampling_history, save_sampling, try_sampling};
pub use storage::storage;
pub use traces::{operations, search, services, tag_keys, tag_values, trace};
