-- Levels that know a service's operations together, as operation 0: a view over all services reads a
-- fraction of the rows.
INSERT INTO metrics_1m
SELECT time, service_id, 0, kind, status, version, bucket, sum(span_count), sum(duration_ns_sum)
FROM metrics_1m GROUP BY 1, 2, 4, 5, 6, 7;
INSERT INTO metrics_1h
SELECT time, service_id, 0, kind, status, version, bucket, sum(span_count), sum(duration_ns_sum)
FROM metrics_1h GROUP BY 1, 2, 4, 5, 6, 7;
INSERT INTO metrics_1d
SELECT time, service_id, 0, kind, status, version, bucket, sum(span_count), sum(duration_ns_sum)
FROM metrics_1d GROUP BY 1, 2, 4, 5, 6, 7;

CREATE INDEX metrics_1m_services ON metrics_1m (time) WHERE operation_id = 0;
CREATE INDEX metrics_1h_services ON metrics_1h (time) WHERE operation_id = 0;
CREATE INDEX metrics_1d_services ON metrics_1d (time) WHERE operation_id = 0;

CREATE OR REPLACE VIEW metrics_minute AS
SELECT time, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1m WHERE operation_id <> 0
UNION ALL
SELECT minute, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM span_metrics;

CREATE OR REPLACE VIEW metrics_hour AS
SELECT time, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1h WHERE operation_id <> 0
UNION ALL
SELECT minute, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM span_metrics;

CREATE OR REPLACE VIEW metrics_day AS
SELECT time, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1d WHERE operation_id <> 0
UNION ALL
SELECT minute, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM span_metrics;

-- The same without operations.
CREATE VIEW service_metrics_minute AS
SELECT time, service_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1m WHERE operation_id = 0
UNION ALL
SELECT minute, service_id, kind, status, version, bucket, span_count, duration_ns_sum FROM span_metrics;

CREATE VIEW service_metrics_hour AS
SELECT time, service_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1h WHERE operation_id = 0
UNION ALL
SELECT minute, service_id, kind, status, version, bucket, span_count, duration_ns_sum FROM span_metrics;

CREATE VIEW service_metrics_day AS
SELECT time, service_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1d WHERE operation_id = 0
UNION ALL
SELECT minute, service_id, kind, status, version, bucket, span_count, duration_ns_sum FROM span_metrics;

-- Moves what the writer added since the last time; returns how many rows of minutes that made.
CREATE OR REPLACE FUNCTION roll_up_metrics() RETURNS bigint
LANGUAGE plpgsql
SET work_mem = '32MB'
AS $$
DECLARE
    cells bigint := move_metric_parts();
BEGIN
    IF cells = 0 THEN
        RETURN 0;
    END IF;
    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM metric_cells) d;

    INSERT INTO metrics_1m AS old
    SELECT * FROM metric_cells ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (time, service_id, operation_id, kind, status, version, bucket) DO UPDATE
    SET span_count = old.span_count + excluded.span_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;

    INSERT INTO metrics_1h AS old
    SELECT date_trunc('hour', minute, 'UTC'), service_id, operation_id, kind, status, version, bucket,
           sum(span_count), sum(duration_ns_sum)
    FROM metric_cells GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (time, service_id, operation_id, kind, status, version, bucket) DO UPDATE
    SET span_count = old.span_count + excluded.span_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;

    INSERT INTO metrics_1d AS old
    SELECT date_trunc('day', minute, 'UTC'), service_id, operation_id, kind, status, version, bucket,
           sum(span_count), sum(duration_ns_sum)
    FROM metric_cells GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (time, service_id, operation_id, kind, status, version, bucket) DO UPDATE
    SET span_count = old.span_count + excluded.span_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;
    RETURN cells;
END
$$;
