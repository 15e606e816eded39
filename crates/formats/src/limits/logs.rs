//! Limits on log records.

use spanloom_model::LogRecord;

use super::{Change, Limited, Limits, Shared, fit};
use crate::otlp::VALUE_DEPTH_MAX;

impl Limits {
    /// Cuts what is beyond the limits of log records, their resources and their scopes, as
    /// [`Limits::apply_all`] does for spans.
    pub fn apply_logs(&self, logs: &mut [LogRecord]) -> Limited {
        let mut limited = Limited::default();
        let (mut resources, mut scopes) = (Shared::default(), Shared::default());
        for log in logs {
            let mut changed = self.log(log, &mut limited);
            changed |= resources.apply(&mut log.resource, |resource| self.resource(resource, &mut limited));
            changed |= scopes.apply(&mut log.scope, |scope| self.scope(scope, &mut limited));
            limited.spans_changed += u64::from(changed);
        }
        limited
    }

    fn log(&self, log: &mut LogRecord, limited: &mut Limited) -> bool {
        let mut change = Change { limits: self, limited, changed: false };
        change.name(&mut log.severity_text);
        change.name(&mut log.event_name);
        let mut bytes_left = self.log_body_bytes;
        let truncated = fit(&mut log.body, &mut bytes_left, VALUE_DEPTH_MAX);
        change.truncated(truncated);
        change.attributes(&mut log.attributes, self.attributes_per_log, &mut log.dropped_attributes_count);
        change.changed
    }
}
