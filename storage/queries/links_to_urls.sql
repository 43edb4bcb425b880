-- How many links of any kind, scope and state lead to a range of URLs.
SELECT coalesce(sum(links), 0)
FROM targets
WHERE target_host_reversed BETWEEN $host_from AND $host_to
    AND target BETWEEN $url_from AND $url_to
