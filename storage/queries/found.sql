-- What is counted of the links to a range of targets.
SELECT source, kind, scope, nofollow, anchor, state, first_seen, last_seen_live, observations
FROM backlinks
WHERE target BETWEEN $first AND $last
    AND NOT coalesce(list_bool_or(list_transform(CAST($gaps AS INTEGER[][]), lambda gap: target BETWEEN gap[1] AND gap[2])), FALSE)
    AND array_contains($kinds, kind)
    AND array_contains($scopes, scope)
    AND array_contains($states, coalesce(state, 'live'))
    AND (CAST($nofollow AS BOOLEAN) IS NULL OR nofollow = $nofollow)
