-- What writers that read from a broker have to remember. A broker has no positions: what is not
-- acknowledged is delivered again, to whoever reads then.

-- Messages whose spans are in the metrics already while some of them wait for the decision of tail
-- sampling. Added and removed in the transactions that count and write them.
CREATE TABLE queue_messages (
    message_id    uuid        PRIMARY KEY,
    counted_at    timestamptz NOT NULL DEFAULT now()
);

-- Who reads which of a broker's queues. A reader that finds another in its place forgets what it
-- holds: the other one has it too.
CREATE TABLE queue_readers (
    queue         text        PRIMARY KEY,
    reader        uuid        NOT NULL,
    since         timestamptz NOT NULL DEFAULT now()
);
