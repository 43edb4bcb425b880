-- Links of a range of sources, page by page in the order of the document; for the order see backlinks.sql.
SELECT
    source, target, kind, rel, nofollow, scope, anchor, anchor_source, anchor_cut, image, place, ordinal, repeats, fragment,
    text_before, text_after, hreflang, state, first_seen, prev_seen, last_seen_live, observations, found_as, lost_at,
    lost_as,
    (CAST(file_index AS BIGINT) << 40) + file_row_number AS position
FROM outlinks
WHERE source BETWEEN $first AND $last
    AND NOT coalesce(list_bool_or(list_transform(CAST($gaps AS INTEGER[][]), lambda gap: source BETWEEN gap[1] AND gap[2])), FALSE)
    AND array_contains($kinds, kind)
    AND array_contains($scopes, scope)
    AND array_contains($states, coalesce(state, 'live'))
    AND (CAST($nofollow AS BOOLEAN) IS NULL OR nofollow = $nofollow)
    AND (file_index > $part OR (file_index = $part AND file_row_number > $row))
LIMIT $limit
