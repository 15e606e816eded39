-- Hours and days up to now: what is aggregated, and above a seam the level below. The last hour (day)
-- and what is not aggregated yet come from below. time is that of the part: a whole hour or day, or a
-- shorter part of it.
CREATE VIEW metrics_hour AS
WITH seam AS (
    SELECT least(coalesce(max(time), '-infinity'), date_trunc('hour', now()) - interval '1 hour') AS time
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

CREATE VIEW metrics_day AS
WITH seam AS (
    SELECT least(coalesce(max(time), '-infinity'),
                 date_trunc('day', now(), 'UTC') - interval '1 day') AS time
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
