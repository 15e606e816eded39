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

CREATE MATERIALIZED VIEW metrics_1m WITH (timescaledb.continuous, timescaledb.materialized_only = true,
    timescaledb.create_group_indexes = false, timescaledb.chunk_interval = '1 day') AS
SELECT time_bucket(interval '1 minute', minute) AS time,
       service_id, operation_id, kind, status, version, bucket,
       sum(span_count) AS span_count, sum(duration_ns_sum) AS duration_ns_sum
FROM span_metrics
GROUP BY 1, 2, 3, 4, 5, 6, 7
WITH NO DATA;

CREATE MATERIALIZED VIEW metrics_1h WITH (timescaledb.continuous, timescaledb.materialized_only = true,
    timescaledb.create_group_indexes = false, timescaledb.chunk_interval = '7 days') AS
SELECT time_bucket(interval '1 hour', time) AS time,
       service_id, operation_id, kind, status, version, bucket,
       sum(span_count) AS span_count, sum(duration_ns_sum) AS duration_ns_sum
FROM metrics_1m
GROUP BY 1, 2, 3, 4, 5, 6, 7
WITH NO DATA;

CREATE MATERIALIZED VIEW metrics_1d WITH (timescaledb.continuous, timescaledb.materialized_only = true,
    timescaledb.create_group_indexes = false, timescaledb.chunk_interval = '90 days') AS
SELECT time_bucket(interval '1 day', time) AS time,
       service_id, operation_id, kind, status, version, bucket,
       sum(span_count) AS span_count, sum(duration_ns_sum) AS duration_ns_sum
FROM metrics_1h
GROUP BY 1, 2, 3, 4, 5, 6, 7
WITH NO DATA;

CREATE INDEX metrics_1m_by_service ON metrics_1m (service_id, time DESC);
CREATE INDEX metrics_1h_by_service ON metrics_1h (service_id, time DESC);
CREATE INDEX metrics_1d_by_service ON metrics_1d (service_id, time DESC);

-- Only what changed is computed again. The window must not reach back to what drop_before() has
-- dropped: dropping counts as a change, and a refresh would empty the hours and days made of it.
SELECT add_continuous_aggregate_policy('metrics_1m', start_offset => interval '3 days',
    end_offset => interval '1 minute', schedule_interval => interval '1 minute', buckets_per_batch => 360);
SELECT add_continuous_aggregate_policy('metrics_1h', start_offset => interval '3 days',
    end_offset => interval '0', schedule_interval => interval '10 minutes');
SELECT add_continuous_aggregate_policy('metrics_1d', start_offset => interval '3 days',
    end_offset => interval '0', schedule_interval => interval '1 hour');

-- The aggregates are refreshed by TimescaleDB; the job calls this on either flavour.
CREATE FUNCTION roll_up_metrics() RETURNS bigint
LANGUAGE sql AS 'SELECT 0::bigint';

-- Every minute, the open ones included: the last quarter of an hour, and what is not aggregated
-- yet, is summed from the parts. (Real-time aggregation does the same, more slowly.)
CREATE VIEW metrics_minute AS
WITH seam AS (
    SELECT least(coalesce(max(time) + interval '1 minute', '-infinity'),
                 date_trunc('minute', now()) - interval '15 minutes') AS time
    FROM metrics_1m
)
SELECT m.time, m.service_id, m.operation_id, m.kind, m.status, m.version, m.bucket, m.span_count,
       m.duration_ns_sum
FROM metrics_1m m
WHERE m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.minute, p.service_id, p.operation_id, p.kind, p.status, p.version, p.bucket, p.span_count,
       p.duration_ns_sum
FROM span_metrics p
WHERE p.minute >= (SELECT time FROM seam);

-- Drops what lies wholly before the two times: spans, traces and minutes before the first, hours
-- and days before the second. Returns the names of the chunks that went.
CREATE FUNCTION drop_before(spans_before timestamptz, rollups_before timestamptz) RETURNS SETOF text
LANGUAGE sql AS $$
    SELECT drop_chunks('spans', older_than => spans_before)
    UNION ALL SELECT drop_chunks('traces', older_than => spans_before)
    UNION ALL SELECT drop_chunks('span_metrics', older_than => least(spans_before, now() - interval '4 days'))
    UNION ALL SELECT drop_chunks('metrics_1m', older_than => least(spans_before, now() - interval '4 days'))
    UNION ALL SELECT drop_chunks('metrics_1h', older_than => rollups_before)
    UNION ALL SELECT drop_chunks('metrics_1d', older_than => rollups_before)
$$;
