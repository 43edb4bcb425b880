-- Links that were removed while another one took their place: the same kind, anchor and place, or a kind of which a page
-- has one, with another target that the page shows since that very visit.
SELECT DISTINCT h.link
FROM histories AS h
JOIN repeated AS k ON k.link = h.link
JOIN kinds ON kinds.kind = k.kind
JOIN repeated AS n ON n.page = k.page AND n.kind = k.kind
WHERE h.lost_as = 'removed'
    AND n.target <> k.target
    AND (kinds.single OR (n.anchor = k.anchor AND n.place = k.place AND k.anchor <> ''))
    AND array_contains(n.shown, h.lost_visit)
    AND NOT array_contains(n.shown, h.last_live)
