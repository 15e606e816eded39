-- What the writer adds is a row per series and batch, its cells as arrays: a twentieth of the rows. A cell says
-- which of Prometheus' bounds it is of, too: sums since ever come from the same rows as minutes.

-- What a server that still runs has added meanwhile; from here on it waits, and then fails and keeps its spans.
LOCK TABLE span_metrics IN ACCESS EXCLUSIVE MODE;
SELECT roll_up_metrics();
DROP VIEW metrics_minute, metrics_hour, metrics_day;
DROP TABLE span_metrics;

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
