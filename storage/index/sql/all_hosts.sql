-- Every host the crawl met, as source or target, and how many raw links lead to it.
SELECT host, CAST(sum(links) AS BIGINT) AS links
FROM (
    SELECT DISTINCT host, 0 AS links FROM raw_pages
    UNION ALL
    SELECT target_host AS host, count(*) AS links FROM raw_links GROUP BY target_host
)
GROUP BY host
