-- The links of pages visited more than once, with what their visits tell of them.
SELECT
    e.fetch, e.target, e.target_host, e.kind, e.rel, e.anchor, e.anchor_source, e.anchor_cut, e.image, e.place,
    e.ordinal, e.repeats, e.fragment, e.text_before, e.text_after, e.hreflang,
    CASE WHEN h.lost_at IS NOT NULL THEN 'lost' WHEN h.doubtful THEN 'unknown' ELSE 'live' END AS state,
    h.first_seen, h.prev_seen, h.last_seen_live, h.observations,
    CASE
        WHEN h.restored THEN 'restored'
        WHEN k.first_visit > k.first_content THEN 'new link'
        ELSE 'new page'
    END AS found_as,
    h.lost_at,
    CASE WHEN x.link IS NOT NULL THEN 'target changed' ELSE h.lost_as END AS lost_as
FROM repeated AS k
JOIN shown AS e ON e.row = k.row
JOIN histories AS h ON h.link = k.link
LEFT JOIN replaced AS x ON x.link = k.link
