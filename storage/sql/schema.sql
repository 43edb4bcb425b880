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
    batches INTEGER NOT NULL DEFAULT 0, -- rows the run has in the table of that name, whichever worker wrote them
    segments INTEGER NOT NULL DEFAULT 0, -- likewise
    counters INTEGER NOT NULL DEFAULT 0, -- likewise
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
    shards BLOB NOT NULL,              -- of each of them, unsigned 16-bit integers, little-endian
    checksum BLOB NOT NULL             -- xxh3_128 of the fingerprints and the shards
) STRICT;

-- Who may crawl which shards; without a row the holder of the directory's lock crawls all of them.
CREATE TABLE leases (
    first_shard INTEGER PRIMARY KEY,
    last_shard INTEGER NOT NULL,
    owner TEXT,                        -- null while nobody holds it
    epoch INTEGER NOT NULL,            -- counts its owners: a commit of an earlier one is refused
    expires_at REAL NOT NULL,
    unclean INTEGER NOT NULL,          -- its last owner ended without a last word
    first_host_id INTEGER NOT NULL,    -- its owner numbers new hosts from here on,
    host_id_step INTEGER NOT NULL      -- in steps that leave room for the other leases
) STRICT;

-- URLs found by a worker that does not own their shard, until the one that does has judged them.
CREATE TABLE offers (
    shard INTEGER NOT NULL,
    url TEXT NOT NULL,
    host TEXT NOT NULL,
    depth INTEGER NOT NULL,
    via INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    discovered_from INTEGER,
    row_sum INTEGER NOT NULL,          -- as in queue
    PRIMARY KEY (shard, url)
) STRICT, WITHOUT ROWID;

-- Robots.txt files that one worker fetches for another, until their answers are in robots.
CREATE TABLE errands (
    shard INTEGER NOT NULL,
    origin TEXT NOT NULL,
    host_id INTEGER NOT NULL,
    url TEXT NOT NULL,
    hops INTEGER NOT NULL,
    row_sum INTEGER NOT NULL,          -- as in queue
    PRIMARY KEY (shard, origin)
) STRICT, WITHOUT ROWID;

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

