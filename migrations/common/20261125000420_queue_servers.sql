-- Servers that read a broker's queues, so that each leaves the others their share.
CREATE TABLE queue_servers (
    -- What the names of the queues begin with.
    queues        text        NOT NULL,
    server        uuid        NOT NULL,
    seen_at       timestamptz NOT NULL,
    PRIMARY KEY (queues, server)
);
