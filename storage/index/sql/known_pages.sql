-- What is known of every URL that was fetched: of a page in several layers what the newest of them says.
SELECT p.url, p.status, p.failure, p.moved_to
FROM layer_pages AS p
JOIN layer_files AS f ON f.file = p.filename
ANTI JOIN covers AS c ON c.layer = f.layer AND c.url = p.url
