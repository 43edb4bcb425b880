-- name: application_id
PRAGMA application_id;

-- name: tables
SELECT count(*) FROM sqlite_schema;

-- name: table_definitions
SELECT sql FROM sqlite_schema WHERE type = 'table' ORDER BY name;

-- name: schema_version
SELECT coalesce(CAST(value AS INTEGER), 0) FROM meta WHERE key = 'schema_version';

-- name: describe
INSERT INTO meta (key, value)
VALUES ('schema_version', ?), ('created_at', CAST(strftime('%s', 'now') AS REAL)), ('incarnation', 0);

-- name: sum_meta
UPDATE meta SET row_sum = row_sum(key, value);
