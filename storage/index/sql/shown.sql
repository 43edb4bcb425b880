-- The links of pages visited more than once, one row per link and visit that shows it.
SELECT
    row_number() OVER () AS row,
    v.page, v.visit, v.first_content,
    r.fetch, r.target, r.target_host, r.kind, r.rel, r.anchor, r.anchor_source, r.anchor_cut, r.image, r.place,
    r.ordinal, r.repeats, r.fragment, r.text_before, r.text_after, r.hreflang
FROM raw_links AS r
JOIN visits AS v ON v.shown_fetch = r.fetch
WHERE v.visits > 1
