-- Two roll-ups of what the writer adds to span_metrics: minutes, and sums since ever.

-- Examples that the writer noted: now and then the slowest stored span of a batch, by Prometheus' bounds.
CREATE TABLE span_exemplars (
    service_id   int      NOT NULL,
    operation_id int      NOT NULL,
    kind         smallint NOT NULL,
    status       smallint NOT NULL,
    -- latency_bound().
    bound        smallint NOT NULL,
    -- exemplar().
    exemplar     bigint[] NOT NULL
);

-- span_metrics taken apart. Side by side in the list of columns arrays are a quarter faster than as a function
-- of several.
CREATE VIEW span_metric_cells AS
SELECT minute, service_id, operation_id, kind, status, version, unnest(buckets) AS bucket,
       unnest(bounds) AS bound, unnest(span_counts) AS span_count, unnest(duration_ns_sums) AS duration_ns_sum
FROM span_metrics;

-- All parts are rounded one by one: in which order they are added changes nothing.
CREATE VIEW span_totals_now AS
SELECT service_id, operation_id, kind, status, bound, span_count_milli, duration_us, exemplar, since,
       updated_at
FROM span_totals
UNION ALL
SELECT service_id, operation_id, kind, status, bound, round(span_count * 1000)::numeric,
       round(duration_ns_sum / 1000)::numeric, NULL, now(), now()
FROM span_metric_cells
UNION ALL
SELECT service_id, operation_id, kind, status, bound, 0, 0, exemplar, now(), now()
FROM span_exemplars;

-- Takes the parts away: adds them to the sums since ever, and leaves them by minute in the temporary table
-- metric_cells for the caller, each once more as operation 0, which stands for all of its service. Returns
-- how many rows that are.
CREATE FUNCTION move_metric_parts() RETURNS bigint
LANGUAGE plpgsql
-- Else every run tells that the temporary tables exist already.
SET client_min_messages = warning
SET work_mem = '32MB'
-- When the table was looked at, it may have been empty.
SET enable_sort = off
AS $$
DECLARE
    cells bigint;
    service_cells bigint;
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS moved_exemplars (LIKE span_exemplars) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS metric_cells (
        minute timestamptz, service_id int, operation_id int, kind smallint, status smallint, version text,
        bucket smallint, bound smallint, span_count double precision, duration_ns_sum double precision,
        span_count_milli double precision, duration_us double precision
    ) ON COMMIT DELETE ROWS;

    -- Both halves of a statement see the same rows, if nobody else takes any away: that costs half of what
    -- DELETE ... RETURNING does.
    PERFORM pg_advisory_xact_lock(hashtext('spanloom metric parts'));
    -- First, so that whatever they are examples of is seen too.
    WITH gone AS (DELETE FROM span_exemplars)
    INSERT INTO moved_exemplars
    SELECT service_id, operation_id, kind, status, bound, max(exemplar)
    FROM span_exemplars GROUP BY 1, 2, 3, 4, 5;
    -- Sums of whole numbers below 2^53 are exact.
    WITH gone AS (DELETE FROM span_metrics)
    INSERT INTO metric_cells
    SELECT minute, service_id, operation_id, kind, status, version, bucket, bound, sum(span_count),
           sum(duration_ns_sum), sum(round(span_count * 1000)), sum(round(duration_ns_sum / 1000))
    FROM span_metric_cells GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    GET DIAGNOSTICS cells = ROW_COUNT;

    INSERT INTO span_totals AS old
    SELECT service_id, operation_id, kind, status, bound, sum(span_count_milli)::numeric,
           sum(duration_us)::numeric, NULL, now(), now()
    FROM metric_cells GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (service_id, operation_id, kind, status, bound) DO UPDATE
    SET span_count_milli = old.span_count_milli + excluded.span_count_milli,
        duration_us = old.duration_us + excluded.duration_us,
        updated_at = excluded.updated_at;
    UPDATE span_totals t SET exemplar = greatest(t.exemplar, m.exemplar)
    FROM moved_exemplars m
    WHERE (t.service_id, t.operation_id, t.kind, t.status, t.bound)
        = (m.service_id, m.operation_id, m.kind, m.status, m.bound);

    INSERT INTO metric_cells
    SELECT minute, service_id, 0, kind, status, version, bucket, NULL, sum(span_count), sum(duration_ns_sum)
    FROM metric_cells GROUP BY 1, 2, 4, 5, 6, 7;
    GET DIAGNOSTICS service_cells = ROW_COUNT;
    RETURN cells + service_cells;
END
$$;
