-- How far the writers are, and what they have to know of each other.

-- One row per queue on disk. Updated in the transaction that adds the spans, so that after a crash
-- the queue is read from exactly there.
CREATE TABLE queue_positions (
    queue         uuid        PRIMARY KEY,
    -- Everything before it is in the database for good. A start reads the queue from here.
    written_to    bigint      NOT NULL,
    -- Everything before it is in the metrics. Not less than written_to: spans that wait for the
    -- decision of tail sampling are counted already.
    counted_to    bigint      NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT now()
);

-- Spans belong to slots by their trace id. Whoever writes spans of a slot holds its advisory lock
-- and is its owner; an owner that finds another in its place knows that its memory of what is
-- stored is incomplete.
CREATE TABLE write_slots (
    slot            smallint PRIMARY KEY,
    owner           uuid     NOT NULL,
    -- No span of the slot that was ever written or counted starts later, nanoseconds since the
    -- epoch: what starts later is new for certain.
    newest_start_ns bigint   NOT NULL
);

-- Spans of a database that is older than this table may be known: none that starts within the time
-- that receivers accept from clocks that run ahead is new for certain.
INSERT INTO write_slots
SELECT slot, '00000000-0000-0000-0000-000000000000',
       CASE WHEN EXISTS (SELECT FROM spans) THEN (extract(epoch FROM now() + interval '1 day') * 1e9)::bigint ELSE 0 END
FROM generate_series(0, 15) AS slot;
