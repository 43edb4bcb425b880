-- What is counted of the links to a range of targets.
SELECT source, kind, scope, nofollow, anchor, state, first_seen, last_seen_live, observations
FROM backlinks
WHERE target BETWEEN $first AND $last
    AND (CAST($domain AS VARCHAR) IS NULL OR domain = $domain)
    AND array_contains($kinds, kind)
    AND array_contains($scopes, scope)
    AND array_contains($states, coalesce(state, 'live'))
    AND (CAST($nofollow AS BOOLEAN) IS NULL OR nofollow = $nofollow)
