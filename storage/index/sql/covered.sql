-- The pages of kept layers that were fetched again, with the sources that are their readings there.
SELECT f.layer, p.first_source, p.last_source, p.url
FROM layer_pages AS p
JOIN layer_files AS f ON f.file = p.filename
SEMI JOIN new_pages AS n ON n.url = p.url
ORDER BY f.layer, p.first_source, p.url
