-- The latest knowledge of every URL that was fetched.
SELECT l.*, h.domain, h.domain_private, h.reversed_host AS host_reversed
FROM latest AS l
JOIN host_domains AS h ON h.host = l.host
ORDER BY host_reversed, l.url
