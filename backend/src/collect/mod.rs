//! The way of a span.
