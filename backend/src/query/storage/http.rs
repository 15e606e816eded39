//! `GET storage`.

use std::time::Duration;

use actix_web::{HttpRequest, get, web};
use chrono::Utc;
use spanloom_model::api::{StorageFlavour, StorageResponse};
use tokio::time::Instant;

use super::days::Days;
use super::{answer, forecast, store};
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::params::Params;
use crate::store::Flavour;
use crate::web::{ApiError, ApiResult};

const DAYS_DEFAULT: usize = 14;
const DAYS_MAX: usize = 90;

/// Samples are taken for this long at most; shares that are missing then are missing.
const SAMPLING_TIME: Duration = Duration::from_secs(5);

fn days(params: &mut Params) -> usize {
    let parse = |text: &str| {
        let days = text.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
        days.ok_or_else(|| format!("must be 1 to {DAYS_MAX}"))
    };
    params.parsed("days", parse).unwrap_or(DAYS_DEFAULT)
}

#[utoipa::path(
    get,
    path = "/storage",
    tag = "storage",
    operation_id = "getStorage",
    summary = "Tell what is stored and how long it is kept",
    description = "Sizes are exact, from the database's files. Rows are the database's estimate. Bytes by \
        service are an estimate: of each signal's day a few partitions are sampled (at most 4 MB of each; \
        in a columnstore rows are counted), and the day's bytes are shared as the samples are.",
    params(
        ("days" = Option<u32>, Query, description = "Days that `days` and `services` tell of, today \
            included: 1 to 90. Default: 14.", example = 14),
    ),
    responses(
        (status = 200, description = "What is stored.", body = StorageResponse, example = json!({
            "measuredAt": "2026-11-25T12:00:00Z", "flavour": "postgres",
            "databaseBytes": 5_242_880_000_i64, "bytesMax": 20_000_000_000_i64,
            "growth": {
                "bytesPerDay": 700_000_000, "daysMeasured": 7, "fullInDays": 21,
                "steadyBytes": 21_400_000_000_i64
            },
            "signals": [{
                "name": "traces", "bytes": 4_900_000_000_i64, "daysMax": 30, "bytesMax": null,
                "oldest": "2026-11-18T00:00:00Z", "lastReason": "age"
            }],
            "tables": [{
                "name": "spans", "signal": "traces", "partitions": 30, "rowsEstimate": 9_800_000,
                "bytes": 4_700_000_000_i64, "heapBytes": 4_100_000_000_i64, "indexBytes": 600_000_000,
                "toastBytes": 0, "compressedBytes": 0, "uncompressedBytes": 0, "compressionRatio": null
            }],
            "days": [{
                "day": "2026-11-25", "bytes": 350_000_000,
                "tables": [{"name": "spans", "bytes": 350_000_000}],
                "services": [{"name": "checkout", "bytes": 210_000_000}]
            }],
            "services": [{
                "name": "checkout", "bytes": 210_000_000,
                "tables": [{"name": "spans", "bytes": 210_000_000}]
            }],
            "servicesComplete": true,
            "partitions": [{
                "table": "spans", "name": "spans_20261125_06", "startTime": "2026-11-25T06:00:00Z",
                "endTime": "2026-11-25T12:00:00Z", "rowsEstimate": 700_000, "bytes": 350_000_000,
                "uncompressedBytes": null
            }],
            "partitionCount": 1,
            "events": [{
                "droppedAt": "2026-11-25T00:02:00Z", "signal": "traces", "table": "spans",
                "partition": "spans_20261117_18", "startTime": "2026-11-17T18:00:00Z",
                "endTime": "2026-11-18T00:00:00Z", "rowsEstimate": 690_000, "bytes": 345_000_000,
                "reason": "age"
            }]
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/storage")]
pub(in crate::query) async fn get_storage(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<StorageResponse>> {
    let mut params = query_params(&request)?;
    let days = days(&mut params);
    params.finish().map_err(ApiError::invalid_fields)?;
    let now = Utc::now();
    let pool = &query.store.pool;
    let measured = store::measure(pool, query.statement_time()).await?;
    let days = Days::until(now, days, measured.since);
    let samples = answer::samples(&measured, days, now);
    let deadline = Instant::now() + SAMPLING_TIME.min(query.statement_time());
    let shares = store::shares(pool, &samples, deadline).await?;
    let (days, services) = answer::days_and_services(&measured, &shares, days, now);
    Ok(web::Json(StorageResponse {
        measured_at: now,
        flavour: match query.store.flavour {
            Flavour::Timescale => StorageFlavour::Timescale,
            Flavour::Postgres => StorageFlavour::Postgres,
        },
        database_bytes: measured.database_bytes,
        bytes_max: query.limits.bytes_max,
        growth: forecast::forecast(
            &measured.partitions,
            measured.since,
            now,
            &query.limits,
            measured.database_bytes,
        ),
        signals: answer::signals(&measured, &query.limits),
        tables: answer::tables(&measured),
        days,
        services,
        services_complete: shares.complete,
        partitions: answer::partitions(&measured),
        partition_count: measured.partitions.len() as u64,
        events: measured.events,
    }))
}
