//! What is asked for: metrics, spans, groups, steps. Pure.

use chrono::DateTime;
use spanloom_model::api::Metric;
use spanloom_model::{SpanKind, SpanStatus};

use super::store::Level;
use crate::query::dependencies::call::Call;
use crate::query::params::{Params, SECOND_NS, TimeRange, Window, named};
use crate::query::traces::params::{OPERATION_CHARS_MAX, SERVICE_CHARS_MAX};

/// Points of a series at most.
pub const POINTS_MAX: i64 = 1_000;

/// Series at most, per metric.
const SERIES_MAX: usize = 200;

/// Points of all series at most, per metric.
const CELLS_MAX: usize = 20_000;

/// Buckets of the metric `histogram`.
pub const BUCKETS_MAX: usize = 40;

/// Counts of the metric `histogram` at most, in all series together.
const BUCKET_CELLS_MAX: usize = 80_000;

/// Steps that are chosen, in seconds; beyond a day whole days.
const STEPS_S: [i64; 13] =
    [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800];

/// Points that a step is chosen for.
const POINTS_WANTED: i64 = 120;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// Seconds of a step at most.
pub const STEP_S_MAX: i64 = 366 * DAY_S;

const VERSION_CHARS_MAX: usize = 255;
const APDEX_NS_DEFAULT: f64 = 500e6;
const APDEX_MS_MAX: f64 = 3_600_000.0;

/// Something that spans are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Service,
    Operation,
    Kind,
    Status,
    Version,
}

const GROUPS: [(&str, Group); 5] = [
    ("service", Group::Service),
    ("operation", Group::Operation),
    ("kind", Group::Kind),
    ("status", Group::Status),
    ("version", Group::Version),
];

const STATUSES: [(&str, SpanStatus); 3] =
    [("unset", SpanStatus::Unset), ("ok", SpanStatus::Ok), ("error", SpanStatus::Error)];

/// Which spans count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub service: Option<String>,
    pub operation: Option<String>,
    /// Any of these; all if empty.
    pub kinds: Vec<SpanKind>,
    pub status: Option<SpanStatus>,
    pub version: Option<String>,
    /// Calls of the dependency graph instead of spans; then nothing else narrows.
    pub call: Option<Call>,
}

impl Filter {
    /// Reads what is told about spans.
    pub fn of_spans(params: &mut Params) -> Self {
        Self {
            service: params.text("service", SERVICE_CHARS_MAX),
            operation: params.text("operation", OPERATION_CHARS_MAX),
            kinds: params.kinds(),
            status: params.parsed("status", |text| named(&STATUSES, text)),
            version: params.text("version", VERSION_CHARS_MAX),
            call: None,
        }
    }
}

/// Whole steps of the clock: a multiple of the step since the epoch, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Seconds since the epoch.
    pub start_s: i64,
    /// Length of each.
    pub step_s: i64,
    /// How many.
    pub count: i64,
}

impl Steps {
    /// All steps that lie in the range, even if in part.
    pub fn covering(range: TimeRange, step_s: i64) -> Self {
        let step_ns = step_s.saturating_mul(SECOND_NS);
        let first = range.start_ns.div_euclid(step_ns);
        let end = range.end_ns.div_euclid(step_ns) + i64::from(range.end_ns.rem_euclid(step_ns) > 0);
        Self { start_s: first * step_s, step_s, count: (end - first).max(1) }
    }

    /// From the start of the first to the end of the last.
    pub fn window(self) -> Window {
        let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        Window { start: time(self.start_s), end: time(self.end_s()) }
    }

    /// End of the last, seconds since the epoch.
    pub fn end_s(self) -> i64 {
        self.start_s + self.count * self.step_s
    }

    /// The same steps, earlier.
    pub fn earlier(self, by_s: i64) -> Self {
        Self { start_s: self.start_s - by_s, ..self }
    }

    /// The coarsest level whose parts each lie in one step.
    pub fn level(self) -> Level {
        let fits = |part: i64| self.step_s % part == 0 && self.start_s % part == 0;
        if fits(DAY_S) {
            Level::Day
        } else if fits(HOUR_S) {
            Level::Hour
        } else {
            Level::Minute
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub metrics: Vec<Metric>,
    /// Whether the distribution of durations is told besides.
    pub histogram: bool,
    pub filter: Filter,
    /// Sorted, each once.
    pub groups: Vec<Group>,
    pub steps: Steps,
    /// How much earlier the range of comparison is, seconds.
    pub compare_s: Option<i64>,
    pub apdex_ns: f64,
}

impl Question {
    /// Reads all parameters; what is wrong is noted in `params`.
    pub fn parse(params: &mut Params, now_ns: i64) -> Self {
        let range = params.range(now_ns);
        let (metrics, histogram) = metrics(params);
        let filter = Filter { call: Call::parse(params), ..Filter::of_spans(params) };
        let groups = groups(params);
        let spans_only = Filter { call: filter.call.clone(), ..Filter::default() } != filter;
        if filter.call.is_some() && (spans_only || !groups.is_empty()) {
            params.reject("callee", "goes with caller only: calls are not told apart by anything else");
        }
        let steps = Steps::covering(range, step_s(params).unwrap_or_else(|| step_for(range)));
        if steps.count > POINTS_MAX {
            params.reject("step", format!("gives {} points; at most {POINTS_MAX} are told", steps.count));
        }
        // Compared are whole steps with whole steps.
        let compare_s = params.parsed("compareTo", |text| {
            let seconds = text.parse().ok().filter(|seconds| *seconds > 0 && *seconds <= 10 * STEP_S_MAX);
            let seconds: i64 = seconds.ok_or("must be a positive number of seconds, at most ten years")?;
            if seconds % steps.step_s == 0 && steps.start_s > seconds {
                Ok(seconds)
            } else {
                Err(format!("must be a multiple of the step, {} seconds, after 1970", steps.step_s))
            }
        });
        let apdex_ms = params.parsed("apdexThresholdMs", |text| {
            let ms = text.parse().ok().filter(|ms: &f64| *ms > 0.0 && *ms <= APDEX_MS_MAX);
            ms.ok_or_else(|| "must be a positive number of milliseconds, at most an hour".to_owned())
        });
        let apdex_ns = apdex_ms.map_or(APDEX_NS_DEFAULT, |ms| ms * 1e6);
        Self { metrics, histogram, filter, groups, steps, compare_s, apdex_ns }
    }

    /// How long all spans of the filter took, together.
    pub fn of_durations(filter: Filter, steps: Steps) -> Self {
        Self {
            metrics: Vec::new(),
            histogram: false,
            filter,
            groups: Vec::new(),
            steps,
            compare_s: None,
            apdex_ns: APDEX_NS_DEFAULT,
        }
    }

    /// How many groups of spans are told at most.
    pub fn groups_max(&self) -> usize {
        let steps = self.steps.count.max(1) as usize;
        let most = SERIES_MAX.min(CELLS_MAX / steps);
        if self.histogram { most.min(BUCKET_CELLS_MAX / BUCKETS_MAX / steps) } else { most }
    }
}

/// Metrics, and whether `histogram` is among them: it is no single number.
fn metrics(params: &mut Params) -> (Vec<Metric>, bool) {
    let known = Metric::ALL.map(|metric| (metric.name(), Some(metric)));
    let known: Vec<_> = known.into_iter().chain([("histogram", None)]).collect();
    let mut metrics = Vec::new();
    for text in params.many("metric") {
        match named(&known, &text) {
            Ok(metric) if metrics.contains(&metric) => {
                params.reject("metric", format!("{text} comes twice"));
            }
            Ok(metric) => metrics.push(metric),
            Err(message) => params.reject("metric", message),
        }
    }
    if metrics.is_empty() {
        params.reject("metric", "is missing");
    }
    (metrics.iter().flatten().copied().collect(), metrics.contains(&None))
}

/// The length of the steps, if it is told.
pub fn step_s(params: &mut Params) -> Option<i64> {
    params.parsed("step", |text| {
        let step = text.parse().ok().filter(|step| *step >= 60 && step % 60 == 0 && *step <= STEP_S_MAX);
        step.ok_or_else(|| format!("must be a multiple of 60, at most {STEP_S_MAX}"))
    })
}

fn groups(params: &mut Params) -> Vec<Group> {
    let parse = |text: &str| text.split(',').map(|name| named(&GROUPS, name.trim())).collect();
    let mut groups: Vec<Group> = params.parsed("groupBy", parse).unwrap_or_default();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// A round step that gives at most [`POINTS_WANTED`] points.
pub fn step_for(range: TimeRange) -> i64 {
    let length_s = (range.end_ns - range.start_ns).div_euclid(SECOND_NS);
    let fits = |step: &i64| length_s / step <= POINTS_WANTED;
    STEPS_S.into_iter().find(fits).unwrap_or_else(|| (length_s / POINTS_WANTED / DAY_S + 1) * DAY_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_NS: i64 = 60 * SECOND_NS;

    fn question(pairs: &[(&str, &str)]) -> Result<Question, Vec<String>> {
        let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut params = Params::new(pairs);
        let question = Question::parse(&mut params, 1_800_000_000 * SECOND_NS);
        params
            .finish()
            .map_err(|errors| errors.into_iter().map(|error| error.field).collect::<Vec<String>>())?;
        Ok(question)
    }

    // Catches ranges that cost a thousand points each, or show three.
    #[test]
    fn a_step_is_round_and_gives_about_a_hundred_points() {
        for (minutes, step_s) in [(1, 60), (60, 60), (121, 120), (24 * 60, 900), (7 * 24 * 60, 7_200)] {
            let range = TimeRange { start_ns: 0, end_ns: minutes * MINUTE_NS };
            assert_eq!(step_for(range), step_s, "{minutes}");
        }
        let years = TimeRange { start_ns: 0, end_ns: 7 * 365 * DAY_S * SECOND_NS };
        let step_s = step_for(years);
        assert_eq!(step_s % DAY_S, 0);
        assert!(Steps::covering(years, step_s).count <= POINTS_WANTED + 1);
    }

    // Catches a first or last step that is left out or cut in two.
    #[test]
    fn steps_cover_the_range_and_stand_on_the_clock() {
        let range = TimeRange { start_ns: 59 * SECOND_NS, end_ns: 121 * SECOND_NS };
        let steps = Steps::covering(range, 60);
        assert_eq!(steps, Steps { start_s: 0, step_s: 60, count: 3 });
        assert_eq!(steps.end_s(), 180);
        let empty = TimeRange { start_ns: 60 * SECOND_NS, end_ns: 60 * SECOND_NS };
        assert_eq!(Steps::covering(empty, 60), Steps { start_s: 60, step_s: 60, count: 1 });
    }

    // Catches an hour's numbers in a step that holds half of the hour.
    #[test]
    fn the_level_fits_into_the_steps() {
        let level = |start_s, step_s| Steps { start_s, step_s, count: 1 }.level();
        assert_eq!(level(DAY_S, DAY_S), Level::Day);
        assert_eq!(level(DAY_S, 2 * HOUR_S), Level::Hour);
        assert_eq!(level(5 * HOUR_S, DAY_S), Level::Hour);
        assert_eq!(level(DAY_S, 5_400), Level::Minute);
    }

    #[test]
    fn everything_is_read() {
        let found = question(&[
            ("metric", "p99"),
            ("metric", "rate"),
            ("metric", "histogram"),
            ("kind", "server"),
            ("kind", "consumer"),
            ("groupBy", "operation,service,operation"),
            ("step", "3600"),
            ("compareTo", "86400"),
            ("apdexThresholdMs", "0.5"),
        ])
        .unwrap();
        assert_eq!((&found.metrics[..], found.histogram), (&[Metric::P99, Metric::Rate][..], true));
        assert!(found.groups_max() * found.steps.count as usize * BUCKETS_MAX <= BUCKET_CELLS_MAX);
        assert_eq!(found.filter.kinds, [SpanKind::Server, SpanKind::Consumer]);
        assert_eq!(found.groups, [Group::Service, Group::Operation]);
        assert_eq!((found.steps.step_s, found.compare_s, found.apdex_ns), (3600, Some(86_400), 500_000.0));
    }

    #[test]
    fn what_is_wrong_is_told_by_name() {
        let wrong = [
            ("metric", "p42"),
            ("kind", "serve"),
            ("status", "bad"),
            ("groupBy", "service,host"),
            ("step", "90"),
            ("compareTo", "61"),
            ("apdexThresholdMs", "NaN"),
            ("what", "1"),
        ];
        for (name, value) in wrong {
            let mut pairs = vec![(name, value)];
            if name != "metric" {
                pairs.push(("metric", "rate"));
            }
            assert!(question(&pairs).unwrap_err().iter().all(|field| field == name), "{value}");
        }
        assert_eq!(question(&[]).unwrap_err(), ["metric"]);
        let long = [("metric", "rate"), ("startTime", "0"), ("step", "60")];
        assert_eq!(question(&long).unwrap_err(), ["step"]);
    }
}
