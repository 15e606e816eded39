-- The attributes of a span that are in attribute_pairs, as attribute_numbers() tells; null if there are none.
ALTER TABLE spans ADD COLUMN attribute_ids bytea;

-- No stored span starts before it; null if there is no place for spans at all.
CREATE FUNCTION spans_from() RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT min(from_time) FROM storage_partitions() WHERE table_name = 'spans'
$$;
