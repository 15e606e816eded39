//! Traces as Grafana Tempo gives them: `{"batches": [...]}` of OTLP's `ResourceSpans`.
//!
//! Tempo writes proto3's JSON, where ids are base64, and before version 2 the old names of scopes.
//! Grafana writes OTLP's own. Both become OTLP JSON here: an id's length tells which it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

/// The base64 form of 16 and of 8 bytes. Hexadecimal has 32 and 16 digits.
const BASE64_CHARS: [usize; 2] = [24, 12];

/// Turns an element of `batches` into an element of `resourceSpans`.
pub fn to_otlp_json(element: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(element)?;
    // The parser bounds the depth at 128 levels.
    translate(&mut value);
    serde_json::to_vec(&value)
}

fn translate(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(translate),
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                match field {
                    Value::String(text)
                        if matches!(key.as_str(), "traceId" | "spanId" | "parentSpanId") =>
                    {
                        if let Some(hex) = hex_of_base64(text) {
                            *text = hex;
                        }
                    }
                    field => translate(field),
                }
            }
            rename(fields, "instrumentationLibrarySpans", "scopeSpans");
            rename(fields, "instrumentationLibrary", "scope");
        }
        _ => {}
    }
}

fn hex_of_base64(text: &str) -> Option<String> {
    if !BASE64_CHARS.contains(&text.len()) {
        return None;
    }
    BASE64.decode(text).ok().map(hex::encode)
}

fn rename(fields: &mut Map<String, Value>, old: &str, new: &str) {
    if let Some(value) = fields.shift_remove(old) {
        fields.insert(new.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn translated(element: &Value) -> Value {
        serde_json::from_slice(&to_otlp_json(element.to_string().as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn base64_ids_and_old_names_become_those_of_otlp() {
        let tempo = json!({"instrumentationLibrarySpans": [{
            "instrumentationLibrary": {"name": "lib"},
            "spans": [{"traceId": "W47/95gDgQPSabYzgT/GDA==", "spanId": "7uGbfsPBsXQ=",
                       "attributes": [{"key": "traceId", "value": {"stringValue": "W47/95gDgQPSabYzgT/GDA=="}}]}]
        }]});
        assert_eq!(
            translated(&tempo),
            json!({"scopeSpans": [{
                "scope": {"name": "lib"},
                "spans": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
                           "attributes": [{"key": "traceId", "value": {"stringValue": "W47/95gDgQPSabYzgT/GDA=="}}]}]
            }]}),
            "an attribute's value stays as it is"
        );
    }

    /// Catches hexadecimal digits, which are base64 too, taken for base64.
    #[test]
    fn hexadecimal_ids_stay() {
        let grafana = json!({"scopeSpans": [{"spans": [
            {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "parentSpanId": ""}
        ]}]});
        assert_eq!(translated(&grafana), grafana);
    }
}
