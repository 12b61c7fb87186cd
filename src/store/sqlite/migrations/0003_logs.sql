-- The log of a job: lines in the order of their numbers. `stream` is the output that a line is kept with, -1 for the job's
-- own; `also` are further outputs that it is about, as `,2,7,`. The beginning of a stream stays, of its end (`tail`) the
-- oldest lines go when there are too many.
CREATE TABLE log_lines (
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    also TEXT NOT NULL,
    level INTEGER NOT NULL,
    tail INTEGER NOT NULL,
    unix_ms INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_tails ON log_lines (job, stream, number) WHERE tail = 1;

-- What is kept of each stream, and what is not.
CREATE TABLE log_streams (
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    stream INTEGER NOT NULL,
    head_lines INTEGER NOT NULL,
    head_bytes INTEGER NOT NULL,
    tail_lines INTEGER NOT NULL,
    tail_bytes INTEGER NOT NULL,
    omitted INTEGER NOT NULL,
    omitted_number INTEGER NOT NULL,
    omitted_unix_ms INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (job, stream)
) STRICT, WITHOUT ROWID;
