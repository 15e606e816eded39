//! What the database refuses is put aside in a file, where somebody can look at it and send it
//! again with `spanloom import`.

use std::path::Path;

use spanloom_model::Span;

use crate::collect::queue::payload;

/// Files at most; beyond it spans are lost, and counted.
const FILES_MAX: usize = 1_000;

/// Puts the spans of the request at `position` aside.
pub fn keep(dir: &Path, position: u64, spans: &[Span]) {
    metrics::counter!("spanloom_spans_refused_total").increment(spans.len() as u64);
    let path = dir.join(format!("{position:020}.otlp"));
    let write = || {
        std::fs::create_dir_all(dir)?;
        if std::fs::read_dir(dir)?.count() >= FILES_MAX {
            return Err(std::io::Error::other("too many files there already"));
        }
        std::fs::write(&path, payload::encode(spans))
    };
    match write() {
        Ok(()) => tracing::error!(
            file = %path.display(),
            spans = spans.len(),
            "spans that the database refuses were put aside"
        ),
        Err(error) => {
            tracing::error!(spans = spans.len(), "spans that the database refuses are lost: {error}");
        }
    }
}
