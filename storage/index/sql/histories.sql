-- The effects of all visits to one repeated link, folded. The loss in force is the first one after the link last lived.
WITH lives AS (
    SELECT link, min(visit) AS first_live, max(visit) AS last_live
    FROM effects
    WHERE effect = 'live'
    GROUP BY link
),

judged AS (
    SELECT e.*, l.first_live, coalesce(l.last_live, 0) AS last_live
    FROM effects AS e
    LEFT JOIN lives AS l ON l.link = e.link
)

SELECT
    link,
    min(fetched_at) FILTER (WHERE present) AS first_seen,
    max(fetched_at) FILTER (WHERE present AND visit < last_visit) AS prev_seen,
    max(fetched_at) FILTER (WHERE effect = 'live') AS last_seen_live,
    count(*) FILTER (WHERE present) AS observations,
    min(visit) FILTER (WHERE lost AND visit > last_live) AS lost_visit,
    min(fetched_at) FILTER (WHERE lost AND visit > last_live) AS lost_at,
    min_by(effect, visit) FILTER (WHERE lost AND visit > last_live) AS lost_as,
    any_value(last_live) AS last_live,
    coalesce(bool_or(effect = 'unknown' AND visit > last_live), FALSE) AS doubtful,
    coalesce(bool_or(lost AND visit > first_live AND visit < last_live), FALSE) AS restored
FROM judged
GROUP BY link
