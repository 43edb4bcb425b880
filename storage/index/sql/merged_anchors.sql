-- The anchors of all slices, those with most links first; pages and domains that say one of what was cut are counted.
WITH whole AS (
    SELECT level, name, anchor, count(DISTINCT source) AS pages, count(DISTINCT domain) AS domains
    FROM said
    GROUP BY level, name, anchor
)

SELECT
    p.level, p.name, p.anchor,
    CAST(sum(links) AS BIGINT) AS links,
    coalesce(any_value(w.pages), max(p.pages)) AS pages,
    coalesce(any_value(w.domains), max(p.domains)) AS domains,
    CAST(sum(follow) AS BIGINT) AS follow,
    CAST(sum(nofollow) AS BIGINT) AS nofollow,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM anchors_pieces AS p
LEFT JOIN whole AS w ON w.level = p.level AND w.name = p.name AND w.anchor = p.anchor
GROUP BY p.level, p.name, p.anchor
ORDER BY p.level, p.name, 4 DESC, p.anchor
