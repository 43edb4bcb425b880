-- What the index knows of all target URLs that begin alike: no roll-up has it, so their links are counted now.
WITH facts AS (
    SELECT
        b.*, kinds.role,
        b.state = 'live' AS live,
        b.state = 'live' AND kinds.role = 'hyperlink' AS counts
    FROM found AS b
    JOIN kinds ON kinds.kind = b.kind
)

SELECT
    $name AS name,
    count(*) FILTER (WHERE counts) AS backlinks,
    count(*) FILTER (WHERE counts AND NOT f.nofollow) AS follow,
    count(*) FILTER (WHERE counts AND f.nofollow) AS nofollow,
    count(DISTINCT source_url) FILTER (WHERE counts) AS pages,
    count(DISTINCT source_host) FILTER (WHERE counts) AS hosts,
    count(DISTINCT source_domain) FILTER (WHERE counts) AS domains,
    count(DISTINCT source_ip) FILTER (WHERE counts) AS ips,
    count(*) FILTER (WHERE counts AND scope = 'external') AS external,
    CAST(0 AS BIGINT) AS inside,
    count(*) FILTER (WHERE live AND role = 'indirect') AS indirect,
    count(*) FILTER (WHERE live AND role = 'embed') AS embeds,
    count(*) FILTER (WHERE live AND role = 'resource') AS resources,
    count(*) FILTER (WHERE live AND role = 'reference') AS others,
    count(*) FILTER (WHERE state = 'lost' AND role = 'hyperlink') AS lost,
    count(*) FILTER (WHERE state = 'unknown' AND role = 'hyperlink') AS unknown,
    count(*) AS links,
    min(f.first_seen) FILTER (WHERE counts) AS first_seen,
    max(last_seen_live) FILTER (WHERE counts) AS last_seen
FROM facts AS f
HAVING count(*) > 0
