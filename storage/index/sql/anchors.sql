-- Anchors of a domain's backlinks (from other domains) and of a host's (from other hosts). For one URL the range of its
-- backlinks is short enough to be counted when asked.
WITH levels AS (
    SELECT 'domain' AS level, target_domain AS name, anchor, f.fetch, source_domain, nofollow, first_seen, last_seen_live
    FROM facts AS f
    WHERE counts AND scope = 'external'
    UNION ALL
    SELECT 'host' AS level, target_host AS name, anchor, f.fetch, source_domain, nofollow, first_seen, last_seen_live
    FROM facts AS f
    WHERE counts AND scope <> 'same host'
)

SELECT
    level, name, anchor,
    count(*) AS links,
    count(DISTINCT l.fetch) AS pages,
    count(DISTINCT source_domain) AS domains,
    count(*) FILTER (WHERE NOT nofollow) AS follow,
    count(*) FILTER (WHERE nofollow) AS nofollow,
    min(first_seen) AS first_seen,
    max(last_seen_live) AS last_seen
FROM levels AS l
GROUP BY level, name, anchor
ORDER BY level, name, links DESC, anchor
