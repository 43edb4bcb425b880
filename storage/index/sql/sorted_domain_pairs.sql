-- The pairs of domains of all slices, those with most links first.
SELECT *
FROM domain_pairs_pieces
ORDER BY target_domain, links DESC, source_domain
