//! What a client with a Jaeger remote sampler is told to keep when a trace starts.

use spanloom_model::api::{HeadSampling, HeadService};

use crate::compile::{Faults, check_text};

const SERVICES_MAX: usize = 500;
/// Of all services together.
const OPERATIONS_MAX: usize = 2_000;
const NAME_CHARS_MAX: usize = 255;

/// What one service is told.
#[derive(Debug, Clone, PartialEq)]
pub enum HeadStrategy<'a> {
    /// Keep this share of the traces: 0 to 1.
    Probability(f64),
    /// Keep so many traces per second in each process.
    TracesPerSecond(u32),
    /// Keep these shares of the traces that start with these operations, and `other` of all others.
    Operations {
        /// Name of the operation and probability, by name.
        operations: Vec<(&'a str, f64)>,
        /// For operations that are not named.
        other: f64,
    },
}

/// What the settings tell a service.
pub fn strategy_of<'a>(head: &'a HeadSampling, service: &str) -> HeadStrategy<'a> {
    let Some(found) = head.services.get(service) else {
        return HeadStrategy::Probability(head.default_probability);
    };
    if let Some(traces_per_second) = found.traces_per_second {
        return HeadStrategy::TracesPerSecond(traces_per_second);
    }
    let other = found.probability.unwrap_or(head.default_probability);
    if found.operations.is_empty() {
        return HeadStrategy::Probability(other);
    }
    let operations = found.operations.iter().map(|(name, share)| (name.as_str(), *share)).collect();
    HeadStrategy::Operations { operations, other }
}

/// Notes what is wrong with the part of the settings at `path`.
pub fn check(faults: &mut Faults, path: &str, head: &HeadSampling) {
    check_share(faults, &format!("{path}.defaultProbability"), head.default_probability);
    if head.services.len() > SERVICES_MAX {
        faults.add(&format!("{path}.services"), format!("must be at most {SERVICES_MAX}"));
    }
    let operations: usize = head.services.values().map(|service| service.operations.len()).sum();
    if operations > OPERATIONS_MAX {
        let message = format!("must have at most {OPERATIONS_MAX} operations together");
        faults.add(&format!("{path}.services"), message);
        return;
    }
    for (name, service) in head.services.iter().take(SERVICES_MAX) {
        let path = format!("{path}.services[{name}]");
        check_text(faults, &path, name, NAME_CHARS_MAX);
        check_service(faults, &path, service);
    }
}

fn check_service(faults: &mut Faults, path: &str, service: &HeadService) {
    if let Some(probability) = service.probability {
        check_share(faults, &format!("{path}.probability"), probability);
    }
    if service.traces_per_second.is_some() {
        let alone = service.probability.is_none() && service.operations.is_empty();
        if !alone {
            let message = "cannot stand beside a probability or operations: clients understand one of them";
            faults.add(&format!("{path}.tracesPerSecond"), message);
        }
    } else if service.probability.is_none() && service.operations.is_empty() {
        faults.add(path, "needs a probability, tracesPerSecond or operations");
    }
    for (name, share) in &service.operations {
        let path = format!("{path}.operations[{name}]");
        check_text(faults, &path, name, NAME_CHARS_MAX);
        check_share(faults, &path, *share);
    }
}

fn check_share(faults: &mut Faults, path: &str, share: f64) {
    if !(0.0..=1.0).contains(&share) {
        faults.add(path, "must be 0 to 1");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    // Catches a service that is told another's strategy, or an operation's default that is lost.
    #[test]
    fn the_nearest_setting_wins() {
        let service = |probability, traces_per_second, operations: &[(&str, f64)]| HeadService {
            probability,
            traces_per_second,
            operations: operations.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect(),
        };
        let head = HeadSampling {
            default_probability: 0.5,
            services: BTreeMap::from([
                ("shop".to_owned(), service(Some(0.1), None, &[])),
                ("cron".to_owned(), service(None, Some(2), &[])),
                ("cart".to_owned(), service(None, None, &[("GET /health", 0.0)])),
            ]),
        };
        assert_eq!(strategy_of(&head, "nobody"), HeadStrategy::Probability(0.5));
        assert_eq!(strategy_of(&head, "shop"), HeadStrategy::Probability(0.1));
        assert_eq!(strategy_of(&head, "cron"), HeadStrategy::TracesPerSecond(2));
        let operations = vec![("GET /health", 0.0)];
        assert_eq!(strategy_of(&head, "cart"), HeadStrategy::Operations { operations, other: 0.5 });
    }
}
