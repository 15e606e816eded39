-- Who calls whom. The writer counts a call whose two spans are in one batch in edge_parts, in the
-- transaction that adds them, and notes either end alone in edge_halves. pair_edges() joins what waits
-- and moves edge_parts to service_edges; a call is in exactly one of the two in every snapshot.

INSERT INTO retained_tables (table_name, signal, partition_hours)
SELECT 'edge_halves', signal, partition_hours FROM retained_tables WHERE table_name = 'traces';
INSERT INTO retained_tables (table_name, signal, partition_hours) VALUES ('service_edges', 'metrics', 24);

-- As service_edges, a row per batch.
CREATE TABLE edge_parts (
    minute          timestamptz      NOT NULL,
    caller_id       int              NOT NULL,
    callee_id       int              NOT NULL,
    node            text             NOT NULL,
    kind            smallint         NOT NULL,
    is_error        bool             NOT NULL,
    bucket          smallint         NOT NULL,
    call_count      double precision NOT NULL,
    duration_ns_sum double precision NOT NULL
);

-- Every call that is known.
CREATE VIEW edges_minute AS
SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, call_count, duration_ns_sum
FROM service_edges
UNION ALL
SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, call_count, duration_ns_sum
FROM edge_parts;

-- Joins the halves of calls. What has found no other half for so long ends: a caller becomes a call of
-- the node it named, a callee looks for its caller among the stored spans one last time. Returns how many
-- rows of service_edges changed.
CREATE FUNCTION pair_edges(wait interval DEFAULT '10 minutes') RETURNS bigint
LANGUAGE plpgsql
-- Else every run tells that the temporary table exists already.
SET client_min_messages = warning
AS $$
DECLARE
    moved_rows bigint;
BEGIN
    -- A callee is one call, even if two spans have its caller's id. The caller stays: it may have called
    -- several, as one who sends a message does.
    WITH matched AS (
        DELETE FROM edge_halves r USING edge_halves c
        WHERE NOT r.is_caller AND c.is_caller AND c.trace_id = r.trace_id AND c.span_id = r.span_id
        RETURNING r.trace_id, r.span_id, r.minute, c.service_id AS caller_id, r.service_id, r.kind,
                  r.is_error, r.bucket, r.weight, r.duration_ns
    ), answered AS (
        UPDATE edge_halves c SET node = ''
        FROM (SELECT DISTINCT trace_id, span_id FROM matched) m
        WHERE c.is_caller AND c.node <> '' AND c.trace_id = m.trace_id AND c.span_id = m.span_id
    )
    INSERT INTO edge_parts
    SELECT minute, caller_id, service_id, '', kind, is_error, bucket, sum(weight), sum(duration_ns * weight)
    FROM matched GROUP BY 1, 2, 3, 4, 5, 6, 7;

    WITH ended AS (
        DELETE FROM edge_halves WHERE written_at <= now() - wait RETURNING *
    ), calls AS (
        SELECT minute, service_id AS caller_id, 0 AS callee_id, node, kind, is_error, bucket, weight,
               duration_ns
        FROM ended WHERE is_caller AND node <> ''
        UNION ALL
        SELECT e.minute, parent.service_id, e.service_id, '', e.kind, e.is_error, e.bucket, e.weight,
               e.duration_ns
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
           sum(duration_ns * weight)
    FROM calls GROUP BY 1, 2, 3, 4, 5, 6, 7;

    CREATE TEMPORARY TABLE IF NOT EXISTS moved_edges (LIKE edge_parts) ON COMMIT DELETE ROWS;
    WITH moved AS (DELETE FROM edge_parts RETURNING *)
    INSERT INTO moved_edges
    SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, sum(call_count),
           sum(duration_ns_sum)
    FROM moved GROUP BY 1, 2, 3, 4, 5, 6, 7;
    GET DIAGNOSTICS moved_rows = ROW_COUNT;
    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM moved_edges) d;
    INSERT INTO service_edges AS old
    SELECT * FROM moved_edges ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (minute, caller_id, callee_id, node, kind, is_error, bucket) DO UPDATE
    SET call_count = old.call_count + excluded.call_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;
    RETURN moved_rows;
END
$$;
