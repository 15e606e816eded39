//! Calls that end outside the shop's services: databases, the cache, foreign providers.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use rand::RngExt;

use super::attributes::Attributes;
use super::failure::{Medium, exception};
use super::library::Library;
use super::model::{Command, External, Fault, Latency, Provider, Query, us};
use super::semantics;
use super::span::Ending;
use super::walk::{Done, Failed, Place, Walk, failing};

/// The databases cancel what takes longer.
const STATEMENT_TIMEOUT_NS: u64 = 2_000_000_000;
const CACHE_LATENCY: Latency = us(320, 0.5);
/// How many requests a provider in trouble leaves without an answer.
const UNANSWERED: f64 = 0.65;

impl Walk<'_> {
    pub(super) fn sql(&mut self, query: &'static Query, place: &Place, start_ns: u64) -> Done {
        let namespace = query.database.namespace;
        let slowness = self.world.database_slowness(namespace);
        let mut took_ns = (query.latency.sample_ns(self.rng) as f64 * slowness) as u64;
        let is_stuck = self.world.cancels_statements(namespace) && self.rng.random_bool(0.04);
        let mut fault = None;
        if is_stuck || took_ns > STATEMENT_TIMEOUT_NS {
            took_ns = STATEMENT_TIMEOUT_NS;
            fault = Some(Fault::StatementTimeout);
        }
        let attributes = semantics::sql(self.rng, query, &self.customer, fault);
        let what = (Library::Sql, format!("{} {}", query.operation, query.table));
        let failed = fault.map(|fault| Failed { fault, medium: Medium::Sql, target: query.database.host });
        self.leaf(place, what, (start_ns, took_ns), attributes, failed)
    }

    pub(super) fn cache(&mut self, command: &'static Command, place: &Place, start_ns: u64) -> Done {
        let took_ns = CACHE_LATENCY.sample_ns(self.rng);
        let fault = self.world.cache_is_down().then_some(Fault::Refused);
        let attributes = semantics::cache(command, &self.customer, fault);
        let failed =
            fault.map(|fault| Failed { fault, medium: Medium::Cache, target: semantics::CACHE_HOST });
        let what = (Library::Cache, command.operation.to_owned());
        self.leaf(place, what, (start_ns, took_ns), attributes, failed)
    }

    pub(super) fn external(
        &mut self,
        to: &'static External,
        attempt: u8,
        place: &Place,
        start_ns: u64,
    ) -> Done {
        let is_down = to.provider == Provider::Payment && self.world.payment_is_down();
        let timeout_ns = u64::from(to.timeout_ms) * 1_000_000;
        let slowness = if is_down { 4 } else { 1 };
        let is_unanswered = is_down && self.rng.random_bool(UNANSWERED);
        let mut took_ns = to.latency.sample_ns(self.rng) * slowness;
        let fault = if is_unanswered || took_ns >= timeout_ns {
            took_ns = timeout_ns;
            Some(Fault::Timeout)
        } else {
            self.draw_fault(to.faults)
        };
        let attributes = semantics::external(&self.customer, to, attempt, fault);
        let failed = fault.map(|fault| Failed { fault, medium: Medium::Http, target: to.provider.host() });
        let what = (Library::HttpClient, to.method.to_owned());
        self.leaf(place, what, (start_ns, took_ns), attributes, failed)
    }

    fn leaf(
        &mut self,
        place: &Place,
        (library, name): (Library, String),
        (start_ns, took_ns): (u64, u64),
        attributes: Attributes,
        failed: Option<Failed>,
    ) -> Done {
        let what = (SpanKind::Client, library, name);
        let (index, _) = self.begin(place.context(false), place.process, place.handler, what, start_ns);
        // An answer, even a bad one, is no exception of the client library.
        let is_raised = |failed: &Failed| failed.medium != Medium::Http || failed.fault == Fault::Timeout;
        let exception = failed.filter(is_raised).map(|failed| exception(&failing(place, failed)));
        let end_ns = start_ns + took_ns;
        let ending = Ending { attributes, is_error: failed.is_some(), exception, links: Vec::new() };
        self.end(index, end_ns, ending);
        Done { end_ns, failed }
    }
}
