-- The readings of pages that are the evidence of links: those of pages visited once, and the last one that shows a link
-- of a page visited again. In the order of their numbers: readings of one page lie together.
WITH again_pages AS (
    SELECT a.page, l.status
    FROM fetched_again AS a
    JOIN latest AS l ON l.url = a.url
),

evidence AS (
    SELECT v.fetch, v.status, TRUE AS once
    FROM visits AS v
    WHERE v.visits = 1
    UNION ALL
    SELECT DISTINCT k.fetch, l.status, FALSE AS once
    FROM repeated AS k
    JOIN again_pages AS l ON l.page = k.page
)

SELECT
    v.url AS source_url, v.host AS source_host, n.domain AS source_domain, n.reversed_host AS source_host_reversed,
    v.title AS source_title, e.status AS source_status, v.lang AS source_language, v.robots AS source_robots,
    v.ip AS source_ip, v.fetched_at, e.fetch,
    CAST(n.id AS INTEGER) AS host_id,
    e.once,
    (v.robots & policy.nofollow) <> 0 AS nofollow
FROM evidence AS e
JOIN visits AS v ON v.fetch = e.fetch
JOIN names AS n ON n.host = v.host
CROSS JOIN policy
ORDER BY n.id, v.url, e.fetch
