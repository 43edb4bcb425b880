-- Every fetch attempt, numbered per URL from 1 in order of time, with what it proves about the links of its page:
--   shown_fetch  the fetch whose link rows this visit shows: its own, or for a 304 that of the content it confirms
--   whole        a link that is not among them is not on the page
--   fate         why all links of the page are lost whatever it shows; null when they are judged one by one
-- A cut page, links over the cap, errors and robots denials prove no absence.
WITH judged AS (
    SELECT
        p.fetch, p.url, p.host, p.depth, p.fetched_at, p.failure, p.ip, p.redirect_to, p.redirect_delay_s, p.wire_bytes,
        p.status, p.title, p.lang, p.canonical, p.robots, p.content_type, p.links,
        a.page,
        CASE
            WHEN p.not_modified THEN 'same'
            WHEN p.status IN (404, 410) THEN 'gone'
            WHEN p.status BETWEEN 300 AND 399 AND p.redirect_to IS NOT NULL THEN 'redirected'
            WHEN coalesce(p.failure, 0) <> 0 OR p.status IS NULL OR p.status NOT BETWEEN 200 AND 299 THEN 'unknown'
            WHEN p.truncated <> 0 OR p.links_dropped > 0 THEN 'part'
            ELSE 'whole'
        END AS outcome
    FROM raw_pages AS p
    LEFT JOIN fetched_again AS a ON a.url = p.url
),

numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY url ORDER BY j.fetched_at, j.fetch) AS visit,
        count(*) OVER (PARTITION BY url) AS visits
    FROM judged AS j
    WHERE page IS NOT NULL
),

dated AS (
    SELECT
        *,
        max(CASE WHEN outcome IN ('whole', 'part') THEN visit END) OVER (PARTITION BY url ORDER BY visit)
            AS content_visit,
        min(CASE WHEN outcome IN ('whole', 'part') THEN visit END) OVER (PARTITION BY url) AS first_content
    FROM numbered
),

contents AS (
    SELECT d.url, d.visit, d.fetch, d.outcome, d.status, d.title, d.lang, d.canonical, d.robots, d.content_type,
        d.links
    FROM dated AS d
),

every AS (
    SELECT *
    FROM dated
    UNION ALL
    SELECT
        *,
        1 AS visit,
        1 AS visits,
        CAST(NULL AS BIGINT) AS content_visit,
        CASE WHEN outcome IN ('whole', 'part') THEN 1 END AS first_content
    FROM judged
    WHERE page IS NULL
),

shown AS (
    SELECT
        v.*,
        s.fetch IS NOT NULL AS confirms,
        s.fetch AS content_fetch, s.outcome AS content_outcome, s.status AS content_status,
        CASE WHEN confirms THEN s.title ELSE v.title END AS shown_title,
        CASE WHEN confirms THEN s.lang ELSE v.lang END AS shown_lang,
        CASE WHEN confirms THEN s.canonical ELSE v.canonical END AS shown_canonical,
        CASE WHEN confirms THEN s.robots ELSE v.robots END AS shown_robots,
        CASE WHEN confirms THEN s.content_type ELSE v.content_type END AS shown_content_type,
        CASE WHEN confirms THEN s.links ELSE v.links END AS shown_links,
        coalesce(s.outcome, v.outcome) AS shown_outcome
    FROM every AS v
    LEFT JOIN contents AS s ON v.outcome = 'same' AND s.url = v.url AND s.visit = v.content_visit
)

SELECT
    v.fetch, v.page, v.url, v.host, v.depth, v.fetched_at, v.visit, v.visits, v.first_content, v.failure, v.ip,
    v.redirect_to, v.redirect_delay_s, v.wire_bytes,
    CASE WHEN v.shown_outcome = 'same' THEN 'unknown' ELSE v.outcome END AS outcome,  -- a 304 that confirms nothing we have
    coalesce(v.content_status, v.status) AS status,
    coalesce(v.content_fetch, v.fetch) AS shown_fetch,
    v.shown_title AS title, v.shown_lang AS lang, v.shown_canonical AS canonical, v.shown_robots AS robots,
    v.shown_content_type AS content_type, v.shown_links AS links,
    v.shown_outcome = 'whole' AS whole,
    CASE
        WHEN v.outcome = 'gone' THEN 'page gone'
        WHEN v.outcome = 'redirected' THEN 'page redirected'
        WHEN v.shown_outcome NOT IN ('whole', 'part') THEN NULL
        WHEN (v.shown_robots & policy.noindex) <> 0 THEN 'noindex'
        WHEN v.shown_canonical <> v.url THEN 'canonicalised'
    END AS fate
FROM shown AS v
CROSS JOIN policy
