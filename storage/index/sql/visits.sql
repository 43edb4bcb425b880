-- Every fetch attempt, numbered per URL from 1 in order of time, with what it proves about the links of its page:
--   shown_fetch  the fetch whose link rows this visit shows: its own, or for a 304 that of the content it confirms
--   whole        a link that is not among them is not on the page
--   fate         why all links of the page are lost whatever it shows; null when they are judged one by one
-- A cut page, links over the cap, errors and robots denials prove no absence.
WITH judged AS (
    SELECT
        p.*,
        row_number() OVER (PARTITION BY p.url ORDER BY p.fetched_at, p.fetch) AS visit,
        count(*) OVER (PARTITION BY p.url) AS visits,
        CASE
            WHEN p.not_modified THEN 'same'
            WHEN p.status IN (404, 410) THEN 'gone'
            WHEN p.status BETWEEN 300 AND 399 AND p.redirect_to IS NOT NULL THEN 'redirected'
            WHEN coalesce(p.failure, 0) <> 0 OR p.status IS NULL OR p.status NOT BETWEEN 200 AND 299 THEN 'unknown'
            WHEN p.truncated <> 0 OR p.links_dropped > 0 THEN 'part'
            ELSE 'whole'
        END AS outcome
    FROM raw_pages AS p
),

dated AS (
    SELECT
        *,
        max(CASE WHEN outcome IN ('whole', 'part') THEN visit END) OVER (PARTITION BY url ORDER BY visit)
            AS content_visit,
        min(CASE WHEN outcome IN ('whole', 'part') THEN visit END) OVER (PARTITION BY url) AS first_content
    FROM judged
)

SELECT
    v.fetch, v.url, v.host, v.depth, v.fetched_at, v.visit, v.visits, v.first_content, v.failure, v.ip,
    v.redirect_to, v.redirect_delay_s, v.wire_bytes,
    CASE WHEN s.outcome = 'same' THEN 'unknown' ELSE v.outcome END AS outcome,  -- a 304 that confirms nothing we have
    CASE WHEN v.outcome = 'same' THEN coalesce(s.status, v.status) ELSE v.status END AS status,
    s.fetch AS shown_fetch,
    s.title, s.lang, s.canonical, s.robots, s.content_type, s.links,
    s.outcome = 'whole' AS whole,
    CASE
        WHEN v.outcome = 'gone' THEN 'page gone'
        WHEN v.outcome = 'redirected' THEN 'page redirected'
        WHEN s.outcome NOT IN ('whole', 'part') THEN NULL
        WHEN (s.robots & policy.noindex) <> 0 THEN 'noindex'
        WHEN s.canonical <> s.url THEN 'canonicalised'
    END AS fate
FROM dated AS v
JOIN dated AS s
    ON s.url = v.url AND s.visit = CASE WHEN v.outcome = 'same' THEN coalesce(v.content_visit, v.visit) ELSE v.visit END
CROSS JOIN policy
