//! Counting keys and values of sampled spans.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use spanloom_model::api::{TagKey, TagValue, TagValueType};
use spanloom_model::{AttrValue, Attributes};

/// Keys in an answer at most.
pub const KEYS_MAX: usize = 200;
/// Values in an answer at most.
pub const VALUES_MAX: usize = 100;
/// Longer values are left out: cut short they would find nothing.
pub const VALUE_CHARS_MAX: usize = 500;

/// Attributes of the sampled spans as they are stored, and those of their processes.
#[derive(Debug, Default)]
pub struct Sample {
    /// Each span's own attributes and the id of its process.
    pub spans: Vec<(String, i32)>,
    /// Attributes of the processes by id.
    pub resources: HashMap<i32, String>,
}

/// A sample that can be counted.
struct Parsed {
    spans: Vec<(Attributes, Arc<Attributes>)>,
}

impl Parsed {
    fn new(sample: &Sample) -> anyhow::Result<Self> {
        let read = |text: &str| serde_json::from_str::<Attributes>(text).context("stored attributes");
        let resources = sample
            .resources
            .iter()
            .map(|(id, text)| Ok((*id, Arc::new(read(text)?))))
            .collect::<anyhow::Result<HashMap<i32, Arc<Attributes>>>>()?;
        let spans = sample
            .spans
            .iter()
            .map(|(text, resource)| Ok((read(text)?, resources.get(resource).cloned().unwrap_or_default())))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { spans })
    }
}

/// The keys that start with `prefix`, the commonest first.
pub fn keys(sample: &Sample, prefix: &str) -> anyhow::Result<Vec<TagKey>> {
    let parsed = Parsed::new(sample)?;
    let mut counts = HashMap::<&str, u64>::new();
    for (own, process) in &parsed.spans {
        let only_process = process.iter().filter(|(key, _)| own.get(key).is_none());
        for (key, _) in own.iter().chain(only_process) {
            if key.starts_with(prefix) {
                *counts.entry(key).or_default() += 1;
            }
        }
    }
    let mut keys: Vec<TagKey> =
        counts.into_iter().map(|(key, spans)| TagKey { key: key.to_owned(), spans }).collect();
    keys.sort_by(|a, b| b.spans.cmp(&a.spans).then_with(|| a.key.cmp(&b.key)));
    keys.truncate(KEYS_MAX);
    Ok(keys)
}

/// The values under `key` that start with `prefix`, the commonest first.
pub fn values(sample: &Sample, key: &str, prefix: &str) -> anyhow::Result<Vec<TagValue>> {
    let parsed = Parsed::new(sample)?;
    let mut counts = HashMap::<(String, TagValueType), u64>::new();
    for (own, process) in &parsed.spans {
        let in_process = process.get(key).filter(|value| Some(*value) != own.get(key));
        for value in own.get(key).into_iter().chain(in_process) {
            let Some(value_type) = type_of(value) else { continue };
            let text = value.to_string();
            if text.starts_with(prefix) && text.chars().count() <= VALUE_CHARS_MAX {
                *counts.entry((text, value_type)).or_default() += 1;
            }
        }
    }
    let mut values: Vec<TagValue> = counts
        .into_iter()
        .map(|((value, value_type), spans)| TagValue { value, value_type, spans })
        .collect();
    values.sort_by(|a, b| {
        b.spans.cmp(&a.spans).then_with(|| (&a.value, a.value_type).cmp(&(&b.value, b.value_type)))
    });
    values.truncate(VALUES_MAX);
    Ok(values)
}

/// None for values that no search can name.
fn type_of(value: &AttrValue) -> Option<TagValueType> {
    match value {
        AttrValue::Null => None,
        AttrValue::String(text) if text.is_empty() => None,
        AttrValue::String(_) => Some(TagValueType::String),
        AttrValue::Int(_) => Some(TagValueType::Int),
        AttrValue::Double(_) => Some(TagValueType::Double),
        AttrValue::Bool(_) => Some(TagValueType::Bool),
        AttrValue::Bytes(_) | AttrValue::Array(_) | AttrValue::Map(_) => Some(TagValueType::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        Sample {
            spans: vec![
                (r#"{"http.method":"GET","http.status":200}"#.into(), 1),
                (r#"{"http.method":"GET","http.status":"200"}"#.into(), 1),
                (r#"{"host":"own","http.method":"POST"}"#.into(), 2),
            ],
            resources: HashMap::from([
                (1, r#"{"host":"a"}"#.to_owned()),
                (2, r#"{"host":"own"}"#.to_owned()),
            ]),
        }
    }

    #[test]
    fn a_key_counts_once_per_span_wherever_it_is() {
        let counts: Vec<(String, u64)> =
            keys(&sample(), "").unwrap().into_iter().map(|k| (k.key, k.spans)).collect();
        assert_eq!(counts, [("host".into(), 3), ("http.method".into(), 3), ("http.status".into(), 2)]);
        assert_eq!(keys(&sample(), "http.s").unwrap().len(), 1);
    }

    #[test]
    fn values_of_different_types_are_told_apart() {
        let status = values(&sample(), "http.status", "").unwrap();
        assert_eq!(
            status.iter().map(|v| (v.value.as_str(), v.value_type, v.spans)).collect::<Vec<_>>(),
            [("200", TagValueType::String, 1), ("200", TagValueType::Int, 1)]
        );
        let host = values(&sample(), "host", "").unwrap();
        assert_eq!(
            host.iter().map(|v| (v.value.as_str(), v.spans)).collect::<Vec<_>>(),
            [("a", 2), ("own", 1)]
        );
        assert_eq!(values(&sample(), "http.method", "P").unwrap().len(), 1);
    }

    #[test]
    fn long_values_are_left_out_instead_of_cut() {
        let long = Sample {
            spans: vec![(format!(r#"{{"sql":"{}"}}"#, "x".repeat(VALUE_CHARS_MAX + 1)), 1)],
            resources: HashMap::new(),
        };
        assert!(values(&long, "sql", "").unwrap().is_empty());
    }
}
