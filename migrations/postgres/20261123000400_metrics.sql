-- Rate, errors and durations by minute, hour and day on plain PostgreSQL.
--
-- The writer adds partial counts to span_metrics in the transaction that adds the spans;
-- roll_up_metrics() moves them into the three levels. A row is in exactly one of the two places
-- in every snapshot, so that a sum over both is exact at any moment, late spans included.

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

CREATE TABLE metrics_1m (
    time            timestamptz      NOT NULL,
    service_id      int              NOT NULL,
    operation_id    int              NOT NULL,
    kind            smallint         NOT NULL,
    status          smallint         NOT NULL,
    -- service.version; empty if not told.
    version         text             NOT NULL,
    -- Bucket b holds durations in [1.05^b, 1.05^(b+1)) ns; -1 holds zero.
    bucket          smallint         NOT NULL,
    span_count      double precision NOT NULL,
    duration_ns_sum double precision NOT NULL,
    PRIMARY KEY (time, service_id, operation_id, kind, status, version, bucket)
) PARTITION BY RANGE (time);

CREATE TABLE metrics_1h (
    time            timestamptz      NOT NULL,
    service_id      int              NOT NULL,
    operation_id    int              NOT NULL,
    kind            smallint         NOT NULL,
    status          smallint         NOT NULL,
    -- service.version; empty if not told.
    version         text             NOT NULL,
    -- Bucket b holds durations in [1.05^b, 1.05^(b+1)) ns; -1 holds zero.
    bucket          smallint         NOT NULL,
    span_count      double precision NOT NULL,
    duration_ns_sum double precision NOT NULL,
    PRIMARY KEY (time, service_id, operation_id, kind, status, version, bucket)
);

CREATE TABLE metrics_1d (
    time            timestamptz      NOT NULL,
    service_id      int              NOT NULL,
    operation_id    int              NOT NULL,
    kind            smallint         NOT NULL,
    status          smallint         NOT NULL,
    -- service.version; empty if not told.
    version         text             NOT NULL,
    -- Bucket b holds durations in [1.05^b, 1.05^(b+1)) ns; -1 holds zero.
    bucket          smallint         NOT NULL,
    span_count      double precision NOT NULL,
    duration_ns_sum double precision NOT NULL,
    PRIMARY KEY (time, service_id, operation_id, kind, status, version, bucket)
);

-- Moves what the writer added since the last time; returns how many rows.
CREATE FUNCTION roll_up_metrics() RETURNS bigint
LANGUAGE plpgsql
-- Else every run tells that the temporary table exists already.
SET client_min_messages = warning
AS $$
DECLARE
    moved_rows bigint;
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS moved_metrics (LIKE span_metrics) ON COMMIT DELETE ROWS;
    WITH moved AS (DELETE FROM span_metrics RETURNING *)
    INSERT INTO moved_metrics SELECT * FROM moved;
    GET DIAGNOSTICS moved_rows = ROW_COUNT;
    IF moved_rows = 0 THEN
        RETURN 0;
    END IF;
    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM moved_metrics) d;

    INSERT INTO metrics_1m AS old
    SELECT minute, service_id, operation_id, kind, status, version, bucket,
           sum(span_count), sum(duration_ns_sum)
    FROM moved_metrics GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
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

-- Every minute, the open one included.
CREATE VIEW metrics_minute AS
SELECT time, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM metrics_1m
UNION ALL
SELECT minute, service_id, operation_id, kind, status, version, bucket, span_count, duration_ns_sum
FROM span_metrics;
