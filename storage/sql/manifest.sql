-- name: begin
BEGIN IMMEDIATE;

-- name: segments
SELECT id, batch, run, kind, path, rows, size_bytes, min_fetch, max_fetch, checksum, repaired, committed_at
FROM segments WHERE kind = :kind AND id > :after ORDER BY id;

-- name: last_segment
SELECT coalesce(max(id), 0) FROM segments;

-- name: insert_generation
INSERT INTO generations (path, started_at) VALUES (?, ?) RETURNING id;

-- name: name_generation
UPDATE generations SET path = ? WHERE id = ?;

-- name: finish_generation
UPDATE generations SET built_at = ?, last_segment = ? WHERE id = ?;

-- name: sum_generation
-- After every change of a generation.
UPDATE generations SET row_sum = row_sum(id, path, started_at, built_at, last_segment) WHERE id = ?;

-- name: publish
INSERT OR REPLACE INTO published (one, generation, row_sum) VALUES (1, ?1, row_sum(1, ?1));

-- name: current
SELECT
    g.id, g.path, g.started_at, g.built_at, g.last_segment,
    p.row_sum IS row_sum(p.one, p.generation)
        AND g.row_sum IS row_sum(g.id, g.path, g.started_at, g.built_at, g.last_segment)
FROM published AS p JOIN generations AS g ON g.id = p.generation;

-- name: generations
SELECT id, path, started_at, built_at, last_segment FROM generations ORDER BY id;

-- name: forget
DELETE FROM generations WHERE id = ?;
