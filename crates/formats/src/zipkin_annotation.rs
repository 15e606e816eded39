//! Events that OpenTelemetry's exporters wrote into the text of a Zipkin annotation.
//!
//! | who | annotation |
//! |---|---|
//! | Zipkin's own clients, JavaScript | `name` |
//! | the specification, Java, Go, .NET | `"name": {"key": "value"}` |
//! | Python | `{"name": {"key": "value"}}` |
//! | Collector | `name\|{"key": "value"}\|dropped attributes` |

use spanloom_model::{AttrValue, Attributes};

use super::clean_attributes;

/// What an annotation says.
#[derive(Debug, PartialEq)]
pub(crate) struct Parsed {
    /// What happened.
    pub name: String,
    /// Details.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
}

/// Reads the text; what has none of the forms is a name as a whole.
pub(crate) fn parse(text: String) -> Parsed {
    let parsed = match text.as_bytes().first() {
        Some(b'{') => python(&text),
        Some(b'"') => specification(&text),
        _ if text.contains('|') => collector(&text),
        _ => None,
    };
    parsed.unwrap_or_else(|| Parsed {
        name: text,
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
    })
}

fn python(text: &str) -> Option<Parsed> {
    let outer: Attributes = serde_json::from_str(text).ok()?;
    let mut entries = outer.iter();
    let (Some((name, AttrValue::Map(attributes))), None) = (entries.next(), entries.next()) else {
        return None;
    };
    Some(parsed(name, attributes, 0))
}

fn specification(text: &str) -> Option<Parsed> {
    // A name, a colon and an object make an object with one entry.
    python(&format!("{{{text}}}"))
}

fn collector(text: &str) -> Option<Parsed> {
    let (name, rest) = text.split_once('|')?;
    let (attributes, dropped) = rest.rsplit_once('|')?;
    Some(parsed(name, &serde_json::from_str(attributes).ok()?, dropped.parse().ok()?))
}

/// JSON escapes may stand for NUL.
fn parsed(name: &str, attributes: &Attributes, dropped_attributes_count: u32) -> Parsed {
    Parsed {
        name: super::clean(name.to_owned()),
        attributes: clean_attributes(attributes.clone()),
        dropped_attributes_count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exporter_s_form_gives_name_and_attributes() {
        let attributes: Attributes = serde_json::from_str(r#"{"attempt": 2, "why": "a|b"}"#).unwrap();
        for (text, dropped) in [
            (r#"{"retry": {"attempt": 2, "why": "a|b"}}"#, 0),
            (r#""retry": {"attempt": 2, "why": "a|b"}"#, 0),
            (r#""retry":{"attempt":2,"why":"a|b"}"#, 0),
            (r#"retry|{"attempt": 2, "why": "a|b"}|3"#, 3),
        ] {
            let expected = Parsed {
                name: "retry".into(),
                attributes: attributes.clone(),
                dropped_attributes_count: dropped,
            };
            assert_eq!(parse(text.to_owned()), expected, "{text}");
        }
    }

    // Catches text of other clients that is torn apart.
    #[test]
    fn other_text_stays_whole() {
        for text in
            ["", "ws", "{", "{}", r#"{"a": 1}"#, r#"{"a": {}, "b": {}}"#, "a|b", "a|{|1", "\"quoted\""]
        {
            let parsed = parse(text.to_owned());
            assert_eq!((parsed.name.as_str(), parsed.attributes.len()), (text, 0), "{text}");
        }
    }
}
