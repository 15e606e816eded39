//! Building lists of OTLP attributes.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

/// A growing list of attributes.
#[derive(Debug, Default)]
pub struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub fn new() -> Self {
        Self(Vec::with_capacity(16))
    }

    pub fn text(self, key: &str, value: impl Into<String>) -> Self {
        self.with(key, Value::StringValue(value.into()))
    }

    pub fn int(self, key: &str, value: impl Into<i64>) -> Self {
        self.with(key, Value::IntValue(value.into()))
    }

    pub fn double(self, key: &str, value: f64) -> Self {
        self.with(key, Value::DoubleValue(value))
    }

    pub fn flag(self, key: &str, value: bool) -> Self {
        self.with(key, Value::BoolValue(value))
    }

    pub fn bytes(self, key: &str, value: Vec<u8>) -> Self {
        self.with(key, Value::BytesValue(value))
    }

    pub fn texts(self, key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|text| any(Value::StringValue((*text).to_owned()))).collect();
        self.with(key, Value::ArrayValue(ArrayValue { values }))
    }

    pub fn map(self, key: &str, entries: Self) -> Self {
        self.with(key, Value::KvlistValue(KeyValueList { values: entries.0 }))
    }

    /// Puts `more` behind.
    pub fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    pub fn into_vec(self) -> Vec<KeyValue> {
        self.0
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.0.push(KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() });
        self
    }
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}
