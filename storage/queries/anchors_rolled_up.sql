-- The same for a whole host or domain and the default filters, which the roll-up of anchors has counted.
WITH numbered AS (
    SELECT
        anchor, links, pages, domains, follow, nofollow, first_seen, last_seen,
        row_number() OVER (ORDER BY links DESC, anchor) AS position
    FROM anchors
    WHERE level = $level AND name = $name
)

SELECT *
FROM numbered
WHERE position > $after
ORDER BY position
LIMIT $limit
