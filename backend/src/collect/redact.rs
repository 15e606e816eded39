//! Secrets go before anything is kept: between decoding and the queue. `spanloom_redact` knows what a
//! secret is; this is the stage around it.

use std::sync::Arc;

use anyhow::Context;
use spanloom_model::{LogRecord, Span};
use spanloom_redact::{Redacted, Redactor, Rules};

/// The stage. Cheap to clone.
#[derive(Clone)]
pub struct Redaction {
    redactor: Arc<Redactor>,
}

impl Redaction {
    /// Compiles the rules. `hash_key` is shared by the servers of a database, so that equal secrets
    /// have equal hashes.
    ///
    /// # Errors
    /// If a rule is not acceptable.
    pub fn new(rules: &Rules, hash_key: &[u8; 32]) -> anyhow::Result<Self> {
        let redactor = Redactor::new(rules, hash_key).context("redaction")?;
        Ok(Self { redactor: Arc::new(redactor) })
    }

    /// Removes secrets and counts them. Takes time: not for threads that serve connections.
    pub fn apply(&self, spans: &mut [Span]) -> Redacted {
        tell(self.redactor.apply(spans))
    }

    /// The same for log records.
    pub fn apply_logs(&self, logs: &mut [LogRecord]) -> Redacted {
        tell(self.redactor.apply_logs(logs))
    }
}

fn tell(redacted: Redacted) -> Redacted {
    for (rule, count) in redacted.by_rule() {
        metrics::counter!("spanloom_values_redacted_total", "rule" => rule.to_owned()).increment(count);
    }
    redacted
}
