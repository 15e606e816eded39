//! What a list of errors is asked for.

use chrono::{DateTime, TimeDelta, Utc};
use spanloom_model::api::{ErrorOrder, ErrorState};

use crate::query::params::{Params, Window};
use crate::query::services::http::window;
use crate::query::traces::params::SERVICE_CHARS_MAX;

const OPERATION_CHARS_MAX: usize = 1_000;
const VERSION_CHARS_MAX: usize = 256;
const TEXT_CHARS_MAX: usize = 200;
const LIMIT_DEFAULT: i64 = 100;
const LIMIT_MAX: i64 = 500;

/// Lengths of steps in minutes.
const STEPS_MINUTES: [i64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10_080, 43_200];

/// Which errors, in which order.
#[derive(Debug)]
pub struct ErrorParams {
    /// When they occurred.
    pub window: Window,
    /// In which service.
    pub service: Option<String>,
    /// In which operation.
    pub operation: Option<String>,
    /// In which version.
    pub version: Option<String>,
    /// Groups in one of these.
    pub states: Vec<ErrorState>,
    /// Type or message contain it.
    pub text: Option<String>,
    /// The largest first.
    pub order: ErrorOrder,
    /// Groups at most.
    pub limit: i64,
}

impl ErrorParams {
    /// Reads them; what is wrong is noted in `params`.
    pub fn parse(params: &mut Params) -> Self {
        let states = params.many("state");
        let mut parsed = Vec::new();
        for name in states {
            match ErrorState::ALL.into_iter().find(|state| state.name() == name) {
                Some(state) => parsed.push(state),
                None => params.reject("state", "must be open, regressed, resolved or ignored"),
            }
        }
        if parsed.is_empty() {
            parsed = ErrorState::ALL.to_vec();
        }
        Self {
            window: window(params),
            service: params.text("service", SERVICE_CHARS_MAX),
            operation: params.text("operation", OPERATION_CHARS_MAX),
            version: params.text("version", VERSION_CHARS_MAX),
            states: parsed,
            text: params.text("text", TEXT_CHARS_MAX),
            order: params.parsed("order", order).unwrap_or_default(),
            limit: params.parsed("limit", limit).unwrap_or(LIMIT_DEFAULT),
        }
    }
}

fn order(text: &str) -> Result<ErrorOrder, String> {
    match text {
        "lastSeen" => Ok(ErrorOrder::LastSeen),
        "firstSeen" => Ok(ErrorOrder::FirstSeen),
        "count" => Ok(ErrorOrder::Count),
        "trend" => Ok(ErrorOrder::Trend),
        _ => Err("must be lastSeen, firstSeen, count or trend".to_owned()),
    }
}

fn limit(text: &str) -> Result<i64, String> {
    let wrong = || format!("must be a whole number from 1 to {LIMIT_MAX}, the default is {LIMIT_DEFAULT}");
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(wrong)
}

/// A window in steps of the same length.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Length of each.
    pub seconds: i64,
    /// How many; the last one may reach beyond the window.
    pub count: usize,
}

impl Steps {
    /// The shortest steps of which the window has at most `count_max`.
    pub fn of(window: Window, count_max: i64) -> Self {
        let seconds = (window.end - window.start).num_seconds();
        let fits = |step: &i64| seconds <= step * 60 * count_max;
        // The longest windows have longer steps than the table.
        let minutes = STEPS_MINUTES.into_iter().find(fits);
        let step = minutes.map_or_else(|| (seconds / count_max / 60 + 1) * 60, |minutes| minutes * 60);
        let count = usize::try_from((seconds + step - 1) / step).unwrap_or_default();
        Self { seconds: step, count }
    }

    /// The middle of the window.
    pub fn middle(window: Window) -> DateTime<Utc> {
        window.start + TimeDelta::seconds((window.end - window.start).num_seconds() / 2)
    }

    /// Values by the numbers of their steps as a full list; what lies outside is left out.
    pub fn fill(self, values: impl Iterator<Item = (i32, f64)>) -> Vec<f64> {
        let mut filled = vec![0.0; self.count];
        for (step, value) in values {
            if let Some(place) = usize::try_from(step).ok().and_then(|step| filled.get_mut(step)) {
                *place += value;
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: i64) -> Window {
        let start = DateTime::UNIX_EPOCH;
        Window { start, end: start + TimeDelta::minutes(minutes) }
    }

    // Catches trends with thousands of points, and steps that do not cover the window.
    #[test]
    fn steps_cover_the_window_and_are_few() {
        for (window, expected) in
            [(0, (60, 0)), (1, (60, 1)), (30, (60, 30)), (31, (120, 16)), (1_440, (3_600, 24))]
        {
            let steps = Steps::of(minutes(window), 30);
            assert_eq!((steps.seconds, steps.count), expected, "{window} minutes");
        }
        let longest = Steps::of(minutes(100 * 365 * 1_440), 30);
        assert!(longest.count <= 30 && longest.count as i64 * longest.seconds >= 100 * 365 * 86_400);
    }

    #[test]
    fn steps_without_a_value_are_zero() {
        let steps = Steps::of(minutes(3), 30);
        assert_eq!(steps.fill([(1, 2.0), (7, 9.0), (-1, 9.0)].into_iter()), [0.0, 2.0, 0.0]);
    }
}
