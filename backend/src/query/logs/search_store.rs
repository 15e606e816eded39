//! SQL of searching and counting log records.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use spanloom_model::{LogLevel, SpanId, TraceId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::cursor::Place;
use super::params::Filter;
use crate::query::store::time_of_us;
use crate::query::tag_store::TagCondition;

type Sql = QueryBuilder<Postgres>;

/// What a row is made of; see [`row`].
const COLUMNS: &str = "time, time_sub_ns, id, observed_time, trace_id, span_id, resource_id, scope_id, \
    severity, severity_text, event_name, body, attributes, dropped_attributes_count";

/// What a record must satisfy, with names resolved to ids.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    services: Vec<i32>,
    severity_min: Option<i16>,
    /// Patterns of `ILIKE`.
    patterns: Vec<String>,
    tags: Vec<TagCondition>,
    trace_id: Option<Uuid>,
    span_id: Option<i64>,
}

/// A row of `logs`.
#[derive(Debug)]
pub struct LogRow {
    /// Where it stands in the order of the list.
    pub place: Place,
    /// When it was collected.
    pub observed_time: DateTime<Utc>,
    /// Its trace.
    pub trace_id: Option<TraceId>,
    /// Its span.
    pub span_id: Option<SpanId>,
    /// Id of the process.
    pub resource: i32,
    /// Id of the logger.
    pub scope: i32,
    /// OTLP's number.
    pub severity: u8,
    /// The level as its source calls it.
    pub severity_text: Option<String>,
    /// What kind of event it is.
    pub event_name: Option<String>,
    /// What was told.
    pub body: String,
    /// JSON object.
    pub attributes: String,
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
}

impl LogRow {
    /// What it takes in an answer, about.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.attributes.len() + 256
    }
}

impl Conditions {
    /// Looks the names up; none if there is no such service.
    pub async fn resolve(db: &mut PgConnection, filter: &Filter) -> sqlx::Result<Option<Self>> {
        let mut conditions = Self {
            severity_min: filter.level_min.map(|level| level.number_min().into()),
            patterns: filter.words.iter().map(|word| pattern(word)).collect(),
            trace_id: filter.trace_id.map(|id| Uuid::from_u128(id.get())),
            span_id: filter.span_id.map(SpanId::to_i64),
            ..Self::default()
        };
        if !filter.services.is_empty() {
            conditions.services = sqlx::query_scalar("SELECT id FROM services WHERE name = ANY($1)")
                .bind(&filter.services)
                .fetch_all(&mut *db)
                .await?;
            if conditions.services.is_empty() {
                return Ok(None);
            }
        }
        for tag in &filter.tags {
            conditions.tags.push(TagCondition::resolve(db, tag).await?);
        }
        Ok(Some(conditions))
    }

    /// Whether an index finds the records whenever they were.
    pub fn is_of_one_trace(&self) -> bool {
        self.trace_id.is_some()
    }

    /// Adds ` AND ...`.
    fn push(&self, sql: &mut Sql) {
        if let Some(id) = self.trace_id {
            sql.push(" AND trace_id = ").push_bind(id);
        }
        if let Some(id) = self.span_id {
            sql.push(" AND span_id = ").push_bind(id);
        }
        if !self.services.is_empty() {
            sql.push(" AND service_id = ANY(").push_bind(self.services.clone()).push(")");
        }
        if let Some(severity) = self.severity_min {
            sql.push(" AND severity >= ").push_bind(severity);
        }
        for pattern in &self.patterns {
            sql.push(" AND body ILIKE ").push_bind(pattern.clone());
        }
        for tag in &self.tags {
            tag.push_here_or_in_resource(sql, &self.services);
        }
    }
}

/// A word anywhere, every character standing for itself.
fn pattern(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 8);
    pattern.push('%');
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn push_range(sql: &mut Sql, (start_us, end_us): (i64, i64)) {
    sql.push(" WHERE time >= ").push_bind(time_of_us(start_us));
    sql.push(" AND time < ").push_bind(time_of_us(end_us));
}

/// Adds the records from `start_us` to before `end_us` that follow `after`, the newest first, until there
/// are `limit` in `rows` or they take `bytes_max`.
pub async fn newest(
    db: &mut PgConnection,
    conditions: &Conditions,
    range_us: (i64, i64),
    after: Option<Place>,
    rows: &mut Vec<LogRow>,
    (limit, bytes_max): (usize, usize),
) -> sqlx::Result<()> {
    let mut sql = Sql::new("SELECT ");
    sql.push(COLUMNS).push(" FROM logs");
    push_range(&mut sql, range_us);
    if let Some(Place { time_us, sub_ns, id }) = after {
        sql.push(" AND time <= ").push_bind(time_of_us(time_us));
        sql.push(" AND (time, time_sub_ns, id) < (").push_bind(time_of_us(time_us));
        sql.push(", ").push_bind(sub_ns).push(", ").push_bind(id).push(")");
    }
    conditions.push(&mut sql);
    sql.push(" ORDER BY time DESC, time_sub_ns DESC, id DESC LIMIT ");
    sql.push_bind(limit.saturating_sub(rows.len()) as i64);
    fetch(db, sql, rows, (limit, bytes_max)).await
}

/// The first records of a trace in order of time, as far as they fit.
pub async fn of_trace(
    db: &mut PgConnection,
    trace_id: TraceId,
    (limit, bytes_max): (usize, usize),
) -> sqlx::Result<Vec<LogRow>> {
    let mut sql = Sql::new("SELECT ");
    sql.push(COLUMNS).push(" FROM logs WHERE trace_id = ").push_bind(Uuid::from_u128(trace_id.get()));
    sql.push(" ORDER BY time, time_sub_ns, id LIMIT ").push_bind(limit as i64);
    let mut rows = Vec::new();
    fetch(db, sql, &mut rows, (limit, bytes_max)).await?;
    Ok(rows)
}

async fn fetch(
    db: &mut PgConnection,
    mut sql: Sql,
    rows: &mut Vec<LogRow>,
    (limit, bytes_max): (usize, usize),
) -> sqlx::Result<()> {
    let mut bytes: usize = rows.iter().map(LogRow::bytes).sum();
    let mut found = sql.build().fetch(db);
    // One row at a time: a page of the largest bodies would not fit into memory.
    while let Some(found) = found.try_next().await? {
        let row = row(&found)?;
        bytes += row.bytes();
        rows.push(row);
        if rows.len() >= limit || bytes >= bytes_max {
            break;
        }
    }
    Ok(())
}

fn row(row: &PgRow) -> sqlx::Result<LogRow> {
    let time: DateTime<Utc> = row.try_get(0)?;
    let trace_id: Option<Uuid> = row.try_get(4)?;
    let span_id: Option<i64> = row.try_get(5)?;
    let place = Place { time_us: time.timestamp_micros(), sub_ns: row.try_get(1)?, id: row.try_get(2)? };
    Ok(LogRow {
        place,
        observed_time: row.try_get(3)?,
        // Zero is refused on its way in.
        trace_id: trace_id.and_then(|id| TraceId::new(id.as_u128()).ok()),
        span_id: span_id.and_then(|id| SpanId::from_i64(id).ok()),
        resource: row.try_get(6)?,
        scope: row.try_get(7)?,
        severity: u8::try_from(row.try_get::<i16, _>(8)?).unwrap_or_default(),
        severity_text: row.try_get(9)?,
        event_name: row.try_get(10)?,
        body: row.try_get(11)?,
        attributes: row.try_get(12)?,
        dropped_attributes_count: row.try_get::<Option<i32>, _>(13)?.unwrap_or_default().cast_unsigned(),
    })
}

/// How many records there are from `start_us` to before `end_us`, by the number of the step that they
/// are in since the epoch, and by level.
pub async fn count(
    db: &mut PgConnection,
    conditions: &Conditions,
    range_us: (i64, i64),
    step_seconds: u32,
) -> sqlx::Result<Vec<(i64, LogLevel, u64)>> {
    let mut sql = Sql::new("SELECT floor(extract(epoch FROM time) / ");
    sql.push_bind(i64::from(step_seconds)).push(")::bigint, severity, count(*) FROM logs");
    push_range(&mut sql, range_us);
    conditions.push(&mut sql);
    sql.push(" GROUP BY 1, 2");
    let rows = sql.build().fetch_all(db).await?;
    rows.iter()
        .map(|row| {
            let severity = u8::try_from(row.try_get::<i16, _>(1)?).unwrap_or_default();
            let count: i64 = row.try_get(2)?;
            Ok((row.try_get(0)?, LogLevel::of_number(severity), count.cast_unsigned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_for_itself() {
        assert_eq!(pattern(r"100%_a\b"), r"%100\%\_a\\b%");
    }
}
