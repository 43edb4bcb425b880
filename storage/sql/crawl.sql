-- name: begin
BEGIN IMMEDIATE;

-- name: checkpoint
PRAGMA wal_checkpoint(TRUNCATE);

-- name: integrity
PRAGMA integrity_check;

-- name: last_run
SELECT run, stop_reason FROM runs ORDER BY run DESC LIMIT 1;

-- name: next_incarnation
UPDATE meta SET value = value + 1, row_sum = row_sum(key, value + 1) WHERE key = 'incarnation' RETURNING value;

-- name: incarnation
SELECT value FROM meta WHERE key = 'incarnation';

-- name: insert_run
INSERT INTO runs (run, name, config, started_at) VALUES (?, ?, ?, ?);

-- name: resume_run
UPDATE runs SET name = ?, config = ?, ended_at = NULL, stop_reason = NULL, starts = starts + 1 WHERE run = ?;

-- name: replace_run
UPDATE runs
SET dropped = (SELECT count(*) FROM queue), ended_at = coalesce(ended_at, :now), stop_reason = coalesce(stop_reason, :reason)
WHERE run = :run;

-- name: end_run
UPDATE runs SET stop_reason = ?, ended_at = ? WHERE run = ?;

-- name: sum_run
-- After every change of a run.
UPDATE runs SET row_sum = row_sum(
    run, name, config, started_at, ended_at, stop_reason, starts, dropped, last_seq, batches, segments, counters
)
WHERE run = ?;

-- name: carry_hosts
-- A fresh run starts its counts at zero but keeps what politeness has learnt of a host.
INSERT INTO hosts (
    run, host_id, host, domain, domain_private, shard,
    discovered, done, failed, excluded, pages_ok, pages_failed, pages_denied, bytes,
    ip, robots_status, robots_at, crawl_delay_s, delay_s, penalty_s, failures, next_at, parked, first_visit, last_visit
)
SELECT
    :run, host_id, host, domain, domain_private, shard,
    0, 0, 0, 0, 0, 0, 0, 0,
    ip, NULL, NULL, crawl_delay_s, delay_s, penalty_s, 0, next_at, NULL, first_visit, last_visit
FROM hosts WHERE run = :previous;

-- name: clear_queue
DELETE FROM queue;

-- name: clear_seen
DELETE FROM seen_chunks;

-- name: clear_robots
DELETE FROM robots;

-- name: clear_offers
DELETE FROM offers;

-- name: batch_applied
SELECT count(*) FROM batches WHERE batch = ?;

-- name: last_batch
SELECT coalesce(max(batch), 0) FROM batches;

-- name: insert_batch
INSERT INTO batches (batch, run, committed_at, row_sum) VALUES (?1, ?2, ?3, row_sum(?1, ?2, ?3));

-- name: insert_queue
INSERT INTO queue (host_id, seq, url, depth, via, discovered_from, discovered_at, tries, hops, not_before, row_sum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: delete_queue
DELETE FROM queue WHERE host_id = ? AND seq = ?;

-- name: end_batch
UPDATE runs SET
    last_seq = max(last_seq, ?2), batches = batches + 1, segments = segments + ?3,
    counters = (SELECT count(*) FROM counters WHERE run = ?1)
WHERE run = ?1;

-- name: upsert_host
INSERT INTO hosts (
    run, host_id, host, domain, domain_private, shard,
    discovered, done, failed, excluded, pages_ok, pages_failed, pages_denied, bytes,
    ip, robots_status, robots_at, crawl_delay_s, delay_s, penalty_s, failures, next_at, parked, first_visit, last_visit,
    row_sum
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run, host_id) DO UPDATE SET
    domain = excluded.domain,
    domain_private = excluded.domain_private,
    shard = excluded.shard,
    discovered = excluded.discovered,
    done = excluded.done,
    failed = excluded.failed,
    excluded = excluded.excluded,
    pages_ok = excluded.pages_ok,
    pages_failed = excluded.pages_failed,
    pages_denied = excluded.pages_denied,
    bytes = excluded.bytes,
    ip = excluded.ip,
    robots_status = excluded.robots_status,
    robots_at = excluded.robots_at,
    crawl_delay_s = excluded.crawl_delay_s,
    delay_s = excluded.delay_s,
    penalty_s = excluded.penalty_s,
    failures = excluded.failures,
    next_at = excluded.next_at,
    parked = excluded.parked,
    first_visit = excluded.first_visit,
    last_visit = excluded.last_visit,
    row_sum = excluded.row_sum;

-- name: set_discovered
UPDATE hosts SET discovered = ? WHERE run = ? AND host_id = ?;

-- name: upsert_robots
INSERT OR REPLACE INTO robots (origin, host_id, verdict, status, body, fetched_at, expires_at, row_sum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_seen
INSERT INTO seen_chunks (count, fingerprints, shards, checksum) VALUES (?, ?, ?, ?);

-- name: add_counter
-- A count that has changed keeps a sum that tells it.
INSERT INTO counters (run, reason, count, row_sum) VALUES (?1, ?2, ?3, row_sum(?1, ?2, ?3))
ON CONFLICT (run, reason) DO UPDATE SET
    count = count + excluded.count,
    row_sum = CASE row_sum WHEN row_sum(run, reason, count) THEN row_sum(run, reason, count + excluded.count) ELSE row_sum END;

-- name: insert_segment
INSERT INTO segments (
    id, batch, run, kind, path, rows, size_bytes, min_fetch, max_fetch, checksum, repaired, committed_at, row_sum
)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, row_sum(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
);

-- name: last_segment
-- By the books, not by what is left: a lost row's number is not given again.
SELECT coalesce(sum(segments), 0) FROM runs;

-- name: segment_files
SELECT path, size_bytes, checksum FROM segments ORDER BY id;

-- name: refill
SELECT host_id, seq, url, depth, via, discovered_from, discovered_at, tries, hops, not_before, row_sum
FROM queue WHERE host_id = ? AND seq > ? ORDER BY seq LIMIT ?;

-- name: refill_hosts
-- The first rows of several hosts: ?1 is a JSON list of [host_id, after_seq].
SELECT
    queue.host_id, queue.seq, queue.url, queue.depth, queue.via, queue.discovered_from, queue.discovered_at,
    queue.tries, queue.hops, queue.not_before, queue.row_sum
FROM json_each(?1) AS wish CROSS JOIN queue
ON queue.host_id = json_extract(wish.value, '$[0]') AND queue.seq IN (
    SELECT first.seq FROM queue AS first
    WHERE first.host_id = json_extract(wish.value, '$[0]') AND first.seq > json_extract(wish.value, '$[1]')
    ORDER BY first.seq LIMIT ?2
)
ORDER BY wish.key, queue.seq;

-- name: hosts_of
-- CROSS JOIN: SQLite keeps the order then, and looks each host up instead of reading all.
SELECT
    host_id, host, domain, domain_private, shard,
    discovered, done, failed, excluded, pages_ok, pages_failed, pages_denied, bytes,
    ip, robots_status, robots_at, crawl_delay_s, delay_s, penalty_s, failures, next_at, parked, first_visit, last_visit,
    row_sum
FROM json_each(?2) AS wanted CROSS JOIN hosts ON hosts.run = ?1 AND hosts.host_id = wanted.value;

-- name: robots_of
-- By origin, which is the key: the usual port of both schemes, and any other.
SELECT value, origin, host_id, verdict, status, body, fetched_at, expires_at, row_sum
FROM json_each(?1) CROSS JOIN robots ON origin = 'http://' || value
UNION ALL
SELECT value, origin, host_id, verdict, status, body, fetched_at, expires_at, row_sum
FROM json_each(?1) CROSS JOIN robots ON origin = 'https://' || value
UNION ALL
SELECT value, origin, host_id, verdict, status, body, fetched_at, expires_at, row_sum
FROM json_each(?1) CROSS JOIN robots ON origin BETWEEN 'http://' || value || ':' AND 'http://' || value || ';'
UNION ALL
SELECT value, origin, host_id, verdict, status, body, fetched_at, expires_at, row_sum
FROM json_each(?1) CROSS JOIN robots ON origin BETWEEN 'https://' || value || ':' AND 'https://' || value || ';';

-- name: known_hosts
SELECT
    host_id, host, discovered, (SELECT count(*) FROM queue WHERE queue.host_id = hosts.host_id), delay_s,
    done + failed + excluded
FROM hosts WHERE run = ? AND shard BETWEEN ? AND ? AND host_id > ? ORDER BY host_id LIMIT ?;

-- name: hosts
SELECT
    host_id, host, domain, domain_private, shard,
    discovered, done, failed, excluded, pages_ok, pages_failed, pages_denied, bytes,
    ip, robots_status, robots_at, crawl_delay_s, delay_s, penalty_s, failures, next_at, parked, first_visit, last_visit,
    row_sum
FROM hosts WHERE run = ? ORDER BY host_id;

-- name: queued
SELECT count(*) FROM queue;

-- name: queued_counts
SELECT host_id, count(*) FROM queue GROUP BY host_id;

-- name: stray_hosts
SELECT DISTINCT host_id FROM queue WHERE host_id NOT IN (SELECT host_id FROM hosts WHERE run = ?);

-- name: seen
SELECT count, fingerprints, shards, checksum FROM seen_chunks ORDER BY id;

-- name: robots
SELECT origin, host_id, verdict, status, body, fetched_at, expires_at, row_sum FROM robots ORDER BY origin;

-- name: last_seq
SELECT coalesce(max(last_seq), 0) FROM runs WHERE run = ?;
