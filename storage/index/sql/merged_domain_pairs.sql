-- The pairs of domains of all slices, those with most links first; pages and hosts to one that was cut are known apart.
SELECT
    target_domain, source_domain,
    CAST(sum(links) AS BIGINT) AS links,
    coalesce(any_value(w.pages), max(p.pages)) AS pages,
    coalesce(any_value(w.hosts), max(p.hosts)) AS hosts,
    CAST(sum(follow) AS BIGINT) AS follow,
    CAST(sum(nofollow) AS BIGINT) AS nofollow,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM domain_pairs_pieces AS p
LEFT JOIN whole_pairs AS w ON w.target = p.target_domain AND w.source = p.source_domain
GROUP BY target_domain, source_domain
ORDER BY target_domain, 3 DESC, source_domain
