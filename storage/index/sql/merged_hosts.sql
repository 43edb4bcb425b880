-- The hosts of all slices, in the order of the index; what is distinct of a host that was cut is known apart.
SELECT
    target_host_reversed, target_host, target_domain,
    min(first_target) AS first_target,
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
FROM hosts_pieces AS p
LEFT JOIN whole_hosts AS w ON w.name = p.target_host
GROUP BY target_host_reversed, target_host, target_domain
ORDER BY target_host_reversed, target_host
