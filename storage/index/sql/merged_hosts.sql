-- The hosts that were cut, from their rows in all slices; what is distinct is known apart.
SELECT
    any_value(target_host_reversed) AS target_host_reversed,
    any_value(target_host) AS target_host,
    any_value(target_domain) AS target_domain,
    p.first_target,
    max(last_target) AS last_target,
    CAST(sum(backlinks) AS BIGINT) AS backlinks,
    CAST(sum(follow) AS BIGINT) AS follow,
    CAST(sum(nofollow) AS BIGINT) AS nofollow,
    coalesce(any_value(w.pages), max(p.pages)) AS pages,
    coalesce(any_value(w.hosts), max(p.hosts)) AS hosts,
    coalesce(any_value(w.domains), max(p.domains)) AS domains,
    coalesce(any_value(w.ips), max(p.ips)) AS ips,
    CAST(sum(external) AS BIGINT) AS external,
    CAST(sum(inside) AS BIGINT) AS inside,
    CAST(sum(indirect) AS BIGINT) AS indirect,
    CAST(sum(embeds) AS BIGINT) AS embeds,
    CAST(sum(resources) AS BIGINT) AS resources,
    CAST(sum(others) AS BIGINT) AS others,
    CAST(sum(lost) AS BIGINT) AS lost,
    CAST(sum(unknown) AS BIGINT) AS unknown,
    CAST(sum(links) AS BIGINT) AS links,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM cut_hosts AS p
LEFT JOIN whole_hosts AS w ON w.first_target = p.first_target
GROUP BY p.first_target
ORDER BY p.first_target
