-- Jobs and all that is kept of them. A job is named by the 16 bytes of its id, most significant first, so that ids sort
-- by age here as they do elsewhere.

-- The last revision that was given out, of all jobs. Beside the changes, because a deleted job must not free its numbers.
CREATE TABLE sequence (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO sequence VALUES (1, 0);

-- What jobs are found and ordered by, and nothing else: a row that fills a page would make every scan a hundred times as
-- long.
CREATE TABLE jobs (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    revision INTEGER NOT NULL,
    state TEXT NOT NULL,
    over INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    not_before_unix_ms INTEGER NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    -- NULL while the job is not over.
    expires_unix_ms INTEGER,
    owner TEXT NOT NULL,
    reference TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A list is asked for by one of these, newest first; the time is there so that a range of it is told from the index.
CREATE INDEX jobs_by_time ON jobs (id, created_unix_ms);
CREATE INDEX jobs_by_state ON jobs (state, id, created_unix_ms);
CREATE INDEX jobs_by_owner ON jobs (owner, state, id, created_unix_ms);
CREATE INDEX jobs_by_reference ON jobs (reference, id, created_unix_ms);
-- All that the queue asks at the start.
CREATE INDEX jobs_unfinished ON jobs (id, priority, not_before_unix_ms, state) WHERE over = 0;
CREATE INDEX jobs_by_expiry ON jobs (expires_unix_ms, id) WHERE expires_unix_ms IS NOT NULL;

CREATE TABLE labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (name, value, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels_of_job ON labels (job);

-- The record as JSON, without facts.
CREATE TABLE bodies (
    job BLOB PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    body TEXT NOT NULL
) STRICT;

-- The facts of the job's sources, in their order, as a JSON array; no row where none are known. Lists do without them.
CREATE TABLE facts (
    job BLOB PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    body TEXT NOT NULL
) STRICT;

-- A key is forgotten with the job that it stands for.
CREATE TABLE idempotency_keys (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    body_sha256 BLOB NOT NULL,
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_of_job ON idempotency_keys (job);

CREATE TABLE changes (
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, revision)
) STRICT, WITHOUT ROWID;

-- The ledger. Tracks of an output are numbered in the order in which they began; a segment names its track by number.
CREATE TABLE tracks (
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    output INTEGER NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    -- NULL where a segment came first.
    header TEXT,
    PRIMARY KEY (job, output, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE segments (
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    output INTEGER NOT NULL,
    track INTEGER NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, output, track, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    job BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (job, name)
) STRICT;

-- The outbox. Effects outlive their job, so they do not refer to it. Numbers are never used again: receivers know a
-- repetition by them.
CREATE TABLE effects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job BLOB NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    -- NULL unless the state is `due`.
    due_unix_ms INTEGER
) STRICT;
CREATE INDEX effects_of_job ON effects (job, id);
CREATE INDEX effects_by_time ON effects (due_unix_ms, id) WHERE due_unix_ms IS NOT NULL;

CREATE TABLE effect_attempts (
    effect INTEGER NOT NULL REFERENCES effects (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (effect, number)
) STRICT, WITHOUT ROWID;
