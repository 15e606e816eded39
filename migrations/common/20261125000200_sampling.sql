-- Which traces are kept. One row per version of the settings; the newest is in force, older ones are
-- its history. No row: everything is kept.
--
-- The key keeps two people from saving the same next version. What the JSON may hold is validated
-- before it comes here; every server compiles it and asks for the newest version every few seconds.
CREATE TABLE sampling_settings (
    version    int         PRIMARY KEY CHECK (version > 0),
    settings   jsonb       NOT NULL,
    -- The name rather than a reference: it outlives the account.
    author     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
