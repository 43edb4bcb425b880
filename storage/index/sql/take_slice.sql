-- The hosts of the slice that is written next.
CREATE OR REPLACE TABLE slice_hosts AS
SELECT h.*
FROM slices AS s
JOIN host_domains AS h ON h.host = s.host
WHERE s.slice = $slice
