//! Clients that send until they are told to stop, each request again until it is acknowledged, as
//! SDKs do; and whether every span is there once in the end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::harness::{PATIENCE, now_us, until};

const SENDERS: usize = 4;

/// Spans of a request.
const SPANS: u64 = 20;

/// Spans of a trace: a request has several traces, so that it is split among partitions.
const TRACE_SPANS: u64 = 5;

/// Running clients.
pub struct Load {
    requests: Arc<Requests>,
    senders: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Requests {
    next: AtomicU64,
    stop: AtomicBool,
    acknowledged: Mutex<Vec<u64>>,
}

impl Load {
    /// Starts clients that send to these servers in turn; one that does not answer is skipped.
    pub fn start(client: &reqwest::Client, servers: &[String]) -> Self {
        let requests = Arc::new(Requests::default());
        let urls: Arc<[String]> = servers.iter().map(|server| format!("{server}/api/v1/spans")).collect();
        let senders = (0..SENDERS)
            .map(|_| tokio::spawn(send(client.clone(), urls.clone(), requests.clone())))
            .collect();
        Self { requests, senders }
    }

    /// How many requests were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.requests.acknowledged.lock().unwrap().len()
    }

    /// Stops the clients and waits until everything is in the database; then every span is there
    /// once, in the metrics and traces too.
    pub async fn finish(self, pool: &PgPool, told: &str) {
        self.requests.stop.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
        let acknowledged = self.requests.acknowledged.lock().unwrap().clone();
        let count =
            async |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(pool).await.unwrap();
        let sent = (self.requests.next.load(Ordering::Relaxed) * SPANS) as i64;
        assert_eq!(acknowledged.len() as i64 * SPANS as i64, sent, "each client ends with an answer");
        until("everything queued is written", async || count("SELECT count(*) FROM spans").await >= sent)
            .await;

        let stored: Vec<(i64, i64)> =
            sqlx::query_as("SELECT span_id, count(*) FROM spans GROUP BY span_id")
                .fetch_all(pool)
                .await
                .unwrap();
        let stored: HashMap<i64, i64> = stored.into_iter().collect();
        for request in acknowledged {
            for id in request * SPANS + 1..=(request + 1) * SPANS {
                assert_eq!(stored.get(&(id as i64)), Some(&1), "span {id} after {told}");
            }
        }
        assert!(stored.values().all(|count| *count == 1), "doubled after {told}");
        let stored = stored.len() as i64;
        assert_eq!(count("SELECT sum(span_count)::bigint FROM metrics_minute").await, stored, "metrics");
        assert_eq!(count("SELECT sum(span_count)::bigint FROM traces").await, stored, "pieces of traces");
    }
}

fn body(request: u64) -> Value {
    let now = now_us();
    (0..SPANS)
        .map(|index| {
            let id = request * SPANS + index + 1;
            json!({
                "traceId": format!("{:032x}", (id - 1) / TRACE_SPANS + 1), "spanId": format!("{id:016x}"),
                "name": "op", "serviceName": "crash", "startTime": now, "duration": 5
            })
        })
        .collect()
}

async fn send(client: reqwest::Client, urls: Arc<[String]>, requests: Arc<Requests>) {
    while !requests.stop.load(Ordering::Relaxed) {
        let request = requests.next.fetch_add(1, Ordering::Relaxed);
        let body = body(request);
        let started = Instant::now();
        for url in urls.iter().cycle().skip(request as usize % urls.len()) {
            let answer = client.post(url).json(&body).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "no server comes back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        requests.acknowledged.lock().unwrap().push(request);
    }
}
