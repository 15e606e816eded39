//! Services and operations: sums of the minutes.

use std::collections::BTreeMap;
use std::time::Duration;

use spanloom_model::SpanKind;
use spanloom_model::api::{OperationSummary, ServiceSummary};
use sqlx::{PgPool, Row};

use super::red::{Part, Red, ServiceRed};
use crate::query::params::Window;
use crate::query::store::{begin_read, operation_names, service_id, service_names};

/// Services that were active in the window, by name.
pub async fn services(
    pool: &PgPool,
    window: Window,
    statement_time: Duration,
) -> sqlx::Result<Vec<ServiceSummary>> {
    let mut tx = begin_read(pool, statement_time).await?;
    let rows = sqlx::query(
        "SELECT service_id, kind, status = 2, bucket, sum(span_count), sum(duration_ns_sum)
         FROM metrics_minute WHERE time >= $1 AND time < $2
         GROUP BY 1, 2, 3, 4",
    )
    .bind(window.start)
    .bind(window.end)
    .fetch_all(&mut *tx)
    .await?;

    let mut by_service = BTreeMap::<i32, ServiceRed>::new();
    for row in &rows {
        let kind = SpanKind::from_number(i32::from(row.try_get::<i16, _>(1)?));
        by_service.entry(row.try_get(0)?).or_default().add(kind, Part::of_row(row, 2)?);
    }
    let ids: Vec<i32> = by_service.keys().copied().collect();
    let mut names = service_names(&mut tx, &ids).await?;
    let mut services: Vec<ServiceSummary> = by_service
        .iter()
        .filter_map(|(id, service)| {
            Some(ServiceSummary { name: names.remove(id)?, red: service.red().summary(window.seconds()) })
        })
        .collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(services)
}

/// Operations of a service that were active in the window, by name and kind.
pub async fn operations(
    pool: &PgPool,
    service: &str,
    window: Window,
    statement_time: Duration,
) -> sqlx::Result<Vec<OperationSummary>> {
    let mut tx = begin_read(pool, statement_time).await?;
    let Some(service_id) = service_id(&mut tx, service).await? else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(
        "SELECT operation_id, kind, status = 2, bucket, sum(span_count), sum(duration_ns_sum)
         FROM metrics_minute WHERE time >= $1 AND time < $2 AND service_id = $3
         GROUP BY 1, 2, 3, 4",
    )
    .bind(window.start)
    .bind(window.end)
    .bind(service_id)
    .fetch_all(&mut *tx)
    .await?;

    let mut by_operation = BTreeMap::<(i32, i16), Red>::new();
    for row in &rows {
        let key = (row.try_get(0)?, row.try_get(1)?);
        by_operation.entry(key).or_default().add(Part::of_row(row, 2)?);
    }
    let ids: Vec<i32> = by_operation.keys().map(|(id, _)| *id).collect();
    let names = operation_names(&mut tx, &ids).await?;
    let mut operations: Vec<OperationSummary> = by_operation
        .iter()
        .filter_map(|((id, kind), red)| {
            Some(OperationSummary {
                name: names.get(id)?.clone(),
                kind: SpanKind::from_number(i32::from(*kind)),
                red: red.summary(window.seconds()),
            })
        })
        .collect();
    operations.sort_by(|a, b| a.name.cmp(&b.name).then(a.kind.cmp(&b.kind)));
    Ok(operations)
}
