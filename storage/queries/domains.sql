-- Domains that link to a target, those with most links first.
WITH referring AS (
    SELECT
        source_domain,
        count(*) AS links,
        count(DISTINCT source_url) AS pages,
        count(DISTINCT source_host) AS hosts,
        count(*) FILTER (WHERE NOT nofollow) AS follow,
        count(*) FILTER (WHERE nofollow) AS nofollow,
        min(first_seen) AS first_seen,
        max(last_seen_live) AS last_seen
    FROM backlinks
    WHERE target_host_reversed BETWEEN $host_from AND $host_to
        AND target BETWEEN $url_from AND $url_to
        AND (CAST($domain AS VARCHAR) IS NULL OR target_domain = $domain)
        AND array_contains($kinds, kind)
        AND array_contains($scopes, scope)
        AND array_contains($states, state)
        AND (CAST($nofollow AS BOOLEAN) IS NULL OR nofollow = $nofollow)
    GROUP BY source_domain
),

numbered AS (
    SELECT *, row_number() OVER (ORDER BY links DESC, source_domain) AS position
    FROM referring
)

SELECT *
FROM numbered
WHERE position > $after
ORDER BY position
LIMIT $limit
