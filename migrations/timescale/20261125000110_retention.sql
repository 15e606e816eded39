-- Chunks of the retained tables, their sizes, and dropping them one by one.

-- The aggregates look back three days, and dropping counts as a change that a refresh would apply to
-- the level above: the parts stay longer than that.
UPDATE retained_tables SET age_min = '4 days' WHERE table_name IN ('span_metrics', 'metrics_1m', 'metrics_1h');

-- Every chunk of the retained tables, the columnstore's half included. uncompressed_bytes is what a
-- compressed chunk occupied before; null where it is not compressed, or was never anything else.
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
    WITH hypertables AS (
        -- An aggregate's rows are in a hypertable of its own.
        SELECT r.table_name,
               coalesce(a.materialization_hypertable_schema, current_schema())::text AS schema_name,
               coalesce(a.materialization_hypertable_name, r.table_name)::text AS hypertable_name
        FROM retained_tables r
        LEFT JOIN timescaledb_information.continuous_aggregates a
               ON a.view_schema = current_schema() AND a.view_name = r.table_name
    ), sizes AS MATERIALIZED (
        SELECT s.chunk_schema, s.chunk_name, s.table_bytes, s.index_bytes, s.toast_bytes
        FROM hypertables h,
             LATERAL chunks_detailed_size(format('%I.%I', h.schema_name, h.hypertable_name)::regclass) s
    ), before AS MATERIALIZED (
        SELECT z.chunk_schema, z.chunk_name, nullif(z.before_compression_total_bytes, 0) AS bytes
        FROM hypertables h,
             LATERAL chunk_compression_stats(format('%I.%I', h.schema_name, h.hypertable_name)::regclass) z
    )
    SELECT h.table_name, format('%I.%I', c.chunk_schema, c.chunk_name), c.range_start, c.range_end,
           greatest(approximate_row_count(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass), 0),
           coalesce(s.table_bytes, 0), coalesce(s.index_bytes, 0), coalesce(s.toast_bytes, 0), b.bytes
    FROM hypertables h
    JOIN timescaledb_information.chunks c
      ON c.hypertable_schema = h.schema_name AND c.hypertable_name = h.hypertable_name
    LEFT JOIN sizes s ON s.chunk_schema = c.chunk_schema AND s.chunk_name = c.chunk_name
    LEFT JOIN before b ON b.chunk_schema = c.chunk_schema AND b.chunk_name = c.chunk_name
$$;

-- Drops the chunk that covers exactly this time; returns its name, or null if there is none.
CREATE FUNCTION drop_partition(of_table text, starts timestamptz, ends timestamptz) RETURNS text
LANGUAGE sql AS $$
    SELECT drop_chunks(quote_ident(of_table)::regclass, older_than => ends, newer_than => starts)
$$;

-- How the bytes of a chunk are shared among services: a weight per service. In the columnstore, where
-- the service is what batches are made by, the number of rows; elsewhere an estimate from at most 500
-- pages (4 MB) taken evenly, in which rows weigh what they occupy. The same pages each time, so that
-- the answer does not flicker.
CREATE FUNCTION service_weights(partition text) RETURNS TABLE (service_id int, weight double precision)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    pages bigint := pg_relation_size(partition::regclass) / current_setting('block_size')::bigint;
BEGIN
    IF EXISTS (SELECT FROM timescaledb_information.chunks c
               WHERE format('%I.%I', c.chunk_schema, c.chunk_name)::regclass = partition::regclass
                 AND c.is_compressed) THEN
        RETURN QUERY EXECUTE format('SELECT t.service_id, count(*)::float8 FROM %s t GROUP BY 1',
                                    partition::regclass);
    ELSE
        RETURN QUERY EXECUTE format(
            'SELECT t.service_id, sum(pg_column_size(t.*))::float8 FROM %s t TABLESAMPLE SYSTEM (%s) REPEATABLE (1) GROUP BY 1',
            partition::regclass, least(100, 100.0 * 500 / greatest(pages, 1)));
    END IF;
END
$$;

-- drop_partition() takes its place.
DROP FUNCTION drop_before(timestamptz, timestamptz);
