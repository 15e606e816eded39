//! What the writers have to count.

use anyhow::Context;
use spanloom_measure::Meter;
use spanloom_model::api::CustomMetricDefinition;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

/// A version of a metric that is counted as spans come.
#[derive(Debug)]
pub struct Live {
    /// `custom_metric_versions.id`
    pub version: i32,
    /// Spans that begin at this moment or later count; microseconds since the epoch.
    pub from_us: i64,
    /// The definition.
    pub meter: Meter,
}

/// The versions in force. Call it in a transaction that shares the lock of the seam.
///
/// # Errors
/// If the database fails.
pub async fn load(connection: &mut PgConnection) -> sqlx::Result<Vec<Live>> {
    let rows = sqlx::query(
        "SELECT id, (extract(epoch FROM live_from) * 1000000)::bigint, definition
         FROM custom_metric_versions WHERE metric_id IS NOT NULL AND live_from < 'infinity' ORDER BY id",
    )
    .fetch_all(connection)
    .await?;
    let mut live = Vec::new();
    for row in rows {
        let version: i32 = row.try_get(0)?;
        // What a newer version of the program saved must not keep spans out.
        let definition: Result<Json<CustomMetricDefinition>, _> = row.try_get(2);
        match definition.map_err(anyhow::Error::from).and_then(|Json(found)| meter(version, found)) {
            Ok(meter) => live.push(Live { version, from_us: row.try_get(1)?, meter }),
            Err(error) => tracing::error!("a custom metric is not counted: {error:#}"),
        }
    }
    Ok(live)
}

/// A stored definition, ready to look at spans.
///
/// # Errors
/// If it is not valid for this program.
pub fn meter(version: i32, definition: CustomMetricDefinition) -> anyhow::Result<Meter> {
    let meter = Meter::new(definition).map_err(|faults| anyhow::anyhow!("{faults:?}"));
    meter.with_context(|| format!("the stored definition of custom metric version {version}"))
}
