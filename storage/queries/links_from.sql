-- How many links of any kind, scope and state a source has.
SELECT count(*)
FROM outlinks
WHERE source_host_reversed BETWEEN $host_from AND $host_to
    AND source_url BETWEEN $url_from AND $url_to
    AND (CAST($domain AS VARCHAR) IS NULL OR source_domain = $domain)
