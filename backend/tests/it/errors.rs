//! Errors by group: from spans, however often they come, to the answers of the API.
//!
//! The servers here run no jobs: tests count with `fold` when they want to.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom_model::api::Role;

use super::harness::{Person, Spanloom, ago_ns, database};

/// A span with an exception, or with a failed status alone.
#[derive(Clone)]
struct Failing {
    service: &'static str,
    version: &'static str,
    trace: u64,
    id: u64,
    operation: &'static str,
    start_ns: u64,
    kind: &'static str,
    message: String,
    stacktrace: String,
    trace_state: &'static str,
}

fn failing(trace: u64, id: u64, message: &str) -> Failing {
    Failing {
        service: "shop",
        version: "1.0",
        trace,
        id,
        operation: "GET /cart",
        start_ns: ago_ns(120),
        kind: "shop.Failure",
        message: message.to_owned(),
        stacktrace: String::new(),
        trace_state: "",
    }
}

impl Failing {
    fn of(self, service: &'static str, version: &'static str, operation: &'static str) -> Self {
        Self { service, version, operation, ..self }
    }

    fn ago(self, seconds: i64) -> Self {
        Self { start_ns: ago_ns(seconds), ..self }
    }

    fn json(&self) -> Value {
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let exception = json!([{"name": "exception", "timeUnixNano": self.start_ns.to_string(), "attributes": [
            text("exception.type", self.kind), text("exception.message", &self.message),
            text("exception.stacktrace", &self.stacktrace),
        ]}]);
        json!({
            "resource": {"attributes": [text("service.name", self.service), text("service.version", self.version)]},
            "scopeSpans": [{"spans": [{
                // What is kept of a trace is decided by the lower bits: spread them.
                "traceId": format!("{:032x}", u128::from(self.trace.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
                "spanId": format!("{:016x}", self.id), "name": self.operation, "kind": 2,
                "traceState": self.trace_state,
                "startTimeUnixNano": self.start_ns.to_string(),
                "endTimeUnixNano": (self.start_ns + 1_000_000).to_string(),
                "events": if self.kind.is_empty() { json!([]) } else { exception },
                "status": {"code": 2, "message": if self.kind.is_empty() { &self.message } else { "" }},
            }]}],
        })
    }
}

async fn start() -> Spanloom {
    Spanloom::start_with(|config| config.roles.jobs = false).await
}

/// Sends the spans as one batch and waits until they are written.
async fn send(server: &Spanloom, spans: &[Failing]) {
    let body = json!({"resourceSpans": spans.iter().map(Failing::json).collect::<Vec<_>>()});
    let response = server.client.post(server.url("/v1/traces")).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    server.server.settled().await;
}

/// One turn of the job.
async fn fold(server: &Spanloom, groups_max: i32) {
    sqlx::query("SELECT fold_errors($1)").bind(groups_max).execute(server.pool()).await.unwrap();
}

async fn list(server: &Spanloom, query: &str) -> Value {
    server.reader().await.get(&format!("/api/v1/errors?{query}")).await
}

/// Groups as `service message count state`, in order.
async fn told(server: &Spanloom, query: &str) -> Vec<String> {
    let groups = list(server, query).await["groups"].as_array().unwrap().clone();
    let text = |group: &Value, field: &str| group[field].as_str().unwrap().to_owned();
    groups
        .iter()
        .map(|group| {
            let message =
                if group["isOverflow"] == true { "(others)".to_owned() } else { text(group, "message") };
            format!("{} {message} {} {}", text(group, "service"), group["count"], text(group, "state"))
        })
        .collect()
}

async fn id_of(server: &Spanloom, message: &str) -> String {
    let groups = list(server, "").await["groups"].as_array().unwrap().clone();
    let group = groups.iter().find(|group| group["message"] == message).unwrap();
    group["id"].as_str().unwrap().to_owned()
}

async fn detail(server: &Spanloom, id: &str) -> Value {
    server.reader().await.get(&format!("/api/v1/errors/{id}")).await
}

/// Kinds of events, the oldest first.
async fn events(server: &Spanloom, id: &str) -> Vec<String> {
    let events = detail(server, id).await["events"].as_array().unwrap().clone();
    events.iter().rev().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

async fn change(person: &Person, path: &str, body: Value) -> (StatusCode, Value) {
    let response = person.request(Method::PATCH, path).json(&body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn set(person: &Person, id: &str, body: Value) {
    let (status, answer) = change(person, &format!("/api/v1/errors/{id}"), body).await;
    assert_eq!((status, &answer["changed"]), (StatusCode::OK, &json!(1)), "{answer}");
}

/// Catches errors that are counted twice, thrown together or told apart by their values, and answers
/// that lack where they occurred.
#[tokio::test(flavor = "multi_thread")]
async fn errors_are_grouped_and_told() {
    let server = start().await;
    let stack = "shop.Failure: no cart 7\n\tat com.shop.Cart.load(Cart.java:61)";
    let with_stack = |failing: Failing| Failing { stacktrace: stack.to_owned(), ..failing };
    let spans = [
        failing(1, 1, "user 1 is gone"),
        failing(2, 2, "user 22 is gone").of("shop", "1.1", "GET /user").ago(300),
        with_stack(failing(3, 3, "no cart 7")),
        Failing { kind: "", ..failing(4, 4, "no stock") },
        // Says nothing of its own.
        Failing { kind: "", ..failing(5, 5, "") },
        failing(6, 6, "page 3 is gone").of("web", "", "GET /"),
    ];
    send(&server, &spans).await;
    send(&server, &spans).await;
    fold(&server, 1000).await;
    fold(&server, 1000).await;

    let expected = [
        "shop user <num> is gone 2.0 open",
        "shop no cart <num> 1.0 open",
        "shop no stock 1.0 open",
        "web page <num> is gone 1.0 open",
    ];
    let mut counted = told(&server, "order=count").await;
    assert_eq!(counted[0], expected[0]);
    counted[1..].sort();
    assert_eq!(counted, expected);
    let answer = list(&server, "").await;
    assert_eq!((&answer["groupCount"], &answer["count"]), (&json!(4), &json!(5.0)));
    let sums: f64 =
        answer["groups"][0]["trend"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).sum();
    assert!((sums - answer["groups"][0]["count"].as_f64().unwrap()).abs() < f64::EPSILON);

    assert_eq!(told(&server, "service=web").await, ["web page <num> is gone 1.0 open"]);
    assert_eq!(told(&server, "version=1.1").await, ["shop user <num> is gone 1.0 open"]);
    assert_eq!(told(&server, "operation=GET%20/user").await, ["shop user <num> is gone 1.0 open"]);
    assert_eq!(told(&server, "text=NO%20STOCK").await, ["shop no stock 1.0 open"]);
    assert_eq!(told(&server, "text=%25").await, Vec::<String>::new(), "no pattern");
    assert_eq!(told(&server, "state=resolved&state=ignored").await, Vec::<String>::new());
    assert_eq!(told(&server, "limit=1&order=count").await, expected[..1]);
    assert_eq!(told(&server, "startTime=1&endTime=2").await, Vec::<String>::new());
    let oldest = told(&server, "order=firstSeen").await;
    assert_eq!(oldest.last().unwrap(), expected[0], "it was met first");

    let user = detail(&server, &id_of(&server, "user <num> is gone").await).await;
    assert_eq!(user["group"]["service"], "shop");
    assert!(user["group"]["example"].as_str().unwrap().starts_with("user "), "{user}");
    assert_eq!(user["operations"].as_array().unwrap().len(), 2);
    let versions: Vec<&Value> = user["versions"].as_array().unwrap().iter().map(|v| &v["name"]).collect();
    assert_eq!(versions, ["1.0", "1.1"]);
    let messages: Vec<&Value> = user["samples"].as_array().unwrap().iter().map(|s| &s["message"]).collect();
    assert_eq!(messages, ["user 1 is gone", "user 22 is gone"]);
    let trace = user["samples"][0]["traceId"].as_str().unwrap();
    server.reader().await.get(&format!("/api/v1/traces/{trace}")).await;
    let cart = detail(&server, &id_of(&server, "no cart <num>").await).await;
    assert_eq!(cart["stackTrace"], stack);
    assert_eq!(cart["events"][0]["kind"], "new");
    assert_eq!(cart["events"][0]["version"], "1.0");
}

/// Catches errors that are counted from what is stored, not weighted by what the client left out, or
/// counted again when a dropped span is resent; and samples that nobody can open.
#[tokio::test(flavor = "multi_thread")]
async fn sampling_leaves_the_counts_exact() {
    let server = start().await;
    let editor = server.login(Role::Editor).await;
    let settings = json!({"version": 0, "settings": {"decisionWaitMs": 500, "policies": [
        {"name": "slow", "rule": {"type": "latency", "thresholdMs": 60_000}},
    ]}});
    let saved = editor.request(Method::PUT, "/api/v1/sampling").json(&settings).send().await.unwrap();
    assert_eq!(saved.status(), StatusCode::OK, "{}", saved.text().await.unwrap());
    server.server.sampling_reaches(1).await;
    for trace in 1..=10 {
        // Its client kept a quarter.
        let spans = [Failing { trace_state: "ot=th:c;rv:ffffffffffffff", ..failing(trace, 1, "slow") }];
        send(&server, &spans).await;
        send(&server, &spans).await;
    }
    assert_eq!(server.stored_spans().await, 0);
    fold(&server, 1000).await;
    assert_eq!(told(&server, "").await, ["shop slow 40.0 open"]);
    let id = id_of(&server, "slow").await;
    assert_eq!(detail(&server, &id).await["samples"], json!([]));
}

/// Catches a resolved error that comes back unnoticed, twice, or with spans that are older than the
/// resolution; and states that spans change although nobody resolved anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_resolved_error_regresses_once() {
    let server = start().await;
    let editor = server.login(Role::Editor).await;
    send(&server, &[failing(1, 1, "gone")]).await;
    fold(&server, 1000).await;
    let id = id_of(&server, "gone").await;
    set(&editor, &id, json!({"state": "resolved"})).await;

    send(&server, &[failing(2, 2, "gone").ago(60)]).await;
    fold(&server, 1000).await;
    assert_eq!(told(&server, "").await, ["shop gone 2.0 resolved"], "it started before");
    send(&server, &[failing(3, 3, "gone").ago(-30)]).await;
    fold(&server, 1000).await;
    send(&server, &[failing(4, 4, "gone").ago(-30)]).await;
    fold(&server, 1000).await;
    assert_eq!(events(&server, &id).await, ["new", "resolved", "regressed"]);
    assert_eq!(detail(&server, &id).await["group"]["state"], "regressed");

    // In the next version: those that had it do not count.
    set(&editor, &id, json!({"state": "resolved", "inNextVersion": true})).await;
    assert_eq!(detail(&server, &id).await["resolvedInNextVersion"], true);
    send(&server, &[failing(5, 5, "gone").ago(-40)]).await;
    fold(&server, 1000).await;
    assert_eq!(detail(&server, &id).await["group"]["state"], "resolved");
    send(&server, &[failing(6, 6, "gone").of("shop", "2.0", "GET /cart").ago(-40)]).await;
    fold(&server, 1000).await;
    let regressed = detail(&server, &id).await;
    assert_eq!(regressed["group"]["state"], "regressed");
    assert_eq!(regressed["events"][0]["version"], "2.0");

    set(&editor, &id, json!({"state": "ignored"})).await;
    send(&server, &[failing(7, 7, "gone").ago(-50)]).await;
    fold(&server, 1000).await;
    set(&editor, &id, json!({"state": "open"})).await;
    assert_eq!(
        events(&server, &id).await,
        ["new", "resolved", "regressed", "resolved", "regressed", "ignored", "reopened"]
    );
    let actors: Vec<Value> = detail(&server, &id).await["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["actor"].clone())
        .collect();
    assert_eq!(actors[0], "editor");
    assert_eq!(actors[2], Value::Null, "a regression happens");
}

/// Catches states that can be set to nonsense, set for nothing, or leave an event without a change.
#[tokio::test(flavor = "multi_thread")]
async fn states_are_changed_with_care() {
    let server = start().await;
    let editor = server.login(Role::Editor).await;
    send(&server, &[failing(1, 1, "a"), failing(2, 2, "b"), failing(3, 3, "c")]).await;
    fold(&server, 1000).await;
    let (a, b) = (id_of(&server, "a").await, id_of(&server, "b").await);
    let unknown = "0190163d-8694-739b-aea5-966c26f8ad91";

    let both = json!({"ids": [a, b, unknown, a], "state": "ignored"});
    let (status, answer) = change(&editor, "/api/v1/errors", both.clone()).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"changed": 2})));
    assert_eq!(change(&editor, "/api/v1/errors", both).await.1, json!({"changed": 0}));
    assert_eq!(events(&server, &a).await, ["new", "ignored"]);
    assert_eq!(told(&server, "state=open").await, ["shop c 1.0 open"]);

    let path = format!("/api/v1/errors/{a}");
    for (path, body, field) in [
        (path.as_str(), json!({"state": "regressed"}), "state"),
        (path.as_str(), json!({"state": "open", "inNextVersion": true}), "inNextVersion"),
        ("/api/v1/errors", json!({"ids": [], "state": "open"}), "ids"),
        ("/api/v1/errors", json!({"ids": vec![a.clone(); 201], "state": "open"}), "ids"),
    ] {
        let (status, problem) = change(&editor, path, body).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::BAD_REQUEST, &json!(field)));
    }
    assert_eq!(change(&editor, &path, json!({"state": "new"})).await.0, StatusCode::BAD_REQUEST);
    let gone = change(&editor, &format!("/api/v1/errors/{unknown}"), json!({"state": "open"})).await;
    assert_eq!((gone.0, &gone.1["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));

    let reader = server.reader().await;
    for path in ["/api/v1/errors/1", &format!("/api/v1/errors/{unknown}")] {
        assert_eq!(reader.response(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for (query, field) in
        [("state=closed", "state"), ("order=name", "order"), ("limit=501", "limit"), ("sort=count", "sort")]
    {
        let response = reader.response(&format!("/api/v1/errors?{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(response.json::<Value>().await.unwrap()["errors"][0]["field"], field);
    }
}

/// Catches a service that makes groups without end, and errors that get lost beyond the bound.
#[tokio::test(flavor = "multi_thread")]
async fn groups_of_a_service_are_bounded() {
    let server = start().await;
    let word = |n: u64| format!("kind {}", char::from(b'a' + n as u8));
    for round in 0..2 {
        let spans: Vec<Failing> = (0..8).map(|n| failing(round * 100 + n + 1, n + 1, &word(n))).collect();
        send(&server, &spans).await;
        fold(&server, 3).await;
    }
    send(&server, &[failing(900, 1, "kind a").of("web", "1", "GET /")]).await;
    fold(&server, 3).await;
    let mut groups = told(&server, "").await;
    groups.sort();
    assert_eq!(groups.len(), 5, "{groups:?}");
    assert!(groups.contains(&"shop (others) 10.0 open".to_owned()), "{groups:?}");
    assert!(groups.contains(&"web kind a 1.0 open".to_owned()), "{groups:?}");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM error_events WHERE kind = 'new'")
        .fetch_one(server.pool())
        .await
        .unwrap();
    assert_eq!(count, 5, "each group is new once, the others too");
}

/// Catches samples without end, and a group whose first span is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_and_the_newest_samples_stay() {
    let server = start().await;
    for n in 0..30 {
        send(&server, &[failing(n + 1, 1, "gone").ago(2_000 - 10 * n as i64)]).await;
        if n % 7 == 0 {
            fold(&server, 1000).await;
        }
    }
    fold(&server, 1000).await;
    let starts: Vec<(String,)> =
        sqlx::query_as("SELECT trace_id::text FROM error_samples ORDER BY start_time DESC")
            .fetch_all(server.pool())
            .await
            .unwrap();
    assert_eq!(starts.len(), 21);
    let first = format!("{:032x}", 0x9e37_79b9_7f4a_7c15_u64);
    assert_eq!(starts[20].0.replace('-', ""), first);
}

/// Catches counts that are lost or doubled when several count, change and write at once, and deadlocks.
#[tokio::test(flavor = "multi_thread")]
async fn counting_changing_and_writing_at_once() {
    let server = start().await;
    let editor = server.login(Role::Editor).await;
    let words: Vec<String> = (0..20).map(|n| format!("kind {}", char::from(b'a' + n))).collect();
    let all = |round: u64| -> Vec<Failing> {
        words.iter().enumerate().map(|(n, word)| failing(round * 50 + n as u64 + 1, 1, word)).collect()
    };
    send(&server, &all(0)).await;
    fold(&server, 1000).await;
    let answer = list(&server, "").await;
    let mut ids: Vec<Value> =
        answer["groups"].as_array().unwrap().iter().map(|group| group["id"].clone()).collect();
    let folding = async {
        for _ in 0..20 {
            fold(&server, 1000).await;
        }
    };
    let changing = async {
        for round in 0..20 {
            ids.reverse();
            let state = if round % 2 == 0 { "resolved" } else { "open" };
            let (status, answer) =
                change(&editor, "/api/v1/errors", json!({"ids": ids, "state": state})).await;
            assert_eq!((status, &answer["changed"]), (StatusCode::OK, &json!(20)));
        }
    };
    let writing = async {
        for round in 1..=10 {
            send(&server, &all(round)).await;
        }
    };
    tokio::join!(folding, async { fold(&server, 1000).await }, changing, writing);
    fold(&server, 1000).await;
    let answer = list(&server, "").await;
    assert_eq!((&answer["groupCount"], &answer["count"]), (&json!(20), &json!(220.0)));
    let id = id_of(&server, "kind a").await;
    assert_eq!(events(&server, &id).await.len(), 21, "one new, twenty changes");
}

/// Catches errors that are lost or counted again when a server stops before they were counted, and
/// groups that stay for ever.
#[tokio::test(flavor = "multi_thread")]
async fn errors_wait_through_a_restart_and_are_forgotten_later() {
    let database = database().await;
    let server = Spanloom::start_on(&database, |config| config.roles.jobs = false).await;
    let spans = [failing(1, 1, "gone")];
    send(&server, &spans).await;
    let data_dir = server.config.storage.data_dir.clone();
    server.server.stop().await.unwrap();
    // This one runs jobs: it counts by itself.
    let server = Spanloom::start_on(&database, |config| config.storage.data_dir = data_dir).await;
    send(&server, &spans).await;
    super::harness::until("the error is counted", async || !told(&server, "").await.is_empty()).await;
    assert_eq!(told(&server, "").await, ["shop gone 1.0 open"]);

    let forget = "SELECT forget_errors(interval '1 hour')";
    let kept: i64 = sqlx::query_scalar(forget).fetch_one(server.pool()).await.unwrap();
    assert_eq!(kept, 0);
    sqlx::query("UPDATE error_groups SET touched_at = now() - interval '2 hours'")
        .execute(server.pool())
        .await
        .unwrap();
    let gone: i64 = sqlx::query_scalar(forget).fetch_one(server.pool()).await.unwrap();
    assert_eq!(gone, 1);
    assert_eq!(told(&server, "").await, Vec::<String>::new());
}
