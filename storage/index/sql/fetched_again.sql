-- URLs with more than one fetch attempt: the few whose history has to be told.
SELECT url
FROM raw_pages
GROUP BY url
HAVING count(*) > 1
