-- The links of pages visited more than once, one row per link: the visits that show it, and its evidence at the last.
-- A link that changes its anchor, rel or place is another link.
WITH links AS (
    SELECT
        max_by(row, visit) AS row,
        min(visit) AS first_visit,
        max(visit) AS last_visit,
        array_agg(DISTINCT visit) AS shown
    FROM shown
    GROUP BY page, target, kind, anchor, rel, place
)

SELECT
    row_number() OVER () AS link,
    l.first_visit, l.last_visit, l.shown,
    e.page, e.first_content, e.fetch, e.target, e.target_host, e.kind, e.rel, e.anchor, e.anchor_source, e.anchor_cut,
    e.image, e.place, e.ordinal, e.repeats, e.fragment, e.text_before, e.text_after, e.hreflang
FROM links AS l
JOIN shown AS e ON e.row = l.row
