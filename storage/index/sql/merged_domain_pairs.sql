-- The pairs whose target domain was cut, those with most links first; what is distinct is known apart.
SELECT
    p.first_target, p.source_domain,
    CAST(sum(links) AS BIGINT) AS links,
    any_value(w.pages) AS pages,
    any_value(w.hosts) AS hosts,
    CAST(sum(follow) AS BIGINT) AS follow,
    CAST(sum(nofollow) AS BIGINT) AS nofollow,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM cut_domain_pairs AS p
JOIN whole_pairs AS w ON w.first_target = p.first_target AND w.source_domain = p.source_domain
GROUP BY p.first_target, p.source_domain
ORDER BY p.first_target, 3 DESC, p.source_domain
