//! Spans that explain the charts of durations and errors. They are asked for when the charts have their
//! numbers, for the same steps.

use std::sync::Arc;

use leptos::prelude::*;
use spanloom_model::SpanStatus;
use spanloom_model::api::{self as wire, ExemplarReason, ExemplarsResponse, MetricsResponse};

use super::ENTRY_KINDS;
use crate::api;
use crate::charts::exemplar_marks::{Exemplars, Switch};
use crate::charts::exemplars::Exemplar;
use crate::format;
use crate::state::flag::use_stored_flag;
use crate::state::load::{Loaded, load};
use crate::state::range::{ZONE, use_range};
use crate::state::time_range::Window;

/// The exemplars of the two charts.
pub struct OfService {
    /// At their durations.
    pub durations: Exemplars,
    /// The failed ones, at the foot of the share that failed.
    pub errors: Exemplars,
}

/// Loads them after `metrics`, whose second part tells whether only calls of the service count.
pub fn use_exemplars(service: Memo<String>, metrics: Loaded<(MetricsResponse, bool)>) -> OfService {
    let on = use_stored_flag("exemplars");
    let range = use_range();
    let question = move || {
        let answer = metrics.value.get().filter(|_| on.get())?;
        let (steps, is_entries) = answer.as_ref();
        let window = Window {
            from_ms: steps.start_time.timestamp_millis(),
            to_ms: steps.end_time.timestamp_millis(),
        };
        // A refresh within a minute asks for the same steps, and still wants to be asked.
        let refreshed = range.window.get_untracked();
        Some((service.get_untracked(), window, steps.step_seconds, *is_entries, refreshed))
    };
    let loaded = load(question, |(service, window, step_s, is_entries, _), signal| async move {
        let kinds = if is_entries { ENTRY_KINDS } else { &[] };
        api::service_exemplars(&service, kinds, window, step_s, signal).await
    });
    let failure = move || loaded.error.get().filter(|_| on.get()).map(|error| error.line());
    let switch = Switch { on, failure: Signal::derive(failure) };
    let items = move |of: fn(&ExemplarsResponse) -> Vec<Exemplar>| {
        Memo::new(move |_| loaded.value.get().map(|it: Arc<ExemplarsResponse>| of(&it)).unwrap_or_default())
    };
    OfService {
        durations: Exemplars { items: items(at_durations), switch: Some(switch) },
        errors: Exemplars { items: items(at_foot), switch: None },
    }
}

fn at_durations(answer: &ExemplarsResponse) -> Vec<Exemplar> {
    answer.exemplars.iter().map(|it| exemplar(it, it.duration_ns as f64)).collect()
}

/// A span has no share of failures: it stands at the time of its own.
fn at_foot(answer: &ExemplarsResponse) -> Vec<Exemplar> {
    answer.exemplars.iter().filter(|it| is_error(it)).map(|it| exemplar(it, 0.0)).collect()
}

fn is_error(exemplar: &wire::Exemplar) -> bool {
    exemplar.status == SpanStatus::Error
}

fn exemplar(found: &wire::Exemplar, value: f64) -> Exemplar {
    let status = match found.status {
        SpanStatus::Unset => "unset",
        SpanStatus::Ok => "ok",
        SpanStatus::Error => "error",
    };
    let reason = match found.reason {
        ExemplarReason::Slow => "among the slowest",
        ExemplarReason::Typical => "near the median",
        ExemplarReason::Error => "a failure",
    };
    let start = found.start_time;
    let mut facts = vec![
        ("Duration", format::duration(found.duration_ns)),
        ("Status", status.to_owned()),
        ("Started", format::clock(start, start, &ZONE)),
        ("Shown as", reason.to_owned()),
    ];
    if !found.version.is_empty() {
        facts.push(("Version", found.version.clone()));
    }
    Exemplar {
        at_ms: start.timestamp_micros() as f64 / 1e3,
        value,
        is_error: is_error(found),
        is_quiet: found.reason == ExemplarReason::Typical,
        name: found.operation.clone(),
        facts,
        trace_id: found.trace_id.to_string(),
        span_id: found.span_id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::{SpanId, SpanKind, TraceId};

    // Catches marks at another time or value, and failures that are missing or made up in the chart of them.
    #[test]
    fn spans_stand_at_their_durations_and_failures_at_the_foot() {
        let found = |id: u64, status| wire::Exemplar {
            trace_id: TraceId::new(u128::from(id)).unwrap(),
            span_id: SpanId::new(id).unwrap(),
            start_time: chrono::DateTime::from_timestamp(600, 500_000_000).unwrap(),
            duration_ns: 1_240_000_000,
            status,
            operation: "GET /".to_owned(),
            kind: SpanKind::Server,
            version: String::new(),
            reason: ExemplarReason::Slow,
        };
        let answer = ExemplarsResponse {
            start_time: chrono::DateTime::UNIX_EPOCH,
            end_time: chrono::DateTime::UNIX_EPOCH,
            step_seconds: 60,
            exemplars: vec![found(1, SpanStatus::Unset), found(2, SpanStatus::Error)],
        };
        let places = |items: Vec<Exemplar>| -> Vec<(f64, f64, bool, String)> {
            items.into_iter().map(|it| (it.at_ms, it.value, it.is_error, it.span_id)).collect()
        };
        let (one, two) = (format!("{:016x}", 1), format!("{:016x}", 2));
        assert_eq!(
            places(at_durations(&answer)),
            [(600_500.0, 1.24e9, false, one), (600_500.0, 1.24e9, true, two.clone())]
        );
        assert_eq!(places(at_foot(&answer)), [(600_500.0, 0.0, true, two)]);
        let said = at_foot(&answer)[0].said();
        assert!(said.starts_with("GET /, Duration 1.24 s, Status error, Started "), "{said}");
    }
}
