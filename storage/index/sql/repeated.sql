-- The links of pages visited more than once, one row per link: the visits that show it, and its evidence at the last.
-- A link that changes its anchor, rel or place is another link.
SELECT
    row_number() OVER () AS link,
    v.url, r.target, r.kind, r.anchor, r.rel, r.place,
    any_value(r.target_host) AS target_host,
    max_by(r.fetch, v.visit) AS fetch,
    max_by(r.fragment, v.visit) AS fragment,
    max_by(r.anchor_source, v.visit) AS anchor_source,
    max_by(r.anchor_cut, v.visit) AS anchor_cut,
    max_by(r.image, v.visit) AS image,
    max_by(r.ordinal, v.visit) AS ordinal,
    max_by(r.repeats, v.visit) AS repeats,
    max_by(r.text_before, v.visit) AS text_before,
    max_by(r.text_after, v.visit) AS text_after,
    max_by(r.hreflang, v.visit) AS hreflang,
    min(v.visit) AS first_visit,
    max(v.visit) AS last_visit,
    array_agg(DISTINCT v.visit) AS shown,
    any_value(v.first_content) AS first_content
FROM raw_links AS r
JOIN visits AS v ON v.shown_fetch = r.fetch
WHERE v.visits > 1
GROUP BY v.url, r.target, r.kind, r.anchor, r.rel, r.place
