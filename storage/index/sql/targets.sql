-- Per target URL. Every page that links to it counts, those of its own host included.
WITH judged AS (
    SELECT *, TRUE AS outside
    FROM facts
)

SELECT
    target_host_reversed, target, target_host, target_domain,
    any_value(target_status) AS status, any_value(target_final) AS final, any_value(target_final_status) AS final_status,
    count(*) FILTER (WHERE counts AND outside) AS backlinks,
    count(*) FILTER (WHERE counts AND outside AND NOT nofollow) AS follow,
    count(*) FILTER (WHERE counts AND outside AND nofollow) AS nofollow,
    count(DISTINCT j.fetch) FILTER (WHERE counts AND outside) AS pages,
    count(DISTINCT source_host) FILTER (WHERE counts AND outside) AS hosts,
    count(DISTINCT source_domain) FILTER (WHERE counts AND outside) AS domains,
    count(DISTINCT source_ip) FILTER (WHERE counts AND outside) AS ips,
    count(*) FILTER (WHERE counts AND outside AND scope = 'external') AS external,
    count(*) FILTER (WHERE counts AND NOT outside) AS inside,
    count(*) FILTER (WHERE live AND outside AND role = 'indirect') AS indirect,
    count(*) FILTER (WHERE live AND outside AND role = 'embed') AS embeds,
    count(*) FILTER (WHERE live AND outside AND role = 'resource') AS resources,
    count(*) FILTER (WHERE live AND outside AND role = 'reference') AS others,
    count(*) FILTER (WHERE state = 'lost' AND outside AND role = 'hyperlink') AS lost,
    count(*) FILTER (WHERE state = 'unknown' AND outside AND role = 'hyperlink') AS unknown,
    count(*) AS links,
    min(first_seen) FILTER (WHERE counts AND outside) AS first_seen,
    max(last_seen_live) FILTER (WHERE counts AND outside) AS last_seen
FROM judged AS j
GROUP BY target_host_reversed, target, target_host, target_domain
ORDER BY target_host_reversed, target
