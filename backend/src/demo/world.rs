//! The state of the world at a moment: how busy the shop is, what is broken, what is deployed.
//!
//! Everything follows from the seed and the time, so past hours can be told again the same way.

use std::f64::consts::TAU;
use std::fmt;

use rand::{RngExt, SeedableRng};

use super::model::{DemoRng, SECOND_NS, Service, hash_text, mix};
use super::shop::DEPLOYED_BADLY;

/// Every so often something breaks, once.
const SLOT_S: u64 = 25 * 60;
/// A rollout replaces one instance after the other.
const ROLLOUT_STEP_S: u64 = 30;

/// What can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The payment provider answers slowly or never.
    PaymentTimeouts,
    /// The cache is gone; everything falls back to the databases.
    CacheOutage,
    /// A database is slow and cancels statements.
    SlowDatabase(&'static str),
    /// A bad release of a service; it is rolled back at the end.
    BadRelease(&'static Service),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PaymentTimeouts => f.write_str("payment provider times out"),
            Self::CacheOutage => f.write_str("cache outage"),
            Self::SlowDatabase(name) => write!(f, "slow database {name}"),
            Self::BadRelease(service) => write!(f, "bad release of {}", service.name),
        }
    }
}

/// Something broken for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    pub trouble: Trouble,
    pub start_s: u64,
    pub end_s: u64,
}

/// A `service.version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The world at one moment.
#[derive(Debug, Clone, Copy)]
pub struct WorldState {
    pub time_s: u64,
    pub incident: Option<Incident>,
    /// Traffic relative to the mean of the day.
    pub load: f64,
}

impl WorldState {
    /// The world as the seed has it, `time_ns` after the Unix epoch.
    pub fn at(seed: u64, time_ns: u64) -> Self {
        let time_s = time_ns / SECOND_NS;
        let incident = Some(incident_of_slot(seed, time_s / SLOT_S))
            .filter(|incident| (incident.start_s..incident.end_s).contains(&time_s));
        Self { time_s, incident, load: load(time_s) }
    }

    /// A world without trouble, for what must not depend on the hour.
    pub fn calm(time_ns: u64) -> Self {
        Self { time_s: time_ns / SECOND_NS, incident: None, load: 1.0 }
    }

    fn trouble(&self) -> Option<Trouble> {
        self.incident.map(|incident| incident.trouble)
    }

    /// Whether the payment provider is in trouble.
    pub fn payment_is_down(&self) -> bool {
        self.trouble() == Some(Trouble::PaymentTimeouts)
    }

    /// Whether the cache is gone.
    pub fn cache_is_down(&self) -> bool {
        self.trouble() == Some(Trouble::CacheOutage)
    }

    /// How much longer statements take than usual.
    pub fn database_slowness(&self, namespace: &str) -> f64 {
        let busy = 0.85 + 0.15 * self.load;
        match self.trouble() {
            Some(Trouble::SlowDatabase(slow)) if slow == namespace => 14.0 * busy,
            // Without a cache the databases carry everything.
            Some(Trouble::CacheOutage) => 2.6 * busy,
            _ => busy,
        }
    }

    /// Whether a statement in this database may be cancelled for taking too long.
    pub fn cancels_statements(&self, namespace: &str) -> bool {
        matches!(self.trouble(), Some(Trouble::SlowDatabase(slow)) if slow == namespace)
    }

    /// Whether this instance already runs the bad release.
    pub fn runs_bad_release(&self, service: &Service, instance: u8) -> bool {
        let Some(Incident { trouble: Trouble::BadRelease(bad), start_s, .. }) = self.incident else {
            return false;
        };
        bad == service && self.time_s >= start_s + u64::from(instance) * ROLLOUT_STEP_S
    }

    /// What this instance runs.
    pub fn version(&self, service: &Service, instance: u8) -> Version {
        let (major, minor) = service.release;
        // A harmless patch every third day, another day for each service.
        let patch = ((self.time_s / 86_400 + hash_text(service.name) % 97) / 3 % 24) as u16;
        if self.runs_bad_release(service, instance) {
            return Version(major, minor + 1, 0);
        }
        Version(major, minor, patch)
    }
}

/// The one incident of a slot; it begins and ends well inside, so that there is always calm between.
fn incident_of_slot(seed: u64, slot: u64) -> Incident {
    let mut rng = DemoRng::seed_from_u64(mix(seed ^ 0x1c1d_e417, slot));
    let start_s = slot * SLOT_S + rng.random_range(4 * 60..10 * 60);
    let end_s = start_s + rng.random_range(5 * 60..9 * 60);
    let trouble = match (slot.wrapping_add(seed)) % 4 {
        0 => Trouble::PaymentTimeouts,
        1 => Trouble::BadRelease(DEPLOYED_BADLY[rng.random_range(0..DEPLOYED_BADLY.len())]),
        2 => Trouble::SlowDatabase(if rng.random_bool(0.6) { "orders" } else { "catalog" }),
        _ => Trouble::CacheOutage,
    };
    Incident { trouble, start_s, end_s }
}

/// Traffic over the day (UTC): a low before dawn, a hump at noon, the peak in the evening; mean 1.
pub fn load(time_s: u64) -> f64 {
    let hour = (time_s % 86_400) as f64 / 3_600.0;
    let wave = |peak_hour: f64, per_day: f64| (TAU * per_day * (hour - peak_hour) / 24.0).cos();
    1.0 + 0.55 * wave(17.0, 1.0) + 0.18 * wave(20.0, 2.0)
}
