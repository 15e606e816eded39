-- As before, by the clock of spanloom_now().
CREATE OR REPLACE VIEW metrics_minute AS
WITH seam AS (
    SELECT least(coalesce(max(time) + interval '1 minute', '-infinity'),
                 date_trunc('minute', spanloom_now()) - interval '15 minutes') AS time
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

CREATE OR REPLACE VIEW metrics_hour AS
WITH seam AS (
    SELECT least(coalesce(max(time), '-infinity'), date_trunc('hour', spanloom_now()) - interval '1 hour') AS time
    FROM metrics_1h
)
SELECT m.time, m.service_id, m.operation_id, m.kind, m.status, m.version, m.bucket, m.span_count,
       m.duration_ns_sum
FROM metrics_1h m
WHERE m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.time, p.service_id, p.operation_id, p.kind, p.status, p.version, p.bucket, p.span_count,
       p.duration_ns_sum
FROM metrics_minute p
WHERE p.time >= (SELECT time FROM seam);

CREATE OR REPLACE VIEW metrics_day AS
WITH seam AS (
    SELECT least(coalesce(max(time), '-infinity'),
                 date_trunc('day', spanloom_now(), 'UTC') - interval '1 day') AS time
    FROM metrics_1d
)
SELECT m.time, m.service_id, m.operation_id, m.kind, m.status, m.version, m.bucket, m.span_count,
       m.duration_ns_sum
FROM metrics_1d m
WHERE m.time < (SELECT time FROM seam)
UNION ALL
SELECT p.time, p.service_id, p.operation_id, p.kind, p.status, p.version, p.bucket, p.span_count,
       p.duration_ns_sum
FROM metrics_hour p
WHERE p.time >= (SELECT time FROM seam);
