//! Formats from outside: bytes in, spans out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod clients;
mod jaeger;
mod zipkin;

use spanloom_formats::TimeBounds;

/// Around the times of the fixtures.
const BOUNDS: TimeBounds =
    TimeBounds { oldest_ns: 1_000_000_000_000_000_000, newest_ns: 2_000_000_000_000_000_000 };
