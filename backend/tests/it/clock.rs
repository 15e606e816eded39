//! Metrics while time passes: a clock that the test moves over hours and days, and plain SQL over the spans
//! beside every view at every step.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde_json::{Value, json};
use spanloom::store::{Flavour, upkeep};
use sqlx::AssertSqlSafe;

use super::harness::Spanloom;

const LEVELS: [(&str, &str); 3] =
    [("metrics_minute", "minute"), ("metrics_hour", "hour"), ("metrics_day", "day")];

/// A server whose views believe in another time.
struct Clocked {
    server: Spanloom,
    now: DateTime<Utc>,
    spans: u64,
    random: u64,
}

impl Clocked {
    /// Repeatable, and regular in nothing.
    fn random(&mut self, below: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    async fn set(&mut self, now: DateTime<Utc>) {
        self.now = now;
        let replace = format!(
            "CREATE OR REPLACE FUNCTION spanloom_now() RETURNS timestamptz LANGUAGE sql STABLE
             AS $$ SELECT timestamptz '{}' $$",
            now.to_rfc3339()
        );
        sqlx::raw_sql(AssertSqlSafe(replace)).execute(self.server.pool()).await.unwrap();
    }

    /// Spans that began within half a minute before `age` ago.
    async fn ingest(&mut self, count: u64, age: TimeDelta) {
        let mut spans: Vec<Value> = Vec::new();
        for _ in 0..count {
            self.spans += 1;
            let at = self.now - age - TimeDelta::milliseconds(self.random(30_000) as i64);
            let service = ["shop", "stock"][self.random(2) as usize];
            let status = if self.random(4) == 0 { "error" } else { "unset" };
            spans.push(json!({
                "traceId": format!("{:032x}", self.spans), "spanId": format!("{:016x}", self.spans),
                "name": format!("op {}", self.random(2)), "serviceName": service, "kind": "server",
                "startTime": at.timestamp_micros(), "duration": 100 + self.random(1_000_000),
                "status": status
            }));
        }
        self.server.ingest(&spans.into()).await;
    }

    /// What the schedule does at this time to a level of the aggregates.
    async fn refresh(&self, level: &str, end: TimeDelta) {
        upkeep::roll_up(&mut self.server.pool().acquire().await.unwrap()).await.unwrap();
        if self.server.server.store.flavour == Flavour::Postgres {
            return;
        }
        let time = |offset: TimeDelta| (self.now - offset).to_rfc3339();
        let (from, to) = (time(TimeDelta::days(3)), time(end));
        let call = format!(
            "CALL refresh_continuous_aggregate('{level}', timestamptz '{from}', timestamptz '{to}')"
        );
        sqlx::raw_sql(AssertSqlSafe(call)).execute(self.server.pool()).await.unwrap();
    }

    /// What an operator does for spans that are later than the schedule looks back: what is open is stored
    /// too.
    async fn refresh_by_hand(&self) {
        upkeep::roll_up(&mut self.server.pool().acquire().await.unwrap()).await.unwrap();
        if self.server.server.store.flavour == Flavour::Postgres {
            return;
        }
        for level in ["metrics_1m", "metrics_1h", "metrics_1d"] {
            let call = format!("CALL refresh_continuous_aggregate('{level}', NULL, NULL)");
            sqlx::raw_sql(AssertSqlSafe(call)).execute(self.server.pool()).await.unwrap();
        }
    }

    /// Every minute, hour and day of every series against the spans, by operation and by service.
    async fn compare(&self, when: &str) {
        let by_operation = LEVELS.map(|(view, unit)| (view.to_owned(), unit, "operation_id"));
        let by_service = LEVELS.map(|(view, unit)| (format!("service_{view}"), unit, "0"));
        for (view, unit, operation) in by_operation.into_iter().chain(by_service) {
            let differing: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT concat_ws(' ', at, 'counted', m.spans, 'are', s.spans) FROM (
                     SELECT date_trunc('{unit}', time, 'UTC') AS at, service_id, {operation} AS operation,
                            status, sum(span_count) AS spans, sum(duration_ns_sum) AS ns
                     FROM {view} GROUP BY 1, 2, 3, 4
                 ) m FULL JOIN (
                     SELECT date_trunc('{unit}', start_time, 'UTC') AS at, service_id,
                            {operation} AS operation, status, count(*)::float8 AS spans,
                            sum(duration_ns)::float8 AS ns
                     FROM spans GROUP BY 1, 2, 3, 4
                 ) s USING (at, service_id, operation, status)
                 WHERE m.spans IS DISTINCT FROM s.spans OR m.ns IS DISTINCT FROM s.ns"
            )))
            .fetch_all(self.server.pool())
            .await
            .unwrap();
            assert!(differing.is_empty(), "{view} at {}, {when}: {differing:?}", self.now);
        }
    }
}

/// Catches a gap or a double count at the seam between two levels, an open minute, hour or day that is
/// missing, and late spans that some level never sees: at every minute around midnight and around each hour,
/// at every tenth minute else, before and after each refresh.
#[tokio::test(flavor = "multi_thread")]
async fn while_time_passes_every_level_equals_the_spans() {
    let server = Spanloom::start().await;
    let today = Utc::now().duration_trunc(TimeDelta::days(1)).unwrap();
    let start = today - TimeDelta::days(3) + TimeDelta::hours(21);
    let mut it = Clocked { server, now: start, spans: 0, random: 1 };
    let mut steps = 0;
    for minute in 0..28 * 60_i64 {
        let from_midnight = (minute - 3 * 60).rem_euclid(24 * 60);
        let is_midnight = !(20..24 * 60 - 5).contains(&from_midnight);
        let is_hour = (minute + 2) % 60 < 4;
        if !is_midnight && !is_hour && minute % 10 != 0 {
            continue;
        }
        steps += 1;
        it.set(start + TimeDelta::minutes(minute) + TimeDelta::seconds(30)).await;
        it.ingest(2, TimeDelta::zero()).await;
        if steps % 3 == 0 {
            // So late that they often belong to another hour, and to yesterday.
            it.ingest(1, TimeDelta::minutes(8)).await;
        }
        it.compare("before a refresh").await;
        it.refresh("metrics_1m", TimeDelta::minutes(1)).await;
        if minute % 10 == 0 {
            it.compare("after the minutes' refresh").await;
            it.refresh("metrics_1h", TimeDelta::zero()).await;
            it.compare("after the hours' refresh").await;
        }
        if minute % 60 == 0 {
            it.refresh("metrics_1d", TimeDelta::zero()).await;
            it.compare("after the days' refresh").await;
        }
        if minute % 60 == 1 {
            for hours in [1, 5, 80] {
                it.ingest(1, TimeDelta::hours(hours)).await;
            }
            it.refresh_by_hand().await;
            it.compare("after late spans").await;
            // Of the hour, and the day, that was stored a moment ago.
            it.ingest(1, TimeDelta::minutes(8)).await;
            it.compare("after a late span that no refresh has seen").await;
            // The next step is later than a minute must wait for the next refresh.
            it.refresh("metrics_1m", TimeDelta::minutes(1)).await;
        }
    }
    assert!(steps > 250, "{steps} steps");
    quantiles_are_exact(&mut it).await;
    windows_are_exact(&it).await;
}

/// Catches windows of services that lose or double what lies where their whole hours begin and end.
async fn windows_are_exact(it: &Clocked) {
    let reader = it.server.reader().await;
    for (from, minutes) in [(0, 60), (17, 26 * 60), (59, 121), (31, 28), (58, 3), (0, 25 * 60)] {
        let start = it.now.duration_trunc(TimeDelta::hours(1)).unwrap() - TimeDelta::hours(26)
            + TimeDelta::minutes(from);
        let end = start + TimeDelta::minutes(minutes);
        let range = format!("startTime={}&endTime={}", start.timestamp_micros(), end.timestamp_micros());
        let services = reader.get(&format!("/api/v1/services?{range}")).await;
        let operations = reader.get(&format!("/api/v1/services/shop/operations?{range}")).await;
        let told = |answer: &Value| {
            let all = answer.as_array().unwrap().iter();
            all.map(|it| (it["name"].as_str().unwrap().to_owned(), it["count"].as_f64().unwrap() as i64))
                .collect::<Vec<_>>()
        };
        for (name, found, condition) in [
            ("v.name", told(&services["services"]), "true"),
            ("o.name", told(&operations["operations"]), "v.name = 'shop'"),
        ] {
            let exact: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(format!(
                "SELECT {name}, count(*) FROM spans s JOIN services v ON v.id = s.service_id
                 JOIN operations o ON o.id = s.operation_id
                 WHERE start_time >= $1 AND start_time < $2 AND {condition} GROUP BY 1 ORDER BY 1"
            )))
            .bind(start)
            .bind(end)
            .fetch_all(it.server.pool())
            .await
            .unwrap();
            assert_eq!(found, exact, "{name} from {start} to {end}");
        }
    }
}

/// Catches quantiles further than 2.5% from the exact ones, at any level.
async fn quantiles_are_exact(it: &mut Clocked) {
    it.ingest(5_000, TimeDelta::minutes(2)).await;
    it.refresh_by_hand().await;
    let reader = it.server.reader().await;
    let day = it.now.duration_trunc(TimeDelta::days(1)).unwrap();
    let (start, end) = (day.timestamp_micros(), (day + TimeDelta::days(1)).timestamp_micros());
    let names = [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];
    for step_s in [900, 3_600, 86_400] {
        let metrics = names.map(|(name, _)| format!("metric={name}")).join("&");
        let path = format!("/api/v1/metrics?{metrics}&step={step_s}&startTime={start}&endTime={end}");
        let answer = reader.get(&path).await;
        for (name, q) in names {
            let exact: f64 = sqlx::query_scalar(
                "SELECT percentile_cont($1) WITHIN GROUP (ORDER BY duration_ns::float8) FROM spans
                 WHERE start_time >= $2 AND start_time < $3",
            )
            .bind(q)
            .bind(day)
            .bind(day + TimeDelta::days(1))
            .fetch_one(it.server.pool())
            .await
            .unwrap();
            let series = answer["series"].as_array().unwrap();
            let series = series.iter().find(|it| it["metric"] == name).unwrap();
            let found = series["total"].as_f64().unwrap();
            assert!((found / exact - 1.0).abs() < 0.025, "{name} by {step_s} s: {found}, not {exact}");
        }
    }
}
