-- The domains of all slices, in the order of their names.
SELECT *
FROM domains_pieces
ORDER BY target_domain
