-- Links of a source, page by page in the order of the document.
SELECT
    source_url, source_host, source_domain, source_title, source_status, source_language, source_robots, source_ip,
    target, target_host, target_domain, target_status, target_failure, target_final, target_final_status, target_path,
    kind, rel, nofollow, scope, anchor, anchor_source, anchor_cut, image, place, ordinal, repeats, fragment, text_before,
    text_after, hreflang, state, first_seen, prev_seen, last_seen_live, observations, found_as, lost_at, lost_as,
    (CAST(file_index AS BIGINT) << 40) + file_row_number AS position
FROM outlinks
WHERE source_host_reversed BETWEEN $host_from AND $host_to
    AND source_url BETWEEN $url_from AND $url_to
    AND (CAST($domain AS VARCHAR) IS NULL OR source_domain = $domain)
    AND array_contains($kinds, kind)
    AND array_contains($scopes, scope)
    AND array_contains($states, state)
    AND (CAST($nofollow AS BOOLEAN) IS NULL OR nofollow = $nofollow)
    AND (file_index > $part OR (file_index = $part AND file_row_number > $row))
ORDER BY file_index, file_row_number
LIMIT $limit
