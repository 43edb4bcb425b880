-- Domains that link to a target, those with most links first.
WITH referring AS (
    SELECT
        source_domain,
        count(*) AS links,
        count(DISTINCT source_url) AS pages,
        count(DISTINCT source_host) AS hosts,
        count(*) FILTER (WHERE NOT nofollow) AS follow,
        count(*) FILTER (WHERE nofollow) AS nofollow,
        min(first_seen) AS first_seen,
        max(last_seen_live) AS last_seen
    FROM found
    GROUP BY source_domain
),

numbered AS (
    SELECT *, row_number() OVER (ORDER BY links DESC, source_domain) AS position
    FROM referring
)

SELECT *
FROM numbered
WHERE position > $after
ORDER BY position
LIMIT $limit
