-- The sources in a range of pages, by number.
SELECT min(first_source) AS first, max(last_source) AS last
FROM pages
WHERE host_reversed BETWEEN $host_from AND $host_to
    AND url BETWEEN $url_from AND $url_to
    AND (CAST($domain AS VARCHAR) IS NULL OR domain = $domain)
