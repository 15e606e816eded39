-- Partitions of any length on plain PostgreSQL, their sizes, and dropping them one by one.

-- Every partition of the retained tables. uncompressed_bytes is what compressed data occupied before;
-- null, because nothing is compressed here.
--
-- One plain statement, so that the planner takes it apart: who does not ask for the sizes does not
-- wait for them.
CREATE FUNCTION storage_partitions() RETURNS TABLE (
    table_name         text,
    partition          text,
    from_time          timestamptz,
    to_time            timestamptz,
    rows_estimate      bigint,
    heap_bytes         bigint,
    index_bytes        bigint,
    toast_bytes        bigint,
    uncompressed_bytes bigint
)
LANGUAGE sql STABLE AS $$
    SELECT r.table_name, c.oid::regclass::text, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz,
           greatest(c.reltuples, 0)::bigint,
           -- Null where it was dropped a moment ago.
           coalesce(pg_table_size(c.oid), 0) - coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0),
           coalesce(pg_indexes_size(c.oid), 0),
           coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0),
           NULL::bigint
    FROM retained_tables r
    JOIN pg_inherits i ON i.inhparent = to_regclass(quote_ident(r.table_name))
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (
        SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(.+)''\) TO \(''(.+)''\)')
    ) AS b (bounds)
$$;

-- Makes sure that rows of the days (UTC) from the first time to the second find a partition. What
-- exists stays as it is, whatever length it has; only what lies between is added. Tables are made
-- aside and attached, which does not block readers of the parent.
CREATE OR REPLACE FUNCTION ensure_partitions(from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    first_day timestamptz := date_trunc('day', from_time, 'UTC');
    last_day  timestamptz := date_trunc('day', to_time, 'UTC') + interval '24 hours';
    parent    record;
    slot      timestamptz;
    covered   timestamptz;
    existing  record;
    child     text;
BEGIN
    -- Two writers must not make the same partition at once.
    PERFORM pg_advisory_xact_lock(hashtext('spanloom partitions'));
    FOR parent IN
        SELECT r.table_name AS name, make_interval(hours => r.partition_hours) AS length,
               r.partition_hours * 3600 AS seconds
        FROM retained_tables r JOIN pg_class c ON c.oid = to_regclass(quote_ident(r.table_name))
        WHERE c.relkind = 'p'
        ORDER BY 1
    LOOP
        slot := to_timestamp(floor(extract(epoch FROM first_day) / parent.seconds) * parent.seconds);
        WHILE slot < last_day LOOP
            covered := slot;
            FOR existing IN
                SELECT p.from_time AS starts, p.to_time AS ends
                FROM storage_partitions() p
                WHERE p.table_name = parent.name AND p.from_time < slot + parent.length AND p.to_time > slot
                -- The slot's own end comes last, so that what is missing before it is added too.
                UNION ALL SELECT slot + parent.length, slot + parent.length
                ORDER BY 1
            LOOP
                IF existing.starts > covered THEN
                    child := format('%s_%s', parent.name, to_char(covered AT TIME ZONE 'UTC', 'YYYYMMDD_HH24'));
                    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', child,
                                   parent.name);
                    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                                   parent.name, child, covered, existing.starts);
                END IF;
                covered := greatest(covered, existing.ends);
            END LOOP;
            slot := slot + parent.length;
        END LOOP;
    END LOOP;
END
$$;

-- Drops the partition that covers exactly this time; returns its name, or null if there is none.
CREATE FUNCTION drop_partition(of_table text, starts timestamptz, ends timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    child text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spanloom partitions'));
    SELECT p.partition INTO child FROM storage_partitions() p
    WHERE p.table_name = of_table AND p.from_time = starts AND p.to_time = ends;
    IF child IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %s', of_table, child);
        EXECUTE format('DROP TABLE %s', child);
    END IF;
    RETURN child;
END
$$;

-- How the bytes of a partition are shared among services: a weight per service. An estimate from at
-- most 500 pages (4 MB) taken evenly; rows weigh what they occupy. The same pages each time, so that
-- the answer does not flicker.
CREATE FUNCTION service_weights(partition text) RETURNS TABLE (service_id int, weight double precision)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    pages bigint := pg_relation_size(partition::regclass) / current_setting('block_size')::bigint;
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT t.service_id, sum(pg_column_size(t.*))::float8 FROM %s t TABLESAMPLE SYSTEM (%s) REPEATABLE (1) GROUP BY 1',
        partition::regclass, least(100, 100.0 * 500 / greatest(pages, 1)));
END
$$;

-- Its names end in a day; partitions may now be shorter or longer than that. drop_partition() takes its place.
DROP FUNCTION drop_before(timestamptz, timestamptz);

-- Hours and days of metrics were one table each, deleted from row by row, which frees nothing for
-- others. From now on they have partitions too; what is there becomes the first one.
DO $$
DECLARE
    level  text;
    oldest timestamptz;
    ends   timestamptz := to_timestamp(ceil(extract(epoch FROM now() + interval '2 days') / 2592000) * 2592000);
BEGIN
    FOREACH level IN ARRAY ARRAY['metrics_1h', 'metrics_1d'] LOOP
        EXECUTE format('SELECT min(time) FROM %I', level) INTO oldest;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', level, level || '_before');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY RANGE (time)', level,
                       level || '_before');
        IF oldest IS NULL THEN
            EXECUTE format('DROP TABLE %I', level || '_before');
        ELSE
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', level,
                           level || '_before',
                           to_timestamp(floor(extract(epoch FROM oldest) / 2592000) * 2592000), ends);
        END IF;
    END LOOP;
END
$$;
