-- Hosts in the order of the index, numbered from 0; their domains are numbered in the order of their names.
SELECT
    row_number() OVER (ORDER BY reversed_host, host) - 1 AS id,
    host, domain, domain_private, reversed_host,
    dense_rank() OVER (ORDER BY domain) - 1 AS domain_id
FROM host_domains
ORDER BY id
