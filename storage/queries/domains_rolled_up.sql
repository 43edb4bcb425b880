-- The same for a whole domain and the default filters, which the roll-up of domain pairs has counted.
WITH numbered AS (
    SELECT
        source_domain, links, pages, hosts, follow, nofollow, first_seen, last_seen,
        row_number() OVER (ORDER BY links DESC, source_domain) AS position
    FROM domain_pairs
    WHERE target_domain = $name
)

SELECT *
FROM numbered
WHERE position > $after
ORDER BY position
LIMIT $limit
