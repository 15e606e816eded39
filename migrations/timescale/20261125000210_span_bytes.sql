-- Bytes that a stored span takes on average, indexes and the columnstore included; null if none is
-- stored. From what PostgreSQL last counted; before that from the newest thousand rows.
CREATE FUNCTION span_bytes_average() RETURNS double precision
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        hypertable_size('spans')::float8 / nullif(approximate_row_count('spans'), 0),
        (SELECT avg(pg_column_size(newest.*))::float8
         FROM (SELECT * FROM spans ORDER BY start_time DESC LIMIT 1000) AS newest)
    )
$$;
