-- What custom metrics counted, on TimescaleDB; 20261125001010_custom_metrics.sql tells how.

CREATE TABLE custom_metric_points (
    version_id  int              NOT NULL,
    -- 0 is what came when there were as many groups as there may be.
    group_id    int              NOT NULL,
    minute      timestamptz      NOT NULL,
    -- 0; for a quantile the logarithm of the value; for distinct ones the register.
    bucket      smallint         NOT NULL,
    -- Values, weighted; their sum, least and greatest (for distinct ones the register's rank).
    value_count double precision NOT NULL,
    value_sum   double precision NOT NULL,
    value_min   double precision NOT NULL,
    value_max   double precision NOT NULL,
    PRIMARY KEY (version_id, group_id, minute, bucket)
);

-- Rows are changed until their minute is long over, and deleted with their metric: no columnstore.
SELECT create_hypertable('custom_metric_points', by_range('minute', interval '1 day'), create_default_indexes => false);
