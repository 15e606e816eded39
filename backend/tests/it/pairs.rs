//! Attributes that many spans have are stored once, and nobody who reads spans notices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom::custom::backfill;
use spanloom::roles::Roles;
use spanloom_formats::{TimeBounds, otlp, otlp_json};
use spanloom_model::api::Role;
use spanloom_model::{AttrValue, Attributes, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId};
use sqlx::postgres::PgConnectOptions;

use super::dependencies;
use super::harness::{self, Spanloom, end_connections, now_us};

pub const DAY_NS: i64 = 86_400_000_000_000;

/// Without jobs: tests run them.
pub async fn start_on(database: &PgConnectOptions) -> Spanloom {
    Spanloom::start_on(database, |config| config.roles = Roles { jobs: false, ..config.roles }).await
}

/// The only span of a trace.
pub fn span(trace: u128, ago_ns: i64, attributes: Vec<(String, AttrValue)>) -> Span {
    let service = ("service.name".to_owned(), AttrValue::from("shop"));
    Span {
        // What is kept of a trace is decided by the lower bits: spread them.
        trace_id: TraceId::new(trace.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).unwrap(),
        span_id: SpanId::new(7).unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: "op".into(),
        kind: SpanKind::Server,
        start_ns: now_us() * 1_000 - ago_ns,
        duration_ns: 5,
        attributes: Attributes::from_entries(attributes),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: SpanStatus::Unset,
        status_message: String::new(),
        resource: Arc::new(Resource { attributes: [service].into_iter().collect(), ..Resource::default() }),
        scope: Arc::new(Scope::default()),
    }
}

pub async fn send(server: &Spanloom, spans: &[Span]) {
    let post =
        server.client.post(server.url("/v1/traces")).header("Content-Type", "application/x-protobuf");
    let response = post.body(otlp::encode(spans)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.unwrap().is_empty(), "a span was rejected");
    server.server.settled().await;
}

/// Keys and values in the dictionary.
pub async fn dictionary(server: &Spanloom) -> BTreeSet<(String, String)> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT key, value FROM attribute_pairs").fetch_all(server.pool()).await.unwrap();
    rows.into_iter().collect()
}

/// Spans that refer to pairs, and how often any refers to one that is not there.
pub async fn references(server: &Spanloom) -> (i64, i64) {
    sqlx::query_as(
        "SELECT count(DISTINCT trace_id), count(*) FILTER (WHERE p.id IS NULL)
         FROM spans CROSS JOIN LATERAL unnest(attribute_numbers(attribute_ids)) AS i (id) LEFT JOIN attribute_pairs p USING (id)",
    )
    .fetch_one(server.pool())
    .await
    .unwrap()
}

/// Reads each span in all ways and compares its attributes with those that were sent.
pub async fn assert_equal(server: &Spanloom, spans: &[Span]) {
    let reader = server.reader().await;
    for span in spans {
        let path = format!("/api/v1/traces/{}", span.trace_id);
        // As text, because 0.0 and -0.0 are equal as numbers.
        let sent = serde_json::to_value(&span.attributes).unwrap().to_string();
        let trace = reader.get(&path).await;
        // Which are left out if there are none.
        let told = trace["spans"][0].get("attributes").map_or("{}".to_owned(), Value::to_string);
        assert_eq!(told, sent);
        let exported = reader.response(&format!("{path}/otlp")).await.bytes().await.unwrap();
        let exported = otlp_json::decode(&exported, TimeBounds::ANY).unwrap();
        assert_eq!(serde_json::to_value(&exported.spans[0].attributes).unwrap().to_string(), sent);
    }
    let by_sql: Vec<(uuid::Uuid, Value)> =
        sqlx::query_as("SELECT trace_id, span_attributes(attributes, attribute_ids) FROM spans")
            .fetch_all(server.pool())
            .await
            .unwrap();
    let by_sql: BTreeMap<u128, Value> =
        by_sql.into_iter().map(|(id, attributes)| (id.as_u128(), attributes)).collect();
    for span in spans {
        let sent: Value = sqlx::query_scalar("SELECT $1::jsonb")
            .bind(serde_json::to_string(&span.attributes).unwrap())
            .fetch_one(server.pool())
            .await
            .unwrap();
        assert_eq!(by_sql[&span.trace_id.get()], sent);
    }
}

fn random_value(random: &mut StdRng) -> AttrValue {
    let texts = ["", "5", "true", "null", "{}", "say \"x\"\\ \u{1}\t", "snø ☃ 𝄞", "{\"$double\":\"NaN\"}"];
    let doubles = [0.0, -0.0, 5.0, 1e21, 5e-324, 0.1, f64::MAX, f64::NAN, f64::NEG_INFINITY];
    match random.random_range(0..10) {
        0..3 => texts[random.random_range(0..texts.len())].into(),
        3 => AttrValue::Int([5, 0, -1, i64::MAX, i64::MIN][random.random_range(0..5)]),
        4..6 => AttrValue::Double(doubles[random.random_range(0..doubles.len())]),
        6 => random.random_bool(0.5).into(),
        7 => AttrValue::Bytes(vec![0, 255]),
        8 => AttrValue::Array(vec!["a".into(), 5.into()]),
        // Longer than what gets a number.
        _ => "é".repeat(random.random_range(29..34)).into(),
    }
}

fn random_attributes(random: &mut StdRng) -> Vec<(String, AttrValue)> {
    let keys = ["a", "b.c", "z", "ключ \"k\"", "$bytes"];
    let count = random.random_range(0..6);
    let mut attributes: Vec<(String, AttrValue)> = (0..count)
        .map(|_| (keys[random.random_range(0..keys.len())].to_owned(), random_value(random)))
        .collect();
    if random.random_bool(0.3) {
        attributes.push(("id".to_owned(), format!("{:x}", random.random::<u128>()).into()));
    }
    attributes
}

/// Catches attributes that are lost, doubled, changed in type or value, or mixed up with others', on their
/// way through the dictionary: whichever of them are in it, by whichever writer, known to it or not.
#[tokio::test(flavor = "multi_thread")]
async fn attributes_come_back_equal_whatever_is_in_the_dictionary() {
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut next = 0;
        let mut batch = |random: &mut StdRng, count: usize| -> Vec<Span> {
            let mut span = || {
                next += 1;
                span(next, 60_000_000_000, random_attributes(random))
            };
            (0..count).map(|_| span()).collect()
        };
        let database = harness::database().await;
        let (one, other) = (start_on(&database).await, start_on(&database).await);
        let mut sent = Vec::new();
        for _ in 0..8 {
            // Two writers at once, with the same new pairs.
            let (mine, yours) = (batch(&mut random, 20), batch(&mut random, 20));
            tokio::join!(send(&one, &mine), send(&other, &yours));
            sent.extend(mine.into_iter().chain(yours));
        }
        // Another one that knows nothing yet.
        let cold = start_on(&database).await;
        let last = batch(&mut random, 12);
        send(&cold, &last).await;
        sent.extend(last);

        let (by_number, dangling) = references(&one).await;
        assert!(by_number > 50, "{by_number} of {} spans refer to pairs", sent.len());
        assert_eq!(dangling, 0);
        let pairs = dictionary(&one).await;
        for (key, value) in &pairs {
            let read: AttrValue = serde_json::from_str(value).unwrap();
            assert!(
                !matches!(
                    read,
                    AttrValue::Bytes(_) | AttrValue::Array(_) | AttrValue::Map(_) | AttrValue::Null
                ),
                "{key}: {value}"
            );
            assert!(value.len() <= 64 && key != "id", "{key}: {value}");
        }
        let values: BTreeSet<&str> = pairs.iter().map(|(_, value)| &value[..]).collect();
        for value in ["\"5\"", "5", "5.0", "0.0", "-0.0", "\"\""] {
            assert!(values.contains(value), "{value}: {values:?}");
        }
        assert_equal(&one, &sent).await;
    }
}

/// Catches a search by tag whose answer depends on whether the pair is in the dictionary, and pairs of
/// another key, value or part of a value that are taken for the one asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_by_tag_finds_the_same_by_number() {
    let server = start_on(&harness::database().await).await;
    let reader = server.reader().await;
    let values: Vec<AttrValue> = vec![
        "5".into(),
        5.into(),
        5.0.into(),
        55.into(),
        "true".into(),
        true.into(),
        "".into(),
        1e21.into(),
        f64::NAN.into(),
        "a\"b".into(),
    ];
    let asked = ["5", "5.0", "55", "true", "false", "1e21", "NaN", "a\"b", "a", "6"];
    let mut sent: Vec<(TraceId, usize)> = Vec::new();
    let mut answers = Vec::new();
    for round in 0..3 {
        let spans: Vec<Span> = (0..values.len())
            .map(|index| {
                let attributes = vec![("code".into(), values[index].clone()), ("other".into(), 6.into())];
                span((round * values.len() + index + 1) as u128, 60_000_000_000, attributes)
            })
            .collect();
        sent.extend(spans.iter().map(|span| span.trace_id).zip(0..));
        send(&server, &spans).await;
        let kinds: BTreeMap<String, usize> =
            sent.iter().map(|(trace, kind)| (trace.to_string(), *kind)).collect();
        let mut answer = Vec::new();
        for text in asked {
            let tag: String =
                format!("code={text}").bytes().fold(String::new(), |url, byte| format!("{url}%{byte:02X}"));
            let found = reader.get(&format!("/api/v1/traces?limit=100&tag={tag}")).await;
            let found = found["traces"].as_array().unwrap().iter();
            let mut found: Vec<usize> =
                found.map(|trace| kinds[trace["traceId"].as_str().unwrap()]).collect();
            found.sort_unstable();
            answer.push((text, found));
        }
        answers.push(answer);
    }
    let pairs = dictionary(&server).await;
    assert_eq!(pairs.len(), values.len() + 1, "{pairs:?}");
    let (by_number, _) = references(&server).await;
    assert!(by_number >= 2 * values.len() as i64, "later spans refer to pairs: {by_number}");

    assert_eq!(answers[0][0], ("5", vec![0, 1]));
    assert_eq!(answers[0][3], ("true", vec![4, 5]));
    assert_eq!(answers[0][8..], [("a", vec![]), ("6", vec![])]);
    for (round, answer) in answers.iter().enumerate() {
        for ((text, found), (_, first)) in answer.iter().zip(&answers[0]) {
            let expected: Vec<usize> =
                first.iter().flat_map(|kind| std::iter::repeat_n(*kind, round + 1)).collect();
            assert_eq!(found, &expected, "{text} in round {round}");
        }
    }
}

/// Catches calls to what sends no spans that are not found when what names it is in the dictionary.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_by_call_finds_what_pairs_name() {
    use opentelemetry_proto::tonic::trace::v1::span::SpanKind::Client;
    let server = start_on(&harness::database().await).await;
    for trace in 1..=4 {
        let client = |id| dependencies::sent("web", trace, id, 0, Client);
        let spans = [
            client(1).with("db.system.name", "postgresql").with("db.namespace", "shop"),
            client(2).with("peer.service", "pay"),
            client(3).with("peer.service", "paypal"),
        ];
        dependencies::send(&server, &spans).await;
    }
    assert!(dictionary(&server).await.contains(&("peer.service".into(), "\"pay\"".into())));
    let reader = server.reader().await;
    for callee in ["database:postgresql/shop", "external:pay", "external:paypal"] {
        let found = reader.get(&format!("/api/v1/traces?caller=web&callee={callee}")).await;
        assert_eq!(found["traces"].as_array().unwrap().len(), 4, "{callee}");
    }
    let found = reader.get("/api/v1/traces?caller=web&callee=external:shop").await;
    assert!(found["traces"].as_array().unwrap().is_empty());
}

/// Catches readers of many spans that see only what is stored with the span: completion, the preview and
/// the back-fill of custom metrics, the dry run of sampling.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_many_spans_reads_their_pairs() {
    let server = start_on(&harness::database().await).await;
    let editor = server.login(Role::Editor).await;
    for trace in 1..=6_u64 {
        let tier = if trace % 3 == 0 { "gold" } else { "blue" };
        let attributes = vec![("tier".into(), tier.into()), ("total".into(), 10.into())];
        send(&server, &[span(trace.into(), 60_000_000_000, attributes)]).await;
    }
    assert_eq!(dictionary(&server).await.len(), 3);
    let reader = server.reader().await;
    let keys = reader.get("/api/v1/tags").await;
    assert_eq!(keys["keys"][1], json!({"key": "tier", "spans": 6}), "{keys}");
    let values = reader.get("/api/v1/tags/tier/values").await;
    assert_eq!(values["values"][0], json!({"value": "blue", "type": "string", "spans": 4}));

    let post = async |path: &str, body: &Value| -> Value {
        let response = editor.request(Method::POST, path).json(body).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    };
    let rule = json!({"type": "string_attribute", "key": "tier", "values": ["gold"]});
    let trial = json!({"settings": {"policies": [{"name": "gold", "rule": rule}]}});
    let trial = post("/api/v1/sampling/dry-run", &trial).await;
    assert_eq!(trial["kept"], json!({"traces": 2, "spans": 2}));

    let definition = json!({
        "name": "gold_total", "value": {"type": "attribute", "key": "total"},
        "aggregation": {"type": "sum"}, "groupBy": [{"type": "attribute", "key": "tier"}]
    });
    let preview = post("/api/v1/custom-metrics/preview", &json!({"definition": definition})).await;
    let id = post("/api/v1/custom-metrics", &definition).await["id"].as_str().unwrap().to_owned();
    backfill::work(server.pool(), &server.config.storage.limits()).await.unwrap();
    let series = reader.get(&format!("/api/v1/custom-metrics/{id}/series")).await;
    for answer in [&preview["result"], &series] {
        let series = answer["series"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        let totals: BTreeMap<String, Value> = series
            .map(|one| (one["labels"]["tier"].as_str().unwrap().to_owned(), one["total"].clone()))
            .collect();
        let expected = [("blue".to_owned(), json!(40.0)), ("gold".to_owned(), json!(20.0))];
        assert_eq!(totals, BTreeMap::from(expected), "{answer}");
    }
}

/// Catches a dictionary that fills with what never repeats, or repeats within one trace alone.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_one_trace_add_no_rows() {
    let server = start_on(&harness::database().await).await;
    for round in 0..4_u128 {
        let spans: Vec<Span> = (0..2_000)
            .map(|index| {
                // Ten spans a trace.
                let trace = 1 + round * 200 + index / 10;
                let unique = (round * 2_000 + index).to_string();
                let attributes = vec![
                    ("request.id".into(), unique.as_str().into()),
                    ("order.id".into(), AttrValue::Int(trace as i64)),
                    ("region".into(), "eu".into()),
                ];
                Span { span_id: SpanId::new(index as u64 + 1).unwrap(), ..span(trace, 0, attributes) }
            })
            .collect();
        send(&server, &spans).await;
    }
    assert_eq!(server.stored_spans().await, 8_000);
    assert_eq!(dictionary(&server).await, BTreeSet::from([("region".into(), "\"eu\"".into())]));
    assert_eq!(references(&server).await, (799, 0), "all but the first trace");
}

/// Catches a writer that has to see pairs again after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_writer_knows_the_dictionary() {
    let database = harness::database().await;
    let attributes = || vec![("region".into(), "eu".into())];
    let server = start_on(&database).await;
    for trace in 1..=2 {
        send(&server, &[span(trace, 0, attributes())]).await;
    }
    assert_eq!(references(&server).await, (1, 0), "the second one repeats the first");
    server.server.stop().await.unwrap();
    let server = start_on(&database).await;
    send(&server, &[span(3, 0, attributes())]).await;
    assert_eq!(references(&server).await, (2, 0));
}

/// Catches a reader that remembers pairs of a database that was restored from a backup meanwhile, in which
/// numbers are given away again.
#[tokio::test(flavor = "multi_thread")]
async fn another_database_is_not_read_with_the_pairs_of_the_first() {
    let server = start_on(&harness::database().await).await;
    let attributes = |region: &str| vec![("region".into(), region.into())];
    let spans: Vec<Span> = (1..=2).map(|trace| span(trace, 0, attributes("eu"))).collect();
    send(&server, &spans).await;
    assert_equal(&server, &spans).await;
    sqlx::query("UPDATE attribute_pairs SET value = '\"us\"'").execute(server.pool()).await.unwrap();
    end_connections(&server).await;
    let trace = server.reader().await.get(&format!("/api/v1/traces/{}", spans[1].trace_id)).await;
    assert_eq!(trace["spans"][0]["attributes"], json!({"region": "us"}));
}
