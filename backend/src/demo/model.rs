//! The vocabulary of the demo's scenario: services, operations and what happens inside them.
//!
//! A scenario is data (see [`super::shop`]); [`super::walk`] turns it into spans.

use rand::RngExt;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;

/// The generator of random numbers that everything in the demo draws from.
pub type DemoRng = StdRng;

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// The language a service is written in; it decides on libraries, runtime and stack traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    Go,
    Java,
    Node,
    Python,
    Rust,
}

/// A service of the shop.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service {
    /// `service.name`.
    pub name: &'static str,
    /// What it is written in.
    pub language: Language,
    /// Processes that share the work.
    pub instances: u8,
    /// Major and minor version that usually run.
    pub release: (u16, u16),
}

/// A log-normal distribution of time, with a heavier tail than the curve itself has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Half of the samples are shorter.
    pub median_us: u32,
    /// Spread of the logarithm; 0.3 is steady, 1.0 is wild.
    pub sigma: f64,
}

impl Latency {
    /// One in so many samples is a straggler: a garbage collection, a lost packet, a cold page.
    const STRAGGLER: f64 = 0.008;

    /// A sample in nanoseconds, never zero.
    pub fn sample_ns(self, rng: &mut DemoRng) -> u64 {
        let z: f64 = rng.sample(StandardNormal);
        let body_us = f64::from(self.median_us) * (self.sigma * z.clamp(-3.5, 3.5)).exp();
        let straggle = if rng.random_bool(Self::STRAGGLER) { rng.random_range(3.0..9.0) } else { 1.0 };
        (body_us * straggle * 1_000.0).max(1_000.0) as u64
    }
}

/// A latency in microseconds.
pub const fn us(median_us: u32, sigma: f64) -> Latency {
    Latency { median_us, sigma }
}

/// A latency in milliseconds.
pub const fn ms(median_ms: u32, sigma: f64) -> Latency {
    Latency { median_us: median_ms * 1_000, sigma }
}

/// Why something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A defect of the program.
    Bug,
    /// Two transactions waited for each other.
    Deadlock,
    /// The card issuer refused.
    Declined,
    /// The request makes no sense.
    Invalid,
    /// No such thing.
    NotFound,
    /// Sold out between two clicks.
    OutOfStock,
    /// Nobody listens at the other end.
    Refused,
    /// The database gave up on a statement.
    StatementTimeout,
    /// The provider wants fewer requests.
    Throttled,
    /// No answer in time.
    Timeout,
    /// Wrong password or expired token.
    Unauthorized,
    /// A service further down failed.
    UpstreamFailed,
    /// A service further down did not answer in time.
    UpstreamTimeout,
}

impl Fault {
    /// The status code of an HTTP response that tells of it.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthorized => 401,
            Self::Declined => 402,
            Self::NotFound => 404,
            Self::OutOfStock => 409,
            Self::Throttled => 429,
            Self::Bug | Self::Deadlock | Self::StatementTimeout => 500,
            Self::UpstreamFailed => 502,
            Self::Refused => 503,
            Self::Timeout | Self::UpstreamTimeout => 504,
        }
    }

    /// The status code of a gRPC response that tells of it.
    pub const fn grpc_code(self) -> i64 {
        match self {
            Self::Invalid => 3,
            Self::Timeout | Self::UpstreamTimeout => 4,
            Self::NotFound => 5,
            Self::Throttled => 8,
            Self::Declined | Self::OutOfStock => 9,
            Self::Deadlock => 10,
            Self::Bug | Self::StatementTimeout => 13,
            Self::Refused | Self::UpstreamFailed => 14,
            Self::Unauthorized => 16,
        }
    }

    /// Whether the side that answers is to blame, so that its own span is an error.
    pub const fn is_server_error(self) -> bool {
        self.http_status() >= 500
    }

    /// Whether a second attempt may help.
    pub const fn is_retryable(self) -> bool {
        self.is_server_error() || matches!(self, Self::Throttled)
    }

    /// What a caller makes of it towards its own caller.
    pub const fn one_up(self) -> Self {
        match self {
            Self::Timeout | Self::UpstreamTimeout => Self::UpstreamTimeout,
            other if other.is_server_error() => Self::UpstreamFailed,
            other => other,
        }
    }
}

/// How an operation is reached.
#[derive(Debug, Clone, Copy)]
pub enum Entry {
    /// An HTTP request; `{productId}`, `{orderId}` and `{userId}` in the route are filled in.
    Http { method: &'static str, route: &'static str },
    /// A gRPC call.
    Grpc { service: &'static str, method: &'static str },
    /// A message from a queue.
    Message(&'static Queue),
    /// A clock.
    Job(&'static str),
}

/// A message broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broker {
    Kafka,
    RabbitMq,
}

/// A topic or queue.
#[derive(Debug)]
pub struct Queue {
    pub broker: Broker,
    pub host: &'static str,
    pub name: &'static str,
    /// How long messages lie there.
    pub delay: Latency,
    /// The consumer starts a trace of its own and only links to the producer.
    pub own_trace: bool,
}

/// Something of the shop's data that an operation notes on its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    CardMasked,
    Cart,
    Email,
    Experiment,
    FraudScore,
    Order,
    Product,
    Recipient,
    SearchTerm,
    User,
}

/// What a service does when asked.
#[derive(Debug)]
pub struct Operation {
    pub service: &'static Service,
    pub entry: Entry,
    /// The function that handles it, in `snake_case`; it shows up in stack traces.
    pub handler: &'static str,
    pub details: &'static [Detail],
    /// How it fails by itself: probability and fault.
    pub faults: &'static [(f64, Fault)],
    pub steps: &'static [Step],
}

/// A relational database.
#[derive(Debug)]
pub struct Database {
    pub host: &'static str,
    pub namespace: &'static str,
}

/// A statement.
#[derive(Debug)]
pub struct Query {
    pub database: &'static Database,
    pub operation: &'static str,
    pub table: &'static str,
    pub text: &'static str,
    pub latency: Latency,
    /// Most rows it returns.
    pub rows_max: u32,
}

/// A command to the cache; `{productId}` and `{userId}` in the key are filled in.
#[derive(Debug)]
pub struct Command {
    pub operation: &'static str,
    pub key: &'static str,
}

/// Somebody else's service: it sends no spans of its own.
#[derive(Debug, PartialEq, Eq)]
pub enum Provider {
    Carrier,
    Mail,
    Payment,
}

impl Provider {
    /// Its host name.
    pub const fn host(&self) -> &'static str {
        match self {
            Self::Carrier => "api.parcelline.example",
            Self::Mail => "api.mailgate.example",
            Self::Payment => "api.paystripe.example",
        }
    }
}

/// A request to somebody else.
#[derive(Debug)]
pub struct External {
    pub provider: Provider,
    pub method: &'static str,
    pub path: &'static str,
    pub latency: Latency,
    pub timeout_ms: u32,
    pub attempts: u8,
    pub faults: &'static [(f64, Fault)],
}

/// What happens inside an operation, one after the other unless told otherwise.
#[derive(Debug)]
pub enum Step {
    /// Time of the operation itself, without a span.
    Work(Latency),
    /// A span inside the service.
    Internal { name: &'static str, steps: &'static [Step] },
    /// A call of another service, tried up to `attempts` times.
    Call { to: &'static Operation, attempts: u8 },
    /// A statement.
    Sql(&'static Query),
    /// A cache command.
    Cache(&'static Command),
    /// Look into the cache, and do the rest when there is nothing or no cache.
    CacheAside { get: &'static Command, hit: f64, otherwise: &'static [Step] },
    /// A request to somebody else.
    External(&'static External),
    /// A message, and who handles it later.
    Publish { queue: &'static Queue, to: &'static [&'static Operation] },
    /// All at the same time.
    Parallel(&'static [Step]),
    /// With this probability.
    Sometimes(f64, &'static [Step]),
    /// A random number of times.
    Repeat { from: u32, to: u32, steps: &'static [Step] },
    /// A failure in here is not one of the operation.
    Tolerate(&'static [Step]),
}

/// A single attempt to call an operation.
pub const fn call(to: &'static Operation) -> Step {
    Step::Call { to, attempts: 1 }
}

/// Spreads numbers: the same input gives the same output, near inputs give far outputs.
pub const fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(b.wrapping_add(1)));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number that belongs to a text (FNV-1a).
pub fn hash_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
