//! Services and operations: sums of the hours and minutes.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use spanloom_model::SpanKind;
use spanloom_model::api::{OperationSummary, ServiceSummary};
use sqlx::{PgPool, Row};

use super::red::{Part, Red, ServiceRed};
use crate::query::params::Window;
use crate::query::store::{begin_read, operation_names, service_id, service_names};

/// A statement over the parts of the window from $1 to $2 that meet a condition, in the views with a prefix: whole hours, from $3 to $4,
/// are a fraction of the rows that their minutes are.
macro_rules! over_window {
    ($select:literal, $of:literal, $condition:literal, $rest:literal) => {
        concat!(
            $select,
            "(SELECT * FROM ",
            $of,
            "metrics_minute WHERE time >= $1 AND time < $3 AND ",
            $condition,
            " UNION ALL SELECT * FROM ",
            $of,
            "metrics_hour WHERE time >= $3 AND time < $4 AND ",
            $condition,
            " UNION ALL SELECT * FROM ",
            $of,
            "metrics_minute WHERE time >= $4 AND time < $2 AND ",
            $condition,
            ") parts",
            $rest
        )
    };
}

/// From where to where the window consists of whole hours; its start twice if there are none.
fn whole_hours(window: Window) -> [DateTime<Utc>; 2] {
    let hour_s = 3_600;
    let start_s = window.start.timestamp().div_euclid(hour_s) * hour_s;
    let start_s = if start_s < window.start.timestamp() { start_s + hour_s } else { start_s };
    let end_s = window.end.timestamp().div_euclid(hour_s) * hour_s;
    match [start_s, end_s].map(|seconds| DateTime::from_timestamp(seconds, 0)) {
        [Some(start), Some(end)] if start < end => [start, end],
        _ => [window.start, window.start],
    }
}

/// Services that were active in the window, by name.
pub async fn services(
    pool: &PgPool,
    window: Window,
    statement_time: Duration,
) -> sqlx::Result<Vec<ServiceSummary>> {
    let mut tx = begin_read(pool, statement_time).await?;
    let [hours_start, hours_end] = whole_hours(window);
    let rows = sqlx::query(over_window!(
        "SELECT service_id, kind, status = 2, bucket, sum(span_count), sum(duration_ns_sum) FROM ",
        "service_",
        "true",
        " GROUP BY 1, 2, 3, 4"
    ))
    .bind(window.start)
    .bind(window.end)
    .bind(hours_start)
    .bind(hours_end)
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
    let [hours_start, hours_end] = whole_hours(window);
    let rows = sqlx::query(over_window!(
        "SELECT operation_id, kind, status = 2, bucket, sum(span_count), sum(duration_ns_sum) FROM ",
        "",
        "service_id = $5",
        " GROUP BY 1, 2, 3, 4"
    ))
    .bind(window.start)
    .bind(window.end)
    .bind(hours_start)
    .bind(hours_end)
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

#[cfg(test)]
mod tests {
    use super::*;

    // Catches minutes that are counted twice or not at all where hours begin and end.
    #[test]
    fn whole_hours_lie_within_the_window() {
        let time = |minutes: i64| DateTime::from_timestamp(minutes * 60, 0).unwrap();
        for ((start, end), hours) in [
            ((0, 180), (0, 180)),
            ((1, 181), (60, 180)),
            ((59, 120), (60, 120)),
            ((61, 119), (61, 61)),
            ((60, 60), (60, 60)),
            ((119, 121), (119, 119)),
        ] {
            let window = Window { start: time(start), end: time(end) };
            assert_eq!(whole_hours(window), [time(hours.0), time(hours.1)], "{start} to {end}");
        }
    }
}
