-- Calls that are counted are added up once, before minutes and sums since ever.

-- Moves edge_parts to service_edges and edge_totals; returns how many rows of the first changed.
CREATE FUNCTION move_edge_parts() RETURNS bigint
LANGUAGE plpgsql
-- Else every run tells that the temporary table exists already.
SET client_min_messages = warning
SET work_mem = '32MB'
AS $$
DECLARE
    moved_rows bigint;
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS moved_edges_once (
        minute timestamptz, caller_id int, callee_id int, node text, kind smallint, is_error bool,
        bucket smallint, bound smallint, call_count double precision, duration_ns_sum double precision,
        call_count_milli double precision, duration_us double precision, exemplar bigint[]
    ) ON COMMIT DELETE ROWS;
    -- Both halves of the statement see the same rows, if nobody else takes any away.
    PERFORM pg_advisory_xact_lock(hashtext('spanloom edge parts'));
    WITH gone AS (DELETE FROM edge_parts)
    INSERT INTO moved_edges_once
    SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, bound, sum(call_count),
           sum(duration_ns_sum), sum(round(call_count * 1000)), sum(round(duration_ns_sum / 1000)),
           max(exemplar)
    FROM edge_parts GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM moved_edges_once) d;
    INSERT INTO service_edges AS old
    SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, sum(call_count),
           sum(duration_ns_sum)
    FROM moved_edges_once GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (minute, caller_id, callee_id, node, kind, is_error, bucket) DO UPDATE
    SET call_count = old.call_count + excluded.call_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;
    GET DIAGNOSTICS moved_rows = ROW_COUNT;

    INSERT INTO edge_totals AS old
    SELECT caller_id, callee_id, node, kind, bound, sum(call_count_milli)::numeric,
           coalesce(sum(call_count_milli) FILTER (WHERE is_error), 0)::numeric,
           sum(duration_us)::numeric, max(exemplar), now(), now()
    FROM moved_edges_once GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (caller_id, callee_id, node, kind, bound) DO UPDATE
    SET call_count_milli = old.call_count_milli + excluded.call_count_milli,
        error_count_milli = old.error_count_milli + excluded.error_count_milli,
        duration_us = old.duration_us + excluded.duration_us,
        exemplar = greatest(old.exemplar, excluded.exemplar),
        updated_at = excluded.updated_at;
    RETURN moved_rows;
END
$$;

-- As before; what is paired and counted is moved by move_edge_parts().
CREATE OR REPLACE FUNCTION pair_edges(wait interval DEFAULT '10 minutes') RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
    -- A callee is one call, even if two spans have its caller's id. The caller stays: it may have called
    -- several, as one who sends a message does.
    WITH matched AS (
        DELETE FROM edge_halves r USING edge_halves c
        WHERE NOT r.is_caller AND c.is_caller AND c.trace_id = r.trace_id AND c.span_id = r.span_id
        RETURNING r.trace_id, r.span_id, r.minute, c.service_id AS caller_id, r.service_id, r.kind,
                  r.is_error, r.bucket, r.weight, r.duration_ns, r.is_stored AND c.is_stored AS is_stored
    ), answered AS (
        UPDATE edge_halves c SET node = ''
        FROM (SELECT DISTINCT trace_id, span_id FROM matched) m
        WHERE c.is_caller AND c.node <> '' AND c.trace_id = m.trace_id AND c.span_id = m.span_id
    )
    INSERT INTO edge_parts
    SELECT minute, caller_id, service_id, '', kind, is_error, bucket, sum(weight), sum(duration_ns * weight),
           latency_bound(duration_ns),
           max(exemplar(now(), duration_ns, trace_id, span_id)) FILTER (WHERE is_stored)
    FROM matched GROUP BY 1, 2, 3, 4, 5, 6, 7, latency_bound(duration_ns);

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
    INSERT INTO edge_parts
    SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, sum(weight),
           sum(duration_ns * weight), latency_bound(duration_ns),
           max(exemplar(now(), duration_ns, trace_id, span_id)) FILTER (WHERE is_stored)
    FROM calls GROUP BY 1, 2, 3, 4, 5, 6, 7, latency_bound(duration_ns);
    RETURN move_edge_parts();
END
$$;

-- What runs every few seconds is not worth compiling.
ALTER FUNCTION move_metric_parts() SET jit = off;
ALTER FUNCTION roll_up_metrics() SET jit = off;
ALTER FUNCTION move_edge_parts() SET jit = off;
ALTER FUNCTION pair_edges(interval) SET jit = off;
