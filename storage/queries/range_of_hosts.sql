-- The targets on the hosts in a range, by number; between them may lie hosts of other domains.
SELECT min(first_target) AS first, max(last_target) AS last
FROM hosts
WHERE target_host_reversed BETWEEN $host_from AND $host_to
    AND (CAST($domain AS VARCHAR) IS NULL OR target_domain = $domain)
