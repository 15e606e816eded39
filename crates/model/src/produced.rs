//! What all signals have in common: a process and an instrumentation library.

use std::sync::Arc;

use crate::{LogRecord, Resource, Scope, Span};

/// Something that a process told of: a span or a log record.
pub trait Produced {
    /// The process.
    fn resource(&self) -> &Arc<Resource>;
    /// The instrumentation library, or the logger.
    fn scope(&self) -> &Arc<Scope>;
}

impl Produced for Span {
    fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }
}

impl Produced for LogRecord {
    fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }
}
