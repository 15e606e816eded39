-- Identities of spans that were dropped, on TimescaleDB.
CREATE TABLE sampled_out (
    trace_id    uuid        NOT NULL,
    -- Start of the earliest of these spans.
    first_start timestamptz NOT NULL,
    -- 17 bytes a span: id, start in nanoseconds since the epoch, kind; big-endian.
    spans       bytea       NOT NULL
);

SELECT create_hypertable('sampled_out', by_range('first_start', interval '6 hours'), create_default_indexes => false);

CREATE INDEX sampled_out_by_trace ON sampled_out (trace_id);

ALTER TABLE sampled_out SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = '',
    timescaledb.orderby = 'trace_id'
);

CALL add_columnstore_policy('sampled_out', after => interval '12 hours');
