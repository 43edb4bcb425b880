-- The sources in a range of pages, by number; and among those of a domain the gaps where hosts of others lie.
WITH judged AS (
    SELECT first_source, last_source, CAST($domain AS VARCHAR) IS NULL OR domain = $domain AS inside
    FROM pages
    WHERE host_reversed BETWEEN $host_from AND $host_to
        AND url BETWEEN $url_from AND $url_to
        AND first_source IS NOT NULL
)

SELECT
    min(first_source) FILTER (WHERE inside) AS first,
    max(last_source) FILTER (WHERE inside) AS last,
    coalesce(list([first_source, last_source]) FILTER (WHERE NOT inside), []) AS gaps
FROM judged
