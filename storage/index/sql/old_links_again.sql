-- The links those visits recorded.
SELECT l.*
FROM old_links AS l
SEMI JOIN again_pages AS p ON p.fetch = l.fetch
