//! Stored spans, as far as metrics look at them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, Utc};
use spanloom_measure::{Meter, Observed, Tally};
use spanloom_model::{Attributes, Resource, SpanKind, SpanStatus};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use crate::query::store::time_of_us;
use crate::store::pairs::{PairCache, StoredAttributes};

/// A row of `spans`; attributes are none if no metric reads them.
#[derive(Debug)]
pub struct SpanRow {
    service: String,
    operation: String,
    kind: SpanKind,
    status: SpanStatus,
    start_us: i64,
    duration_ns: i64,
    weight: f64,
    attributes: Option<StoredAttributes>,
    resource: i32,
}

impl SpanRow {
    /// When it began.
    pub fn start(&self) -> DateTime<Utc> {
        time_of_us(self.start_us)
    }
}

/// Selects the spans that begin from `start` to before `end` and may count, after `prefix`.
pub fn select(
    prefix: &str,
    meter: &Meter,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(prefix);
    sql.push("SELECT v.name, o.name, s.kind, s.status, s.start_time, s.duration_ns, s.weight, ");
    sql.push(if meter.reads_attributes() {
        "s.attributes, s.attribute_ids"
    } else {
        "NULL::text, NULL::bytea"
    });
    sql.push(
        ", s.resource_id FROM spans s JOIN services v ON v.id = s.service_id
           JOIN operations o ON o.id = s.operation_id WHERE s.start_time >= ",
    );
    sql.push_bind(start);
    if let Some(end) = end {
        sql.push(" AND s.start_time < ").push_bind(end);
    }
    // What is cheap for the database to tell; the meter looks at everything.
    let filter = &meter.definition().filter;
    if let Some(service) = &filter.service {
        sql.push(" AND s.service_id = (SELECT id FROM services WHERE name = ");
        sql.push_bind(service.clone()).push(")");
    }
    if let Some(operation) = &filter.operation {
        sql.push(" AND s.operation_id IN (SELECT id FROM operations WHERE name = ");
        sql.push_bind(operation.clone()).push(")");
    }
    if let Some(status) = filter.status {
        sql.push(" AND s.status = ").push_bind(status.number());
    }
    if !filter.kinds.is_empty() {
        let kinds: Vec<i16> = filter.kinds.iter().map(|kind| kind.number()).collect();
        sql.push(" AND s.kind = ANY(").push_bind(kinds).push(")");
    }
    sql
}

/// A row of [`select`].
///
/// # Errors
/// If it is none.
pub fn span(row: &PgRow) -> sqlx::Result<SpanRow> {
    Ok(SpanRow {
        service: row.try_get(0)?,
        operation: row.try_get(1)?,
        kind: SpanKind::from_number(i32::from(row.try_get::<i16, _>(2)?)),
        status: SpanStatus::from_number(i32::from(row.try_get::<i16, _>(3)?)),
        start_us: row.try_get::<DateTime<Utc>, _>(4)?.timestamp_micros(),
        duration_ns: row.try_get(5)?,
        weight: f64::from(row.try_get::<f32, _>(6)?),
        attributes: StoredAttributes::from_columns_or_null(row, 7, 8)?,
        resource: row.try_get(9)?,
    })
}

/// The rows of [`select`] with their attributes.
///
/// # Errors
/// If the database fails.
pub async fn fetch(
    db: &mut PgConnection,
    pairs: &PairCache,
    sql: &mut QueryBuilder<Postgres>,
) -> sqlx::Result<Vec<SpanRow>> {
    let rows = sql.build().fetch_all(&mut *db).await?;
    let mut spans = rows.iter().map(span).collect::<sqlx::Result<Vec<_>>>()?;
    fill_attributes(db, pairs, &mut spans).await?;
    Ok(spans)
}

/// Looks attributes up, in the transaction that has read the spans.
///
/// # Errors
/// If the database fails.
pub async fn fill_attributes(
    db: &mut PgConnection,
    pairs: &PairCache,
    spans: &mut [SpanRow],
) -> sqlx::Result<()> {
    pairs.fill(db, spans.iter_mut().filter_map(|span| span.attributes.as_mut())).await
}

/// Processes by id.
pub type Resources = HashMap<i32, Arc<Resource>>;

/// More processes are not remembered at once.
const RESOURCES_MAX: usize = 20_000;

/// Adds the processes of the spans that are not known yet.
///
/// # Errors
/// If the database fails.
pub async fn add_resources(
    db: &mut PgConnection,
    spans: &[SpanRow],
    known: &mut Resources,
) -> anyhow::Result<()> {
    if known.len() > RESOURCES_MAX {
        known.clear();
    }
    let missing: HashSet<i32> =
        spans.iter().map(|span| span.resource).filter(|id| !known.contains_key(id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let rows: Vec<(i32, String)> =
        sqlx::query_as("SELECT id, attributes FROM resources WHERE id = ANY($1)")
            .bind(missing.into_iter().collect::<Vec<i32>>())
            .fetch_all(db)
            .await?;
    for (id, attributes) in rows {
        let attributes: Attributes = serde_json::from_str(&attributes).context("stored resource")?;
        known.insert(id, Arc::new(Resource { attributes, ..Resource::default() }));
    }
    Ok(())
}

/// Counts the spans; returns how many count.
///
/// # Errors
/// If stored attributes are no JSON.
pub fn observe(
    meter: &Meter,
    spans: &[SpanRow],
    resources: &Resources,
    tally: &mut Tally,
) -> anyhow::Result<u64> {
    let no_resource = Resource::default();
    let mut counted = 0;
    for span in spans {
        let attributes: Attributes = match &span.attributes {
            Some(attributes) => attributes.read()?,
            None => Attributes::default(),
        };
        let resource = resources.get(&span.resource).map_or(&no_resource, |resource| resource);
        let observed = Observed {
            service: &span.service,
            operation: &span.operation,
            kind: span.kind,
            status: span.status,
            version: resource.service_version(),
            start_us: span.start_us,
            duration_ns: span.duration_ns,
            attributes: &attributes,
            resource: &resource.attributes,
            weight: span.weight,
        };
        counted += u64::from(meter.observe(&observed, tally));
    }
    Ok(counted)
}
