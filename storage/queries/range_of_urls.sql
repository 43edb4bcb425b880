-- The targets with a URL in a range, by number.
SELECT min(id) AS first, max(id) AS last
FROM targets
WHERE target_host_reversed BETWEEN $host_from AND $host_to
    AND target BETWEEN $url_from AND $url_to
