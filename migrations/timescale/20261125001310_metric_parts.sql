-- The writer adds to a table that a job empties, as on plain PostgreSQL, and the job to what the aggregates
-- are made of: its rows are those of all batches of a while, and fewer.
ALTER TABLE span_metrics RENAME TO metrics_source;
DROP INDEX span_metrics_by_minute;
-- Rows of other services are passed over without looking at them.
CREATE INDEX metrics_source_by_minute ON metrics_source (minute DESC, service_id);
UPDATE retained_tables SET table_name = 'metrics_source' WHERE table_name = 'span_metrics';

-- A row per series and batch, its cells as arrays.
CREATE TABLE span_metrics (
    minute           timestamptz        NOT NULL,
    service_id       int                NOT NULL,
    operation_id     int                NOT NULL,
    kind             smallint           NOT NULL,
    status           smallint           NOT NULL,
    -- service.version; empty if not told.
    version          text               NOT NULL,
    -- A cell has a place in each of the four. Bucket b holds durations in [1.05^b, 1.05^(b+1)) ns; -1 holds
    -- zero.
    buckets          smallint[]         NOT NULL,
    -- latency_bound().
    bounds           smallint[]         NOT NULL,
    span_counts      double precision[] NOT NULL,
    duration_ns_sums double precision[] NOT NULL
);
