-- The same rows as backlinks, of the source hosts of one slice, page by page in the order of the document.
SELECT b.*
FROM backlinks AS b
JOIN slice_hosts AS sh ON sh.host = b.source_host
ORDER BY b.source_host_reversed, b.source_url, b.ordinal
