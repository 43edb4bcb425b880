-- What links show of a target that was fetched; `move` is the number of the row that says where it leads.
SELECT k.url, k.status, k.failure, m.number AS move
FROM known_pages AS k
LEFT JOIN moves AS m ON m.url = k.url
