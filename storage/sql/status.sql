-- name: run
SELECT run, name, started_at, ended_at, stop_reason, starts FROM runs WHERE run = coalesce(?, (SELECT max(run) FROM runs));

-- name: totals
SELECT
    coalesce(sum(discovered), 0), coalesce(sum(done), 0), coalesce(sum(failed), 0), coalesce(sum(excluded), 0),
    CASE WHEN :run = (SELECT max(run) FROM runs) THEN (SELECT count(*) FROM queue)
         ELSE (SELECT dropped FROM runs WHERE run = :run) END
FROM hosts WHERE run = :run;

-- name: counters
SELECT reason, count FROM counters WHERE run = ? ORDER BY reason;

-- name: hosts
SELECT count(*), count(last_visit) FROM hosts WHERE run = ?;

-- name: parked
SELECT parked, count(*) FROM hosts WHERE run = ? AND parked IS NOT NULL GROUP BY parked ORDER BY count(*) DESC, parked;

-- name: stored
SELECT kind, count(*), sum(rows), sum(size_bytes), sum(repaired) FROM segments WHERE run = ? GROUP BY kind;

-- name: last_commit
SELECT max(committed_at) FROM batches WHERE run = ?;

-- name: begin
BEGIN;
