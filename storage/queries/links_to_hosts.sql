-- How many links of any kind, scope and state lead to a range of hosts.
SELECT coalesce(sum(links), 0)
FROM hosts
WHERE target_host_reversed BETWEEN $host_from AND $host_to
    AND (CAST($domain AS VARCHAR) IS NULL OR target_domain = $domain)
