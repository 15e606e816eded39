-- What is kept how long, and what went.

-- Every table whose rows are dropped by whole partitions (on TimescaleDB: chunks), never row by row.
-- Whoever adds such a table adds a line here: retention, the storage page and, on plain PostgreSQL,
-- ensure_partitions() follow it.
CREATE TABLE retained_tables (
    table_name      text     PRIMARY KEY,
    -- The part of [storage.retention] that says how long.
    signal          text     NOT NULL,
    -- What a new partition covers on plain PostgreSQL; partitions begin at multiples of it since the
    -- epoch. For tables of the signal "traces" every start sets it to storage.chunk_hours.
    partition_hours int      NOT NULL DEFAULT 24 CHECK (partition_hours BETWEEN 1 AND 8760),
    -- Partitions younger than this stay, whatever the bounds say.
    age_min         interval NOT NULL DEFAULT '0'
);

INSERT INTO retained_tables (table_name, signal, partition_hours) VALUES
    ('spans', 'traces', 24),
    ('traces', 'traces', 24),
    ('span_metrics', 'metrics', 24),
    ('metrics_1m', 'metrics', 24),
    ('metrics_1h', 'rollups', 720),
    ('metrics_1d', 'rollups', 720);

-- One row per partition that retention has dropped; the oldest are forgotten beyond a bound.
CREATE TABLE retention_events (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dropped_at    timestamptz NOT NULL DEFAULT now(),
    signal        text        NOT NULL,
    table_name    text        NOT NULL,
    partition     text        NOT NULL,
    -- What it covered.
    from_time     timestamptz NOT NULL,
    to_time       timestamptz NOT NULL,
    rows_estimate bigint      NOT NULL,
    bytes         bigint      NOT NULL,
    reason        text        NOT NULL CHECK (reason IN ('age', 'bytes'))
);
