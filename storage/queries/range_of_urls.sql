-- The targets with a URL in a range, by number; they belong to one host, so there are no gaps.
SELECT min(id) AS first, max(id) AS last, CAST([] AS INTEGER[][]) AS gaps
FROM targets
WHERE target_host_reversed BETWEEN $host_from AND $host_to
    AND target BETWEEN $url_from AND $url_to
