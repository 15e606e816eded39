//! Sampling settings, the dry run and what clients are told, over real HTTP.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom_model::api::Role;

use super::harness::{Person, Spanloom, now_us};

fn policy(name: &str, rule: &Value) -> Value {
    json!({"name": name, "rule": rule})
}

fn errors() -> Value {
    policy("errors", &json!({"type": "status_code", "statusCodes": ["error"]}))
}

async fn call(person: &Person, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let response = person.request(method, path).json(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn save(person: &Person, version: i32, settings: &Value) -> (StatusCode, Value) {
    call(person, Method::PUT, "/api/v1/sampling", &json!({"version": version, "settings": settings})).await
}

/// Catches a save that another one overwrites without a word, and a history that loses versions.
#[tokio::test(flavor = "multi_thread")]
async fn settings_are_versioned() {
    let server = Spanloom::start().await;
    let (editor, reader) = (server.login(Role::Editor).await, server.reader().await);
    let first = reader.get("/api/v1/sampling").await;
    assert_eq!(
        first,
        json!({"version": 0, "author": null, "createdAt": null, "settings": {
            "decisionWaitMs": 10_000, "policies": [],
            "head": {"defaultProbability": 1.0, "services": {}}
        }}),
        "everything is kept until somebody says otherwise"
    );
    let (status, saved) = save(&editor, 0, &json!({"policies": [errors()]})).await;
    assert_eq!(
        (status, &saved["version"], &saved["author"]),
        (StatusCode::OK, &json!(1), &json!("editor"))
    );
    assert_eq!(saved["settings"]["policies"][0]["enabled"], true);

    let (status, problem) = save(&editor, 0, &json!({})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")));
    assert!(problem["detail"].as_str().unwrap().contains("version 1"), "{problem}");
    // Of many at once one wins.
    let (settings, at_once) = (json!({"decisionWaitMs": 500}), 6);
    let attempts = (0..at_once).map(|_| save(&editor, 1, &settings));
    let outcomes = futures::future::join_all(attempts).await;
    let won = outcomes.iter().filter(|(status, _)| *status == StatusCode::OK).count();
    let lost = outcomes.iter().filter(|(status, _)| *status == StatusCode::CONFLICT).count();
    assert_eq!((won, lost), (1, at_once - 1));

    let history = reader.get("/api/v1/sampling/history").await;
    let versions: Vec<i64> =
        history.as_array().unwrap().iter().map(|v| v["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [2, 1]);
    assert_eq!(history[1]["settings"]["policies"][0]["name"], "errors");
    assert_eq!(reader.get("/api/v1/sampling").await["settings"]["decisionWaitMs"], 500);
}

/// Catches settings that are saved although no server could use them, and faults that do not say
/// where they are.
#[tokio::test(flavor = "multi_thread")]
async fn faulty_settings_are_refused_with_their_fields() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    let faulty = json!({
        "decisionWaitMs": 1,
        "policies": [
            policy("", &json!({"type": "probabilistic", "samplingPercentage": 101})),
            policy("b", &json!({"type": "string_attribute", "key": "k", "values": ["("], "enabledRegexMatching": true})),
        ],
        "head": {"services": {"shop": {"probability": 2}}}
    });
    let expected = [
        "settings.decisionWaitMs",
        "settings.policies[0].name",
        "settings.policies[0].rule.samplingPercentage",
        "settings.policies[1].rule.values[0]",
        "settings.head.services[shop].probability",
    ];
    for (method, path, body) in [
        (Method::PUT, "/api/v1/sampling", json!({"version": 0, "settings": faulty})),
        (Method::POST, "/api/v1/sampling/dry-run", json!({"settings": faulty})),
    ] {
        let (status, problem) = call(&editor, method, path, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let fields: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
        assert_eq!(fields, expected, "{path}");
    }
    for unreadable in [
        json!({"version": 0}),
        json!({"version": 0, "settings": {"polices": []}}),
        json!({"version": 0, "settings": {"policies": [policy("a", &json!({"type": "magic"}))]}}),
        json!({"version": 0, "settings": {"policies": [policy("a", &json!({"type": "latency", "thresholdMs": 1, "max": 2}))]}}),
        json!([0, {}]),
    ] {
        let (status, problem) = call(&editor, Method::PUT, "/api/v1/sampling", &unreadable).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("bad_request")),
            "{unreadable}"
        );
    }
    let large = json!({"version": 0, "settings": {"policies": [policy(&"x".repeat(300 << 10), &errors()["rule"])]}});
    let (status, _) = call(&editor, Method::PUT, "/api/v1/sampling", &large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(server.reader().await.get("/api/v1/sampling").await["version"], 0);
}

fn span(trace: u64, service: &str, status: &str, seconds_ago: i64, tags: &Value) -> Value {
    // The lower 56 bits are the trace's randomness: spread evenly.
    let id = u128::from(trace) << 64 | u128::from(trace.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8);
    json!({
        "traceId": format!("{id:032x}"), "spanId": format!("{:016x}", trace * 10 + service.len() as u64),
        "name": "op", "serviceName": service, "status": status, "duration": 1_000,
        "startTime": now_us() - seconds_ago * 1_000_000, "tags": tags
    })
}

/// Catches a dry run that shows something else than the sampler would do, that counts spans of other
/// hours, or that changes anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_what_would_have_been_kept() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    let mut spans = Vec::new();
    for trace in 1..=200 {
        let (status, vip) = (if trace % 20 == 0 { "error" } else { "unset" }, trace % 50 == 1);
        let ago = 60 + trace as i64 * 10;
        spans.push(span(trace, "shop", status, ago, &json!({"vip": vip})));
        if trace % 2 == 0 {
            spans.push(span(trace, "payment", "unset", ago, &json!({})));
        }
    }
    spans.push(span(900, "shop", "error", 2 * 3_600, &json!({})));
    server.ingest(&spans.into()).await;

    let run = async |settings: Value| {
        let (status, answer) =
            call(&editor, Method::POST, "/api/v1/sampling/dry-run", &json!({"settings": settings})).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    };
    let count = |traces: u64, spans: u64| json!({"traces": traces, "spans": spans});
    let all = run(json!({})).await;
    assert_eq!((&all["examined"], &all["kept"]), (&count(200, 300), &count(200, 300)));
    assert_eq!(
        (&all["stored"], &all["everyNthSecond"], &all["complete"]),
        (&count(200, 300), &json!(1), &json!(true))
    );
    assert_eq!(all["savedBytes"], 0.0);

    let vip = policy("vip", &json!({"type": "boolean_attribute", "key": "vip", "value": true}));
    let off = json!({"name": "all", "enabled": false, "rule": {"type": "always_sample"}});
    let some = run(json!({"policies": [errors(), vip, off]})).await;
    // 10 failed traces of two spans, 4 of one span with the tag.
    assert_eq!(some["kept"], count(14, 24));
    assert_eq!(
        some["services"],
        json!([
            {"name": "shop", "examined": count(200, 200), "kept": count(14, 14)},
            {"name": "payment", "examined": count(100, 100), "kept": count(10, 10)},
        ])
    );
    assert_eq!(
        some["policies"][0],
        json!({"name": "errors", "kept": count(10, 20), "dropped": count(0, 0)})
    );
    assert_eq!(some["policies"][1], json!({"name": "vip", "kept": count(4, 4), "dropped": count(0, 0)}));
    assert_eq!(some["policies"][2]["kept"], count(0, 0));
    let bytes_per_span = some["bytesPerSpan"].as_f64().unwrap();
    assert!((50.0..5_000.0).contains(&bytes_per_span), "{bytes_per_span}");
    assert!((some["savedBytes"].as_f64().unwrap() / (276.0 * bytes_per_span) - 1.0).abs() < 1e-6);

    let half = policy("half", &json!({"type": "probabilistic", "samplingPercentage": 50}));
    let drop = policy(
        "no payment",
        &json!({"type": "drop", "rules": [
            {"type": "string_attribute", "key": "service.name", "values": ["payment"]}
        ]}),
    );
    let half = run(json!({"policies": [half, drop]})).await;
    let kept = half["kept"]["traces"].as_u64().unwrap();
    assert!((30..70).contains(&kept), "about half of the 100 without payment: {kept}");
    assert_eq!(half["policies"][1]["dropped"], count(100, 200));
    assert_eq!(server.stored_spans().await, 301);
    assert_eq!(server.reader().await.get("/api/v1/sampling").await["version"], 0);
}

/// Catches a dry run that reads the whole hour of a busy server, and rates that do not hold because a
/// share of each second was taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_over_too_much_looks_at_whole_seconds() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    // 30,000 traces of one span in 300 seconds, written directly: the database is what is under test.
    for statement in [
        "INSERT INTO services (name) VALUES ('shop')",
        "INSERT INTO operations (service_id, name) SELECT id, 'op' FROM services",
        "INSERT INTO resources (hash, service_id, attributes, dropped_attributes_count, schema_url)
         SELECT 'r', id, '{\"service.name\":\"shop\"}', 0, '' FROM services",
        "INSERT INTO scopes (hash, name, version, attributes, dropped_attributes_count, schema_url)
         VALUES ('s', '', '', '{}', 0, '')",
        "SELECT ensure_partitions(now() - interval '1 hour', now())",
        "INSERT INTO spans (start_time, duration_ns, span_id, trace_id, service_id, operation_id, resource_id,
                            scope_id, weight, flags, kind, status, start_sub_ns, attributes)
         SELECT date_trunc('second', now()) - interval '20 minutes' + n / 100 * interval '1 second', 5, n + 1,
                md5(n::text)::uuid, s.id, o.id, r.id, c.id, 1, 0, 2, 0, 0, '{}'
         FROM generate_series(0, 29999) AS n, services s, operations o, resources r, scopes c",
        "INSERT INTO traces
         SELECT trace_id, start_time, (extract(epoch FROM start_time) * 1000000)::bigint * 1000,
                (extract(epoch FROM start_time) * 1000000)::bigint * 1000 + 5, service_id, operation_id,
                service_id, operation_id, 1, 0, ARRAY[service_id], ARRAY[1], ARRAY[0]
         FROM spans",
    ] {
        sqlx::query(statement).execute(server.pool()).await.unwrap();
    }
    let settings =
        json!({"policies": [policy("rate", &json!({"type": "rate_limiting", "spansPerSecond": 10}))]});
    let (status, answer) =
        call(&editor, Method::POST, "/api/v1/sampling/dry-run", &json!({"settings": settings})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!((&answer["everyNthSecond"], &answer["complete"]), (&json!(2), &json!(true)));
    let examined = answer["examined"]["traces"].as_u64().unwrap();
    assert!((9_000..=20_000).contains(&examined) && examined % 100 == 0, "whole seconds: {examined}");
    assert_eq!(answer["kept"]["spans"].as_u64().unwrap(), examined / 10, "10 of 100 in every second");
    assert_eq!(answer["stored"], json!({"traces": 30_000, "spans": 30_000}));
}

/// Catches a client that is told nothing, or something that it cannot read, and settings that need a
/// restart.
#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_the_strategies_of_the_settings() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    let own_port = format!("http://{}/sampling", server.server.jaeger_sampling.unwrap());
    let main_port = server.url("/sampling");
    let ask_at = async |url: &str, service: &str| -> Value {
        let response = server.client.get(url).query(&[("service", service)]).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json");
        response.json().await.unwrap()
    };
    let ask = async |service: &str| ask_at(&own_port, service).await;
    let probabilistic = |rate: f64| json!({"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": rate}});
    assert_eq!(ask("anybody").await, probabilistic(1.0));
    assert_eq!(ask_at(&main_port, "anybody").await, probabilistic(1.0));

    let settings = json!({"head": {"defaultProbability": 0.5, "services": {
        "cron": {"tracesPerSecond": 3},
        "gate way&": {"probability": 0.25, "operations": {"GET /health": 0.001}}
    }}});
    let (status, _) = save(&editor, 0, &settings).await;
    assert_eq!(status, StatusCode::OK);
    tokio::time::timeout(Duration::from_secs(30), async {
        while ask("anybody").await != probabilistic(0.5) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("new settings are in force within seconds");
    assert_eq!(
        ask("cron").await,
        json!({"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": 3}})
    );
    let mut expected = probabilistic(0.25);
    expected["operationSampling"] = json!({
        "defaultSamplingProbability": 0.25,
        "defaultLowerBoundTracesPerSecond": 0.0,
        "perOperationStrategies": [
            {"operation": "GET /health", "probabilisticSampling": {"samplingRate": 0.001}}
        ]
    });
    assert_eq!(ask("gate way&").await, expected);
    assert_eq!(ask_at(&main_port, "gate way&").await, expected);

    for query in ["", "?service=", "?service=a&service=b"] {
        let response = server.client.get(format!("{own_port}{query}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(response.text().await.unwrap().contains("'service'"));
    }
}
