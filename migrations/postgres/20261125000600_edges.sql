-- Who calls whom, on plain PostgreSQL; 20261125000610_edges.sql tells how the tables are filled.

-- Calls by minute of the callee's start.
CREATE TABLE service_edges (
    minute          timestamptz      NOT NULL,
    caller_id       int              NOT NULL,
    -- 0 where the callee is no service but a node that its callers name.
    callee_id       int              NOT NULL,
    -- That node's name; empty for a service.
    node            text             NOT NULL,
    -- 1 http, 2 rpc, 3 messaging, 4 database, 5 external.
    kind            smallint         NOT NULL,
    is_error        bool             NOT NULL,
    -- As in span_metrics.
    bucket          smallint         NOT NULL,
    call_count      double precision NOT NULL,
    duration_ns_sum double precision NOT NULL,
    PRIMARY KEY (minute, caller_id, callee_id, node, kind, is_error, bucket)
) PARTITION BY RANGE (minute);

-- One end of a call whose other end was not in the same batch.
CREATE TABLE edge_halves (
    trace_id    uuid             NOT NULL,
    -- The calling span.
    span_id     bigint           NOT NULL,
    -- Which end this is: the calling span itself, or a span that names it as its parent or in a link.
    is_caller   bool             NOT NULL,
    minute      timestamptz      NOT NULL,
    service_id  int              NOT NULL,
    -- Caller: what it called if no service answers; empty if it did not say, or need not.
    node        text             NOT NULL,
    kind        smallint         NOT NULL,
    is_error    bool             NOT NULL,
    bucket      smallint         NOT NULL,
    -- How many spans it stands for.
    weight      double precision NOT NULL,
    duration_ns bigint           NOT NULL,
    written_at  timestamptz      NOT NULL DEFAULT now()
) PARTITION BY RANGE (minute);

CREATE INDEX edge_halves_by_span ON edge_halves (trace_id, span_id);
