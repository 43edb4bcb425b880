-- The links of pages visited more than once, one row per link: the visits that show it, and `row`, its evidence at the last.
-- A link that changes its anchor, rel or place is another link. A visit that shows a link twice may be told twice.
SELECT
    row_number() OVER () AS link,
    page, target, kind, anchor, rel, place,
    max_by(s.row, visit) AS row,
    max_by(s.fetch, visit) AS fetch,
    min(first_content) AS first_content,
    min(visit) AS first_visit,
    max(visit) AS last_visit,
    array_agg(visit) AS shown
FROM shown AS s
GROUP BY page, target, kind, anchor, rel, place
