-- Target hosts in the order of the backlinks, cut into slices of about policy.slice_links links that are sorted at a time.
WITH counted AS (
    SELECT target_host AS host, count(*) AS links
    FROM raw_links
    GROUP BY target_host
)

SELECT
    h.host,
    CAST(floor((sum(c.links) OVER (ORDER BY h.reversed_host, h.host ROWS UNBOUNDED PRECEDING) - c.links)
        / policy.slice_links) AS INTEGER) AS slice
FROM counted AS c
JOIN host_domains AS h ON h.host = c.host
CROSS JOIN policy
