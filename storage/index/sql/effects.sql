-- What each visit since a repeated link was first seen did to it: 'live', 'unknown', or the reason for which it is lost.
-- A redirect or canonical is itself the evidence of the page's fate: shown, it lives. Nor does a page that already was
-- noindex or canonicalised when the link was found lose it by staying so.
SELECT
    k.link, v.visit, v.fetched_at,
    array_contains(k.shown, v.visit) AS present,
    k.last_visit,
    CASE
        WHEN present AND (v.fate IS NULL OR v.fate = f.fate OR kinds.role = 'indirect') THEN 'live'
        WHEN v.fate IS NOT NULL THEN v.fate
        WHEN v.whole THEN 'removed'
        ELSE 'unknown'
    END AS effect,
    effect NOT IN ('live', 'unknown') AS lost
FROM repeated AS k
JOIN kinds ON kinds.kind = k.kind
JOIN visits AS f ON f.page = k.page AND f.visit = k.first_visit
JOIN visits AS v ON v.page = k.page AND v.visit >= k.first_visit
