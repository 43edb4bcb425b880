-- The targets of some links, by number.
SELECT
    id, target, target_host, target_domain, status AS target_status, failure AS target_failure, final AS target_final,
    final_status AS target_final_status, path AS target_path
FROM targets
WHERE id BETWEEN $first AND $last AND id IN (SELECT unnest($wanted))
ORDER BY id
