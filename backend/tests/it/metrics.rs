//! Metrics over time through the API, compared with plain SQL over the spans.

use serde_json::{Value, json};

use super::harness::{Reader, Spanloom, now_us};

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// Spans of two services and three operations in the last three hours, some of them failed; the same at
/// every call.
fn spans(start_us: i64, hours: i64) -> Vec<Value> {
    let mut spans = Vec::new();
    // A linear congruential generator: nothing about the spans is regular, everything is repeatable.
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for id in 1..=1_200_u64 {
        let service = ["shop", "stock"][random(2) as usize];
        let kind = ["server", "client"][random(2) as usize];
        let status = if random(5) == 0 { "error" } else { "unset" };
        // Nothing happens in every third quarter of an hour.
        let quarter_us = 15 * MINUTE_US;
        let quarter = random(hours as u64 * 4);
        let quarter = if quarter % 3 == 2 { quarter - 1 } else { quarter };
        let at_us = start_us + quarter as i64 * quarter_us + random(quarter_us as u64) as i64;
        spans.push(json!({
            "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"),
            "name": format!("op {}", random(3)), "serviceName": service, "kind": kind,
            "startTime": at_us, "duration": 500 + random(2_000_000), "status": status
        }));
    }
    spans
}

/// What plain SQL over the stored spans says: by start of the step in seconds, how many spans, errors,
/// and the exact quantile.
async fn exact(server: &Spanloom, step_s: i64, q: f64, filter: &str) -> Vec<(i64, i64, i64, f64)> {
    let sql = format!(
        "SELECT floor(extract(epoch FROM start_time) / {step_s})::bigint * {step_s}, count(*),
                count(*) FILTER (WHERE status = 2),
                percentile_cont({q}) WITHIN GROUP (ORDER BY duration_ns::float8)
         FROM spans s JOIN services v ON v.id = s.service_id WHERE {filter} GROUP BY 1 ORDER BY 1"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(server.pool()).await.unwrap()
}

fn series<'a>(answer: &'a Value, metric: &str) -> &'a Value {
    let all = answer["series"].as_array().unwrap();
    all.iter().find(|it| it["metric"] == metric).unwrap_or_else(|| panic!("no {metric} in {answer}"))
}

fn start_s(answer: &Value) -> i64 {
    answer["startTime"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp()
}

/// Every bucket of the whole range against the spans between its bounds.
async fn compare_distribution(server: &Spanloom, answer: &Value) {
    let histogram = &answer["histogram"];
    let mut bounds = vec![histogram["lowestNs"].as_f64().unwrap()];
    bounds.extend(histogram["buckets"].as_array().unwrap().iter().map(|bound| bound.as_f64().unwrap()));
    assert!(bounds.len() <= 41);
    let exact: Vec<i64> = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM spans s JOIN services v ON v.id = s.service_id
                 WHERE v.name = 'shop' AND kind = 2 AND width_bucket(duration_ns::float8, $1) = b)
         FROM generate_series(1, cardinality($1) - 1) b ORDER BY b",
    )
    .bind(&bounds)
    .fetch_all(server.pool())
    .await
    .unwrap();
    let mut found = vec![0; exact.len()];
    for point in histogram["series"][0]["points"].as_array().unwrap() {
        for (index, count) in point.as_array().unwrap().iter().enumerate() {
            found[index] += count.as_f64().unwrap() as i64;
        }
    }
    assert_eq!(found, exact);
}

async fn compare(server: &Spanloom, reader: &Reader<'_>, range: &str, step_s: i64) {
    let path = format!(
        "/api/v1/metrics?metric=count&metric=rate&metric=error_rate&metric=p95\
         &metric=histogram&service=shop&kind=server\
         &step={step_s}&{range}"
    );
    let answer = reader.get(&path).await;
    assert_eq!(answer["stepSeconds"], step_s);
    let exact = exact(server, step_s, 0.95, "v.name = 'shop' AND kind = 2").await;
    compare_distribution(server, &answer).await;
    let points = series(&answer, "count")["points"].as_array().unwrap().len();
    let mut expected = exact.into_iter().peekable();
    for step in 0..points {
        let value = |metric: &str| series(&answer, metric)["points"][step].clone();
        let at_s = start_s(&answer) + step as i64 * step_s;
        let Some((_, count, errors, p95)) = expected.next_if(|(exact_s, ..)| *exact_s == at_s) else {
            assert_eq!((value("count"), value("rate")), (json!(0.0), json!(0.0)), "{at_s}");
            assert_eq!((value("error_rate"), value("p95")), (Value::Null, Value::Null), "{at_s}");
            continue;
        };
        assert_eq!(value("count"), json!(count as f64), "{at_s}");
        let rate = value("error_rate").as_f64().unwrap();
        assert!((rate - errors as f64 / count as f64).abs() < 1e-9, "{at_s}: {rate}");
        if count >= 200 {
            let estimate = value("p95").as_f64().unwrap();
            assert!((estimate / p95 - 1.0).abs() < 0.06, "{at_s}: {estimate} for {p95}");
        }
    }
    assert_eq!(expected.next(), None, "a step is missing");
}

/// Catches steps that count the wrong spans, seams that lose or double them, zeros for nothing, and
/// hours that miss what is not rolled up.
#[tokio::test(flavor = "multi_thread")]
async fn every_step_equals_the_spans_before_during_and_after_the_roll_up() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let start_us = now_us() / HOUR_US * HOUR_US - 3 * HOUR_US;
    let range = format!("startTime={start_us}&endTime={}", start_us + 3 * HOUR_US);
    let spans = spans(start_us, 3);
    for part in spans.chunks(500) {
        server.ingest(&part.to_vec().into()).await;
        for step_s in [60, 900, 3_600] {
            compare(&server, &reader, &range, step_s).await;
        }
        // The next part is not rolled up yet when it is compared.
        sqlx::query("SELECT roll_up_metrics()").execute(server.pool()).await.unwrap();
    }
    for step_s in [60, 900, 3_600, 86_400] {
        compare(&server, &reader, &range, step_s).await;
    }
}

/// Catches groups that mix, labels that lie, and a comparison that is shifted.
#[tokio::test(flavor = "multi_thread")]
async fn groups_filters_and_the_comparison_tell_the_right_spans() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let start_us = now_us() / HOUR_US * HOUR_US - 2 * HOUR_US;
    server.ingest(&spans(start_us, 1).into()).await;
    let range = format!("startTime={start_us}&endTime={}", start_us + HOUR_US);
    let by = "groupBy=operation,service";
    let answer =
        reader.get(&format!("/api/v1/metrics?metric=count&{by}&status=error&step=3600&{range}")).await;
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT v.name, o.name, count(*) FROM spans s JOIN services v ON v.id = s.service_id
         JOIN operations o ON o.id = s.operation_id WHERE s.status = 2 GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .fetch_all(server.pool())
    .await
    .unwrap();
    let found: Vec<(String, String, i64)> = answer["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let label = |name: &str| it["labels"][name].as_str().unwrap().to_owned();
            (label("service"), label("operation"), it["total"].as_f64().unwrap() as i64)
        })
        .collect();
    assert_eq!(found, rows);
    assert_eq!(found.len(), 6);

    // An hour later there is nothing; an hour earlier than that there is everything.
    let later = format!("startTime={}&endTime={}", start_us + HOUR_US, start_us + 2 * HOUR_US - 1);
    let answer = reader.get(&format!("/api/v1/metrics?metric=count&step=60&compareTo=3600&{later}")).await;
    assert_eq!(answer["series"][0]["total"], 0.0);
    let before = &answer["comparison"]["series"][0];
    assert_eq!((before["total"].clone(), before["points"].as_array().unwrap().len()), (json!(1_200.0), 60));

    let nobody = reader.get(&format!("/api/v1/metrics?metric=p99&service=nobody&{range}")).await;
    assert_eq!(
        (nobody["series"].as_array().unwrap().len(), nobody["series"][0]["total"].clone()),
        (1, Value::Null)
    );
}

/// Traces with one span of a shop each, that begin up to two minutes earlier at the edge.
fn visits(start_us: i64) -> Vec<Value> {
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut spans = Vec::new();
    for id in 1..=400_u64 {
        let trace_id = format!("{id:032x}");
        let at_us = start_us + random(30 * MINUTE_US as u64) as i64;
        // From nothing to seconds, as many in each power of ten.
        let duration_us = 10_u64.pow(random(7) as u32) * (1 + random(9)) * u64::from(id % 50 > 0);
        let kind = ["server", "client", "consumer"][random(3) as usize];
        let status = if random(4) == 0 { "error" } else { "unset" };
        spans.push(json!({
            "traceId": trace_id, "spanId": format!("{:016x}", 2 * id), "name": "visit",
            "serviceName": "edge", "kind": "server",
            "startTime": at_us - random(2 * MINUTE_US as u64) as i64, "duration": duration_us
        }));
        spans.push(json!({
            "traceId": trace_id, "spanId": format!("{:016x}", 2 * id + 1),
            "parentSpanId": format!("{:016x}", 2 * id), "name": format!("op {}", random(2)),
            "serviceName": "shop", "kind": kind, "startTime": at_us, "duration": duration_us,
            "status": status
        }));
    }
    spans
}

/// Catches a brushed area of the heatmap that opens other traces than those it counts: by the trace's start
/// instead of the span's, by a bound on the wrong side, by the duration of the whole trace.
#[tokio::test(flavor = "multi_thread")]
async fn the_spans_behind_an_area_of_the_histogram_are_those_that_a_search_finds() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let start_us = now_us() / MINUTE_US * MINUTE_US - 40 * MINUTE_US;
    for part in visits(start_us).chunks(500) {
        server.ingest(&part.to_vec().into()).await;
    }
    let mut found = 0;
    for filter in ["", "&kind=server&kind=consumer", "&operation=op%201&status=error", "&kind=client"] {
        let answer = reader
            .get(&format!(
                "/api/v1/metrics?metric=histogram&service=shop&step=300{filter}&startTime={start_us}&endTime={}",
                start_us + 30 * MINUTE_US
            ))
            .await;
        let histogram = &answer["histogram"];
        let mut bounds = vec![histogram["lowestNs"].as_f64().unwrap()];
        bounds.extend(histogram["buckets"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()));
        let points = histogram["series"][0]["points"].as_array().unwrap();
        let buckets = bounds.len() - 1;
        for (from, to, low, high) in [
            (0, points.len(), 0, buckets),
            (1, 3, 0, buckets),
            (0, points.len(), buckets / 2, buckets),
            (0, points.len(), 0, 1),
            (2, points.len(), buckets / 4, buckets / 2),
            (1, 2, buckets / 3, buckets - 1),
        ] {
            let cells = points[from..to].iter().map(|point| {
                let counts = point.as_array().unwrap().iter().take(high).skip(low);
                counts.map(|count| count.as_f64().unwrap() as usize).sum::<usize>()
            });
            // Buckets hold their lower bound and not their upper one; zero lies in the lowest.
            let least_ns = if bounds[low] < 1.0 { 0 } else { bounds[low].ceil() as i64 };
            let most_ns = bounds[high].ceil() as i64 - 1;
            let at_us = |step: usize| start_s(&answer) * 1_000_000 + step as i64 * 5 * MINUTE_US;
            for order in ["start", "duration"] {
                let page = reader
                    .get(&format!(
                        "/api/v1/traces?serviceName=shop{filter}&timeOf=span&order={order}&limit=1000\
                         &startTime={}&endTime={}&minSpanDuration={least_ns}ns&maxSpanDuration={most_ns}ns",
                        at_us(from),
                        at_us(to)
                    ))
                    .await;
                let traces = page["traces"].as_array().unwrap().len();
                assert_eq!(
                    traces,
                    cells.clone().sum::<usize>(),
                    "{filter} {from} {to} {low} {high} {order}"
                );
                found += traces;
            }
        }
    }
    assert!(found > 1_000, "the areas hold too little to prove anything: {found}");
}

/// Catches answers of any size, and parameters that are ignored.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_or_too_much_is_refused_by_name() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let start_us = now_us() - 5 * MINUTE_US;
    let many: Vec<Value> = (1..=201_u64)
        .map(|id| {
            json!({
                "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": format!("op {id}"),
                "serviceName": "shop", "startTime": start_us, "duration": 1
            })
        })
        .collect();
    server.ingest(&many.into()).await;
    for (query, field) in [
        ("", "metric"),
        ("metric=p42", "metric"),
        ("metric=rate&step=61", "step"),
        ("metric=rate&startTime=0", "step"),
        ("metric=rate&groupBy=operation", "groupBy"),
        ("metric=rate&groupBy=host", "groupBy"),
        ("metric=histogram&metric=histogram", "metric"),
        ("metric=rate&unknown=1", "unknown"),
    ] {
        let query =
            if query.contains("startTime=0") { format!("{query}&step=60") } else { query.to_owned() };
        let response = reader.response(&format!("/api/v1/metrics?{query}")).await;
        assert_eq!(response.status().as_u16(), 400, "{query}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
    let few = reader.get("/api/v1/metrics?metric=rate&groupBy=operation&operation=op%207").await;
    assert_eq!(few["series"].as_array().unwrap().len(), 1);
}
