-- Pairs of key and value that many spans have are stored once; spans refer to them by number
-- (spans.attribute_ids) and hold only their other attributes (spans.attributes).
--
-- No stored span refers to a pair that is not there. Writers and the job that deletes pairs keep it so:
--
--   1. A span that refers to a pair starts before the end of the pair's used_on. A writer raises used_on
--      before it adds such a span.
--   2. Pairs are deleted only if no stored span can be that old: used_on is before the day of
--      spans_from(). The same transaction raises attribute_pairs_floor to that day, so that pairs with
--      a used_on from there on were never deleted: a writer need not ask for those it remembers, and asks
--      for the others.
--   3. Each writer's transaction shares an advisory lock that the deleting one has alone, so that
--      there are no spans on their way that 2. would not see, and no writer that has not seen the floor.
--
-- Only times that spans carry count, no clock: spans may be late, early or imported, writers may stand
-- still, and it does not matter why partitions go.
CREATE TABLE attribute_pairs (
    -- Never used again.
    id      int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key     text COLLATE "C" NOT NULL,
    -- JSON, as in spans.attributes.
    value   text COLLATE "C" NOT NULL,
    -- Day (UTC) of the latest start of any span that refers to it, or later.
    used_on date NOT NULL,
    UNIQUE (key, value)
-- Room on each page for a new used_on: no index knows of it, so that nothing else is written.
) WITH (fillfactor = 90);

-- What was used on this day or later was never deleted. One row.
CREATE TABLE attribute_pairs_floor (
    only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),
    day      date NOT NULL
);
INSERT INTO attribute_pairs_floor (day) VALUES ('1970-01-01');

-- The numbers in spans.attribute_ids. Each has two to five bytes, of which only the first one has the highest
-- bit; its next bits tell how many others follow, each with seven bits of the number. So the bytes of a
-- number occur nowhere else, and position(bytes IN attribute_ids) finds it. An int[] is twice as large,
-- and no compression makes it small: numbers of pairs that come together are far apart.
CREATE FUNCTION attribute_numbers(attribute_ids bytea) RETURNS int[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    numbers int[] := '{}';
    number  int;
    byte    int;
BEGIN
    FOR place IN 0 .. length(attribute_ids) - 1 LOOP
        byte := get_byte(attribute_ids, place);
        IF byte < 128 THEN
            number := (number << 7) | byte;
            CONTINUE;
        END IF;
        IF place > 0 THEN
            numbers := numbers || number;
        END IF;
        number := byte & CASE WHEN byte < 192 THEN 63 WHEN byte < 224 THEN 31 ELSE 15 END;
    END LOOP;
    RETURN numbers || number;
END
$$;

-- A span's attributes in one object, from both columns.
CREATE FUNCTION span_attributes(attributes text, attribute_ids bytea) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN attribute_ids IS NULL THEN attributes::jsonb
           ELSE attributes::jsonb || coalesce(
               (SELECT jsonb_object_agg(p.key, p.value::jsonb) FROM attribute_pairs p
                WHERE p.id = ANY (attribute_numbers(attribute_ids))), '{}')
           END
$$;
