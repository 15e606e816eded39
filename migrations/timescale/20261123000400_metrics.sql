-- Rate, errors and durations by minute, hour and day on TimescaleDB.
--
-- The writer adds partial counts to span_metrics in the transaction that adds the spans;
-- continuous aggregates over it make the three levels.

CREATE TABLE span_metrics (
    minute          timestamptz      NOT NULL,
    service_id      int              NOT NULL,
    operation_id    int              NOT NULL,
    kind            smallint         NOT NULL,
    status          smallint         NOT NULL,
    -- service.version; empty if not told.
    version         text             NOT NULL,
    -- Bucket b holds durations in [1.05^b, 1.05^(b+1)) ns; -1 holds zero.
    bucket          smallint         NOT NULL,
    span_count      double precision NOT NULL,
    duration_ns_sum double precision NOT NULL
);

SELECT create_hypertable('span_metrics', by_range('minute', interval '6 hours'), create_default_indexes => false);

CREATE INDEX span_metrics_by_minute ON span_metrics (minute DESC);

ALTER TABLE span_metrics SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'service_id',
    timescaledb.orderby = 'minute DESC, operation_id, bucket'
);

CALL add_columnstore_policy('span_metrics', after => interval '12 hours');

CREATE MATERIALIZED VIEW metrics_1m WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT time_bucket(interval '1 minute', minute) AS time,
       service_id, operation_id, kind, status, version, bucket,
       sum(span_count) AS span_count, sum(duration_ns_sum) AS duration_ns_sum
FROM span_metrics
GROUP BY 1, 2, 3, 4, 5, 6, 7
WITH NO DATA;

CREATE MATERIALIZED VIEW metrics_1h WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT time_bucket(interval '1 hour', time) AS time,
       service_id, operation_id, kind, status, version, bucket,
       sum(span_count) AS span_count, sum(duration_ns_sum) AS duration_ns_sum
FROM metrics_1m
GROUP BY 1, 2, 3, 4, 5, 6, 7
WITH NO DATA;

CREATE MATERIALIZED VIEW metrics_1d WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT time_bucket(interval '1 day', time) AS time,
       service_id, operation_id, kind, status, version, bucket,
       sum(span_count) AS span_count, sum(duration_ns_sum) AS duration_ns_sum
FROM metrics_1h
GROUP BY 1, 2, 3, 4, 5, 6, 7
WITH NO DATA;

-- Only what changed is computed again, however late the spans came.
SELECT add_continuous_aggregate_policy('metrics_1m',
    start_offset => NULL, end_offset => interval '1 minute', schedule_interval => interval '1 minute');
SELECT add_continuous_aggregate_policy('metrics_1h',
    start_offset => NULL, end_offset => interval '1 hour', schedule_interval => interval '10 minutes');
SELECT add_continuous_aggregate_policy('metrics_1d',
    start_offset => NULL, end_offset => interval '1 day', schedule_interval => interval '1 hour');

-- The aggregates are refreshed by TimescaleDB; the job calls this on either flavour.
CREATE FUNCTION roll_up_metrics() RETURNS bigint
LANGUAGE sql AS 'SELECT 0::bigint';

-- Every minute, the open ones included: what is not aggregated yet is summed from the parts.
-- (Real-time aggregation does the same, more slowly.)
CREATE VIEW metrics_minute AS
WITH seam AS (
    SELECT coalesce(max(time) + interval '1 minute', '-infinity') AS time FROM metrics_1m
)
SELECT m.time, m.service_id, m.operation_id, m.kind, m.status, m.version, m.bucket, m.span_count,
       m.duration_ns_sum
FROM metrics_1m m
UNION ALL
SELECT p.minute, p.service_id, p.operation_id, p.kind, p.status, p.version, p.bucket, p.span_count,
       p.duration_ns_sum
FROM span_metrics p
WHERE p.minute >= (SELECT time FROM seam);
