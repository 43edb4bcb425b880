-- How many links of any kind, scope and state a range of sources has.
SELECT count(*)
FROM outlinks
WHERE source BETWEEN $first AND $last
    AND NOT coalesce(list_bool_or(list_transform(CAST($gaps AS INTEGER[][]), lambda gap: source BETWEEN gap[1] AND gap[2])), FALSE)
