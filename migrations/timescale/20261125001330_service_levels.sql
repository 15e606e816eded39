-- Levels that know a service's operations together, as operation 0: a view over all services reads a
-- fraction of the rows. Aggregates of what metrics_source does not hold any more stay without.
INSERT INTO metrics_source
SELECT minute, service_id, 0, kind, status, version, bucket, sum(span_count), sum(duration_ns_sum)
FROM metrics_source GROUP BY 1, 2, 4, 5, 6, 7;

CREATE INDEX metrics_source_services ON metrics_source (minute DESC) WHERE operation_id = 0;
CREATE INDEX metrics_1m_services ON metrics_1m (time DESC) WHERE operation_id = 0;
CREATE INDEX metrics_1h_services ON metrics_1h (time DESC) WHERE operation_id = 0;
CREATE INDEX metrics_1d_services ON metrics_1d (time DESC) WHERE operation_id = 0;

-- Rows of a service lie scattered over its time: questions about one service are answered by the index alone.
DROP INDEX _timescaledb_internal.metrics_1m_by_service;
DROP INDEX _timescaledb_internal.metrics_1h_by_service;
DROP INDEX _timescaledb_internal.metrics_1d_by_service;
CREATE INDEX metrics_1m_by_service ON metrics_1m (service_id, time DESC)
    INCLUDE (operation_id, kind, status, version, bucket, span_count, duration_ns_sum);
CREATE INDEX metrics_1h_by_service ON metrics_1h (service_id, time DESC)
    INCLUDE (operation_id, kind, status, version, bucket, span_count, duration_ns_sum);
CREATE INDEX metrics_1d_by_service ON metrics_1d (service_id, time DESC)
    INCLUDE (operation_id, kind, status, version, bucket, span_count, duration_ns_sum);

-- What the writer added since the job ran last comes from its own table. Before the seam it is not told
-- until it is aggregated, so that nothing is told, then not, and then told again.
CREATE OR REPLACE VIEW metrics_minute AS
WITH seam AS (
    SELECT least(coalesce(max(time) + interval '1 minute', '-infinity'),
                 date_trunc('minute', spanloom_now()) - interval '15 minutes') AS time
    FROM metrics_1m
)
SELECT m.time, m.service_id, m.operation_id, m.kind, m.status, m.version, m.bucket, m.span_count,
       m.duration_ns_sum
FROM metrics_1m m
WHERE m.operation_id <> 0 AND m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.minute, p.service_id, p.operation_id, p.kind, p.status, p.version, p.bucket, p.span_count,
       p.duration_ns_sum
FROM metrics_source p
WHERE p.operation_id <> 0 AND p.minute >= (SELECT time FROM seam)
UNION ALL
SELECT w.minute, w.service_id, w.operation_id, w.kind, w.status, w.version, w.bucket, w.span_count,
       w.duration_ns_sum
FROM span_metric_cells w
WHERE w.minute >= (SELECT time FROM seam);

CREATE OR REPLACE VIEW metrics_hour AS
WITH seam AS (
    SELECT least(coalesce(max(time), '-infinity'), date_trunc('hour', spanloom_now()) - interval '1 hour') AS time
    FROM metrics_1h
)
SELECT m.time, m.service_id, m.operation_id, m.kind, m.status, m.version, m.bucket, m.span_count,
       m.duration_ns_sum
FROM metrics_1h m
WHERE m.operation_id <> 0 AND m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.time, p.service_id, p.operation_id, p.kind, p.status, p.version, p.bucket, p.span_count,
       p.duration_ns_sum
FROM metrics_minute p
WHERE p.time >= (SELECT time FROM seam);

-- A day is taken from its aggregate when that was refreshed once more, for spans that came after midnight.
CREATE OR REPLACE VIEW metrics_day AS
WITH seam AS (
    SELECT least(coalesce(max(time) + interval '1 day', '-infinity'),
                 date_trunc('day', spanloom_now() - interval '2 hours', 'UTC')) AS time
    FROM metrics_1d
)
SELECT m.time, m.service_id, m.operation_id, m.kind, m.status, m.version, m.bucket, m.span_count,
       m.duration_ns_sum
FROM metrics_1d m
WHERE m.operation_id <> 0 AND m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.time, p.service_id, p.operation_id, p.kind, p.status, p.version, p.bucket, p.span_count,
       p.duration_ns_sum
FROM metrics_hour p
WHERE p.time >= (SELECT time FROM seam);

-- The same without operations.
CREATE VIEW service_metrics_minute AS
WITH seam AS (
    SELECT least(coalesce(max(time) + interval '1 minute', '-infinity'),
                 date_trunc('minute', spanloom_now()) - interval '15 minutes') AS time
    FROM metrics_1m
)
SELECT m.time, m.service_id, m.kind, m.status, m.version, m.bucket, m.span_count, m.duration_ns_sum
FROM metrics_1m m
WHERE m.operation_id = 0 AND m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.minute, p.service_id, p.kind, p.status, p.version, p.bucket, p.span_count, p.duration_ns_sum
FROM metrics_source p
WHERE p.operation_id = 0 AND p.minute >= (SELECT time FROM seam)
UNION ALL
SELECT w.minute, w.service_id, w.kind, w.status, w.version, w.bucket, w.span_count, w.duration_ns_sum
FROM span_metric_cells w
WHERE w.minute >= (SELECT time FROM seam);

CREATE VIEW service_metrics_hour AS
WITH seam AS (
    SELECT least(coalesce(max(time), '-infinity'), date_trunc('hour', spanloom_now()) - interval '1 hour') AS time
    FROM metrics_1h
)
SELECT m.time, m.service_id, m.kind, m.status, m.version, m.bucket, m.span_count, m.duration_ns_sum
FROM metrics_1h m
WHERE m.operation_id = 0 AND m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.time, p.service_id, p.kind, p.status, p.version, p.bucket, p.span_count, p.duration_ns_sum
FROM service_metrics_minute p
WHERE p.time >= (SELECT time FROM seam);

CREATE VIEW service_metrics_day AS
WITH seam AS (
    SELECT least(coalesce(max(time) + interval '1 day', '-infinity'),
                 date_trunc('day', spanloom_now() - interval '2 hours', 'UTC')) AS time
    FROM metrics_1d
)
SELECT m.time, m.service_id, m.kind, m.status, m.version, m.bucket, m.span_count, m.duration_ns_sum
FROM metrics_1d m
WHERE m.operation_id = 0 AND m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.time, p.service_id, p.kind, p.status, p.version, p.bucket, p.span_count, p.duration_ns_sum
FROM service_metrics_hour p
WHERE p.time >= (SELECT time FROM seam);

-- Moves what the writer added since the last time to what the aggregates are made of; returns how many rows
-- that made.
CREATE OR REPLACE FUNCTION roll_up_metrics() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    cells bigint := move_metric_parts();
BEGIN
    INSERT INTO metrics_source
    SELECT minute, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
    FROM metric_cells;
    RETURN cells;
END
$$;

-- Hours and days are refreshed by TimescaleDB; on plain PostgreSQL this brings them up to date.
CREATE FUNCTION fold_metrics(fold_before timestamptz) RETURNS void
LANGUAGE sql AS '';
