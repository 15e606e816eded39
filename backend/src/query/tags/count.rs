//! Counting keys and values of sampled spans.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use spanloom_model::api::{TagKey, TagValue, TagValueType};
use spanloom_model::{AttrValue, Attributes};

use crate::store::pairs::StoredAttributes;

/// Keys in an answer at most.
pub const KEYS_MAX: usize = 200;
/// Values in an answer at most.
pub const VALUES_MAX: usize = 100;
/// Longer values are left out: cut short they would find nothing.
pub const VALUE_CHARS_MAX: usize = 500;

/// Attributes of the sampled spans as they are stored, and those of their processes.
#[derive(Debug, Default)]
pub struct Sample {
    /// The spans.
    pub spans: Vec<SampledSpan>,
    /// Attributes of the processes by id.
    pub resources: HashMap<i32, String>,
}

/// A span of the sample.
#[derive(Debug)]
pub struct SampledSpan {
    /// Its own attributes.
    pub attributes: StoredAttributes,
    /// The id of its process.
    pub resource_id: i32,
    /// How many spans it stands for.
    pub weight: f32,
}

/// A sample that can be counted: each span's own attributes, its process's, and its weight.
struct Parsed {
    spans: Vec<(Attributes, Arc<Attributes>, f64)>,
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
            .map(|span| {
                let process = resources.get(&span.resource_id).cloned().unwrap_or_default();
                Ok((span.attributes.read()?, process, f64::from(span.weight)))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { spans })
    }
}

/// The keys that start with `prefix`, the commonest first.
pub fn keys(sample: &Sample, prefix: &str) -> anyhow::Result<Vec<TagKey>> {
    let parsed = Parsed::new(sample)?;
    let mut counts = HashMap::<&str, f64>::new();
    for (own, process, weight) in &parsed.spans {
        let only_process = process.iter().filter(|(key, _)| own.get(key).is_none());
        for (key, _) in own.iter().chain(only_process) {
            if key.starts_with(prefix) {
                *counts.entry(key).or_default() += weight;
            }
        }
    }
    let mut keys: Vec<TagKey> = counts
        .into_iter()
        .map(|(key, spans)| TagKey { key: key.to_owned(), spans: spans.round() as u64 })
        .collect();
    keys.sort_by(|a, b| b.spans.cmp(&a.spans).then_with(|| a.key.cmp(&b.key)));
    keys.truncate(KEYS_MAX);
    Ok(keys)
}

/// The values under `key` that start with `prefix`, the commonest first.
pub fn values(sample: &Sample, key: &str, prefix: &str) -> anyhow::Result<Vec<TagValue>> {
    let parsed = Parsed::new(sample)?;
    let mut counts = HashMap::<(String, TagValueType), f64>::new();
    for (own, process, weight) in &parsed.spans {
        let in_process = process.get(key).filter(|value| Some(*value) != own.get(key));
        for value in own.get(key).into_iter().chain(in_process) {
            let Some(value_type) = type_of(value) else { continue };
            let text = value.to_string();
            if text.starts_with(prefix) && text.chars().count() <= VALUE_CHARS_MAX {
                *counts.entry((text, value_type)).or_default() += weight;
            }
        }
    }
    let mut values: Vec<TagValue> = counts
        .into_iter()
        .map(|((value, value_type), spans)| TagValue { value, value_type, spans: spans.round() as u64 })
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

    fn span(attributes: &str, resource_id: i32, weight: f32) -> SampledSpan {
        SampledSpan { attributes: attributes.into(), resource_id, weight }
    }

    fn sample() -> Sample {
        Sample {
            spans: vec![
                span(r#"{"http.method":"GET","http.status":200}"#, 1, 1.0),
                span(r#"{"http.method":"GET","http.status":"200"}"#, 1, 1.0),
                span(r#"{"host":"own","http.method":"POST"}"#, 2, 10.0),
            ],
            resources: HashMap::from([
                (1, r#"{"host":"a"}"#.to_owned()),
                (2, r#"{"host":"own"}"#.to_owned()),
            ]),
        }
    }

    #[test]
    fn a_key_counts_once_per_span_wherever_it_is_and_as_many_as_the_span_stands_for() {
        let counts: Vec<(String, u64)> =
            keys(&sample(), "").unwrap().into_iter().map(|k| (k.key, k.spans)).collect();
        assert_eq!(counts, [("host".into(), 12), ("http.method".into(), 12), ("http.status".into(), 2)]);
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
            [("own", 10), ("a", 2)]
        );
        assert_eq!(values(&sample(), "http.method", "P").unwrap().len(), 1);
    }

    #[test]
    fn long_values_are_left_out_instead_of_cut() {
        let long = Sample {
            spans: vec![span(&format!(r#"{{"sql":"{}"}}"#, "x".repeat(VALUE_CHARS_MAX + 1)), 1, 1.0)],
            resources: HashMap::new(),
        };
        assert!(values(&long, "sql", "").unwrap().is_empty());
    }
}
