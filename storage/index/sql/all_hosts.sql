-- Every host the crawl met, as source or target.
SELECT host FROM raw_pages
UNION
SELECT target_host AS host FROM raw_links
