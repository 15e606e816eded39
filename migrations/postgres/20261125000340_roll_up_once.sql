-- Moves what the writer added since the last time; returns how many rows that made. The parts of a
-- minute come from many batches: they are added up once, before the three levels.
CREATE OR REPLACE FUNCTION roll_up_metrics() RETURNS bigint
LANGUAGE plpgsql
-- Else every run tells that the temporary table exists already.
SET client_min_messages = warning
AS $$
DECLARE
    moved_rows bigint;
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS moved_metrics (LIKE span_metrics) ON COMMIT DELETE ROWS;
    WITH moved AS (DELETE FROM span_metrics RETURNING *)
    INSERT INTO moved_metrics
    SELECT minute, service_id, operation_id, kind, status, version, bucket,
           sum(span_count), sum(duration_ns_sum)
    FROM moved GROUP BY 1, 2, 3, 4, 5, 6, 7;
    GET DIAGNOSTICS moved_rows = ROW_COUNT;
    IF moved_rows = 0 THEN
        RETURN 0;
    END IF;
    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM moved_metrics) d;

    INSERT INTO metrics_1m AS old
    SELECT minute, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
    FROM moved_metrics ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (time, service_id, operation_id, kind, status, version, bucket) DO UPDATE
    SET span_count = old.span_count + excluded.span_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;

    INSERT INTO metrics_1h AS old
    SELECT date_trunc('hour', minute, 'UTC'), service_id, operation_id, kind, status, version, bucket,
           sum(span_count), sum(duration_ns_sum)
    FROM moved_metrics GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (time, service_id, operation_id, kind, status, version, bucket) DO UPDATE
    SET span_count = old.span_count + excluded.span_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;

    INSERT INTO metrics_1d AS old
    SELECT date_trunc('day', minute, 'UTC'), service_id, operation_id, kind, status, version, bucket,
           sum(span_count), sum(duration_ns_sum)
    FROM moved_metrics GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (time, service_id, operation_id, kind, status, version, bucket) DO UPDATE
    SET span_count = old.span_count + excluded.span_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;

    RETURN moved_rows;
END
$$;
