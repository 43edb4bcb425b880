-- The latest knowledge of every URL that was fetched, and which sources its readings are.
WITH readings AS (
    SELECT v.url, min(s.number) AS first_source, max(s.number) AS last_source
    FROM numbered_sources AS s
    JOIN visits AS v ON v.fetch = s.fetch
    GROUP BY v.url
)

SELECT l.*, n.domain, n.domain_private, n.reversed_host AS host_reversed, r.first_source, r.last_source
FROM latest AS l
JOIN names AS n ON n.host = l.host
LEFT JOIN readings AS r ON r.url = l.url
ORDER BY host_reversed, l.url
