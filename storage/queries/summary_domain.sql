-- What the index knows of one target domain.
SELECT
    target_domain AS name,
    backlinks, follow, nofollow, pages, hosts, domains, ips, external, inside, indirect, embeds, resources, others,
    lost, unknown, links, first_seen, last_seen
FROM domains
WHERE target_domain = $name
