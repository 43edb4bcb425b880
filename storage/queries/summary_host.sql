-- What the index knows of one target host.
SELECT
    target_host AS name,
    backlinks, follow, nofollow, pages, hosts, domains, ips, external, inside, indirect, embeds, resources, others,
    lost, unknown, links, first_seen, last_seen
FROM hosts
WHERE target_host_reversed = $host AND target_host = $name
