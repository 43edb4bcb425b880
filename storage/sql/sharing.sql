-- name: forget_leases
DELETE FROM leases;

-- name: highest_host_id
SELECT coalesce(max(host_id), 0) FROM hosts WHERE run = ?;

-- name: insert_lease
INSERT INTO leases (first_shard, last_shard, owner, epoch, expires_at, unclean, first_host_id, host_id_step)
VALUES (?, ?, NULL, 0, 0.0, 0, ?, ?);

-- name: lease
SELECT owner, expires_at, epoch, unclean, first_host_id, host_id_step
FROM leases WHERE first_shard = ? AND last_shard = ?;

-- name: take_lease
UPDATE leases SET owner = ?, epoch = epoch + 1, expires_at = ?, unclean = 0 WHERE first_shard = ?;

-- name: renew_lease
UPDATE leases SET expires_at = ? WHERE first_shard = ? AND owner = ? AND epoch = ?;

-- name: release_lease
UPDATE leases SET owner = NULL, expires_at = 0.0 WHERE first_shard = ? AND owner = ? AND epoch = ?;

-- name: revoke_lease
UPDATE leases SET owner = NULL, epoch = epoch + 1, expires_at = 0.0, unclean = 1 WHERE first_shard = ?;

-- name: insert_offer
-- One that waits already, or is being judged, says the same.
INSERT OR IGNORE INTO offers (shard, url, host, depth, via, hops, discovered_from, row_sum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: delete_offer
DELETE FROM offers WHERE shard = ? AND url = ?;

-- name: offers
SELECT shard, url, host, depth, via, hops, discovered_from, row_sum
FROM offers WHERE (shard, url) > (?, ?) AND shard <= ? ORDER BY shard, url LIMIT ?;

-- name: pending
SELECT (SELECT count(*) FROM offers) + (SELECT count(*) FROM errands);

-- name: insert_errand
INSERT OR REPLACE INTO errands (shard, origin, host_id, url, hops, row_sum) VALUES (?, ?, ?, ?, ?, ?);

-- name: delete_errand
DELETE FROM errands WHERE shard = ? AND origin = ?;

-- name: errands
SELECT shard, origin, host_id, url, hops, row_sum FROM errands WHERE shard BETWEEN ? AND ? LIMIT ?;

-- name: robots_of_origin
SELECT origin, host_id, verdict, status, body, fetched_at, expires_at, row_sum FROM robots WHERE origin = ?;

-- name: forget_errands
-- Who gave them is no longer there; the hosts ask again.
DELETE FROM errands;
