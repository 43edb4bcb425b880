-- The columns of a link, with those that are packed into its traits (`storage.index.layout.TRAITS`) by their names.
* EXCLUDE (traits),
CAST(traits & 31 AS UTINYINT) AS kind,
CAST((traits >> 5) & 15 AS UTINYINT) AS place,
CAST((traits >> 9) & 7 AS UTINYINT) AS anchor_source,
((traits >> 12) & 1) = 1 AS anchor_cut,
((traits >> 13) & 1) = 1 AS image,
((traits >> 14) & 1) = 1 AS nofollow,
CASE (traits >> 15) & 3 WHEN 0 THEN 'same host' WHEN 1 THEN 'same domain' ELSE 'external' END AS scope,
CAST((traits >> 17) & 65535 AS USMALLINT) AS rel,
file_index
