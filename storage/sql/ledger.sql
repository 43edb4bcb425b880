-- name: damages
-- One line for each row that is not as it was written, and for each table that has not as many as were written.
SELECT 'its ' || key || ' has changed' FROM meta
WHERE row_sum IS NOT row_sum(key, value)
UNION ALL
SELECT 'run ' || run || ' has changed' FROM runs
WHERE row_sum IS NOT row_sum(
    run, name, config, started_at, ended_at, stop_reason, starts, dropped, last_seq, batches, segments, counters
)
UNION ALL
SELECT 'batch ' || batch || ' has changed' FROM batches
WHERE row_sum IS NOT row_sum(batch, run, committed_at)
UNION ALL
SELECT 'segment ' || id || ' has changed' FROM segments
WHERE row_sum IS NOT row_sum(
    id, batch, run, kind, path, rows, size_bytes, min_fetch, max_fetch, checksum, repaired, committed_at
)
UNION ALL
SELECT 'counter ' || reason || ' of run ' || run || ' has changed' FROM counters
WHERE row_sum IS NOT row_sum(run, reason, count)
UNION ALL
SELECT 'generation ' || id || ' has changed' FROM generations
WHERE row_sum IS NOT row_sum(id, path, started_at, built_at, last_segment)
UNION ALL
SELECT 'which generation is published has changed' FROM published
WHERE row_sum IS NOT row_sum(one, generation)
UNION ALL
SELECT 'of ' || last || ' runs ' || found || ' are left'
FROM (SELECT count(*) AS found, max(coalesce(max(run), 0), (SELECT coalesce(max(run), 0) FROM batches)) AS last FROM runs)
WHERE found <> last
UNION ALL
SELECT 'of ' || last || ' batches ' || found || ' are left'
FROM (SELECT count(*) AS found, (SELECT coalesce(sum(batches), 0) FROM runs) AS last FROM batches)
WHERE found <> last
UNION ALL
SELECT 'of ' || last || ' segments ' || found || ' are left'
FROM (SELECT count(*) AS found, (SELECT coalesce(sum(segments), 0) FROM runs) AS last FROM segments)
WHERE found <> last
UNION ALL
SELECT 'of ' || counters || ' counters of run ' || run || ' ' || found || ' are left'
FROM (SELECT r.run, r.counters, (SELECT count(*) FROM counters AS c WHERE c.run = r.run) AS found FROM runs AS r)
WHERE found <> counters
UNION ALL
SELECT 'the offer of ' || url || ' has changed' FROM offers
WHERE row_sum IS NOT row_sum(shard, url, host, depth, via, hops, discovered_from)
UNION ALL
-- An offer waits once it was made, unless another said the same, until it is taken: each is counted as it happens.
SELECT 'of ' || waiting || ' offers ' || found || ' are left'
FROM (
    SELECT (SELECT count(*) FROM offers) AS found,
           coalesce(sum(CASE reason WHEN 'offers.made' THEN count ELSE -count END), 0) AS waiting
    FROM counters
    WHERE run = (SELECT max(run) FROM runs) AND reason IN ('offers.made', 'offers.taken', 'offers.repeated')
)
WHERE found <> waiting
LIMIT 1;
