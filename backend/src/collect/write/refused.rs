//! What the database refuses is put aside in a file, where somebody can look at it and send it
//! again with `spanloom import`.

use std::path::Path;

use spanloom_formats::otlp;
use spanloom_model::{LogRecord, Span};

use crate::collect::queue::payload;

/// Files at most; beyond it spans are lost, and counted.
const FILES_MAX: usize = 1_000;

/// Puts the spans and the log records of the request at `position` aside: the former to be read by
/// `spanloom import`, the latter as a body for `POST /v1/logs`.
pub fn keep(dir: &Path, position: u64, spans: &[Span], logs: &[LogRecord]) {
    if !spans.is_empty() {
        metrics::counter!("spanloom_spans_refused_total").increment(spans.len() as u64);
        let name = format!("{position:020}.otlp");
        put_aside(dir, &name, "spans", spans.len(), || payload::encode(spans));
    }
    if !logs.is_empty() {
        metrics::counter!("spanloom_log_records_refused_total").increment(logs.len() as u64);
        let name = format!("{position:020}.logs.otlp");
        put_aside(dir, &name, "log records", logs.len(), || otlp::encode_logs(logs));
    }
}

fn put_aside(dir: &Path, name: &str, what: &str, count: usize, encode: impl FnOnce() -> Vec<u8>) {
    let path = dir.join(name);
    let write = || {
        std::fs::create_dir_all(dir)?;
        if std::fs::read_dir(dir)?.count() >= FILES_MAX {
            return Err(std::io::Error::other("too many files there already"));
        }
        std::fs::write(&path, encode())
    };
    match write() {
        Ok(()) => tracing::error!(
            file = %path.display(),
            count,
            "{what} that the database refuses were put aside"
        ),
        Err(error) => tracing::error!(count, "{what} that the database refuses are lost: {error}"),
    }
}

/// Whether the same spans may be accepted later. Only what the database says of the data itself is
/// final: a read-only standby, a lost password, a full disk pass.
pub fn is_transient(error: &anyhow::Error) -> bool {
    let Some(sqlx::Error::Database(database)) = error.downcast_ref::<sqlx::Error>() else {
        // Whatever is not the database's word may pass too. What does not is told again and again.
        return true;
    };
    // Classes of SQLSTATE: data exception, integrity constraint, program limit. A partition that
    // was dropped under us is a check violation too, and is made again by the next attempt.
    let code = database.code().unwrap_or_default();
    let is_final = ["22", "23", "54"].iter().any(|class| code.starts_with(class));
    !is_final || (code == "23514" && database.message().contains("no partition"))
}
