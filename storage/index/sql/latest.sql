-- One row per URL ever fetched: how its last attempt ended, what its last conclusive one showed,
-- and where it sends its visitor (moved_to): a redirect or quick refresh first, canonical otherwise; never to itself.
WITH known AS (
    SELECT
        url,
        max(visit) AS last_visit,
        max(visit) FILTER (WHERE outcome <> 'unknown') AS known_visit,
        min(fetched_at) AS first_fetched_at
    FROM visits
    WHERE visits > 1
    GROUP BY url
    UNION ALL
    SELECT url, visit AS last_visit, CASE WHEN outcome <> 'unknown' THEN visit END AS known_visit, fetched_at
    FROM visits
    WHERE visits = 1
),

sent AS (
    SELECT
        v.*,
        CASE WHEN coalesce(v.redirect_delay_s, 0) <= policy.move_delay_s THEN v.redirect_to END AS sends_to
    FROM visits AS v
    CROSS JOIN policy
)

SELECT
    l.url, l.host, l.depth, l.status, l.failure, l.ip,
    k.first_fetched_at, l.fetched_at AS last_fetched_at, l.visits AS fetches,
    v.title, v.lang AS language, v.canonical, v.robots, v.redirect_to, v.content_type, v.links, v.wire_bytes,
    CASE
        WHEN coalesce(v.sends_to, v.canonical) <> l.url THEN coalesce(v.sends_to, v.canonical)
    END AS moved_to
FROM known AS k
JOIN visits AS l ON l.url = k.url AND l.visit = k.last_visit
LEFT JOIN sent AS v ON v.url = k.url AND v.visit = k.known_visit
