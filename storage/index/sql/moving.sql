-- The URLs that move on: few beside all that were fetched.
SELECT url, moved_to FROM known_pages WHERE moved_to IS NOT NULL
