-- The anchors of what was cut, those with most links first; the pages and domains that say one are counted by
-- its fingerprint.
WITH whole AS (
    SELECT level, first_target, high, low, count(DISTINCT source) AS pages, count(DISTINCT domain) AS domains
    FROM cut_said
    GROUP BY level, first_target, high, low
)

SELECT
    p.level, p.first_target, p.anchor,
    CAST(sum(links) AS BIGINT) AS links,
    any_value(w.pages) AS pages,
    any_value(w.domains) AS domains,
    CAST(sum(follow) AS BIGINT) AS follow,
    CAST(sum(nofollow) AS BIGINT) AS nofollow,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM cut_anchors AS p
JOIN whole AS w ON w.level = p.level AND w.first_target = p.first_target AND w.high = p.high AND w.low = p.low
GROUP BY p.level, p.first_target, p.anchor
ORDER BY p.level, p.first_target, 4 DESC, p.anchor
