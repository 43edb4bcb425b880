-- Who links to whom, by registered domain: live hyperlinks between different domains.
SELECT
    target_domain, source_domain,
    count(*) AS links,
    count(DISTINCT f.fetch) AS pages,
    count(DISTINCT source_host) AS hosts,
    count(*) FILTER (WHERE NOT nofollow) AS follow,
    count(*) FILTER (WHERE nofollow) AS nofollow,
    min(first_seen) AS first_seen,
    max(last_seen_live) AS last_seen
FROM facts AS f
WHERE counts AND scope = 'external'
GROUP BY target_domain, source_domain
ORDER BY target_domain, links DESC, source_domain
