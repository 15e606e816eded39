//! Errors by group, counted before sampling; and spans with errors that were kept, as samples.
//!
//! Everything is appended to tables that `fold_errors()` takes from, so that writers neither look groups
//! up nor wait for each other. A group is described once an hour by each writer, because a stack trace is
//! larger than all the rest together.

use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt as _, HashSet};
use spanloom_errors::{Failure, cut, failures, group_id, normalize};
use spanloom_model::{Span, SpanStatus};
use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::batch::{Row, minute_us, split_ns};
use super::copy::Copy;

const COPY_PARTS: &str = "COPY error_parts (minute, group_id, service_id, operation_id, version, \
    error_count, first_time, last_time) FROM STDIN (FORMAT BINARY)";
const COPY_DESCRIPTIONS: &str = "COPY error_descriptions (group_id, service_id, fingerprint_version, type, \
    message, example, stacktrace, seen_at) FROM STDIN (FORMAT BINARY)";
const COPY_HITS: &str = "COPY error_hits (group_id, service_id, trace_id, span_id, start_time, \
    operation_id, version, message) FROM STDIN (FORMAT BINARY)";

/// Groups that are not known count as the service's other errors beyond this, in one batch. A service
/// that puts what varies into an exception's type must not fill the transaction with stack traces.
const DESCRIPTIONS_PER_SERVICE_MAX: usize = 100;

/// The stand-in for a service's other errors.
const OVERFLOW: Uuid = Uuid::nil();

/// Of the error whose group is remembered, and of groups that are described: emptied beyond it.
const CACHE_MAX: usize = 50_000;

/// So old a description may be in the database. Groups are forgotten only after much longer.
const DESCRIBE_INTERVAL: Duration = Duration::from_hours(1);

/// Samples of a group, and of all together, in one batch.
const HITS_PER_GROUP_MAX: usize = 3;
const HITS_MAX: usize = 1_000;

const TYPE_BYTES_MAX: usize = 512;
const MESSAGE_BYTES_MAX: usize = 2 << 10;
const STACK_BYTES_MAX: usize = 32 << 10;

/// What a writer remembers of errors.
pub struct Errors {
    /// The group by a hash of the error's text, which costs less than its fingerprint.
    groups: HashMap<u64, Uuid>,
    hasher: RandomState,
    /// Groups that the database was told of since.
    described: HashSet<Uuid>,
    since: Instant,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            hasher: RandomState::default(),
            described: HashSet::default(),
            since: Instant::now(),
        }
    }
}

/// What is counted together.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Part<'a> {
    minute_us: i64,
    group: Uuid,
    service: i32,
    operation: i32,
    version: &'a str,
}

/// How much of it there was, and from when to when in microseconds.
struct Seen {
    count: f64,
    first_us: i64,
    last_us: i64,
}

/// A group that is new to this writer.
struct Description<'a> {
    group: Uuid,
    service: i32,
    failure: Failure<'a>,
    seen_us: i64,
}

/// A span that is kept.
struct Hit<'a> {
    group: Uuid,
    row: &'a Row<'a>,
    failure: Failure<'a>,
}

impl Errors {
    /// Forgets what a transaction that failed was going to tell the database.
    pub fn clear(&mut self) {
        self.described.clear();
    }

    /// Counts the errors among the spans; returns how many bytes that were.
    pub async fn copy_counts(
        &mut self,
        connection: &mut PgConnection,
        rows: &[Row<'_>],
    ) -> sqlx::Result<usize> {
        let (parts, descriptions) = self.count(rows);
        if parts.is_empty() {
            return Ok(0);
        }
        let mut bytes = 0;
        if !descriptions.is_empty() {
            let mut copy = Copy::begin(&mut *connection, COPY_DESCRIPTIONS).await?;
            for Description { group, service, failure, seen_us } in &descriptions {
                copy.buffer.row(8);
                copy.buffer.uuid(group.as_u128());
                copy.buffer.i32(*service);
                copy.buffer.i16(spanloom_errors::VERSION);
                copy.buffer.text(cut(failure.kind, TYPE_BYTES_MAX));
                copy.buffer.text(&normalize(failure.message));
                copy.buffer.text(cut(failure.message, MESSAGE_BYTES_MAX));
                copy.buffer.text(cut(failure.stacktrace, STACK_BYTES_MAX));
                copy.buffer.timestamp_us(*seen_us);
                copy.flush_large().await?;
            }
            bytes += copy.finish().await?;
        }
        let mut copy = Copy::begin(connection, COPY_PARTS).await?;
        for (part, seen) in &parts {
            copy.buffer.row(8);
            copy.buffer.timestamp_us(part.minute_us);
            copy.buffer.uuid(part.group.as_u128());
            copy.buffer.i32(part.service);
            copy.buffer.i32(part.operation);
            copy.buffer.text(part.version);
            copy.buffer.f64(seen.count);
            copy.buffer.timestamp_us(seen.first_us);
            copy.buffer.timestamp_us(seen.last_us);
        }
        Ok(bytes + copy.finish().await?)
    }

    /// Notes some spans of each group as samples; returns how many bytes that were.
    pub async fn copy_samples(
        &mut self,
        connection: &mut PgConnection,
        rows: &[Row<'_>],
    ) -> sqlx::Result<usize> {
        let hits = self.hits(rows);
        if hits.is_empty() {
            return Ok(0);
        }
        let mut copy = Copy::begin(connection, COPY_HITS).await?;
        for Hit { group, row, failure } in &hits {
            copy.buffer.row(8);
            copy.buffer.uuid(group.as_u128());
            copy.buffer.i32(row.ids.service);
            copy.buffer.uuid(row.span.trace_id.get());
            copy.buffer.i64(row.span.span_id.to_i64());
            copy.buffer.timestamp_us(split_ns(row.span.start_ns).0);
            copy.buffer.i32(row.ids.operation);
            copy.buffer.text(row.span.resource.service_version());
            copy.buffer.text(cut(failure.message, MESSAGE_BYTES_MAX));
            copy.flush_large().await?;
        }
        copy.finish().await
    }

    fn count<'a>(&mut self, rows: &'a [Row<'a>]) -> (HashMap<Part<'a>, Seen>, Vec<Description<'a>>) {
        if self.since.elapsed() > DESCRIBE_INTERVAL || self.described.len() > CACHE_MAX {
            self.described.clear();
            self.since = Instant::now();
        }
        let mut parts: HashMap<Part, Seen> = HashMap::new();
        let mut descriptions: Vec<Description> = Vec::new();
        let mut described: HashMap<i32, usize> = HashMap::new();
        for row in rows.iter().filter(|row| may_tell(row.span)) {
            let start_us = split_ns(row.span.start_ns).0;
            for (mut group, failure) in self.groups(row) {
                if !self.described.contains(&group) {
                    let count = described.entry(row.ids.service).or_default();
                    if *count < DESCRIPTIONS_PER_SERVICE_MAX {
                        *count += 1;
                        self.described.insert(group);
                        let service = row.ids.service;
                        descriptions.push(Description { group, service, failure, seen_us: start_us });
                    } else {
                        group = OVERFLOW;
                    }
                }
                let part = Part {
                    minute_us: minute_us(row.span),
                    group,
                    service: row.ids.service,
                    operation: row.ids.operation,
                    version: row.span.resource.service_version(),
                };
                let seen =
                    parts.entry(part).or_insert(Seen { count: 0.0, first_us: start_us, last_us: start_us });
                seen.count += row.weight;
                seen.first_us = seen.first_us.min(start_us);
                seen.last_us = seen.last_us.max(start_us);
            }
        }
        (parts, descriptions)
    }

    /// The newest spans of each group.
    fn hits<'a>(&mut self, rows: &'a [Row<'a>]) -> Vec<Hit<'a>> {
        let mut rows: Vec<&Row> = rows.iter().filter(|row| may_tell(row.span)).collect();
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.span.start_ns));
        let mut counts: HashMap<Uuid, usize> = HashMap::new();
        let mut hits = Vec::new();
        for row in rows {
            for (group, failure) in self.groups(row) {
                let count = counts.entry(group).or_default();
                if *count < HITS_PER_GROUP_MAX && hits.len() < HITS_MAX {
                    *count += 1;
                    hits.push(Hit { group, row, failure });
                }
            }
        }
        hits
    }

    /// The groups that a span belongs to, each once.
    fn groups<'a>(&mut self, row: &Row<'a>) -> Vec<(Uuid, Failure<'a>)> {
        let span = row.span;
        let events = span.events.iter().map(|event| (event.name.as_str(), &event.attributes));
        let mut groups: Vec<(Uuid, Failure)> = Vec::new();
        for failure in failures(span.status, &span.status_message, &span.attributes, events) {
            let group = self.group(row, &failure);
            if !groups.iter().any(|(known, _)| *known == group) {
                groups.push((group, failure));
            }
        }
        groups
    }

    fn group(&mut self, row: &Row<'_>, failure: &Failure<'_>) -> Uuid {
        if self.groups.len() > CACHE_MAX {
            self.groups.clear();
        }
        let key = self.hasher.hash_one((row.ids.service, failure));
        let service = row.span.resource.service_name();
        *self.groups.entry(key).or_insert_with(|| group_id(service, failure))
    }
}

/// Whether a span can tell of an error. Nearly all cannot, and cost no more than this.
fn may_tell(span: &Span) -> bool {
    span.status == SpanStatus::Error || !span.events.is_empty()
}

#[cfg(test)]
mod tests {
    use spanloom_model::{AttrValue, Attributes, Event};

    use super::super::dimensions::Ids;
    use super::*;
    use crate::collect::testing::span;

    fn exception(kind: &str, message: &str) -> Event {
        let pairs = [("exception.type", kind), ("exception.message", message)];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), AttrValue::from(value)));
        Event {
            time_ns: 0,
            name: "exception".to_owned(),
            attributes: pairs.into_iter().collect::<Attributes>(),
            dropped_attributes_count: 0,
        }
    }

    fn failing(id: u64, events: Vec<Event>) -> Span {
        Span { events, status: SpanStatus::Error, ..span(1, id) }
    }

    fn rows(spans: &[Span]) -> Vec<Row<'_>> {
        let ids = Ids { service: 1, operation: 1, resource: 1, scope: 1 };
        spans.iter().map(|span| Row { span, ids, weight: 2.0 }).collect()
    }

    // Catches occurrences that count twice, without their weight, or as groups of their own.
    #[test]
    fn a_span_counts_once_for_each_group() {
        let spans = [
            failing(1, vec![exception("E", "user 1"), exception("E", "user 2"), exception("F", "x")]),
            failing(2, vec![exception("E", "user 3")]),
            failing(3, Vec::new()),
            span(1, 4),
        ];
        let rows = rows(&spans);
        let mut errors = Errors::default();
        let (parts, descriptions) = errors.count(&rows);
        let mut counts: Vec<f64> = parts.values().map(|seen| seen.count).collect();
        counts.sort_by(f64::total_cmp);
        assert_eq!(counts, [2.0, 4.0]);
        assert_eq!(descriptions.len(), 2);
        assert_eq!(errors.count(&rows).1.len(), 0, "they are described");
        errors.clear();
        assert_eq!(errors.count(&rows).1.len(), 2, "nothing was committed");
    }

    // Catches a service that fills a transaction with descriptions, and errors lost beyond the bound.
    #[test]
    fn a_flood_of_groups_is_counted_as_others() {
        let letters = |n: usize| [b'a' + (n / 26) as u8, b'a' + (n % 26) as u8];
        let spans: Vec<Span> = (0..300)
            .map(|n| failing(n as u64 + 1, vec![exception("E", std::str::from_utf8(&letters(n)).unwrap())]))
            .collect();
        let rows = rows(&spans);
        let (parts, descriptions) = Errors::default().count(&rows);
        assert_eq!(descriptions.len(), DESCRIPTIONS_PER_SERVICE_MAX);
        let overflow: f64 =
            parts.iter().filter(|(part, _)| part.group == OVERFLOW).map(|(_, seen)| seen.count).sum();
        assert!((overflow - 400.0).abs() < f64::EPSILON, "{overflow}");
    }

    // Catches samples of the oldest spans, or as many as there are spans.
    #[test]
    fn the_newest_spans_are_the_samples() {
        let mut spans: Vec<Span> = (1..=5).map(|id| failing(id, vec![exception("E", "x")])).collect();
        for (span, start_ns) in spans.iter_mut().zip([10, 5, 30, 7, 20]) {
            span.start_ns = start_ns;
        }
        let rows = rows(&spans);
        let mut errors = Errors::default();
        let ids: Vec<u64> = errors.hits(&rows).iter().map(|hit| hit.row.span.span_id.get()).collect();
        assert_eq!(ids, [3, 5, 1]);
    }
}
