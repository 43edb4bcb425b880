-- How many links of any kind, scope and state a range of sources has.
SELECT count(*)
FROM outlinks
WHERE source BETWEEN $first AND $last
    AND (CAST($domain AS VARCHAR) IS NULL OR domain = $domain)
