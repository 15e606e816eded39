//! The sender against a receiver of the same process: a real gRPC server that can be unwilling.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::model::SECOND_NS;
use super::plan::{Plan, follow};
use super::progress::Counters;
use super::send::{Patience, Sender};
use super::traffic::{arrivals, end_ns};
use crate::client::ApiKey;

const RETRY_DELAY: Duration = Duration::from_millis(300);

/// What a receiver answers before it begins to accept.
#[derive(Clone, Copy)]
enum Mood {
    Accepts,
    /// So many times `Unavailable` with `RetryInfo`.
    BusyFirst(u32),
    AlwaysUnavailable,
    RefusesKeys,
    RejectsOneSpan,
}

#[derive(Clone)]
struct Receiver {
    mood: Mood,
    refusals: Arc<AtomicU32>,
    received: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    span_ids: Vec<Vec<u8>>,
    trace_ids: HashSet<Vec<u8>>,
    services: HashSet<String>,
    authorizations: HashSet<String>,
    encodings: HashSet<String>,
    requests: u64,
    spans_per_request_max: usize,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        match self.mood {
            Mood::BusyFirst(times) if self.refusals.fetch_add(1, Ordering::SeqCst) < times => {
                let details = ErrorDetails::with_retry_info(Some(RETRY_DELAY));
                return Err(Status::with_error_details(tonic::Code::Unavailable, "busy", details));
            }
            Mood::AlwaysUnavailable => return Err(Status::unavailable("gone fishing")),
            Mood::RefusesKeys => return Err(Status::unauthenticated("no such key")),
            Mood::Accepts | Mood::BusyFirst(_) | Mood::RejectsOneSpan => {}
        }
        self.keep(request);
        let mut response = ExportTraceServiceResponse::default();
        if matches!(self.mood, Mood::RejectsOneSpan) {
            let error_message = "one span is too old".to_owned();
            response.partial_success = Some(ExportTracePartialSuccess { rejected_spans: 1, error_message });
        }
        Ok(Response::new(response))
    }
}

impl Receiver {
    fn keep(&self, request: Request<ExportTraceServiceRequest>) {
        let mut received = self.received.lock().unwrap();
        let header = |name: &str| {
            request
                .metadata()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        received.authorizations.insert(header("authorization"));
        received.encodings.insert(header("grpc-encoding"));
        received.requests += 1;
        let before = received.span_ids.len();
        for resource_spans in request.into_inner().resource_spans {
            let resource = resource_spans.resource.expect("a resource");
            received.services.insert(format!("{:?}", resource.attributes[0].value));
            for span in resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                received.trace_ids.insert(span.trace_id);
                received.span_ids.push(span.span_id);
            }
        }
        let count = received.span_ids.len() - before;
        received.spans_per_request_max = received.spans_per_request_max.max(count);
    }
}

/// A receiver on a port of its own; it ends with the returned task.
async fn receiver(mood: Mood) -> (Receiver, SocketAddr, JoinSet<()>) {
    let receiver = Receiver { mood, refusals: Arc::default(), received: Arc::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = TraceServiceServer::new(receiver.clone()).accept_compressed(CompressionEncoding::Gzip);
    let mut task = JoinSet::new();
    task.spawn(async move {
        Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener))
            .await
            .unwrap();
    });
    (receiver, address, task)
}

/// Two minutes of a Tuesday noon.
fn past() -> Plan {
    let end_s = 1_763_467_200;
    Plan { seed: 5, rate: 3.0, start_s: end_s - 120, live_s: end_s, end_s: Some(end_s) }
}

fn impatient() -> Patience {
    Patience {
        pause_first: Duration::from_millis(10),
        pause_max: Duration::from_millis(50),
        give_up_after: Duration::from_millis(200),
    }
}

struct Outcome {
    result: anyhow::Result<()>,
    counters: Arc<Counters>,
}

async fn send(plan: Plan, address: SocketAddr, patience: Patience, key: Option<&str>) -> Outcome {
    let (counters, stop) = (Arc::new(Counters::default()), CancellationToken::new());
    let key: Option<ApiKey> = key.map(|key| key.parse().unwrap());
    let endpoint = format!("http://{address}");
    let sender =
        Sender::start(&endpoint, key.as_ref(), patience, Arc::clone(&counters), stop.clone()).unwrap();
    follow(plan, &sender, &counters, &stop).await;
    Outcome { result: sender.finish().await, counters }
}

/// The ids of all spans that the plan should have sent.
fn planned(plan: Plan) -> Vec<Vec<u8>> {
    let end = plan.end_s.unwrap() * SECOND_NS;
    let requests =
        (plan.start_s..plan.end_s.unwrap()).flat_map(|second| arrivals(plan.seed, plan.rate, second));
    requests
        .filter(|request| end_ns(request) <= end)
        .flat_map(|request| request.spans)
        .map(|s| s.span.span_id)
        .collect()
}

fn count(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

/// Catches spans that get lost between the generator and the wire, sent twice, uncompressed,
/// without the key, or in requests without bound.
#[tokio::test]
async fn everything_made_is_received_once() {
    let (receiver, address, _task) = receiver(Mood::Accepts).await;
    let plan = past();
    let outcome = send(plan, address, impatient(), Some("slk_test")).await;
    outcome.result.unwrap();
    let received = receiver.received.lock().unwrap();
    let mut expected = planned(plan);
    let mut ids = received.span_ids.clone();
    expected.sort_unstable();
    ids.sort_unstable();
    assert!(expected.len() > 2_000, "{} spans are too few to test with", expected.len());
    assert!(expected == ids, "{} spans made, {} received", expected.len(), ids.len());
    assert_eq!(count(&outcome.counters.spans_sent), expected.len() as u64);
    assert!(received.services.len() >= 12);
    assert!(received.trace_ids.len() as u64 >= count(&outcome.counters.traces));
    assert!(received.spans_per_request_max <= 1_000);
    assert_eq!(received.authorizations, HashSet::from(["Bearer slk_test".to_owned()]));
    assert_eq!(received.encodings, HashSet::from(["gzip".to_owned()]));
}

/// Catches a client that loses a batch, or does not wait as it was told, when the server is busy.
#[tokio::test]
async fn a_busy_server_gets_everything_later() {
    let (receiver, address, _task) = receiver(Mood::BusyFirst(2)).await;
    let plan = Plan { start_s: past().live_s - 60, ..past() };
    let begun = Instant::now();
    let patience = Patience { give_up_after: Duration::from_secs(30), ..impatient() };
    let outcome = send(plan, address, patience, None).await;
    outcome.result.unwrap();
    assert!(begun.elapsed() >= RETRY_DELAY, "the server asked for a pause");
    assert_eq!(count(&outcome.counters.retries), 2);
    let received: HashSet<_> = receiver.received.lock().unwrap().span_ids.iter().cloned().collect();
    assert_eq!(received, planned(plan).into_iter().collect());
    assert_eq!(count(&outcome.counters.spans_dropped), 0);
}

/// Catches a client that never gives up, or that keeps quiet about what it dropped.
#[tokio::test]
async fn what_is_never_accepted_is_dropped_and_counted() {
    let (_receiver, address, _task) = receiver(Mood::AlwaysUnavailable).await;
    let plan = Plan { start_s: past().live_s - 20, ..past() };
    let outcome = send(plan, address, impatient(), None).await;
    outcome.result.unwrap();
    assert_eq!(count(&outcome.counters.spans_dropped), planned(plan).len() as u64);
    assert!(count(&outcome.counters.retries) > 1);
    assert!(outcome.counters.summary().contains("dropped"));
}

/// Catches a wrong key that is tried for ever, and an error that shows it.
#[tokio::test]
async fn a_refused_key_ends_the_demo() {
    let (_receiver, address, _task) = receiver(Mood::RefusesKeys).await;
    let outcome = send(past(), address, Patience::default(), Some("slk_wrong")).await;
    let error = format!("{:#}", outcome.result.unwrap_err());
    assert!(error.contains("API key") && !error.contains("slk_wrong"), "{error}");
    assert_eq!(count(&outcome.counters.spans_sent), 0);
}

/// Catches rejected spans that are counted as sent.
#[tokio::test]
async fn rejected_spans_are_counted() {
    let (receiver, address, _task) = receiver(Mood::RejectsOneSpan).await;
    let plan = Plan { start_s: past().live_s - 20, ..past() };
    let outcome = send(plan, address, impatient(), None).await;
    outcome.result.unwrap();
    let received = receiver.received.lock().unwrap();
    let (sent, rejected) = (count(&outcome.counters.spans_sent), count(&outcome.counters.spans_rejected));
    assert_eq!(rejected, received.requests, "one of each request");
    assert_eq!(sent + rejected, received.span_ids.len() as u64);
}

/// Catches a demo that goes on retrying after Ctrl-C.
#[tokio::test]
async fn stopping_ends_the_retries() {
    let (_receiver, address, _task) = receiver(Mood::AlwaysUnavailable).await;
    let (counters, stop) = (Arc::new(Counters::default()), CancellationToken::new());
    let patience = Patience {
        pause_first: Duration::from_mins(1),
        pause_max: Duration::from_mins(1),
        ..Patience::default()
    };
    let sender =
        Sender::start(&format!("http://{address}"), None, patience, Arc::clone(&counters), stop.clone())
            .unwrap();
    let plan = Plan { end_s: None, ..past() };
    let stopper = async {
        while count(&counters.retries) == 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let begun = Instant::now();
    let ((), ()) = tokio::join!(follow(plan, &sender, &counters, &stop), stopper);
    sender.finish().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "the pause of a minute was cut short");
    assert!(count(&counters.spans_dropped) > 0);
}
