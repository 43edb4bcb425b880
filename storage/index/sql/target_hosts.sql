-- Raw links per target host, in the order of the hosts.
SELECT n.id, a.links
FROM all_hosts AS a
JOIN names AS n ON n.host = a.host
WHERE a.links > 0
ORDER BY n.id
