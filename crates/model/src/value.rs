//! Attribute values and their one JSON form, used in storage and in the API alike.
//!
//! | OpenTelemetry | JSON |
//! |---|---|
//! | string, bool, int | string, `true`, `42` |
//! | double | number with a fraction or an exponent: `1.0` |
//! | NaN, infinities | `{"$double": "NaN"}`, `"Infinity"`, `"-Infinity"` |
//! | bytes | `{"$bytes": "<base64>"}` |
//! | array, map | array, object |
//! | nested map with a key that starts with `$` | `{"$map": {...}}` |
//! | absent value | `null` |
//!
//! The form keeps every type apart, so that a span read back equals the span that was sent.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use compact_str::CompactString;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value of OpenTelemetry's `AnyValue`.
#[derive(Debug, Clone, PartialEq)]
pub enum AttrValue {
    /// No value at all.
    Null,
    /// UTF-8 text.
    String(String),
    /// A boolean.
    Bool(bool),
    /// A 64-bit signed integer.
    Int(i64),
    /// A double, NaN and infinities included.
    Double(f64),
    /// Opaque bytes.
    Bytes(Vec<u8>),
    /// Values of any type, in order.
    Array(Vec<AttrValue>),
    /// Nested attributes.
    Map(Attributes),
}

/// An attribute's name. Nearly all are short enough to need no memory of their own.
pub type Key = CompactString;

/// Attributes sorted by key, each key once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(Vec<(Key, AttrValue)>);

impl Attributes {
    /// Sorts the entries; of two with the same key the later one stays, as in the SDKs.
    pub fn from_entries(entries: Vec<(String, AttrValue)>) -> Self {
        Self::from_keyed(entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect())
    }

    /// The same for entries whose keys have the form in which they are kept.
    pub fn from_keyed(mut entries: Vec<(Key, AttrValue)>) -> Self {
        if entries.is_sorted_by(|a, b| a.0 < b.0) {
            Self(entries)
        } else {
            Self::from_tail(&mut entries, 0)
        }
    }

    /// The same for the entries from `start` on, which are taken away: a decoder reads into one list
    /// and makes each set of attributes in its exact size.
    pub fn from_tail(entries: &mut Vec<(Key, AttrValue)>, start: usize) -> Self {
        let mut short = [Place::default(); PLACES];
        let mut long = Vec::new();
        let count = entries.len() - start;
        let places = if count <= PLACES {
            &mut short[..count]
        } else {
            long.resize(count, Place::default());
            &mut long[..]
        };
        // Entries are large, and comparing text takes time: order small numbers instead.
        for (index, (place, (key, _))) in places.iter_mut().zip(&entries[start..]).enumerate() {
            *place = Place { prefix: prefix(key), index };
        }
        let key = |place: &Place| entries[start + place.index].0.as_bytes();
        places.sort_unstable_by(|a, b| {
            let by_prefix = a.prefix.cmp(&b.prefix);
            by_prefix.then_with(|| key(a).cmp(key(b))).then(a.index.cmp(&b.index))
        });
        let mut sorted: Vec<(Key, AttrValue)> = Vec::with_capacity(count);
        for place in places {
            let entry =
                std::mem::replace(&mut entries[start + place.index], (Key::default(), AttrValue::Null));
            match sorted.last_mut() {
                Some(last) if last.0 == entry.0 => *last = entry,
                _ => sorted.push(entry),
            }
        }
        entries.truncate(start);
        Self(sorted)
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&AttrValue> {
        let index = self.0.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        Some(&self.0[index].1)
    }

    /// The text under `key`, if it is text.
    pub fn get_str(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            AttrValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// Entries in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &AttrValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The entries, to change them and put them back with [`Self::from_keyed`].
    pub fn into_keyed(self) -> Vec<(Key, AttrValue)> {
        self.0
    }

    /// Keeps the entries for which `keep` says so; it may change their values.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut AttrValue) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// So many entries are ordered without asking for memory.
const PLACES: usize = 32;

/// Where an entry stands, and the beginning of its key.
#[derive(Clone, Copy, Default)]
struct Place {
    prefix: u64,
    index: usize,
}

/// The first eight bytes as a number that is ordered as they are.
fn prefix(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let Some(first) = bytes.first_chunk() else {
        return bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            << (8 * (8 - bytes.len()) % 64);
    };
    u64::from_be_bytes(*first)
}

impl FromIterator<(String, AttrValue)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, AttrValue)>>(entries: I) -> Self {
        Self::from_entries(entries.into_iter().collect())
    }
}

/// The value as a person reads it: text without quotes, everything else as JSON.
impl fmt::Display for AttrValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Double(number) if !number.is_finite() => f.write_str(double_name(*number)),
            Self::Bytes(bytes) => f.write_str(&BASE64.encode(bytes)),
            other => f.write_str(&serde_json::to_string(other).map_err(|_| fmt::Error)?),
        }
    }
}

impl From<&str> for AttrValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for AttrValue {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for AttrValue {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for AttrValue {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<f64> for AttrValue {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

fn double_name(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn single<S: Serializer, V: Serialize + ?Sized>(
    serializer: S,
    key: &str,
    value: &V,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

impl Serialize for AttrValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::String(text) => serializer.serialize_str(text),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Double(number) if number.is_finite() => serializer.serialize_f64(*number),
            Self::Double(number) => single(serializer, "$double", double_name(*number)),
            Self::Bytes(bytes) => single(serializer, "$bytes", &BASE64.encode(bytes)),
            Self::Array(values) => {
                let mut seq = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    seq.serialize_element(value)?;
                }
                seq.end()
            }
            Self::Map(map) if needs_escape(map) => single(serializer, "$map", map),
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

/// A nested map with a key that starts with `$` could be read as one of the escapes.
fn needs_escape(map: &Attributes) -> bool {
    map.0.iter().any(|(key, _)| key.starts_with('$'))
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Attributes, A::Error> {
                let mut entries = Vec::with_capacity(access.size_hint().unwrap_or(0).min(1024));
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(Attributes::from_keyed(entries))
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}

impl<'de> Deserialize<'de> for AttrValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = AttrValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute value")
    }

    fn visit_unit<E>(self) -> Result<AttrValue, E> {
        Ok(AttrValue::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<AttrValue, E> {
        Ok(AttrValue::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<AttrValue, E> {
        Ok(AttrValue::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<AttrValue, E> {
        // Beyond i64 only a double can hold it; OpenTelemetry has no unsigned type.
        Ok(i64::try_from(number).map_or(AttrValue::Double(number as f64), AttrValue::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<AttrValue, E> {
        Ok(AttrValue::Double(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<AttrValue, E> {
        Ok(AttrValue::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<AttrValue, E> {
        Ok(AttrValue::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<AttrValue, A::Error> {
        let mut values = Vec::with_capacity(access.size_hint().unwrap_or(0).min(1024));
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(AttrValue::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<AttrValue, A::Error> {
        let Some(first) = access.next_key::<Key>()? else {
            return Ok(AttrValue::Map(Attributes::default()));
        };
        match first.as_str() {
            "$map" => return access.next_value().map(AttrValue::Map),
            "$double" => return number_by_name(&access.next_value::<String>()?),
            "$bytes" => {
                let text: String = access.next_value()?;
                return BASE64.decode(text).map(AttrValue::Bytes).map_err(de::Error::custom);
            }
            _ => {}
        }
        let mut entries = vec![(first, access.next_value()?)];
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(AttrValue::Map(Attributes::from_keyed(entries)))
    }
}

fn number_by_name<E: de::Error>(name: &str) -> Result<AttrValue, E> {
    match name {
        "NaN" => Ok(AttrValue::Double(f64::NAN)),
        "Infinity" => Ok(AttrValue::Double(f64::INFINITY)),
        "-Infinity" => Ok(AttrValue::Double(f64::NEG_INFINITY)),
        _ => Err(E::custom("$double must be NaN, Infinity or -Infinity")),
    }
}

#[cfg(feature = "openapi")]
mod openapi {
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};

    impl utoipa::PartialSchema for super::AttrValue {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(SchemaType::AnyValue)
                .description(Some(
                    "A string, boolean, number (a double always has a fraction or an exponent), \
                     array, object or null. Bytes are {\"$bytes\": base64}, NaN and infinities \
                     {\"$double\": name}; a nested map with a key that starts with $ is {\"$map\": {...}}.",
                ))
                .into()
        }
    }

    impl utoipa::ToSchema for super::AttrValue {}

    impl utoipa::PartialSchema for super::Attributes {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .additional_properties(Some(AdditionalProperties::RefOr(
                    <super::AttrValue as utoipa::PartialSchema>::schema(),
                )))
                .description(Some("Attributes by key."))
                .examples([serde_json::json!({
                    "http.request.method": "GET",
                    "http.response.status_code": 200
                })])
                .into()
        }
    }

    impl utoipa::ToSchema for super::Attributes {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(value: &AttrValue) -> AttrValue {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }

    #[test]
    fn the_json_form_is_what_the_table_says() {
        let check = |value: AttrValue, json: &str| {
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
        };
        check(AttrValue::Double(1.0), "1.0");
        check(AttrValue::Int(1), "1");
        check(AttrValue::Bytes(vec![0, 255]), r#"{"$bytes":"AP8="}"#);
        check(AttrValue::Double(f64::NEG_INFINITY), r#"{"$double":"-Infinity"}"#);
        let dollar = Attributes::from_entries(vec![("$bytes".into(), "x".into())]);
        check(AttrValue::Map(dollar), r#"{"$map":{"$bytes":"x"}}"#);
    }

    #[test]
    fn of_equal_keys_the_last_stays() {
        let attributes = Attributes::from_entries(vec![
            ("b".into(), 1.into()),
            ("a".into(), 2.into()),
            ("b".into(), 3.into()),
            ("b".into(), 4.into()),
        ]);
        assert_eq!(attributes.len(), 2);
        assert_eq!(attributes.get("b"), Some(&AttrValue::Int(4)));
    }

    fn any_value() -> impl Strategy<Value = AttrValue> {
        let leaf = prop_oneof![
            Just(AttrValue::Null),
            any::<String>().prop_map(AttrValue::String),
            any::<bool>().prop_map(AttrValue::Bool),
            any::<i64>().prop_map(AttrValue::Int),
            any::<f64>()
                .prop_filter("NaN is not equal to itself", |d| !d.is_nan())
                .prop_map(AttrValue::Double),
            any::<Vec<u8>>().prop_map(AttrValue::Bytes),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop_oneof![any::<String>(), "\\$(map|bytes|double)"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(AttrValue::Array),
                prop::collection::vec((key, inner), 0..4)
                    .prop_map(|entries| AttrValue::Map(Attributes::from_entries(entries))),
            ]
        })
    }

    proptest! {
        // Catches an order or a choice among equal keys that depends on how many there are, on what
        // the keys begin with, or on what lies before them in the list.
        #[test]
        fn entries_are_those_of_a_sorted_map(
            keys in prop::collection::vec("(service\\.)?(name|\0|é)?[ab]{0,2}", 0..60),
            before in 0..3_usize,
        ) {
            let value = |index: usize| AttrValue::Int(index as i64);
            let entries = keys.iter().enumerate().map(|(index, key)| (Key::from(key.as_str()), value(index)));
            let expected: std::collections::BTreeMap<_, _> = entries.clone().collect();
            let expected: Vec<_> = expected.into_iter().collect();
            let mut list = vec![(Key::from("outer"), AttrValue::Null); before];
            list.extend(entries.clone());
            prop_assert_eq!(&Attributes::from_tail(&mut list, before).into_keyed(), &expected);
            prop_assert_eq!(list.len(), before);
            prop_assert_eq!(&Attributes::from_keyed(entries.collect()).into_keyed(), &expected);
        }

        // Catches any value whose type or content the storage form would lose.
        #[test]
        fn every_value_survives(value in any_value()) {
            prop_assert_eq!(round_trip(&value), value);
        }
    }

    #[test]
    fn nan_survives() {
        assert!(matches!(round_trip(&AttrValue::Double(f64::NAN)), AttrValue::Double(d) if d.is_nan()));
    }
}
