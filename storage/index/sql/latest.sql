-- One row per URL ever fetched: how its last attempt ended, what its last conclusive one showed,
-- and where it sends its visitor (moved_to): a redirect or quick refresh first, canonical otherwise; never to itself.
-- `only_fetch` is the attempt, if there was but one.
WITH known AS (
    SELECT
        max_by(v.fetch, visit) AS last_fetch,
        max_by(v.fetch, visit) FILTER (WHERE outcome <> 'unknown') AS known_fetch,
        min(fetched_at) AS first_fetched_at
    FROM visits AS v
    WHERE visits > 1
    GROUP BY url
),

sent AS (
    SELECT
        v.*,
        CASE WHEN coalesce(v.redirect_delay_s, 0) <= policy.move_delay_s THEN v.redirect_to END AS sends_to
    FROM visits AS v
    CROSS JOIN policy
),

told AS (
    SELECT
        NULL AS only_fetch, l.url, l.host, l.depth, l.status, l.failure, l.ip,
        k.first_fetched_at, l.fetched_at AS last_fetched_at, l.visits AS fetches,
        v.title, v.lang AS language, v.canonical, v.robots, v.redirect_to, v.content_type, v.links, v.wire_bytes,
        v.sends_to
    FROM known AS k
    JOIN visits AS l ON l.fetch = k.last_fetch
    LEFT JOIN sent AS v ON v.fetch = k.known_fetch
    UNION ALL
    SELECT
        v.fetch AS only_fetch, url, host, depth, status, failure, ip,
        fetched_at AS first_fetched_at, fetched_at AS last_fetched_at, visits AS fetches,
        CASE WHEN outcome <> 'unknown' THEN title END AS title,
        CASE WHEN outcome <> 'unknown' THEN lang END AS language,
        CASE WHEN outcome <> 'unknown' THEN canonical END AS canonical,
        CASE WHEN outcome <> 'unknown' THEN robots END AS robots,
        CASE WHEN outcome <> 'unknown' THEN redirect_to END AS redirect_to,
        CASE WHEN outcome <> 'unknown' THEN content_type END AS content_type,
        CASE WHEN outcome <> 'unknown' THEN links END AS links,
        CASE WHEN outcome <> 'unknown' THEN wire_bytes END AS wire_bytes,
        CASE WHEN outcome <> 'unknown' THEN sends_to END AS sends_to
    FROM sent AS v
    WHERE visits = 1
)

SELECT
    * EXCLUDE (sends_to),
    CASE WHEN coalesce(sends_to, canonical) <> url THEN coalesce(sends_to, canonical) END AS moved_to
FROM told
