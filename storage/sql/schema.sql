-- Tables of crawl.db. A change here is a new SCHEMA_VERSION in storage/records.py.
-- Moments are UTC seconds since the epoch. The caller adds the version to `meta` and commits.
BEGIN IMMEDIATE;

PRAGMA application_id = 1280134221;  -- 'LMLM' in ASCII: directory.APPLICATION_ID

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value ANY NOT NULL,
    row_sum INTEGER                    -- as in runs
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    config TEXT NOT NULL,              -- JSON, of the latest start
    started_at REAL NOT NULL,
    ended_at REAL,
    stop_reason TEXT,
    starts INTEGER NOT NULL DEFAULT 1,
    dropped INTEGER NOT NULL DEFAULT 0, -- URLs still queued when a fresh run replaced this one
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_batch INTEGER NOT NULL DEFAULT 0,
    last_segment INTEGER NOT NULL DEFAULT 0,
    counters INTEGER NOT NULL DEFAULT 0, -- rows the run has in that table
    row_sum INTEGER                    -- storage/rowsum.py, of the columns before it: storage/sql/ledger.sql
) STRICT;

CREATE TABLE counters (
    run INTEGER NOT NULL REFERENCES runs (run),
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    row_sum INTEGER NOT NULL,          -- as in runs
    PRIMARY KEY (run, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE hosts (
    run INTEGER NOT NULL REFERENCES runs (run),
    host_id INTEGER NOT NULL,
    host TEXT NOT NULL,
    domain TEXT NOT NULL,
    domain_private TEXT NOT NULL,
    shard INTEGER NOT NULL,
    discovered INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    excluded INTEGER NOT NULL,
    pages_ok INTEGER NOT NULL,
    pages_failed INTEGER NOT NULL,
    pages_denied INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    ip TEXT,
    robots_status TEXT,
    robots_at REAL,
    crawl_delay_s REAL,
    delay_s REAL NOT NULL,
    penalty_s REAL NOT NULL,
    failures INTEGER NOT NULL,
    next_at REAL NOT NULL,
    parked TEXT,
    first_visit REAL,
    last_visit REAL,
    row_sum INTEGER,                   -- as in queue, but for run and discovered; null where a fresh run took the row over
    PRIMARY KEY (run, host_id),
    UNIQUE (run, host)
) STRICT, WITHOUT ROWID;

-- The current run's URLs that wait; sorted as they are refilled. host_id is not declared a foreign key:
-- the check costs more than the insert, and `check` finds what it would.
CREATE TABLE queue (
    host_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    url TEXT NOT NULL,
    depth INTEGER NOT NULL,
    via INTEGER NOT NULL,
    discovered_from INTEGER,
    discovered_at REAL NOT NULL,
    tries INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    not_before REAL NOT NULL,
    row_sum INTEGER NOT NULL,          -- storage/rowsum.py, of the columns before it
    PRIMARY KEY (host_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE seen_chunks (
    id INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    fingerprints BLOB NOT NULL,        -- unsigned 64-bit integers, little-endian
    checksum BLOB NOT NULL             -- xxh3_128 of the fingerprints
) STRICT;

CREATE TABLE robots (
    origin TEXT PRIMARY KEY,
    host_id INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    status INTEGER,
    body BLOB NOT NULL,
    fetched_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    row_sum INTEGER NOT NULL           -- as in queue
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
    batch INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (run),
    committed_at REAL NOT NULL,
    row_sum INTEGER NOT NULL           -- as in runs
) STRICT;

-- The manifest: a file that is not listed here does not exist for any reader. Ids count from 1 in order of commit.
CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL REFERENCES batches (batch),
    run INTEGER NOT NULL REFERENCES runs (run),
    kind TEXT NOT NULL CHECK (kind IN ('pages', 'links')),
    path TEXT NOT NULL UNIQUE,         -- relative to the data directory
    rows INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    min_fetch INTEGER NOT NULL,
    max_fetch INTEGER NOT NULL,
    checksum BLOB NOT NULL,            -- xxh3_128 of the file
    repaired INTEGER NOT NULL,         -- texts whose lone surrogates became U+FFFD
    committed_at REAL NOT NULL,
    row_sum INTEGER NOT NULL           -- as in runs
) STRICT;

CREATE TABLE generations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,         -- relative to the data directory
    started_at REAL NOT NULL,
    built_at REAL,                     -- null until it was published
    last_segment INTEGER,              -- covers the segments up to this id
    row_sum INTEGER                    -- as in runs
) STRICT;

-- One row at most, so one published generation at most.
CREATE TABLE published (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL REFERENCES generations (id),
    row_sum INTEGER NOT NULL           -- as in runs
) STRICT;

