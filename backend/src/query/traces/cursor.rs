//! The place where the next page begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use spanloom_model::TraceId;

use crate::query::params::TimeRange;

/// A place in a sorted list of traces. Clients get it as opaque text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Fingerprint of the search that it belongs to.
    #[serde(rename = "h")]
    pub search: u64,
    /// Start of the range, which may have been "an hour ago".
    #[serde(rename = "s")]
    pub start_ns: i64,
    /// End of the range, which may have been "now".
    #[serde(rename = "e")]
    pub end_ns: i64,
    /// Start or duration of the last trace, whatever the list is sorted by.
    #[serde(rename = "k")]
    pub key_ns: i64,
    /// The last trace; the lowest id if the page ended between two traces.
    #[serde(rename = "t")]
    pub trace_id: TraceId,
}

impl Cursor {
    /// The text that clients get.
    pub fn encode(&self) -> String {
        BASE64.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what [`Self::encode`] wrote for the search with this fingerprint; none for anything else.
    pub fn decode(text: &str, search: u64) -> Option<Self> {
        let cursor: Self = serde_json::from_slice(&BASE64.decode(text).ok()?).ok()?;
        let whole = cursor.start_ns >= 0 && cursor.start_ns <= cursor.end_ns && cursor.key_ns >= 0;
        (cursor.search == search && whole).then_some(cursor)
    }

    /// The range that the first page searched.
    pub fn range(&self) -> TimeRange {
        TimeRange { start_ns: self.start_ns, end_ns: self.end_ns }
    }

    /// Whether a trace comes later in the list.
    pub fn is_before(&self, key_ns: i64, trace_id: u128) -> bool {
        (key_ns, trace_id) < (self.key_ns, self.trace_id.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        let trace_id = TraceId::new(7).unwrap();
        Cursor { search: u64::MAX, start_ns: 1, end_ns: i64::MAX, key_ns: 5, trace_id }
    }

    #[test]
    fn a_cursor_survives_and_only_for_its_search() {
        let text = cursor().encode();
        assert_eq!(Cursor::decode(&text, u64::MAX), Some(cursor()));
        assert_eq!(Cursor::decode(&text, 1), None, "another search");
        assert_eq!(Cursor::decode(&text[1..], u64::MAX), None);
        assert_eq!(Cursor::decode("", u64::MAX), None);
        let reversed = Cursor { end_ns: 0, ..cursor() }.encode();
        assert_eq!(Cursor::decode(&reversed, u64::MAX), None);
    }

    #[test]
    fn equal_times_are_told_apart_by_id() {
        assert!(cursor().is_before(5, 6));
        assert!(!cursor().is_before(5, 7));
        assert!(!cursor().is_before(6, 1));
        assert!(cursor().is_before(4, u128::MAX));
    }
}
