-- Spans on plain PostgreSQL: native range partitions, one a day (UTC).
--
-- There is no unique index on spans: it would double the cost of writing. The writer keeps
-- duplicates out.

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
) PARTITION BY RANGE (start_time);

CREATE INDEX spans_by_trace ON spans (trace_id);
CREATE INDEX spans_by_service ON spans (service_id, start_time DESC);
-- Rows arrive nearly in order of time, so that a few bytes per 32 pages find a range.
CREATE INDEX spans_by_time ON spans USING brin (start_time) WITH (pages_per_range = 32, autosummarize = on);

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
) PARTITION BY RANGE (first_start);

CREATE INDEX traces_by_trace ON traces (trace_id);
CREATE INDEX traces_by_start ON traces (first_start DESC);

-- Makes sure that rows between the two times find a partition. Tables are made aside and
-- attached, which does not block readers of the parent.
CREATE FUNCTION ensure_partitions(from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    day    date;
    child  text;
BEGIN
    -- Two writers must not make the same partition at once.
    PERFORM pg_advisory_xact_lock(hashtext('spanloom partitions'));
    FOREACH parent IN ARRAY ARRAY['spans', 'traces', 'metrics_1m'] LOOP
        FOR day IN
            SELECT generate_series((from_time AT TIME ZONE 'UTC')::date,
                                   (to_time AT TIME ZONE 'UTC')::date, interval '1 day')::date
        LOOP
            child := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
            CONTINUE WHEN to_regclass(child) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', child, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child,
                           day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
        END LOOP;
    END LOOP;
END
$$;

-- Drops what lies wholly before the two times: spans, traces and minutes before the first, hours
-- and days before the second. Returns the names of the partitions that went.
CREATE FUNCTION drop_before(spans_before timestamptz, rollups_before timestamptz) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    child  text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spanloom partitions'));
    FOR parent, child IN
        SELECT i.inhparent::regclass::text, i.inhrelid::regclass::text
        FROM pg_inherits i
        WHERE i.inhparent IN ('spans'::regclass, 'traces'::regclass, 'metrics_1m'::regclass)
    LOOP
        -- The name ends in the day that the partition holds.
        CONTINUE WHEN to_date(right(child, 8), 'YYYYMMDD') + 1 > (spans_before AT TIME ZONE 'UTC')::date;
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, child);
        EXECUTE format('DROP TABLE %I', child);
        RETURN NEXT child;
    END LOOP;
    DELETE FROM metrics_1h WHERE time < rollups_before;
    DELETE FROM metrics_1d WHERE time < rollups_before;
END
$$;
