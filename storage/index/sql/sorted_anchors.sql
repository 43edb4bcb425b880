-- The anchors of all slices, those with most links first.
SELECT *
FROM anchors_pieces
ORDER BY level, name, links DESC, anchor
