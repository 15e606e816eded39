-- Log records on TimescaleDB: a hypertable with a columnstore, like spans.

CREATE TABLE logs (
    -- When it happened, or was observed where that is not known.
    time           timestamptz NOT NULL,
    -- Tells records of the same nanosecond apart and keeps the order in which they came.
    id             bigint      NOT NULL,
    observed_time  timestamptz NOT NULL,
    -- The trace during which it was told, and the span of it.
    trace_id       uuid,
    span_id        bigint,
    service_id     int         NOT NULL,
    resource_id    int         NOT NULL,
    scope_id       int         NOT NULL,
    -- W3C trace flags, as 32 bits.
    flags          int         NOT NULL,
    -- Nanoseconds below the microsecond of time: 0 to 999.
    time_sub_ns    smallint    NOT NULL,
    -- OTLP's number: 1 to 24, 0 if not told. 9 is INFO, 13 WARN, 17 ERROR.
    severity       smallint    NOT NULL,
    severity_text  text,
    event_name     text,
    -- Text as it was sent; what is no text is JSON.
    body           text        NOT NULL,
    -- JSON as text, in the form of the attributes of spans.
    attributes     text        NOT NULL,
    -- What the client dropped, where it dropped anything.
    dropped_attributes_count int
);

SELECT create_hypertable('logs', by_range('time', interval '1 hour'), create_default_indexes => false);

-- For chunks that are not in the columnstore yet.
CREATE INDEX logs_by_time ON logs (time);
CREATE INDEX logs_by_service ON logs (service_id, time);
CREATE INDEX logs_by_trace ON logs (trace_id) WHERE trace_id IS NOT NULL;
-- What goes wrong is rare and asked for most.
CREATE INDEX logs_of_errors ON logs (time) WHERE severity >= 17;

ALTER TABLE logs SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'service_id',
    timescaledb.orderby = 'time DESC',
    timescaledb.sparse_index = 'bloom(trace_id), minmax(severity)'
);

CALL add_columnstore_policy('logs', after => interval '2 hours');
