-- The same for source hosts, in the order of the outlinks.
WITH counted AS (
    SELECT source_host AS host, count(*) AS links
    FROM backlinks
    GROUP BY source_host
)

SELECT
    h.host,
    CAST(floor((sum(c.links) OVER (ORDER BY h.reversed_host, h.host ROWS UNBOUNDED PRECEDING) - c.links)
        / policy.slice_links) AS INTEGER) AS slice
FROM counted AS c
JOIN host_domains AS h ON h.host = c.host
CROSS JOIN policy
