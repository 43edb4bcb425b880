-- The latest knowledge of every URL that was fetched, and which sources its readings are.
WITH readings AS (
    SELECT source_url, min(number) AS first_source, max(number) AS last_source
    FROM sources
    GROUP BY source_url
)

SELECT l.*, n.domain, n.domain_private, n.reversed_host AS host_reversed, r.first_source, r.last_source
FROM latest AS l
JOIN names AS n ON n.host = l.host
LEFT JOIN readings AS r ON r.source_url = l.url
ORDER BY host_reversed, l.url
