//! Metrics that people define: counted once, whatever is stored before, comes during the back-fill, comes
//! late or is sent again.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom::custom::backfill;
use spanloom::custom::exposed_store::exposed;
use spanloom::roles::Roles;
use spanloom_model::api::Role;

use super::harness::{Person, Spanloom, now_us, until};

/// A server whose jobs are run by the tests.
async fn server() -> Spanloom {
    Spanloom::start_with(|config| config.roles = Roles { jobs: false, ..config.roles }).await
}

/// All that the job does, until there is nothing left to do.
async fn back_fill(server: &Spanloom) {
    backfill::work(server.pool(), &server.config.storage.limits()).await.unwrap();
}

async fn move_parts(server: &Spanloom) {
    sqlx::query("SELECT move_custom_metrics()").execute(server.pool()).await.unwrap();
}

fn span(id: u64, seconds_ago: i64, tags: &Value) -> Value {
    json!({
        "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": "POST /cart",
        "serviceName": "shop", "kind": "server", "duration": 1_000,
        "startTime": now_us() - seconds_ago * 1_000_000, "tags": tags
    })
}

fn definition(name: &str, value: &Value, aggregation: &Value, group_by: &Value) -> Value {
    json!({"name": name, "value": value, "aggregation": aggregation, "groupBy": group_by})
}

fn count(name: &str) -> Value {
    definition(name, &json!({"type": "span"}), &json!({"type": "count"}), &json!([]))
}

fn of_total(name: &str, aggregation: &Value) -> Value {
    definition(name, &json!({"type": "attribute", "key": "total"}), aggregation, &json!([]))
}

async fn call(person: &Person, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let path = format!("/api/v1/custom-metrics{path}");
    let response = person.request(method, &path).json(body).send().await.unwrap();
    let status = response.status();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

/// The id of a new metric.
async fn create(person: &Person, definition: &Value) -> String {
    let (status, metric) = call(person, Method::POST, "", definition).await;
    assert_eq!(status, StatusCode::CREATED, "{metric}");
    metric["id"].as_str().unwrap().to_owned()
}

async fn series(server: &Spanloom, id: &str, query: &str) -> Value {
    server.reader().await.get(&format!("/api/v1/custom-metrics/{id}/series?{query}")).await
}

/// Totals of the last three hours by label.
async fn totals(server: &Spanloom, id: &str, label: &str) -> BTreeMap<String, f64> {
    let start = now_us() - 3 * 3_600_000_000;
    let answer = series(server, id, &format!("startTime={start}")).await;
    let series = answer["series"].as_array().unwrap().iter();
    series
        .map(|one| {
            let label = one["labels"][label].as_str().unwrap_or_default().to_owned();
            (label, one["total"].as_f64().unwrap_or(-1.0))
        })
        .collect()
}

/// Values by minute, as stored and as exact SQL over the spans has them.
async fn assert_exact(server: &Spanloom, what: &str) {
    let by_minute = async |statement: &'static str| -> Vec<(i64, f64)> {
        sqlx::query_as(statement).fetch_all(server.pool()).await.unwrap()
    };
    let exact = by_minute(
        "SELECT extract(epoch FROM date_trunc('minute', start_time))::bigint, count(*)::float8
         FROM spans GROUP BY 1 ORDER BY 1",
    )
    .await;
    let counted = by_minute(
        "SELECT extract(epoch FROM minute)::bigint, sum(value_count) FROM custom_metric_minutes
         GROUP BY 1 HAVING sum(value_count) <> 0 ORDER BY 1",
    )
    .await;
    assert_eq!(counted, exact, "{what}");
}

/// Catches a span that is counted by the writer and by the back-fill, or by neither: whenever it began,
/// while the back-fill goes on, is broken off at any point and begun again, parts are moved and spans are
/// sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn every_span_counts_once_whatever_the_back_fill_does() {
    for seed in 0..3 {
        let server = server().await;
        let mut random = StdRng::seed_from_u64(seed);
        let mut next = 1;
        let mut batch = |random: &mut StdRng| -> Value {
            let spans = (0..random.random_range(1..40)).map(|_| {
                let seconds_ago = match random.random_range(0..10) {
                    0 => random.random_range(-300..0),
                    1..5 => random.random_range(0..90),
                    _ => random.random_range(0..2 * 86_400),
                };
                next += 1;
                span(next, seconds_ago, &json!({}))
            });
            spans.collect()
        };
        for _ in 0..20 {
            server.ingest(&batch(&mut random)).await;
        }
        let editor = server.login(Role::Editor).await;
        create(&editor, &count("spans")).await;
        let mut last = batch(&mut random);
        server.ingest(&last).await;
        for round in 0..30 {
            let (pool, limits) = (server.pool().clone(), server.config.storage.limits());
            let filling = tokio::spawn(async move { backfill::work(&pool, &limits).await });
            for _ in 0..random.random_range(0..4) {
                server.ingest(&last).await;
                last = batch(&mut random);
                server.ingest(&last).await;
            }
            if round % 3 == 0 {
                move_parts(&server).await;
            }
            // Wherever it is: a server that dies does not choose.
            if round < 29 {
                filling.abort();
            }
            if let Ok(filled) = filling.await {
                filled.unwrap();
            }
        }
        let state: String = sqlx::query_scalar("SELECT fill_state FROM custom_metric_versions")
            .fetch_one(server.pool())
            .await
            .unwrap();
        assert_eq!(state, "done");
        assert_exact(&server, "after the back-fill").await;
        server.ingest(&batch(&mut random)).await;
        move_parts(&server).await;
        assert_exact(&server, "late spans after it").await;
    }
}

/// Catches an aggregation that is wrong live, back-filled, or in the preview.
#[tokio::test(flavor = "multi_thread")]
async fn aggregations_equal_exact_numbers() {
    let server = server().await;
    let editor = server.login(Role::Editor).await;
    let totals_sent: Vec<f64> = (1..=200).map(|n| f64::from(n) * 0.25 - 10.0).collect();
    let spans = |ids: std::ops::Range<usize>| -> Value {
        let spans = ids.map(|id| {
            let tags = json!({"total": totals_sent[id], "user": format!("u{}", id % 70)});
            span(id as u64 + 1, 600 + id as i64, &tags)
        });
        spans.collect()
    };
    server.ingest(&spans(0..100)).await;
    let quantile = json!({"type": "quantile", "q": 0.9});
    let sum: f64 = totals_sent.iter().sum();
    let cases = [
        (count("count"), 200.0, 0.0),
        (of_total("sum", &json!({"type": "sum"})), sum, 1e-9),
        (of_total("avg", &json!({"type": "avg"})), sum / 200.0, 1e-9),
        (of_total("min", &json!({"type": "min"})), -9.75, 0.0),
        (of_total("max", &json!({"type": "max"})), 40.0, 0.0),
        (of_total("p90", &quantile), totals_sent[179], totals_sent[179] * 0.05),
        (
            definition(
                "users",
                &json!({"type": "attribute", "key": "user"}),
                &json!({"type": "distinct"}),
                &json!([]),
            ),
            70.0,
            3.0,
        ),
        (definition("slow", &json!({"type": "duration"}), &json!({"type": "max"}), &json!([])), 1e6, 0.0),
    ];
    let mut ids = Vec::new();
    for (definition, ..) in &cases {
        ids.push(create(&editor, definition).await);
    }
    back_fill(&server).await;
    // Behind the seam and before it: both are late.
    server.ingest(&spans(100..200)).await;
    for (id, (definition, expected, error)) in ids.iter().zip(&cases) {
        let counted = totals(&server, id, "").await[""];
        assert!((counted - expected).abs() <= *error, "{definition}: {counted}, not {expected}");
        let (status, preview) =
            call(&editor, Method::POST, "/preview", &json!({"definition": definition})).await;
        assert_eq!(status, StatusCode::OK, "{preview}");
        let tried = preview["result"]["series"][0]["total"].as_f64().unwrap();
        assert!((tried - counted).abs() < 1e-9, "{definition}: {tried} tried, {counted} counted");
        assert_eq!(
            (&preview["spansRead"], &preview["spansMatched"], &preview["complete"]),
            (&json!(200), &json!(200), &json!(true))
        );
    }
}

/// Catches a bound that two ways of counting exceed together, a rest that is lost, and filters of groups.
#[tokio::test(flavor = "multi_thread")]
async fn groups_are_bounded_and_the_rest_is_told() {
    let server = server().await;
    let editor = server.login(Role::Editor).await;
    let group_by = json!([{"type": "attribute", "key": "user"}, {"type": "service"}]);
    let mut wanted = definition("carts", &json!({"type": "span"}), &json!({"type": "count"}), &group_by);
    wanted["groupsMax"] = json!(3);
    let user = |id: u64, user: &str| span(id, 300, &json!({"user": user}));
    server.ingest(&json!([user(1, "a"), user(2, "b"), user(3, "a")])).await;
    let id = create(&editor, &wanted).await;
    back_fill(&server).await;
    server.ingest(&json!([user(4, "c"), user(5, "a")])).await;
    let others: Value = (10..60).map(|id| user(id, &format!("x{id}"))).collect();
    server.ingest(&others).await;
    let counted = totals(&server, &id, "user").await;
    let expected = [("__other__", 50.0), ("a", 3.0), ("b", 1.0), ("c", 1.0)];
    assert_eq!(counted, expected.map(|(user, count)| (user.to_owned(), count)).into());

    let answer = series(&server, &id, "group=user%3Da&group=service%3Dshop").await;
    assert_eq!((answer["series"].as_array().unwrap().len(), &answer["groups"]), (1, &json!(1)));
    assert_eq!(answer["series"][0]["labels"], json!({"user": "a", "service": "shop"}));
    let merged = series(&server, &id, "merge=true").await;
    assert_eq!((&merged["series"][0]["labels"], &merged["series"][0]["total"]), (&json!({}), &json!(55.0)));
    let top = series(&server, &id, "top=2").await;
    assert_eq!((top["series"].as_array().unwrap().len(), &top["groups"]), (2, &json!(4)));
    assert_eq!((&top["series"][1]["labels"]["user"], &top["overflowed"]), (&json!("a"), &json!(true)));
}

/// Catches numbers of one definition under the name of another, an edit that leaves a hole, and what
/// outlives its metric.
#[tokio::test(flavor = "multi_thread")]
async fn edits_take_over_when_they_are_filled_and_deletes_leave_nothing() {
    let server = server().await;
    let editor = server.login(Role::Editor).await;
    let spans: Value = (1..=10).map(|id| span(id, 600, &json!({"total": id}))).collect();
    server.ingest(&spans).await;
    let id = create(&editor, &of_total("orders", &json!({"type": "sum"}))).await;
    back_fill(&server).await;
    assert_eq!(totals(&server, &id, "").await.get(""), Some(&55.0));

    let path = format!("/{id}");
    let change = json!({"version": 1, "definition": of_total("sales", &json!({"type": "max"}))});
    let (status, changed) = call(&editor, Method::PUT, &path, &change).await;
    assert_eq!((status, &changed["version"]), (StatusCode::OK, &json!(2)), "{changed}");
    assert_eq!(changed["definition"]["aggregation"]["type"], "sum", "until the other is filled");
    assert_eq!(changed["next"]["definition"]["aggregation"]["type"], "max");
    assert_eq!(changed["definition"]["name"], "sales", "a name holds at once");
    server.ingest(&json!([span(11, 600, &json!({"total": 20}))])).await;
    assert_eq!(totals(&server, &id, "").await.get(""), Some(&75.0), "the old one goes on");
    let (status, problem) = call(&editor, Method::PUT, &path, &change).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")));

    back_fill(&server).await;
    let (_, metric) = call(&editor, Method::GET, &path, &json!({})).await;
    assert_eq!(metric["definition"]["aggregation"]["type"], "max");
    assert_eq!((&metric["next"], &metric["backfill"]["state"]), (&Value::Null, &json!("done")));
    assert_eq!(totals(&server, &id, "").await.get(""), Some(&20.0));

    let rename = json!({"version": 2, "definition": of_total("revenue", &json!({"type": "max"}))});
    let (_, renamed) = call(&editor, Method::PUT, &path, &rename).await;
    assert_eq!((&renamed["definition"]["name"], &renamed["next"]), (&json!("revenue"), &Value::Null));

    let (status, _) = call(&editor, Method::DELETE, &path, &json!({})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = call(&editor, Method::GET, &path, &json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    server.ingest(&json!([span(12, 600, &json!({"total": 7}))])).await;
    back_fill(&server).await;
    move_parts(&server).await;
    for table in
        ["custom_metric_versions", "custom_metric_groups", "custom_metric_minutes", "custom_metric_totals"]
    {
        let statement = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let left: i64 = sqlx::query_scalar(statement).fetch_one(server.pool()).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    create(&editor, &count("revenue")).await;
}

/// Catches a stop that goes on, or that loses what was counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_back_fill_tells_how_far_it_is_and_can_be_stopped() {
    let server = server().await;
    let editor = server.login(Role::Editor).await;
    server.ingest(&json!([span(1, 120, &json!({})), span(2, 2 * 86_400, &json!({}))])).await;
    let id = create(&editor, &count("spans")).await;
    let (_, metric) = call(&editor, Method::GET, &format!("/{id}"), &json!({})).await;
    assert_eq!(
        metric["backfill"],
        json!({"state": "running", "percent": 0.0, "doneFrom": null, "spansRead": 0})
    );
    back_fill(&server).await;
    let (_, metric) = call(&editor, Method::GET, &format!("/{id}"), &json!({})).await;
    assert_eq!(
        (&metric["backfill"]["state"], &metric["backfill"]["percent"]),
        (&json!("done"), &json!(100.0))
    );
    assert_eq!(metric["backfill"]["spansRead"], 2);

    // As if it had come halfway.
    sqlx::query(
        "UPDATE custom_metric_versions SET fill_state = 'running',
         filled_from = fill_start - (fill_start - fill_end) / 2, live_from = fill_start - (fill_start - fill_end) / 2",
    )
    .execute(server.pool())
    .await
    .unwrap();
    let (status, stopped) = call(&editor, Method::DELETE, &format!("/{id}/backfill"), &json!({})).await;
    assert_eq!((status, &stopped["backfill"]["state"]), (StatusCode::OK, &json!("stopped")));
    let percent = stopped["backfill"]["percent"].as_f64().unwrap();
    assert!((percent - 50.0).abs() < 0.1, "{percent}");
    back_fill(&server).await;
    let (_, still) = call(&editor, Method::GET, &format!("/{id}"), &json!({})).await;
    assert_eq!(still, stopped);
}

/// Catches spans that nobody counts because they began before everything that was stored when the
/// back-fill ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_all_that_was_stored_counts_when_it_comes() {
    let server = server().await;
    let editor = server.login(Role::Editor).await;
    let id = create(&editor, &count("spans")).await;
    back_fill(&server).await;
    let (_, metric) = call(&editor, Method::GET, &format!("/{id}"), &json!({})).await;
    assert_eq!(metric["backfill"]["state"], "done");
    assert_eq!(metric["backfill"]["percent"], 100.0);
    let four_days = 4 * 86_400;
    server.ingest(&json!([span(1, four_days, &json!({})), span(2, 1, &json!({}))])).await;
    let start = now_us() - 5 * 86_400 * 1_000_000;
    let answer = series(&server, &id, &format!("startTime={start}&step=3600")).await;
    assert_eq!(answer["series"][0]["total"], 2.0, "{answer}");
    move_parts(&server).await;
    let answer = series(&server, &id, &format!("startTime={start}&step=3600")).await;
    assert_eq!(answer["series"][0]["total"], 2.0, "{answer}");
}

/// Catches metrics of what is stored instead of what was received, and a count for those who compute
/// rates that the back-fill makes jump.
#[tokio::test(flavor = "multi_thread")]
async fn sampling_and_back_fill_do_not_change_what_is_counted_live() {
    let server = server().await;
    let editor = server.login(Role::Editor).await;
    server.ingest(&json!([span(1, 600, &json!({}))])).await;
    create(&editor, &count("spans")).await;
    back_fill(&server).await;
    let nothing = json!({"name": "none", "rule": {"type": "probabilistic", "samplingPercentage": 0}});
    let settings = json!({"version": 0, "settings": {"decisionWaitMs": 100, "policies": [nothing]}});
    let saved = editor.request(Method::PUT, "/api/v1/sampling").json(&settings).send().await.unwrap();
    assert_eq!(saved.status(), StatusCode::OK);
    server.server.sampling_reaches(1).await;
    let spans: Value = (2..=21).map(|id| span(id, 60, &json!({}))).collect();
    server.ingest(&spans).await;
    move_parts(&server).await;
    server.ingest(&json!([span(22, 60, &json!({}))])).await;
    until("all are decided", async || {
        let dropped: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sampled_out").fetch_one(server.pool()).await.unwrap();
        dropped == 21
    })
    .await;
    assert_eq!(server.stored_spans().await, 1);
    let counted: f64 = sqlx::query_scalar("SELECT sum(value_count) FROM custom_metric_minutes")
        .fetch_one(server.pool())
        .await
        .unwrap();
    assert_eq!(counted as i64, 22);
    let mut db = server.pool().acquire().await.unwrap();
    let live = exposed(&mut db, 10).await.unwrap();
    let (metric, series) = (&live.metrics[0], &live.metrics[0].series);
    assert_eq!((metric.definition.name.as_str(), series.len()), ("spans", 1));
    assert_eq!(series[0].since_ever, Some((21.0, 21.0)), "not the back-filled one");
}

/// Catches definitions that nobody could count, faults without a field, and names that two have.
#[tokio::test(flavor = "multi_thread")]
async fn faulty_requests_are_refused_with_their_fields() {
    let server = server().await;
    let editor = server.login(Role::Editor).await;
    let mut faulty = of_total("1st", &json!({"type": "quantile", "q": 2.0}));
    faulty["filter"] = json!({"attributes": [{"key": ""}]});
    let fields = |problem: &Value| -> Vec<String> {
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    };
    let (status, problem) = call(&editor, Method::POST, "", &faulty).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(fields(&problem), ["name", "filter.attributes[0].key", "aggregation.q"]);
    let (status, problem) = call(&editor, Method::POST, "/preview", &json!({"definition": faulty})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(fields(&problem)[0], "definition.name");
    for unreadable in [json!({}), json!({"name": "a", "value": {"type": "magic"}}), json!([])] {
        let (status, problem) = call(&editor, Method::POST, "", &unreadable).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("bad_request")),
            "{unreadable}"
        );
    }

    let id = create(&editor, &count("spans")).await;
    let (status, _) = call(&editor, Method::POST, "", &count("spans")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let other = create(&editor, &count("others")).await;
    let change = json!({"version": 1, "definition": count("spans")});
    let (status, _) = call(&editor, Method::PUT, &format!("/{other}"), &change).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (_, list) = call(&editor, Method::GET, "", &json!({})).await;
    let names: Vec<&str> = list["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["definition"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["others", "spans"]);

    let reader = server.reader().await;
    for (query, field) in [
        ("step=61", "step"),
        ("top=0", "top"),
        ("group=a", "group"),
        ("merge=1", "merge"),
        ("tpo=1", "tpo"),
    ] {
        let response = reader.response(&format!("/api/v1/custom-metrics/{id}/series?{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(fields(&response.json().await.unwrap()), [field]);
    }
    let nobody = "/api/v1/custom-metrics/0190163d-8694-739b-aea5-966c26f8ad91/series";
    assert_eq!(reader.response(nobody).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(reader.response("/api/v1/custom-metrics/x").await.status(), StatusCode::BAD_REQUEST);
}

/// Catches a job that nobody runs.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_fills_by_itself() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    server.ingest(&json!([span(1, 600, &json!({}))])).await;
    let id = create(&editor, &count("spans")).await;
    until("it is back-filled", async || totals(&server, &id, "").await.get("") == Some(&1.0)).await;
}
