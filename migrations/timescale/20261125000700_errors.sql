-- How often each error occurred, on TimescaleDB; 20261125000710_errors.sql tells how it is filled.
CREATE TABLE error_counts (
    -- Of the span's start.
    minute       timestamptz      NOT NULL,
    group_id     uuid             NOT NULL,
    operation_id int              NOT NULL,
    -- service.version; empty if not told.
    version      text             NOT NULL,
    -- Spans, sampled ones as many as they stand for.
    error_count  double precision NOT NULL,
    PRIMARY KEY (minute, group_id, operation_id, version)
);

CREATE INDEX error_counts_by_group ON error_counts (group_id, minute);

-- Rows are changed until their minute is long over, and there are few: no columnstore.
SELECT create_hypertable('error_counts', by_range('minute', interval '1 day'), create_default_indexes => false);
