//! Walks an operation of the shop and records the spans that its services would send.
//!
//! Pure: the same random numbers, time and world give the same spans. A parent always comes
//! before its children, and what is called synchronously ends before its caller does.

use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use rand::RngExt;

use super::attributes::Attributes;
use super::customer::Customer;
use super::failure::{Failing, Medium, exception};
use super::library::Library;
use super::model::{DemoRng, Entry, Fault, Latency, Operation, Queue, Service, Step, us};
use super::resource::Process;
use super::semantics;
use super::span::{Beginning, Context, DemoSpan, Ending, begin, end, link_to};
use super::world::WorldState;

/// How often a bad release fails by itself.
const BAD_RELEASE_FAULTS: f64 = 0.06;
/// How much longer a bad release works.
const BAD_RELEASE_SLOWNESS: f64 = 5.0;
const DELIVERIES_MAX: u32 = 3;
const NETWORK: Latency = us(220, 0.4);

/// One request's way through the shop.
pub struct Walk<'a> {
    pub(super) rng: &'a mut DemoRng,
    pub(super) world: &'a WorldState,
    pub(super) customer: Customer,
    pub(super) spans: Vec<DemoSpan>,
    /// Nothing new begins once there are so many spans.
    spans_max: usize,
}

/// Where something happens: in which handler of which process, and under which span.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub process: Process,
    pub handler: &'static str,
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
}

impl Place {
    pub(super) fn context(&self, is_remote: bool) -> Context {
        Context { trace_id: self.trace_id, span_id: Some(self.span_id), is_remote }
    }
}

/// A failure on its way up.
#[derive(Debug, Clone, Copy)]
pub struct Failed {
    pub fault: Fault,
    pub medium: Medium,
    pub target: &'static str,
}

/// How and when something ended.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub end_ns: u64,
    pub failed: Option<Failed>,
}

impl Done {
    pub(super) const fn well(end_ns: u64) -> Self {
        Self { end_ns, failed: None }
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.failed.map(|failed| failed.fault)
    }
}

impl<'a> Walk<'a> {
    pub fn new(rng: &'a mut DemoRng, world: &'a WorldState, spans_max: usize) -> Self {
        let customer = Customer::draw(rng);
        Self { rng, world, customer, spans: Vec::with_capacity(48), spans_max }
    }

    pub fn is_full(&self) -> bool {
        self.spans.len() >= self.spans_max
    }

    pub fn root_context(&mut self) -> Context {
        let trace_id = self.rng.random::<u128>().max(1).to_be_bytes();
        Context { trace_id, span_id: None, is_remote: false }
    }

    /// An operation is asked for and answers.
    pub fn handle(
        &mut self,
        operation: &'static Operation,
        from: Context,
        links: Vec<Link>,
        start_ns: u64,
    ) -> Done {
        let (kind, library, name) = match operation.entry {
            Entry::Http { method, route } => {
                (SpanKind::Server, Library::HttpServer, format!("{method} {route}"))
            }
            Entry::Grpc { service, method } => {
                (SpanKind::Server, Library::Grpc, format!("{service}/{method}"))
            }
            Entry::Message(queue) => {
                (SpanKind::Consumer, Library::from(queue.broker), format!("process {}", queue.name))
            }
            Entry::Job(name) => (SpanKind::Internal, Library::Own, name.to_owned()),
        };
        let process = self.process_of(operation.service);
        let (index, place) = self.begin(from, process, operation.handler, (kind, library, name), start_ns);
        let done = self.work_through(operation, &place, start_ns);
        let attributes = self.server_attributes(operation, &process, from.span_id.is_none(), done.fault());
        // Clients' mistakes are no errors of the server, but worth a stack trace where money is involved.
        let is_error = done.fault().is_some_and(Fault::is_server_error);
        let is_told = is_error || matches!(done.fault(), Some(Fault::Declined | Fault::OutOfStock));
        let exception = done.failed.filter(|_| is_told).map(|failed| exception(&failing(&place, failed)));
        self.end(index, done.end_ns, Ending { attributes, is_error, exception, links });
        done
    }

    fn work_through(&mut self, operation: &'static Operation, place: &Place, start_ns: u64) -> Done {
        let start_ns = start_ns + us(90, 0.5).sample_ns(self.rng);
        let fault = self.own_fault(operation, place.process);
        let failed = fault.map(|fault| Failed { fault, medium: Medium::Own, target: "" });
        // A defect shows after part of the work; a bad request is noticed before it.
        if failed.is_some() && fault != Some(Fault::Bug) {
            return Done { end_ns: start_ns + us(900, 0.5).sample_ns(self.rng), failed };
        }
        let done = self.run(operation.steps, place, start_ns);
        Done { end_ns: done.end_ns + us(60, 0.5).sample_ns(self.rng), failed: done.failed.or(failed) }
    }

    fn own_fault(&mut self, operation: &Operation, process: Process) -> Option<Fault> {
        let is_bad = self.world.runs_bad_release(process.service, process.instance);
        if is_bad && self.rng.random_bool(BAD_RELEASE_FAULTS) {
            return Some(Fault::Bug);
        }
        self.draw_fault(operation.faults)
    }

    pub(super) fn draw_fault(&mut self, faults: &[(f64, Fault)]) -> Option<Fault> {
        faults.iter().find(|(probability, _)| self.rng.random_bool(*probability)).map(|(_, fault)| *fault)
    }

    fn server_attributes(
        &mut self,
        operation: &Operation,
        process: &Process,
        is_public: bool,
        fault: Option<Fault>,
    ) -> Attributes {
        let attributes = match operation.entry {
            Entry::Http { method, route } => {
                semantics::http_server(self.rng, &self.customer, (method, route), process, is_public, fault)
            }
            Entry::Grpc { service, method } => semantics::grpc(service, method, process.service, fault),
            Entry::Message(queue) => {
                let message_id = self.rng.random();
                semantics::messaging(self.rng, queue, message_id, Some(process.service))
            }
            Entry::Job(name) => Attributes::default().text("app.job.name", name),
        };
        attributes.and(semantics::details(&self.customer, operation.details))
    }

    /// Steps one after the other, up to the first failure.
    pub(super) fn run(&mut self, steps: &'static [Step], place: &Place, start_ns: u64) -> Done {
        let mut done = Done::well(start_ns);
        for step in steps {
            done = self.step(step, place, done.end_ns);
            if done.failed.is_some() {
                break;
            }
        }
        done
    }

    pub fn step(&mut self, step: &'static Step, place: &Place, start_ns: u64) -> Done {
        if self.is_full() {
            return Done::well(start_ns);
        }
        match step {
            Step::Work(latency) => Done::well(start_ns + self.own_work_ns(*latency, place.process)),
            Step::Internal { name, steps } => self.internal(name, steps, place, start_ns),
            Step::Call { to, attempts } => self
                .attempt(*attempts, start_ns, |walk, attempt, at_ns| walk.call(to, attempt, place, at_ns)),
            Step::Sql(query) => self.sql(query, place, start_ns),
            Step::Cache(command) => self.cache(command, place, start_ns),
            Step::CacheAside { get, hit, otherwise } => {
                let done = self.cache(get, place, start_ns);
                if done.failed.is_none() && self.rng.random_bool(*hit) {
                    return done;
                }
                self.run(otherwise, place, done.end_ns)
            }
            Step::External(to) => self.attempt(to.attempts, start_ns, |walk, attempt, at_ns| {
                walk.external(to, attempt, place, at_ns)
            }),
            Step::Publish { queue, to } => self.publish(queue, to, place, start_ns),
            Step::Parallel(steps) => self.parallel(steps, place, start_ns),
            Step::Sometimes(probability, steps) => {
                if !self.rng.random_bool(*probability) {
                    return Done::well(start_ns);
                }
                self.run(steps, place, start_ns)
            }
            Step::Repeat { from, to, steps } => {
                let times = self.rng.random_range(*from..=*to);
                let mut done = Done::well(start_ns);
                for _ in 0..times {
                    done = self.run(steps, place, done.end_ns);
                    if done.failed.is_some() {
                        break;
                    }
                }
                done
            }
            Step::Tolerate(steps) => Done::well(self.run(steps, place, start_ns).end_ns),
        }
    }

    fn own_work_ns(&mut self, latency: Latency, process: Process) -> u64 {
        let busy = 0.9 + 0.1 * self.world.load;
        let is_bad = self.world.runs_bad_release(process.service, process.instance);
        let slowness = if is_bad { BAD_RELEASE_SLOWNESS } else { 1.0 };
        (latency.sample_ns(self.rng) as f64 * busy * slowness) as u64
    }

    fn internal(&mut self, name: &str, steps: &'static [Step], place: &Place, start_ns: u64) -> Done {
        let what = (SpanKind::Internal, Library::Own, name.to_owned());
        let (index, inside) =
            self.begin(place.context(false), place.process, place.handler, what, start_ns);
        let done = self.run(steps, &inside, start_ns);
        let is_error = done.fault().is_some_and(Fault::is_server_error);
        self.end(index, done.end_ns, Ending { is_error, ..Ending::default() });
        done
    }

    fn parallel(&mut self, steps: &'static [Step], place: &Place, start_ns: u64) -> Done {
        let mut at_ns = start_ns;
        let mut all = Done::well(start_ns);
        for step in steps {
            let done = self.step(step, place, at_ns);
            all.end_ns = all.end_ns.max(done.end_ns);
            all.failed = all.failed.or(done.failed);
            at_ns += us(40, 0.4).sample_ns(self.rng);
        }
        all
    }

    /// Again and again with growing pauses, as long as it may help.
    fn attempt(
        &mut self,
        attempts: u8,
        start_ns: u64,
        mut once: impl FnMut(&mut Self, u8, u64) -> Done,
    ) -> Done {
        let mut done = once(self, 0, start_ns);
        for attempt in 1..attempts {
            if self.is_full() || !done.fault().is_some_and(Fault::is_retryable) {
                break;
            }
            let pause_ms = 30_u64 << attempt.min(6);
            let at_ns = done.end_ns + self.rng.random_range(pause_ms / 2..pause_ms) * 1_000_000;
            done = once(self, attempt, at_ns);
        }
        done
    }

    fn call(&mut self, to: &'static Operation, attempt: u8, place: &Place, start_ns: u64) -> Done {
        let (library, medium, name) = match to.entry {
            Entry::Http { method, .. } => (Library::HttpClient, Medium::Http, method.to_owned()),
            Entry::Grpc { service, method } => (Library::Grpc, Medium::Grpc, format!("{service}/{method}")),
            // Nobody waits for messages and jobs; a test holds the shop to it.
            Entry::Message(_) | Entry::Job(_) => return Done::well(start_ns),
        };
        let what = (SpanKind::Client, library, name);
        let (index, inside) =
            self.begin(place.context(false), place.process, place.handler, what, start_ns);
        let arrival_ns = start_ns + NETWORK.sample_ns(self.rng);
        let answer = self.handle(to, inside.context(true), Vec::new(), arrival_ns);
        let end_ns = answer.end_ns + NETWORK.sample_ns(self.rng);
        let fault = answer.fault();
        let attributes = self.client_attributes(to, attempt, fault);
        self.end(index, end_ns, Ending { attributes, is_error: fault.is_some(), ..Ending::default() });
        let failed = fault.map(|fault| Failed { fault: fault.one_up(), medium, target: to.service.name });
        Done { end_ns, failed }
    }

    fn client_attributes(&self, to: &Operation, attempt: u8, fault: Option<Fault>) -> Attributes {
        match to.entry {
            Entry::Grpc { service, method } => semantics::grpc(service, method, to.service, fault),
            Entry::Http { method, route } => {
                semantics::http_client_of(&self.customer, to, (method, route), attempt, fault)
            }
            Entry::Message(_) | Entry::Job(_) => Attributes::default(),
        }
    }

    fn publish(
        &mut self,
        queue: &'static Queue,
        to: &'static [&'static Operation],
        place: &Place,
        start_ns: u64,
    ) -> Done {
        let what = (SpanKind::Producer, Library::from(queue.broker), format!("send {}", queue.name));
        let (index, inside) =
            self.begin(place.context(false), place.process, place.handler, what, start_ns);
        let end_ns = start_ns + us(1_300, 0.5).sample_ns(self.rng);
        let message_id = self.rng.random();
        let attributes = semantics::messaging(self.rng, queue, message_id, None);
        self.end(index, end_ns, Ending { attributes, ..Ending::default() });
        for operation in to {
            let mut at_ns = end_ns + queue.delay.sample_ns(self.rng);
            for delivery in 0..DELIVERIES_MAX {
                let link = link_to(inside.trace_id, inside.span_id);
                let context = if queue.own_trace { self.root_context() } else { inside.context(true) };
                let done = self.handle(operation, context, vec![link], at_ns);
                if !done.fault().is_some_and(Fault::is_server_error) {
                    break;
                }
                at_ns = done.end_ns + (1_000_000_000_u64 << delivery);
            }
        }
        Done::well(end_ns)
    }

    fn process_of(&mut self, service: &'static Service) -> Process {
        let instance = self.rng.random_range(0..service.instances);
        Process { service, instance, version: self.world.version(service, instance) }
    }

    pub fn begin(
        &mut self,
        context: Context,
        process: Process,
        handler: &'static str,
        (kind, library, name): (SpanKind, Library, String),
        start_ns: u64,
    ) -> (usize, Place) {
        let span_id = self.rng.random::<u64>().max(1).to_be_bytes();
        self.spans.push(begin(Beginning { context, process, library, kind, name, start_ns, span_id }));
        (self.spans.len() - 1, Place { process, handler, trace_id: context.trace_id, span_id })
    }

    pub fn end(&mut self, index: usize, end_ns: u64, ending: Ending) {
        end(&mut self.spans[index].span, end_ns, ending);
    }
}

pub(super) fn failing(place: &Place, failed: Failed) -> Failing<'static> {
    Failing {
        service: place.process.service,
        handler: place.handler,
        target: failed.target,
        medium: failed.medium,
        fault: failed.fault,
    }
}
