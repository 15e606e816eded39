-- What spans have in common is stored once: services, operations, processes, libraries.
-- Rows are only ever added; the writer caches their ids.

CREATE TABLE services (
    id   int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL
);

-- Names are unique by their hash: an index entry holds 2.7 kB at most, a name may be longer.
CREATE UNIQUE INDEX services_by_name ON services (md5(name));

CREATE TABLE operations (
    id         int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service_id int  NOT NULL REFERENCES services,
    name       text NOT NULL
);

CREATE UNIQUE INDEX operations_by_name ON operations (service_id, md5(name));

-- A process: everything an SDK says about where spans come from. The hash is the SHA-256 of the
-- content, so that equal resources meet in one row whoever sends them.
CREATE TABLE resources (
    id                       int   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash                     bytea NOT NULL UNIQUE,
    service_id               int   NOT NULL REFERENCES services,
    attributes               text  NOT NULL,
    dropped_attributes_count int   NOT NULL,
    schema_url               text  NOT NULL
);

CREATE INDEX resources_by_service ON resources (service_id);

-- An instrumentation library.
CREATE TABLE scopes (
    id                       int   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash                     bytea NOT NULL UNIQUE,
    name                     text  NOT NULL,
    version                  text  NOT NULL,
    attributes               text  NOT NULL,
    dropped_attributes_count int   NOT NULL,
    schema_url               text  NOT NULL
);
