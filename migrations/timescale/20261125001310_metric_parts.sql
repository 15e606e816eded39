-- The writer adds to a table that a job empties, as on plain PostgreSQL, and the job to what the aggregates
-- are made of: its rows are those of all batches of a while, and fewer.
ALTER TABLE span_metrics RENAME TO metrics_source;
ALTER INDEX span_metrics_by_minute RENAME TO metrics_source_by_minute;
UPDATE retained_tables SET table_name = 'metrics_source' WHERE table_name = 'span_metrics';

CREATE TABLE span_metrics (
    minute          timestamptz      NOT NULL,
    service_id      int              NOT NULL,
    operation_id    int              NOT NULL,
    kind            smallint         NOT NULL,
    status          smallint         NOT NULL,
    -- service.version; empty if not told.
    version         text             NOT NULL,
    -- Bucket b holds durations in [1.05^b, 1.05^(b+1)) ns; -1 holds zero.
    bucket          smallint         NOT NULL,
    span_count      double precision NOT NULL,
    duration_ns_sum double precision NOT NULL,
    -- latency_bound().
    bound           smallint         NOT NULL
);
