-- What the roll-ups count, over the written backlinks. Live hyperlinks are backlinks; the rest is counted apart.
-- While a link is live its fetch is that of its page's last reading, so distinct fetches are distinct pages.
SELECT
    b.*,
    b.state = 'live' AS live,
    b.state = 'live' AND kinds.role = 'hyperlink' AS counts,
    kinds.role
FROM backlinks AS b
JOIN kinds ON kinds.kind = b.kind
