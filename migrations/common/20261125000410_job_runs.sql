-- When each job on a schedule ran last, on whichever server: several servers run it once per period.
CREATE TABLE job_runs (
    job           text        PRIMARY KEY,
    -- Start of the last run that succeeded.
    started_at    timestamptz NOT NULL,
    -- Runs that succeeded, ever.
    runs          bigint      NOT NULL
);
