-- Anchors of the links to a target, those with most links first.
WITH said AS (
    SELECT
        anchor,
        count(*) AS links,
        count(DISTINCT source_url) AS pages,
        count(DISTINCT source_domain) AS domains,
        count(*) FILTER (WHERE NOT nofollow) AS follow,
        count(*) FILTER (WHERE nofollow) AS nofollow,
        min(first_seen) AS first_seen,
        max(last_seen_live) AS last_seen
    FROM found
    GROUP BY anchor
),

numbered AS (
    SELECT *, row_number() OVER (ORDER BY links DESC, anchor) AS position
    FROM said
)

SELECT *
FROM numbered
WHERE position > $after
ORDER BY position
LIMIT $limit
