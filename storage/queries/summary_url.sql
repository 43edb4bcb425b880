-- What the index knows of one target URL.
SELECT
    target AS name, status, final, final_status,
    backlinks, follow, nofollow, pages, hosts, domains, ips, external, inside, indirect, embeds, resources, others,
    lost, unknown, links, first_seen, last_seen
FROM targets
WHERE target_host_reversed = $host AND target = $name
