//! The place where the next page begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use crate::query::params::TimeRange;

/// A place in the list of log records. Clients get it as opaque text.
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
    /// The last record.
    #[serde(flatten)]
    pub last: Place,
}

/// Where a record stands in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Microseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub time_us: i64,
    /// Nanoseconds below.
    #[serde(rename = "n")]
    pub sub_ns: i16,
    /// The record's id.
    #[serde(rename = "i")]
    pub id: i64,
}

impl Place {
    /// After every record at this time or later, before every earlier one.
    pub fn before(time_us: i64) -> Self {
        Self { time_us, sub_ns: 0, id: i64::MIN }
    }
}

impl Cursor {
    /// The text that clients get.
    pub fn encode(&self) -> String {
        BASE64.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what [`Self::encode`] wrote for the search with this fingerprint; none for anything else.
    pub fn decode(text: &str, search: u64) -> Option<Self> {
        let cursor: Self = serde_json::from_slice(&BASE64.decode(text).ok()?).ok()?;
        let whole = cursor.start_ns >= 0 && cursor.start_ns <= cursor.end_ns && cursor.last.time_us >= 0;
        (cursor.search == search && whole).then_some(cursor)
    }

    /// The range that the first page searched.
    pub fn range(&self) -> TimeRange {
        TimeRange { start_ns: self.start_ns, end_ns: self.end_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_and_only_for_its_search() {
        let last = Place { time_us: 5, sub_ns: 999, id: -7 };
        let cursor = Cursor { search: u64::MAX, start_ns: 1, end_ns: i64::MAX, last };
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text, u64::MAX), Some(cursor));
        assert_eq!(Cursor::decode(&text, 1), None, "another search");
        assert_eq!(Cursor::decode(&text[1..], u64::MAX), None);
        let reversed = Cursor { end_ns: 0, ..cursor }.encode();
        assert_eq!(Cursor::decode(&reversed, u64::MAX), None);
    }
}
