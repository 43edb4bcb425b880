-- What is known of the targets that were fetched: how the last attempt ended, and where they lead.
SELECT
    t.number, l.status, l.failure, f.final, f.final_status, f.path
FROM found_targets AS t
JOIN latest AS l ON l.url = t.target
LEFT JOIN finals AS f ON f.url = t.target
ORDER BY t.number
