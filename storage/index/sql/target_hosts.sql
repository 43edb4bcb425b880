-- Raw links per target host, in the order of the hosts.
SELECT n.id, count(*) AS links
FROM raw_links AS r
JOIN names AS n ON n.host = r.target_host
GROUP BY n.id
ORDER BY n.id
