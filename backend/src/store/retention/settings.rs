//! What can be said about keeping: days and bytes by signal, bytes of the whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Kinds of data that are kept differently long. Which table belongs to which is in the table
/// `retained_tables`. Their order is the one in which they give way when the whole database is too
/// large: what is bulkiest and has summaries elsewhere goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Spans and what finds them.
    Traces,
    /// Log records.
    Logs,
    /// Metrics by minute.
    Metrics,
    /// Metrics by hour and day.
    Rollups,
}

/// Every signal with its name and the days that it is kept unless configured.
const SIGNALS: [(Signal, &str, u32); 4] = [
    (Signal::Traces, "traces", 7),
    (Signal::Logs, "logs", 7),
    (Signal::Metrics, "metrics", 7),
    (Signal::Rollups, "rollups", 400),
];

impl Signal {
    /// All signals, those that give way first at the front.
    pub fn all() -> impl Iterator<Item = Self> {
        SIGNALS.into_iter().map(|(signal, ..)| signal)
    }

    /// The name in the configuration, in the database and in the API.
    pub fn name(self) -> &'static str {
        SIGNALS.into_iter().find(|(signal, ..)| *signal == self).map_or("", |(_, name, _)| name)
    }

    /// The signal of that name.
    pub fn named(text: &str) -> Option<Self> {
        SIGNALS.into_iter().find(|(_, name, _)| *name == text).map(|(signal, ..)| signal)
    }
}

/// How long one signal is kept. Both bounds hold; whole partitions go, the open one never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalLimits {
    /// Days. For traces and logs also how old a span or a log record may be to be accepted.
    pub days: u32,
    /// Bytes on disk, indexes included; without it only the age counts.
    pub bytes_max: Option<u64>,
}

/// How long each signal is kept: `[storage.retention.traces]` and so on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetentionConfig(BTreeMap<Signal, SignalLimits>);

impl Default for RetentionConfig {
    fn default() -> Self {
        let limits = |days| SignalLimits { days, bytes_max: None };
        Self(SIGNALS.into_iter().map(|(signal, _, days)| (signal, limits(days))).collect())
    }
}

impl RetentionConfig {
    /// The bounds of a signal.
    pub fn of(&self, signal: Signal) -> SignalLimits {
        // The configuration is merged over the defaults, so that each is there.
        self.0.get(&signal).copied().unwrap_or(SignalLimits { days: 7, bytes_max: None })
    }

    /// The same with other bounds for one signal.
    #[must_use]
    pub fn with(mut self, signal: Signal, limits: SignalLimits) -> Self {
        self.0.insert(signal, limits);
        self
    }

    /// # Errors
    /// Names the key at fault.
    pub fn validate(&self) -> anyhow::Result<()> {
        for (signal, limits) in &self.0 {
            let key = format!("storage.retention.{}", signal.name());
            anyhow::ensure!((1..=3650).contains(&limits.days), "{key}.days: must be 1 to 3650");
            anyhow::ensure!(limits.bytes_max != Some(0), "{key}.bytes_max: must be at least 1");
        }
        Ok(())
    }
}

/// Everything that bounds what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// By signal.
    pub retention: RetentionConfig,
    /// Bytes of the whole database.
    pub bytes_max: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a signal whose name in the configuration is not the one in the database.
    #[test]
    fn a_signal_has_one_name() {
        for signal in Signal::all() {
            assert_eq!(Signal::named(signal.name()), Some(signal));
            assert_eq!(serde_json::to_value(signal).unwrap(), signal.name());
        }
    }

    #[test]
    fn a_bound_of_nothing_is_refused_by_its_key() {
        let wrong = SignalLimits { days: 0, bytes_max: None };
        let error = RetentionConfig::default().with(Signal::Metrics, wrong).validate().unwrap_err();
        assert!(error.to_string().starts_with("storage.retention.metrics.days"), "{error}");
    }
}
