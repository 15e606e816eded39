-- Spans on TimescaleDB: hypertables with a columnstore.
--
-- There is no unique index on spans: it would double the cost of writing and turn direct
-- compression off. The writer keeps duplicates out.

CREATE TABLE spans (
    start_time       timestamptz NOT NULL,
    duration_ns      bigint      NOT NULL,
    span_id          bigint      NOT NULL,
    parent_span_id   bigint,
    trace_id         uuid        NOT NULL,
    service_id       int         NOT NULL,
    operation_id     int         NOT NULL,
    resource_id      int         NOT NULL,
    scope_id         int         NOT NULL,
    -- How many spans this one stands for, where others were sampled away.
    weight           real        NOT NULL,
    -- W3C trace flags and OTLP's "parent is remote" bits, as 32 bits.
    flags            int         NOT NULL,
    kind             smallint    NOT NULL,
    status           smallint    NOT NULL,
    -- Nanoseconds below the microsecond of start_time: 0 to 999.
    start_sub_ns     smallint    NOT NULL,
    status_message   text,
    trace_state      text,
    -- JSON as text: parsing jsonb is two thirds of what COPY costs. The form keeps every type of
    -- OpenTelemetry apart; keys are sorted; "\u0000" never occurs, so a cast to jsonb succeeds.
    attributes       text        NOT NULL,
    events           text,
    links            text,
    -- What the client dropped, where it dropped anything.
    dropped_attributes_count int,
    dropped_events_count     int,
    dropped_links_count      int
);

SELECT create_hypertable('spans', by_range('start_time', interval '1 hour'), create_default_indexes => false);

-- For chunks that are not in the columnstore yet.
CREATE INDEX spans_by_trace ON spans (trace_id);
CREATE INDEX spans_by_service ON spans (service_id, start_time DESC);

ALTER TABLE spans SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'service_id',
    timescaledb.orderby = 'start_time DESC',
    timescaledb.sparse_index = 'bloom(trace_id), minmax(duration_ns), minmax(status)'
);

CALL add_columnstore_policy('spans', after => interval '2 hours');

-- One row per trace and batch: a piece of a trace. Pieces are merged when they are read.
CREATE TABLE traces (
    trace_id             uuid        NOT NULL,
    -- Start of the earliest span of this piece; start_ns is the same in nanoseconds.
    first_start          timestamptz NOT NULL,
    start_ns             bigint      NOT NULL,
    -- End of the latest span of this piece, nanoseconds since the epoch.
    end_ns               bigint      NOT NULL,
    -- The span without a parent, if this piece has it.
    root_service_id      int,
    root_operation_id    int,
    -- The earliest span of this piece.
    first_service_id     int         NOT NULL,
    first_operation_id   int         NOT NULL,
    span_count           int         NOT NULL,
    error_count          int         NOT NULL,
    -- One element per service in this piece; the three arrays run in parallel.
    service_ids          int[]       NOT NULL,
    service_span_counts  int[]       NOT NULL,
    service_error_counts int[]       NOT NULL
);

SELECT create_hypertable('traces', by_range('first_start', interval '6 hours'), create_default_indexes => false);

CREATE INDEX traces_by_trace ON traces (trace_id);
CREATE INDEX traces_by_start ON traces (first_start DESC);

ALTER TABLE traces SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = '',
    timescaledb.orderby = 'trace_id',
    timescaledb.sparse_index = 'minmax(first_start)'
);

CALL add_columnstore_policy('traces', after => interval '12 hours');

-- Chunks are made by TimescaleDB; the writer calls this on either flavour.
CREATE FUNCTION ensure_partitions(from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE sql AS '';
