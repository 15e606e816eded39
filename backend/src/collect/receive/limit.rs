//! Rate limits of keys and services: who sends too much is told to come again, and the others do not
//! notice.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use spanloom_formats::{Rejected, Rejection};
use spanloom_model::{Produced, Resource};
use uuid::Uuid;

use super::Protocol;
use super::bucket::{Bucket, Cost, Rate};
use crate::config::RateLimitsConfig;
use crate::identity::ingest::IngestClient;

/// Buckets of each sort at most; services' names come from clients. Full ones are forgotten first.
const BUCKETS_MAX: usize = 10_000;

/// Names in the metrics at most; the others are counted together.
const NAMES_MAX: usize = 200;

/// Longer is not asked for; who comes again too early is told so again.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// What the metrics call clients without a key.
const NO_KEY: &str = "(no key)";

/// The limits and how far they are used. Shared by all receivers.
pub(super) struct RateLimits {
    config: RateLimitsConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By key; none for all clients without one.
    keys: HashMap<Option<Uuid>, Bucket>,
    services: HashMap<String, Bucket>,
    /// Names that have their own place in the metrics.
    named: HashSet<String>,
}

/// What a request has paid, to give it back if it is not stored after all.
#[derive(Debug, Default)]
pub(super) struct Paid {
    key: Option<(Option<Uuid>, Cost)>,
    services: Vec<(String, Cost)>,
}

impl RateLimits {
    pub(super) fn new(config: RateLimitsConfig) -> Self {
        Self { config, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves counts that are off by one request at worst.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request of spans or log records, which count the same, pass and pays for it, or says when
    /// to come again. What services over their limits produced leaves `items` and is rejected, if the
    /// protocol can tell the client so and others are left; a client takes that as final, so that a
    /// request without any others is refused whole.
    pub(super) fn take<T: Produced>(
        &self,
        client: &IngestClient,
        protocol: Protocol,
        items: &mut Vec<T>,
        rejected: &mut Rejected,
        size_bytes: usize,
        now: Instant,
    ) -> Result<Paid, Duration> {
        if self.config.is_unlimited() || items.is_empty() {
            return Ok(Paid::default());
        }
        let mut state = self.state();
        let total = items.len();
        let key = self.key_rate(client).map(|rate| (client.key.as_ref().map(|key| key.id), rate));
        if let Some((id, rate)) = key {
            make_room(&mut state.keys, now);
            let bucket = state.keys.entry(id).or_insert_with(|| Bucket::new(rate, self.burst(), now));
            if let Some(wait) = bucket.wait(now) {
                let name = client.key.as_ref().map_or(NO_KEY, |key| &key.name);
                state.count("key", name, total);
                return Err(wait.min(WAIT_MAX));
            }
        }
        let spans_of = count_by_service(items);
        let over = self.services_over(&mut state, &spans_of, now);
        let spans_over: usize = over.keys().map(|service| spans_of[*service]).sum();
        let whole = spans_over == total || (spans_over > 0 && !protocol.partial_success);
        for service in over.keys() {
            state.count("service", service, spans_of[*service]);
        }
        if let Some(wait) = over.values().max().filter(|_| whole) {
            return Err((*wait).min(WAIT_MAX));
        }
        let cost = |spans: usize| Cost {
            spans: spans as f64,
            bytes: size_bytes as f64 * spans as f64 / total as f64,
        };
        let mut paid = Paid::default();
        if let Some((id, _)) = key {
            paid.key = Some((id, cost(total - spans_over)));
        }
        for (service, spans) in spans_of.iter().filter(|(service, _)| !over.contains_key(*service)) {
            if state.services.contains_key(*service) {
                paid.services.push(((*service).to_owned(), cost(*spans)));
            }
        }
        state.settle(&paid, Bucket::take);
        drop(state);
        if spans_over > 0 {
            let over: HashSet<String> = over.into_keys().map(str::to_owned).collect();
            items.retain(|item| !over.contains(item.resource().service_name()));
            rejected.add_many(Rejection::ServiceRateLimit, spans_over as u64);
        }
        Ok(paid)
    }

    /// Gives back what was paid.
    pub(super) fn give_back(&self, paid: &Paid) {
        if paid.key.is_some() || !paid.services.is_empty() {
            self.state().settle(paid, Bucket::give_back);
        }
    }

    fn burst(&self) -> Duration {
        Duration::from_secs(u64::from(self.config.burst_seconds))
    }

    fn key_rate(&self, client: &IngestClient) -> Option<Rate> {
        let named = client.key.as_ref().and_then(|key| self.config.keys.get(&key.name));
        Some(*named.unwrap_or(&self.config.per_key)).filter(|rate| !rate.is_unlimited())
    }

    /// Services that have to wait, and how long. Makes the buckets of those that have none yet.
    fn services_over<'s>(
        &self,
        state: &mut State,
        spans_of: &HashMap<&'s str, usize>,
        now: Instant,
    ) -> HashMap<&'s str, Duration> {
        let mut over = HashMap::new();
        for service in spans_of.keys() {
            let rate = *self.config.services.get(*service).unwrap_or(&self.config.per_service);
            if rate.is_unlimited() {
                continue;
            }
            if !state.services.contains_key(*service) {
                make_room(&mut state.services, now);
                state.services.insert((*service).to_owned(), Bucket::new(rate, self.burst(), now));
            }
            if let Some(wait) = state.services.get_mut(*service).and_then(|bucket| bucket.wait(now)) {
                over.insert(*service, wait);
            }
        }
        over
    }
}

impl State {
    fn settle(&mut self, paid: &Paid, change: impl Fn(&mut Bucket, Cost)) {
        if let Some((id, cost)) = paid.key
            && let Some(bucket) = self.keys.get_mut(&id)
        {
            change(bucket, cost);
        }
        for (service, cost) in &paid.services {
            if let Some(bucket) = self.services.get_mut(service) {
                change(bucket, *cost);
            }
        }
    }

    fn count(&mut self, by: &'static str, name: &str, spans: usize) {
        let has_place = self.named.contains(name) || self.named.len() < NAMES_MAX;
        let name = if has_place {
            self.named.insert(name.to_owned());
            name.to_owned()
        } else {
            "(other)".to_owned()
        };
        metrics::counter!("spanloom_limited_spans_total", "by" => by, "name" => name)
            .increment(spans as u64);
    }
}

fn make_room<K>(buckets: &mut HashMap<K, Bucket>, now: Instant) {
    if buckets.len() >= BUCKETS_MAX {
        buckets.retain(|_, bucket| !bucket.is_full(now));
    }
    if buckets.len() >= BUCKETS_MAX {
        buckets.clear();
    }
}

fn count_by_service<T: Produced>(items: &[T]) -> HashMap<&str, usize> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for group in items.chunk_by(|one, next| Arc::<Resource>::ptr_eq(one.resource(), next.resource())) {
        *counts.entry(group[0].resource().service_name()).or_default() += group.len();
    }
    counts
}

#[cfg(test)]
mod tests {
    use spanloom_formats::Decoded;
    use spanloom_model::Span;

    use super::*;
    use crate::collect::testing::span;
    use crate::identity::api_key::KnownKey;

    const SPANS_10: Rate = Rate { spans_per_second: 10, bytes_per_second: 0 };

    fn limits(change: impl FnOnce(&mut RateLimitsConfig)) -> RateLimits {
        let mut config = RateLimitsConfig { burst_seconds: 1, ..RateLimitsConfig::default() };
        change(&mut config);
        RateLimits::new(config)
    }

    fn decoded(services: &[(&str, usize)]) -> Decoded {
        let mut decoded = Decoded::default();
        for (service, count) in services {
            let attributes = [("service.name".to_owned(), (*service).into())].into_iter().collect();
            let resource = Arc::new(Resource { attributes, ..Resource::default() });
            let spans =
                (1..=*count as u64).map(|id| Span { resource: Arc::clone(&resource), ..span(1, id) });
            decoded.spans.extend(spans);
        }
        decoded
    }

    fn take(limits: &RateLimits, services: &[(&str, usize)], now: Instant) -> Result<Decoded, Duration> {
        let mut decoded = decoded(services);
        let protocol = Protocol::partial("test");
        take_from(limits, &IngestClient::default(), protocol, &mut decoded, now).map(|_| decoded)
    }

    fn take_from(
        limits: &RateLimits,
        client: &IngestClient,
        protocol: Protocol,
        decoded: &mut Decoded,
        now: Instant,
    ) -> Result<Paid, Duration> {
        limits.take(client, protocol, &mut decoded.spans, &mut decoded.rejected, 1_000, now)
    }

    fn client(name: &str) -> IngestClient {
        let key = KnownKey { id: Uuid::new_v4(), name: name.to_owned(), scopes: Vec::new() };
        IngestClient { key: Some(key) }
    }

    #[test]
    fn nothing_is_limited_unless_it_is_told() {
        let (limits, now) = (limits(|_| {}), Instant::now());
        for _ in 0..3 {
            assert_eq!(take(&limits, &[("shop", 1_000)], now).unwrap().spans.len(), 1_000);
        }
    }

    /// Catches keys of one name that share a bucket, and a name's own rate that is not used.
    #[test]
    fn each_key_has_a_bucket() {
        let now = Instant::now();
        let limits = limits(|config| {
            config.per_key = SPANS_10;
            config.keys.insert("large".to_owned(), Rate { spans_per_second: 1_000, bytes_per_second: 0 });
        });
        let take = |client: &IngestClient| {
            take_from(&limits, client, Protocol::partial("test"), &mut decoded(&[("shop", 100)]), now)
        };
        let (one, other, large) = (client("a"), client("a"), client("large"));
        assert!(take(&one).is_ok() && take(&other).is_ok());
        assert_eq!(take(&one).unwrap_err(), Duration::from_secs(9));
        assert!((0..10).all(|_| take(&large).is_ok()));
        assert!(take(&large).is_err());
    }

    /// Catches a limited service that takes the others' spans along, and a partial answer where
    /// nothing would be left.
    #[test]
    fn only_spans_of_limited_services_are_left_out() {
        let now = Instant::now();
        let limits = limits(|config| {
            config.services.insert("loud".to_owned(), SPANS_10);
        });
        assert_eq!(take(&limits, &[("loud", 100), ("quiet", 5)], now).unwrap().spans.len(), 105);
        let rest = take(&limits, &[("loud", 3), ("quiet", 5), ("loud", 4)], now).unwrap();
        assert!(rest.spans.iter().all(|span| span.resource.service_name() == "quiet"));
        assert_eq!((rest.spans.len(), rest.rejected.total()), (5, 7));
        assert_eq!(take(&limits, &[("loud", 1)], now).unwrap_err(), Duration::from_secs(9));
        let whole = Protocol::whole("test");
        let refused = take_from(
            &limits,
            &IngestClient::default(),
            whole,
            &mut decoded(&[("loud", 1), ("quiet", 1)]),
            now,
        );
        assert!(refused.is_err(), "the protocol cannot tell that a part is missing");
        assert!(take(&limits, &[("loud", 1)], now + Duration::from_secs(10)).is_ok());
    }

    /// Catches a key that pays for spans of services that were refused, or for what was not stored.
    #[test]
    fn only_what_is_stored_is_paid_for() {
        let now = Instant::now();
        let limits = limits(|config| {
            config.per_key = SPANS_10;
            config.services.insert("loud".to_owned(), Rate { spans_per_second: 1, bytes_per_second: 0 });
        });
        let mut first = decoded(&[("loud", 2)]);
        let protocol = Protocol::partial("test");
        let paid = take_from(&limits, &IngestClient::default(), protocol, &mut first, now).unwrap();
        limits.give_back(&paid);
        assert!(take(&limits, &[("loud", 2)], now).is_ok(), "given back");
        assert_eq!(take(&limits, &[("loud", 500), ("quiet", 1)], now).unwrap().spans.len(), 1);
        assert!(take(&limits, &[("quiet", 1)], now).is_ok(), "the key did not pay for the 500");
    }

    /// Catches a memory that grows with the names that clients think of.
    #[test]
    fn buckets_of_services_are_bounded() {
        let (limits, now) = (limits(|config| config.per_service = SPANS_10), Instant::now());
        for number in 0..BUCKETS_MAX + 100 {
            let name = format!("service-{number}");
            assert!(take(&limits, &[(&name, 1)], now).is_ok());
        }
        let state = limits.state();
        assert!(state.services.len() <= BUCKETS_MAX && state.named.len() <= NAMES_MAX);
    }
}
