-- Calls that are counted are added up once, before minutes and sums since ever.

-- What a batch tells of an edge in a minute.
CREATE TABLE edge_parts (
    minute           timestamptz        NOT NULL,
    caller_id        int                NOT NULL,
    callee_id        int                NOT NULL,
    node             text               NOT NULL,
    kind             smallint           NOT NULL,
    is_error         bool               NOT NULL,
    -- As in span_metrics.
    buckets          smallint[]         NOT NULL,
    bounds           smallint[]         NOT NULL,
    call_counts      double precision[] NOT NULL,
    duration_ns_sums double precision[] NOT NULL
);

-- Examples that the writer noted now and then.
CREATE TABLE edge_exemplars (
    caller_id int      NOT NULL,
    callee_id int      NOT NULL,
    node      text     NOT NULL,
    kind      smallint NOT NULL,
    -- latency_bound().
    bound     smallint NOT NULL,
    -- exemplar().
    exemplar  bigint[] NOT NULL
);

CREATE VIEW edge_part_cells AS
SELECT minute, caller_id, callee_id, node, kind, is_error, unnest(buckets) AS bucket, unnest(bounds) AS bound,
       unnest(call_counts) AS call_count, unnest(duration_ns_sums) AS duration_ns_sum
FROM edge_parts;

-- Every call that is known.
CREATE VIEW edges_minute AS
SELECT minute, caller_id, callee_id, node, kind, is_error, unnest(buckets) AS bucket,
       unnest(call_counts) AS call_count, unnest(duration_ns_sums) AS duration_ns_sum
FROM service_edges
UNION ALL
SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, call_count, duration_ns_sum
FROM edge_part_cells;

CREATE VIEW edge_totals_now AS
SELECT caller_id, callee_id, node, kind, bound, call_count_milli, error_count_milli, duration_us, exemplar,
       since, updated_at
FROM edge_totals
UNION ALL
SELECT caller_id, callee_id, node, kind, bound, round(call_count * 1000)::numeric,
       CASE WHEN is_error THEN round(call_count * 1000)::numeric ELSE 0 END,
       round(duration_ns_sum / 1000)::numeric, NULL, now(), now()
FROM edge_part_cells
UNION ALL
SELECT caller_id, callee_id, node, kind, bound, 0, 0, 0, exemplar, now(), now()
FROM edge_exemplars;

-- Moves edge_parts to service_edges and edge_totals; returns how many rows of the first changed.
CREATE FUNCTION move_edge_parts() RETURNS bigint
LANGUAGE plpgsql
-- Else every run tells that the temporary tables exist already.
SET client_min_messages = warning
SET work_mem = '32MB'
-- When the table was looked at, it may have been empty.
SET enable_sort = off
AS $$
DECLARE
    moved_rows bigint;
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS moved_edge_exemplars (LIKE edge_exemplars) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS edge_cells (
        minute timestamptz, caller_id int, callee_id int, node text, kind smallint, is_error bool,
        bucket smallint, bound smallint, call_count double precision, duration_ns_sum double precision,
        call_count_milli double precision, duration_us double precision
    ) ON COMMIT DELETE ROWS;
    -- Both halves of the statement see the same rows, if nobody else takes any away.
    PERFORM pg_advisory_xact_lock(hashtext('spanloom edge parts'));
    -- First, so that whatever they are examples of is seen too.
    WITH gone AS (DELETE FROM edge_exemplars)
    INSERT INTO moved_edge_exemplars
    SELECT caller_id, callee_id, node, kind, bound, max(exemplar) FROM edge_exemplars GROUP BY 1, 2, 3, 4, 5;
    WITH gone AS (DELETE FROM edge_parts)
    INSERT INTO edge_cells
    SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, bound, sum(call_count),
           sum(duration_ns_sum), sum(round(call_count * 1000)), sum(round(duration_ns_sum / 1000))
    FROM edge_part_cells GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day
          FROM (SELECT DISTINCT minute FROM edge_cells) minutes) d;
    INSERT INTO service_edges AS old
    SELECT minute, caller_id, callee_id, node, kind, is_error, array_agg(bucket), array_agg(call_count),
           array_agg(duration_ns_sum)
    FROM edge_cells GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (minute, caller_id, callee_id, node, kind, is_error) DO UPDATE
    SET buckets = old.buckets || excluded.buckets, call_counts = old.call_counts || excluded.call_counts,
        duration_ns_sums = old.duration_ns_sums || excluded.duration_ns_sums;
    GET DIAGNOSTICS moved_rows = ROW_COUNT;
    -- There are fewer buckets than that: a minute whose calls keep coming stays small.
    UPDATE service_edges e
    SET (buckets, call_counts, duration_ns_sums) = (
        SELECT array_agg(bucket), array_agg(call_count), array_agg(duration_ns_sum)
        FROM (SELECT c.bucket, sum(c.call_count) AS call_count, sum(c.duration_ns_sum) AS duration_ns_sum
              FROM unnest(e.buckets, e.call_counts, e.duration_ns_sums) c (bucket, call_count, duration_ns_sum)
              GROUP BY 1) cells
    )
    WHERE cardinality(e.buckets) > 1000 AND e.minute = ANY (ARRAY(SELECT DISTINCT minute FROM edge_cells));

    INSERT INTO edge_totals AS old
    SELECT caller_id, callee_id, node, kind, bound, sum(call_count_milli)::numeric,
           coalesce(sum(call_count_milli) FILTER (WHERE is_error), 0)::numeric,
           sum(duration_us)::numeric, NULL, now(), now()
    FROM edge_cells GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (caller_id, callee_id, node, kind, bound) DO UPDATE
    SET call_count_milli = old.call_count_milli + excluded.call_count_milli,
        error_count_milli = old.error_count_milli + excluded.error_count_milli,
        duration_us = old.duration_us + excluded.duration_us,
        updated_at = excluded.updated_at;
    UPDATE edge_totals t SET exemplar = greatest(t.exemplar, m.exemplar)
    FROM moved_edge_exemplars m
    WHERE (t.caller_id, t.callee_id, t.node, t.kind, t.bound)
        = (m.caller_id, m.callee_id, m.node, m.kind, m.bound);
    RETURN moved_rows;
END
$$;

-- Nobody looks for one span's halves: all that wait are read, from those on that are new. An index by span cost
-- more than all the rest of writing them.
DROP INDEX edge_halves_by_span;
CREATE INDEX edge_halves_by_age ON edge_halves (written_at);
CREATE INDEX edge_halves_of_callees ON edge_halves (written_at) WHERE NOT is_caller;

-- Joins halves that were written in these times; the temporary table joined_calls gets the calls.
CREATE FUNCTION pair_edge_halves(callers_since timestamptz, callees_since timestamptz, callees_before timestamptz)
RETURNS void
LANGUAGE plpgsql
-- A table that was empty when it was looked at is not so small now.
SET enable_nestloop = off
AS $$
BEGIN
    -- A callee is one call, even if two spans have its caller's id. The caller stays: it may have called
    -- several, as one who sends a message does.
    WITH matched AS (
        DELETE FROM edge_halves r USING edge_halves c
        WHERE NOT r.is_caller AND c.is_caller AND c.trace_id = r.trace_id AND c.span_id = r.span_id
          AND c.written_at >= callers_since AND r.written_at >= callees_since AND r.written_at < callees_before
        RETURNING r.minute, c.service_id AS caller_id, r.service_id, r.kind, r.is_error, r.bucket, r.weight,
                  r.duration_ns, r.trace_id, r.span_id, r.is_stored AND c.is_stored AS is_stored
    ), answered AS (
        UPDATE edge_halves c SET node = ''
        FROM (SELECT DISTINCT trace_id, span_id FROM matched) m
        WHERE c.is_caller AND c.node <> '' AND c.trace_id = m.trace_id AND c.span_id = m.span_id
    )
    INSERT INTO joined_calls
    SELECT minute, caller_id, service_id, '', kind, is_error, bucket, weight, duration_ns, trace_id, span_id,
           is_stored
    FROM matched;
END
$$;

-- As before, but of two halves one has to be new; and what is paired and counted is moved by move_edge_parts().
CREATE OR REPLACE FUNCTION pair_edges(wait interval DEFAULT '10 minutes') RETURNS bigint
LANGUAGE plpgsql
SET client_min_messages = warning
SET work_mem = '32MB'
AS $$
DECLARE
    -- A transaction that wrote may have been under way during the last run.
    new_since timestamptz := coalesce((SELECT started_at FROM job_runs WHERE job = 'pair edges'), '-infinity')
                             - interval '2 minutes';
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS joined_calls (
        minute timestamptz, caller_id int, callee_id int, node text, kind smallint, is_error bool,
        bucket smallint, weight double precision, duration_ns bigint, trace_id uuid, span_id bigint,
        is_stored bool
    ) ON COMMIT DELETE ROWS;
    PERFORM pair_edge_halves('-infinity', new_since, 'infinity');
    PERFORM pair_edge_halves(new_since, '-infinity', new_since);

    WITH ended AS (
        DELETE FROM edge_halves WHERE written_at <= now() - wait RETURNING *
    ), calls AS (
        SELECT minute, service_id AS caller_id, 0 AS callee_id, node, kind, is_error, bucket, weight,
               duration_ns, trace_id, span_id, is_stored
        FROM ended WHERE is_caller AND node <> ''
        UNION ALL
        SELECT e.minute, parent.service_id, e.service_id, '', e.kind, e.is_error, e.bucket, e.weight,
               e.duration_ns, e.trace_id, e.span_id, true
        FROM ended e
        CROSS JOIN LATERAL (
            -- A client or producer calls even its own service; what else a service does below a span
            -- of its own is no call. Messages may wait for a day.
            SELECT s.service_id FROM spans s
            WHERE s.trace_id = e.trace_id AND s.span_id = e.span_id
              AND s.start_time >= e.minute - interval '1 day'
              AND s.start_time < e.minute + interval '1 hour'
              AND (s.kind IN (3, 4) OR s.service_id <> e.service_id)
            LIMIT 1
        ) parent
        WHERE NOT e.is_caller
    )
    INSERT INTO joined_calls SELECT * FROM calls;

    INSERT INTO edge_exemplars
    SELECT caller_id, callee_id, node, kind, bound, exemplar(now(), duration_ns, trace_id, span_id)
    FROM (SELECT DISTINCT ON (caller_id, callee_id, node, kind, latency_bound(duration_ns)) *,
                 latency_bound(duration_ns) AS bound
          FROM joined_calls WHERE is_stored
          ORDER BY caller_id, callee_id, node, kind, latency_bound(duration_ns), duration_ns DESC) slowest;
    INSERT INTO edge_parts
    SELECT minute, caller_id, callee_id, node, kind, is_error, array_agg(bucket),
           array_agg(latency_bound(duration_ns)), array_agg(weight), array_agg(duration_ns * weight)
    FROM joined_calls GROUP BY 1, 2, 3, 4, 5, 6;
    DELETE FROM joined_calls;
    RETURN move_edge_parts();
END
$$;

-- What runs every few seconds is not worth compiling.
ALTER FUNCTION move_metric_parts() SET jit = off;
ALTER FUNCTION roll_up_metrics() SET jit = off;
ALTER FUNCTION move_edge_parts() SET jit = off;
ALTER FUNCTION pair_edges(interval) SET jit = off;
