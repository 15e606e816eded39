-- Errors by group. Writers only append, to three tables that nobody reads, in the transaction that adds
-- the spans: they never wait for each other. fold_errors() takes what is there and is the only one that
-- makes groups, so that the bound on groups and each event hold exactly.

INSERT INTO retained_tables (table_name, signal, partition_hours) VALUES ('error_counts', 'metrics', 24);

CREATE TABLE error_groups (
    -- Names the service, the error and the version of the rules: crates/errors. Random for an overflow.
    id                  uuid             PRIMARY KEY,
    service_id          int              NOT NULL REFERENCES services,
    fingerprint_version smallint         NOT NULL,
    -- Whether it is all the errors of a service that has too many groups.
    is_overflow         bool             NOT NULL DEFAULT false,
    -- The exception's class; empty if not told.
    type                text             NOT NULL,
    -- Without what varies.
    message             text             NOT NULL,
    -- The message of an occurrence, as it was sent.
    example             text             NOT NULL,
    -- Of an occurrence, the newest that was looked at; empty if there is none.
    stacktrace          text             NOT NULL,
    -- Starts of spans.
    first_seen          timestamptz      NOT NULL,
    last_seen           timestamptz      NOT NULL,
    -- Ever.
    error_count         double precision NOT NULL DEFAULT 0,
    state               text             NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'resolved', 'ignored', 'regressed')),
    -- A span that starts later makes a resolved group a regressed one.
    resolved_at         timestamptz,
    -- Resolved in the next version: those known then do not count as coming back.
    resolved_versions   text[],
    -- When it was last counted, by the database's clock.
    touched_at          timestamptz      NOT NULL DEFAULT now()
);

CREATE INDEX error_groups_by_service ON error_groups (service_id);
CREATE UNIQUE INDEX error_groups_overflow ON error_groups (service_id) WHERE is_overflow;

-- What became of groups, once each: for alerting, which reads on from the last id it knows, and for the
-- history.
CREATE TABLE error_events (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id uuid        NOT NULL REFERENCES error_groups ON DELETE CASCADE,
    at       timestamptz NOT NULL DEFAULT now(),
    kind     text        NOT NULL CHECK (kind IN ('new', 'regressed', 'resolved', 'ignored', 'reopened')),
    -- Who did it; null where it happened.
    actor    text,
    -- new, regressed: the service's version then, empty if not told.
    version  text
);

CREATE INDEX error_events_by_group ON error_events (group_id, id);

-- Spans with the error: the oldest and the newest of those that were kept.
CREATE TABLE error_samples (
    group_id     uuid        NOT NULL REFERENCES error_groups ON DELETE CASCADE,
    trace_id     uuid        NOT NULL,
    span_id      bigint      NOT NULL,
    start_time   timestamptz NOT NULL,
    operation_id int         NOT NULL,
    version      text        NOT NULL,
    -- As it was sent.
    message      text        NOT NULL,
    PRIMARY KEY (group_id, start_time, trace_id, span_id)
);

-- What writers count: a row per batch, minute, group, operation and version. A group that is not known
-- and not described, and the nil UUID, mean the overflow of the service.
CREATE TABLE error_parts (
    minute       timestamptz      NOT NULL,
    group_id     uuid             NOT NULL,
    service_id   int              NOT NULL,
    operation_id int              NOT NULL,
    version      text             NOT NULL,
    error_count  double precision NOT NULL,
    first_time   timestamptz      NOT NULL,
    last_time    timestamptz      NOT NULL
);

-- What writers tell of groups that they meet the first time.
CREATE TABLE error_descriptions (
    group_id            uuid        NOT NULL,
    service_id          int         NOT NULL,
    fingerprint_version smallint    NOT NULL,
    type                text        NOT NULL,
    message             text        NOT NULL,
    example             text        NOT NULL,
    stacktrace          text        NOT NULL,
    seen_at             timestamptz NOT NULL
);

-- Spans with errors that were kept: a few of each batch and group.
CREATE TABLE error_hits (
    group_id     uuid        NOT NULL,
    service_id   int         NOT NULL,
    trace_id     uuid        NOT NULL,
    span_id      bigint      NOT NULL,
    start_time   timestamptz NOT NULL,
    operation_id int         NOT NULL,
    version      text        NOT NULL,
    message      text        NOT NULL
);

-- The group of a service's other errors, made if it is not there.
CREATE FUNCTION error_overflow(of_service int, at timestamptz) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    overflow uuid;
BEGIN
    SELECT id INTO overflow FROM error_groups WHERE service_id = of_service AND is_overflow;
    IF overflow IS NULL THEN
        INSERT INTO error_groups (id, service_id, fingerprint_version, is_overflow, type, message, example,
                                  stacktrace, first_seen, last_seen)
        VALUES (gen_random_uuid(), of_service, 0, true, '', '', '', '', at, at)
        RETURNING id INTO overflow;
        INSERT INTO error_events (group_id, kind, version) VALUES (overflow, 'new', '');
    END IF;
    RETURN overflow;
END
$$;

-- Counts what writers appended since the last time; returns how many parts that were. A service has at
-- most so many groups of its own.
CREATE FUNCTION fold_errors(groups_max int DEFAULT 1000) RETURNS bigint
LANGUAGE plpgsql
-- Else every run tells that the temporary tables exist already.
SET client_min_messages = warning
AS $$
DECLARE
    folded bigint;
BEGIN
    -- One at a time, whoever calls it.
    PERFORM pg_advisory_xact_lock(hashtext('spanloom errors'));
    CREATE TEMPORARY TABLE IF NOT EXISTS folded_hits (LIKE error_hits) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS folded_parts (LIKE error_parts) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS folded_descriptions (LIKE error_descriptions) ON COMMIT DELETE ROWS;
    DELETE FROM folded_hits;
    DELETE FROM folded_parts;
    DELETE FROM folded_descriptions;

    -- In this order: whoever wrote a hit has counted it before or with it, and whoever counted has
    -- described the group before or with it.
    WITH moved AS (DELETE FROM error_hits RETURNING *) INSERT INTO folded_hits SELECT * FROM moved;
    WITH moved AS (DELETE FROM error_parts RETURNING *) INSERT INTO folded_parts SELECT * FROM moved;
    GET DIAGNOSTICS folded = ROW_COUNT;
    WITH moved AS (DELETE FROM error_descriptions RETURNING *)
    INSERT INTO folded_descriptions
    SELECT DISTINCT ON (group_id) * FROM moved ORDER BY group_id, seen_at DESC;

    -- In the order of their ids, as those who change states do.
    PERFORM FROM error_groups
    WHERE id IN (SELECT group_id FROM folded_parts UNION SELECT group_id FROM folded_descriptions)
    ORDER BY id FOR UPDATE;

    UPDATE error_groups g SET example = d.example, stacktrace = d.stacktrace
    FROM folded_descriptions d
    WHERE g.id = d.group_id;

    WITH wanted AS (
        SELECT d.*, row_number() OVER (PARTITION BY d.service_id ORDER BY d.seen_at, d.group_id) AS rank
        FROM folded_descriptions d
        WHERE NOT EXISTS (SELECT FROM error_groups g WHERE g.id = d.group_id)
    ), made AS (
        INSERT INTO error_groups (id, service_id, fingerprint_version, type, message, example, stacktrace,
                                  first_seen, last_seen)
        SELECT w.group_id, w.service_id, w.fingerprint_version, w.type, w.message, w.example, w.stacktrace,
               w.seen_at, w.seen_at
        FROM wanted w
        WHERE w.rank <= groups_max - (
            SELECT count(*) FROM error_groups g WHERE g.service_id = w.service_id AND NOT g.is_overflow
        )
        RETURNING id
    )
    INSERT INTO error_events (group_id, kind, version)
    SELECT m.id, 'new', coalesce(
        (SELECT p.version FROM folded_parts p WHERE p.group_id = m.id ORDER BY p.first_time LIMIT 1), '')
    FROM made m ORDER BY m.id;

    UPDATE folded_parts p SET group_id = o.id
    FROM (
        SELECT service_id, error_overflow(service_id, min(first_time)) AS id FROM folded_parts q
        WHERE NOT EXISTS (SELECT FROM error_groups g WHERE g.id = q.group_id)
        GROUP BY service_id
    ) o
    WHERE p.service_id = o.service_id AND NOT EXISTS (SELECT FROM error_groups g WHERE g.id = p.group_id);

    -- A day may have been dropped since its spans were written.
    PERFORM ensure_partitions(d.day, d.day)
    FROM (SELECT DISTINCT date_trunc('day', minute, 'UTC') AS day FROM folded_parts) d;
    INSERT INTO error_counts AS old
    SELECT minute, group_id, operation_id, version, sum(error_count)
    FROM folded_parts GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (minute, group_id, operation_id, version) DO UPDATE
    SET error_count = old.error_count + excluded.error_count;

    WITH returned AS (
        SELECT DISTINCT ON (p.group_id) p.group_id, p.version
        FROM folded_parts p JOIN error_groups g ON g.id = p.group_id
        WHERE g.state = 'resolved' AND p.last_time > g.resolved_at
          AND (g.resolved_versions IS NULL OR p.version <> ALL (g.resolved_versions))
        ORDER BY p.group_id, p.last_time
    ), changed AS (
        UPDATE error_groups g SET state = 'regressed', resolved_at = NULL, resolved_versions = NULL
        FROM returned r WHERE g.id = r.group_id
    )
    INSERT INTO error_events (group_id, kind, version) SELECT group_id, 'regressed', version FROM returned
    ORDER BY group_id;

    UPDATE error_groups g
    SET error_count = g.error_count + p.error_count, first_seen = least(g.first_seen, p.first_time),
        last_seen = greatest(g.last_seen, p.last_time), touched_at = now()
    FROM (
        SELECT group_id, sum(error_count) AS error_count, min(first_time) AS first_time,
               max(last_time) AS last_time
        FROM folded_parts GROUP BY 1
    ) p
    WHERE g.id = p.group_id;

    INSERT INTO error_samples
    SELECT coalesce(g.id, o.id), h.trace_id, h.span_id, h.start_time, h.operation_id, h.version, h.message
    FROM folded_hits h
    LEFT JOIN error_groups g ON g.id = h.group_id
    LEFT JOIN error_groups o ON o.service_id = h.service_id AND o.is_overflow
    WHERE coalesce(g.id, o.id) IS NOT NULL
    ON CONFLICT DO NOTHING;
    DELETE FROM error_samples s USING (
        SELECT group_id, start_time, trace_id, span_id,
               row_number() OVER (PARTITION BY group_id ORDER BY start_time DESC, trace_id, span_id) AS newest,
               row_number() OVER (PARTITION BY group_id ORDER BY start_time, trace_id, span_id) AS oldest
        FROM error_samples
        WHERE group_id IN (
            SELECT coalesce(g.id, o.id) FROM folded_hits h
            LEFT JOIN error_groups g ON g.id = h.group_id
            LEFT JOIN error_groups o ON o.service_id = h.service_id AND o.is_overflow
        )
    ) r
    WHERE r.newest > 20 AND r.oldest > 1 AND s.group_id = r.group_id AND s.start_time = r.start_time
      AND s.trace_id = r.trace_id AND s.span_id = r.span_id;
    RETURN folded;
END
$$;

-- Deletes groups that nobody has met for so long, with their samples and events.
CREATE FUNCTION forget_errors(age interval DEFAULT '90 days') RETURNS bigint
LANGUAGE sql AS $$
    WITH old AS (
        SELECT id FROM error_groups WHERE touched_at < now() - age ORDER BY id LIMIT 1000
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM error_groups g USING old WHERE g.id = old.id RETURNING g.id
    )
    SELECT count(*) FROM gone
$$;
