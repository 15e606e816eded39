-- Calls by minute are a row per edge, its cells as arrays, as those of spans.

-- What parts hold goes where it belongs; a server that still runs waits, and then fails and keeps its spans.
LOCK TABLE edge_parts, edge_halves, service_edges IN ACCESS EXCLUSIVE MODE;
SELECT pair_edges();
DROP VIEW edges_minute, edge_totals_now;
DROP TABLE edge_parts;

CREATE TEMPORARY TABLE packed_edges AS
SELECT minute, caller_id, callee_id, node, kind, is_error, array_agg(bucket) AS buckets,
       array_agg(call_count) AS call_counts, array_agg(duration_ns_sum) AS duration_ns_sums
FROM service_edges GROUP BY 1, 2, 3, 4, 5, 6;
DROP TABLE service_edges;

-- Calls by minute of the callee's start.
CREATE TABLE service_edges (
    minute           timestamptz        NOT NULL,
    caller_id        int                NOT NULL,
    -- 0 where the callee is no service but a node that its callers name.
    callee_id        int                NOT NULL,
    -- That node's name; empty for a service.
    node             text               NOT NULL,
    -- 1 http, 2 rpc, 3 messaging, 4 database, 5 external.
    kind             smallint           NOT NULL,
    is_error         bool               NOT NULL,
    -- In no order, a bucket several times if its calls were counted at several times. Bucket b holds durations
    -- in [1.05^b, 1.05^(b+1)) ns; -1 holds zero.
    buckets          smallint[]         NOT NULL,
    call_counts      double precision[] NOT NULL,
    duration_ns_sums double precision[] NOT NULL,
    PRIMARY KEY (minute, caller_id, callee_id, node, kind, is_error)
) PARTITION BY RANGE (minute);
SELECT ensure_partitions(now(), now() + interval '1 day');
SELECT ensure_partitions(d.day, d.day)
FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM packed_edges) d;

INSERT INTO service_edges SELECT * FROM packed_edges;
DROP TABLE packed_edges;
