-- URLs with more than one fetch attempt, numbered: the few whose history has to be told.
SELECT url, row_number() OVER () AS page
FROM raw_pages
GROUP BY url
HAVING count(*) > 1
