-- What outputs have cost. It outlives their jobs, so it does not refer to them.
CREATE TABLE usage (
    job BLOB NOT NULL CHECK (length(job) = 16),
    output INTEGER NOT NULL,
    owner TEXT NOT NULL,
    ended_unix_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, output)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_by_time ON usage (ended_unix_ms, job, output);
CREATE INDEX usage_by_owner ON usage (owner, ended_unix_ms, job, output);
