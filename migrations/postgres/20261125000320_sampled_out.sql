-- Identities of spans that were dropped, on plain PostgreSQL.
CREATE TABLE sampled_out (
    trace_id    uuid        NOT NULL,
    -- Start of the earliest of these spans.
    first_start timestamptz NOT NULL,
    -- 17 bytes a span: id, start in nanoseconds since the epoch, kind; big-endian.
    spans       bytea       NOT NULL
) PARTITION BY RANGE (first_start);

CREATE INDEX sampled_out_by_trace ON sampled_out (trace_id);
