-- Logs are kept as long as their own signal says: [storage.retention.logs].
INSERT INTO retained_tables (table_name, signal, partition_hours) VALUES ('logs', 'logs', 24);

-- Messages of a broker whose log records are stored. A broker delivers again what it does not know to
-- be done, and log records have no identity by which they could be found. Added in the transaction that
-- stores them; forgotten after days, when a broker has delivered again whatever it will.
CREATE TABLE queue_log_messages (
    message_id uuid        PRIMARY KEY,
    stored_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX queue_log_messages_by_time ON queue_log_messages (stored_at);

-- Addresses of external log systems, shown as buttons beside spans and log records. The template was
-- checked before it came here: see spanloom_model::log_link.
CREATE TABLE log_links (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL,
    -- Whose logs are there; null for every service. A name rather than a reference: the link may be made
    -- before the service has sent anything.
    service      text,
    url_template text        NOT NULL,
    -- The name rather than a reference: it outlives the account.
    author       text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX log_links_by_name ON log_links (md5(name), md5(coalesce(service, '')));
