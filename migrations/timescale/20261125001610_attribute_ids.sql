-- The attributes of a span that are in attribute_pairs, as attribute_numbers() tells; null if there are none.
ALTER TABLE spans ADD COLUMN attribute_ids bytea;

-- No stored span starts before it; null if none is stored.
CREATE FUNCTION spans_from() RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT min(range_start) FROM timescaledb_information.chunks
    WHERE hypertable_schema = current_schema() AND hypertable_name = 'spans'
$$;
