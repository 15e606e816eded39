-- What Prometheus scrapes: sums since ever, which never go down, whichever server is asked and however
-- often servers start. The writer adds parts in the transaction that adds the spans; a job adds them up. A
-- part is in exactly one of the two places in every snapshot. All sums are of whole numbers: in which order
-- parts are added changes nothing, not even the last digit.

-- The index of the smallest bound that a duration does not exceed: 2 ms times a power of two, up to 16.384 s.
-- 14 is more than that.
CREATE FUNCTION latency_bound(duration_ns bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE AS $$
    SELECT width_bucket(duration_ns - 1, ARRAY[
        2000000, 4000000, 8000000, 16000000, 32000000, 64000000, 128000000, 256000000, 512000000,
        1024000000, 2048000000, 4096000000, 8192000000, 16384000000]::bigint[])::smallint
$$;

-- A span as an example of its kind. When it was written comes first, so that the greatest is the newest, in
-- microseconds since the epoch; then its duration in nanoseconds, both halves of its trace's id, its own id.
CREATE FUNCTION exemplar(written_at timestamptz, duration_ns bigint, trace_id uuid, span_id bigint)
RETURNS bigint[]
LANGUAGE sql STABLE AS $$
    SELECT ARRAY[(extract(epoch FROM written_at) * 1000000)::bigint, duration_ns,
                 ('x' || left(replace(trace_id::text, '-', ''), 16))::bit(64)::bigint,
                 ('x' || right(replace(trace_id::text, '-', ''), 16))::bit(64)::bigint, span_id]
$$;

CREATE TABLE span_totals (
    service_id       int         NOT NULL,
    operation_id     int         NOT NULL,
    kind             smallint    NOT NULL,
    status           smallint    NOT NULL,
    -- latency_bound().
    bound            smallint    NOT NULL,
    -- Thousandths: a sampled span stands for several, not always a whole number.
    span_count_milli numeric     NOT NULL,
    duration_us      numeric     NOT NULL,
    -- exemplar() of the newest span that is stored.
    exemplar         bigint[],
    since            timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (service_id, operation_id, kind, status, bound)
) WITH (fillfactor = 70);

-- As span_totals, a row per batch.
CREATE TABLE span_total_parts (
    service_id       int      NOT NULL,
    operation_id     int      NOT NULL,
    kind             smallint NOT NULL,
    status           smallint NOT NULL,
    bound            smallint NOT NULL,
    span_count_milli bigint   NOT NULL,
    duration_us      bigint   NOT NULL,
    exemplar         bigint[]
);

CREATE VIEW span_totals_now AS
SELECT service_id, operation_id, kind, status, bound, span_count_milli, duration_us, exemplar, since,
       updated_at
FROM span_totals
UNION ALL
SELECT service_id, operation_id, kind, status, bound, span_count_milli, duration_us, exemplar, now(), now()
FROM span_total_parts;

-- Adds up what the writer added since the last time.
CREATE FUNCTION add_up_span_totals() RETURNS void
LANGUAGE sql AS $$
    WITH moved AS (DELETE FROM span_total_parts RETURNING *)
    INSERT INTO span_totals AS old
    SELECT service_id, operation_id, kind, status, bound, sum(span_count_milli), sum(duration_us),
           max(exemplar), now(), now()
    FROM moved GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (service_id, operation_id, kind, status, bound) DO UPDATE
    SET span_count_milli = old.span_count_milli + excluded.span_count_milli,
        duration_us = old.duration_us + excluded.duration_us,
        exemplar = greatest(old.exemplar, excluded.exemplar),
        updated_at = excluded.updated_at
$$;

CREATE TABLE edge_totals (
    caller_id         int         NOT NULL,
    callee_id         int         NOT NULL,
    node              text        NOT NULL,
    kind              smallint    NOT NULL,
    -- latency_bound().
    bound             smallint    NOT NULL,
    call_count_milli  numeric     NOT NULL,
    error_count_milli numeric     NOT NULL,
    duration_us       numeric     NOT NULL,
    -- exemplar() of the newest span that is stored.
    exemplar          bigint[],
    since             timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (caller_id, callee_id, node, kind, bound)
) WITH (fillfactor = 70);

-- The parts of calls have both uses: minutes, and sums since ever.
ALTER TABLE edge_parts ADD COLUMN bound smallint, ADD COLUMN exemplar bigint[];
UPDATE edge_parts SET bound = latency_bound((duration_ns_sum / greatest(call_count, 1))::bigint);
ALTER TABLE edge_parts ALTER COLUMN bound SET NOT NULL;

-- Whether the span is stored, and not waiting for the decision of sampling.
ALTER TABLE edge_halves ADD COLUMN is_stored bool NOT NULL DEFAULT false;

CREATE VIEW edge_totals_now AS
SELECT caller_id, callee_id, node, kind, bound, call_count_milli, error_count_milli, duration_us, exemplar,
       since, updated_at
FROM edge_totals
UNION ALL
SELECT caller_id, callee_id, node, kind, bound, round(call_count * 1000)::numeric,
       CASE WHEN is_error THEN round(call_count * 1000)::numeric ELSE 0 END,
       round(duration_ns_sum / 1000)::numeric, exemplar, now(), now()
FROM edge_parts;

-- As before; besides, adds what it moves to edge_totals.
CREATE OR REPLACE FUNCTION pair_edges(wait interval DEFAULT '10 minutes') RETURNS bigint
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

    CREATE TEMPORARY TABLE IF NOT EXISTS moved_edge_parts (LIKE edge_parts) ON COMMIT DELETE ROWS;
    WITH moved AS (DELETE FROM edge_parts RETURNING *)
    INSERT INTO moved_edge_parts SELECT * FROM moved;
    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM moved_edge_parts) d;
    INSERT INTO service_edges AS old
    SELECT minute, caller_id, callee_id, node, kind, is_error, bucket, sum(call_count),
           sum(duration_ns_sum)
    FROM moved_edge_parts GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (minute, caller_id, callee_id, node, kind, is_error, bucket) DO UPDATE
    SET call_count = old.call_count + excluded.call_count,
        duration_ns_sum = old.duration_ns_sum + excluded.duration_ns_sum;
    GET DIAGNOSTICS moved_rows = ROW_COUNT;

    INSERT INTO edge_totals AS old
    SELECT caller_id, callee_id, node, kind, bound, sum(round(call_count * 1000)::numeric),
           coalesce(sum(round(call_count * 1000)::numeric) FILTER (WHERE is_error), 0),
           sum(round(duration_ns_sum / 1000)::numeric), max(exemplar), now(), now()
    FROM moved_edge_parts GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (caller_id, callee_id, node, kind, bound) DO UPDATE
    SET call_count_milli = old.call_count_milli + excluded.call_count_milli,
        error_count_milli = old.error_count_milli + excluded.error_count_milli,
        duration_us = old.duration_us + excluded.duration_us,
        exemplar = greatest(old.exemplar, excluded.exemplar),
        updated_at = excluded.updated_at;
    RETURN moved_rows;
END
$$;
