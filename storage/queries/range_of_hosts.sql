-- The targets on the hosts in a range, by number; and among those of a domain the gaps where hosts of others lie.
WITH judged AS (
    SELECT first_target, last_target, CAST($domain AS VARCHAR) IS NULL OR target_domain = $domain AS inside
    FROM hosts
    WHERE target_host_reversed BETWEEN $host_from AND $host_to
)

SELECT
    min(first_target) FILTER (WHERE inside) AS first,
    max(last_target) FILTER (WHERE inside) AS last,
    coalesce(list([first_target, last_target]) FILTER (WHERE NOT inside), []) AS gaps
FROM judged
