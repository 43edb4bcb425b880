-- Where the targets of hosts too large for a slice are cut: the first URL of each piece.
WITH counted AS (
    SELECT n.id, r.target, count(*) AS links
    FROM raw_links AS r
    JOIN names AS n ON n.host = r.target_host
    JOIN large_hosts AS l ON l.id = n.id
    GROUP BY n.id, r.target
),

placed AS (
    SELECT id, target, (sum(links) OVER (PARTITION BY id ORDER BY target) - links) // $slice_links AS piece
    FROM counted
)

SELECT id, min(target) AS target
FROM placed
GROUP BY id, piece
ORDER BY id, target
