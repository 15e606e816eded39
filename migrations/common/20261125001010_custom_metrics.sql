-- Metrics that people define from spans.
--
-- A definition that counts differently is a new version, with points of its own. Of each version
-- everything that began at live_from or later is counted by the writers as it comes, in the transaction
-- that adds the spans; everything before is counted by the back-fill from the spans that are stored.
-- The back-fill moves the seam: it takes the lock that every writer's transaction shares, so that none
-- is under way, lowers live_from, opens a cursor over the stored spans between the new and the old one,
-- and lets the writers go on. Whatever they add from then on they count themselves, and the cursor does
-- not see it. When the cursor is read, filled_from follows. If it never is, the points between the two
-- are deleted under the same lock, and the step is done again.

INSERT INTO retained_tables (table_name, signal, partition_hours) VALUES ('custom_metric_points', 'metrics', 24);

CREATE TABLE custom_metrics (
    id         uuid        PRIMARY KEY,
    name       text        NOT NULL UNIQUE,
    -- Grows with each change.
    version    int         NOT NULL DEFAULT 1,
    -- The name rather than a reference: it outlives the account.
    author     text        NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE custom_metric_versions (
    id          int         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- None: nobody asks for it any more, and its points are deleted step by step.
    metric_id   uuid        REFERENCES custom_metrics ON DELETE SET NULL,
    -- What series are read from. A changed definition becomes it when its back-fill is done.
    is_shown    bool        NOT NULL,
    definition  jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- Spans that begin then or later are counted by the writers.
    live_from   timestamptz NOT NULL DEFAULT 'infinity',
    -- Stored spans that begin then or later are counted. Later than live_from while a step goes on.
    filled_from timestamptz NOT NULL DEFAULT 'infinity',
    -- Where the back-fill began and where it ends; null before its first step.
    fill_start  timestamptz,
    fill_end    timestamptz,
    fill_state  text        NOT NULL DEFAULT 'running' CHECK (fill_state IN ('running', 'done', 'stopped')),
    -- Which attempt at a step is the one that may end it.
    attempt     int         NOT NULL DEFAULT 0,
    -- Stored spans that the back-fill looked at.
    spans_read  bigint      NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX custom_metric_versions_shown ON custom_metric_versions (metric_id) WHERE is_shown;
CREATE UNIQUE INDEX custom_metric_versions_next ON custom_metric_versions (metric_id) WHERE NOT is_shown;

-- One row, whose number changes with everything that writers have to know of the versions. They read it
-- in each transaction.
CREATE TABLE custom_metric_epoch (
    epoch bigint NOT NULL
);

INSERT INTO custom_metric_epoch VALUES (0);

CREATE TABLE custom_metric_groups (
    id         int    GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version_id int    NOT NULL REFERENCES custom_metric_versions ON DELETE CASCADE,
    -- In the order of the definition's groupBy.
    labels     text[] NOT NULL,
    UNIQUE (version_id, labels)
);

-- As custom_metric_points, a row per batch.
CREATE TABLE custom_metric_parts (
    version_id  int              NOT NULL,
    group_id    int              NOT NULL,
    minute      timestamptz      NOT NULL,
    bucket      smallint         NOT NULL,
    value_count double precision NOT NULL,
    value_sum   double precision NOT NULL,
    value_min   double precision NOT NULL,
    value_max   double precision NOT NULL
);

-- What the writers counted since the version was made, whatever was deleted since: for those who ask for
-- a count that only grows. Back-filled values are not in it.
CREATE TABLE custom_metric_totals (
    version_id  int              NOT NULL REFERENCES custom_metric_versions ON DELETE CASCADE,
    group_id    int              NOT NULL,
    bucket      smallint         NOT NULL,
    value_count double precision NOT NULL,
    value_sum   double precision NOT NULL,
    value_min   double precision NOT NULL,
    value_max   double precision NOT NULL,
    PRIMARY KEY (version_id, group_id, bucket)
);

-- Everything that is counted.
CREATE VIEW custom_metric_minutes AS
SELECT version_id, group_id, minute, bucket, value_count, value_sum, value_min, value_max
FROM custom_metric_points
UNION ALL
SELECT version_id, group_id, minute, bucket, value_count, value_sum, value_min, value_max
FROM custom_metric_parts;

-- Moves what the writers added since the last time; returns how many rows that made. What belongs to a
-- version that is gone is dropped.
CREATE FUNCTION move_custom_metrics() RETURNS bigint
LANGUAGE plpgsql
-- Else every run tells that the temporary table exists already.
SET client_min_messages = warning
AS $$
DECLARE
    moved_rows bigint;
BEGIN
    -- The lock of the seam, as writers take it: what is on the way between two tables cannot be deleted.
    PERFORM pg_advisory_xact_lock_shared(1129665358, 0);
    CREATE TEMPORARY TABLE IF NOT EXISTS moved_custom_metrics (LIKE custom_metric_parts) ON COMMIT DELETE ROWS;
    WITH moved AS (DELETE FROM custom_metric_parts RETURNING *)
    INSERT INTO moved_custom_metrics
    SELECT m.version_id, m.group_id, m.minute, m.bucket, sum(m.value_count), sum(m.value_sum),
           min(m.value_min), max(m.value_max)
    FROM moved m JOIN custom_metric_versions v ON v.id = m.version_id AND v.metric_id IS NOT NULL
    GROUP BY 1, 2, 3, 4;
    GET DIAGNOSTICS moved_rows = ROW_COUNT;
    IF moved_rows = 0 THEN
        RETURN 0;
    END IF;
    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM moved_custom_metrics) d;

    INSERT INTO custom_metric_points AS old
    SELECT * FROM moved_custom_metrics ORDER BY 1, 2, 3, 4
    ON CONFLICT (version_id, group_id, minute, bucket) DO UPDATE
    SET value_count = old.value_count + excluded.value_count,
        value_sum = old.value_sum + excluded.value_sum,
        value_min = least(old.value_min, excluded.value_min),
        value_max = greatest(old.value_max, excluded.value_max);

    INSERT INTO custom_metric_totals AS old
    SELECT version_id, group_id, bucket, sum(value_count), sum(value_sum), min(value_min), max(value_max)
    FROM moved_custom_metrics GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (version_id, group_id, bucket) DO UPDATE
    SET value_count = old.value_count + excluded.value_count,
        value_sum = old.value_sum + excluded.value_sum,
        value_min = least(old.value_min, excluded.value_min),
        value_max = greatest(old.value_max, excluded.value_max);
    RETURN moved_rows;
END
$$;
