-- One row per (target, source page, kind, anchor, rel, place), of the target hosts of one slice, sorted as asked for.
-- Most pages were visited once: their links live, for only another visit can lose one, and need no history.
WITH once AS (
    SELECT
        r.fetch, r.target, r.target_host, r.fragment, r.kind, r.rel, r.anchor, r.anchor_source, r.anchor_cut, r.image,
        r.place, r.ordinal, r.repeats, r.text_before, r.text_after, r.hreflang,
        v.status AS source_status,
        v.fetched_at AS first_seen,
        CAST(NULL AS TIMESTAMPTZ) AS prev_seen,
        v.fetched_at AS last_seen_live,
        CAST(1 AS BIGINT) AS observations,
        'new page' AS found_as,
        CAST(NULL AS TIMESTAMPTZ) AS lost_at,
        CAST(NULL AS VARCHAR) AS lost_as,
        'live' AS state
    FROM raw_links AS r
    JOIN visits AS v ON v.fetch = r.fetch
    WHERE v.visits = 1
),

again AS (
    SELECT
        k.fetch, k.target, k.target_host, k.fragment, k.kind, k.rel, k.anchor, k.anchor_source, k.anchor_cut, k.image,
        k.place, k.ordinal, k.repeats, k.text_before, k.text_after, k.hreflang,
        l.status AS source_status,
        h.first_seen, h.prev_seen, h.last_seen_live, h.observations,
        CASE
            WHEN h.restored THEN 'restored'
            WHEN k.first_visit > k.first_content THEN 'new link'
            ELSE 'new page'
        END AS found_as,
        h.lost_at,
        CASE WHEN x.link IS NOT NULL THEN 'target changed' ELSE h.lost_as END AS lost_as,
        CASE WHEN h.lost_at IS NOT NULL THEN 'lost' WHEN h.doubtful THEN 'unknown' ELSE 'live' END AS state
    FROM repeated AS k
    JOIN histories AS h ON h.link = k.link
    JOIN latest AS l ON l.url = k.url
    LEFT JOIN replaced AS x ON x.link = k.link
),

edges AS (
    SELECT * FROM once
    UNION ALL
    SELECT * FROM again
)

SELECT
    e.target, e.target_host, th.domain AS target_domain, th.reversed_host AS target_host_reversed,
    t.status AS target_status, t.failure AS target_failure,
    f.final AS target_final, f.final_status AS target_final_status, f.path AS target_path,
    v.url AS source_url, v.host AS source_host, sh.domain AS source_domain, sh.reversed_host AS source_host_reversed,
    v.title AS source_title, e.source_status, v.lang AS source_language, v.robots AS source_robots, v.ip AS source_ip,
    e.kind, e.rel,
    (e.rel & policy.nofollow_rels) <> 0 OR (v.robots & policy.nofollow) <> 0 AS nofollow,
    CASE
        WHEN v.host = e.target_host THEN 'same host'
        WHEN sh.domain = th.domain THEN 'same domain'
        ELSE 'external'
    END AS scope,
    e.anchor, e.anchor_source, e.anchor_cut, e.image, e.place, e.ordinal, e.repeats, e.fragment, e.text_before,
    e.text_after, e.hreflang,
    e.state, e.first_seen, e.prev_seen, e.last_seen_live, e.observations, e.found_as, e.lost_at, e.lost_as,
    e.fetch
FROM edges AS e
JOIN visits AS v ON v.fetch = e.fetch
JOIN host_domains AS sh ON sh.host = v.host
JOIN slice_hosts AS th ON th.host = e.target_host
LEFT JOIN latest AS t ON t.url = e.target
LEFT JOIN finals AS f ON f.url = e.target
CROSS JOIN policy
ORDER BY target_host_reversed, e.target, source_domain, source_url, e.ordinal
