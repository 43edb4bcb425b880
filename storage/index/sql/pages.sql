-- The latest knowledge of every URL that was fetched, and which sources its readings are.
WITH readings AS (
    SELECT v.url, min(s.number) AS first_source, max(s.number) AS last_source
    FROM numbered_sources AS s
    JOIN visits AS v ON v.fetch = s.fetch
    WHERE v.visits > 1
    GROUP BY v.url
)

SELECT
    l.* EXCLUDE (only_fetch),
    n.domain, n.domain_private, n.reversed_host AS host_reversed,
    coalesce(s.number, r.first_source) AS first_source,
    coalesce(s.number, r.last_source) AS last_source
FROM latest AS l
JOIN names AS n ON n.host = l.host
LEFT JOIN numbered_sources AS s ON s.fetch = l.only_fetch
LEFT JOIN readings AS r ON r.url = l.url
ORDER BY n.id, l.url
