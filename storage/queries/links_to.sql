-- How many links of any kind, scope and state lead to a target.
SELECT count(*)
FROM backlinks
WHERE target_host_reversed BETWEEN $host_from AND $host_to
    AND target BETWEEN $url_from AND $url_to
    AND (CAST($domain AS VARCHAR) IS NULL OR target_domain = $domain)
