-- Hours and days with what is not rolled up yet: like metrics_minute, exact at any moment, because a row
-- is in exactly one of the two places in every snapshot. time is that of the part: a whole hour or day,
-- or a minute within it.
CREATE VIEW metrics_hour AS
SELECT time, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1h
UNION ALL
SELECT minute, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM span_metrics;

CREATE VIEW metrics_day AS
SELECT time, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1d
UNION ALL
SELECT minute, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM span_metrics;
