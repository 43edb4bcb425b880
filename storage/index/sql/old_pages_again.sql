-- All earlier visits to pages that were fetched again.
SELECT p.*
FROM old_pages AS p
SEMI JOIN covered AS c ON c.url = p.url
