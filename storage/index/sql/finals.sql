-- Where a URL that moved leads in the end, over redirects and canonicals. A chain ends at a URL that does not move on,
-- was never fetched, closes a loop (its last new URL is the end), or lies policy.max_hops away.
WITH RECURSIVE chain AS (
    SELECT url, moved_to AS final, [url, moved_to] AS path, 1 AS hops
    FROM moving
    UNION ALL
    SELECT c.url, l.moved_to, array_append(c.path, l.moved_to), c.hops + 1
    FROM chain AS c
    JOIN moving AS l ON l.url = c.final
    CROSS JOIN policy
    WHERE NOT array_contains(c.path, l.moved_to) AND c.hops < policy.max_hops
),

ends AS (
    SELECT url, max_by(final, hops) AS final, max_by(path, hops) AS path
    FROM chain
    GROUP BY url
)

SELECT row_number() OVER (ORDER BY e.url) - 1 AS number, e.url, e.final, l.status AS final_status, e.path
FROM ends AS e
LEFT JOIN known_pages AS l ON l.url = e.final
ORDER BY number
