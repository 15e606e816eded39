-- Bytes that a stored span takes on average, indexes included; null if none is stored. From what
-- PostgreSQL last counted (autovacuum does); before that from the newest thousand rows.
CREATE FUNCTION span_bytes_average() RETURNS double precision
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        -- Rows by the density that was counted, for the pages that there are now, as the planner does.
        (SELECT sum(pg_total_relation_size(c.oid))::float8
                / nullif(sum(c.reltuples / c.relpages * pg_relation_size(c.oid)
                             / current_setting('block_size')::int), 0)::float8
         FROM pg_partition_tree('spans') p JOIN pg_class c ON c.oid = p.relid
         WHERE p.isleaf AND c.reltuples > 0 AND c.relpages > 0),
        (SELECT avg(pg_column_size(newest.*))::float8
         FROM (SELECT * FROM spans ORDER BY start_time DESC LIMIT 1000) AS newest)
    )
$$;
