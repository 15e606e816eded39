-- Who may do what: people, their sessions, API keys, and failed log-ins.
--
-- No secret that a client presents is kept as such: passwords as argon2id, refresh tokens and API
-- keys as SHA-256 (they are 256 random bits, so a slow hash would gain nothing). Every comparison of
-- times uses the database's clock, so that several servers agree.

-- Random 32-byte secrets that all servers on this database share; made by whichever server needs
-- one first. Deleting a row logs everybody out.
CREATE TABLE server_secrets (
    name       text PRIMARY KEY,
    value      bytea NOT NULL CHECK (octet_length(value) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    -- As its maker wrote it; ASCII, so that lower() means the same under every collation.
    username      text NOT NULL CHECK (username ~ '^[A-Za-z0-9._@-]{1,64}$'),
    -- PHC string: $argon2id$v=19$m=...,t=...,p=...$salt$hash
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    disabled      boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- "Admin" and "admin" are one account.
CREATE UNIQUE INDEX users_username ON users (lower(username));

-- One row per log-in: the family of the refresh tokens that follow one another from it. An access
-- token is good only as long as its session's row is here; ending a session deletes the row.
CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Moves on at each refresh.
    expires_at timestamptz NOT NULL
);

CREATE INDEX sessions_user ON sessions (user_id);

-- Each token is good for one refresh. A used one stays for as long as it could have lived, because
-- its second use says that somebody copied it: that ends the session.
CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    used_at    timestamptz
);

CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

-- Failed log-ins within a window that starts with the first of them. The subject is a hash of
-- "account:<name>" or "address:<network>": people type passwords into the name field, and addresses
-- are personal data.
CREATE TABLE login_attempts (
    subject           bytea PRIMARY KEY CHECK (octet_length(subject) = 32),
    failures          integer NOT NULL CHECK (failures >= 0),
    window_started_at timestamptz NOT NULL
);

CREATE INDEX login_attempts_window ON login_attempts (window_started_at);

CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    name         text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    hash         bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    -- The first characters of the key, to recognise it in a list.
    prefix       text NOT NULL,
    scopes       text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['ingest', 'read']),
    -- The maker's name rather than a reference: it outlives the account. None: the command line.
    created_by   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- To the minute; written at most once a minute.
    last_used_at timestamptz,
    revoked_at   timestamptz
);
