-- name: reconciliation_difference_slice
-- long: yes
-- Where the slice of ids after $2 ends that holds at most $3 of what the last complete listing differs in, of what the last
-- copy of terra_users does, and of what stands about them; NULL where there are no more than these.
SELECT least(
  (SELECT d.user_id FROM registry.provider_difference d
   WHERE d.tenant_id = $1::uuid AND d.user_id > $2::text AND d.listing_id = (
     SELECT k.listing_id FROM registry.provider_listing k
     WHERE k.tenant_id = $1 AND k.outcome = 'complete' ORDER BY k.started_at DESC, k.listing_id DESC LIMIT 1)
   ORDER BY d.user_id OFFSET $3::bigint - 1 LIMIT 1),
  (SELECT d.user_id FROM registry.provider_difference d
   WHERE d.tenant_id = $1 AND d.user_id > $2 AND d.listing_id = (
     SELECT y.listing_id FROM registry.provider_listing y
     WHERE y.tenant_id = $1 AND y.outcome = 'copied' ORDER BY y.started_at DESC, y.listing_id DESC LIMIT 1)
   ORDER BY d.user_id OFFSET $3 - 1 LIMIT 1),
  (SELECT f.subject FROM registry.finding f
   WHERE f.tenant_id = $1 AND f.family = 'listing' AND f.status IN ('open', 'acknowledged') AND f.subject > $2
   ORDER BY f.subject OFFSET $3 - 1 LIMIT 1)) AS until;

-- name: reconciliation_collect_differences
-- long: yes
-- Of the ids after $3 up to $4, where a listing was finished since $5: all that differs, with what stands; otherwise what
-- differs since then. $5 is widened by the grace.
WITH finished AS MATERIALIZED (
  SELECT EXISTS (
    SELECT 1 FROM registry.provider_listing l
    WHERE l.tenant_id = $1::uuid AND l.outcome IN ('complete', 'copied')
      AND l.finished_at > coalesce($5::timestamptz, '-infinity')) AS is_new
),
source AS MATERIALIZED (
  SELECT k.listing_id FROM (
    SELECT x.listing_id FROM registry.provider_listing x
    WHERE x.tenant_id = $1 AND x.outcome = 'complete' ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) k
  UNION ALL
  SELECT y.listing_id FROM (
    SELECT x.listing_id FROM registry.provider_listing x
    WHERE x.tenant_id = $1 AND x.outcome = 'copied' ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) y
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'listing', d.user_id
FROM (
  SELECT x.user_id
  FROM source s
  CROSS JOIN finished n
  CROSS JOIN LATERAL (
    SELECT w.user_id, w.since FROM registry.provider_difference w
    WHERE w.tenant_id = $1 AND w.listing_id = s.listing_id AND w.user_id > $3::text
      AND ($4::text IS NULL OR w.user_id <= $4) OFFSET 0) x
  WHERE n.is_new OR x.since > coalesce($5, '-infinity')
  UNION
  SELECT f.subject FROM finished n CROSS JOIN registry.finding f
  WHERE n.is_new AND f.tenant_id = $1 AND f.family = 'listing' AND f.status IN ('open', 'acknowledged')
    AND f.subject > $3 AND ($4 IS NULL OR f.subject <= $4)
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_differences_collected
-- long: yes
-- Up to which id ($3) what listings differ in is collected; NULL is all of it.
UPDATE registry.reconciliation_run SET differed_to = $3::text, has_differed = $3 IS NULL
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_collect_listing
-- long: yes
-- Whoever differs in a listing and whose connection has a fact of the window ($3 to $4), which is widened by the grace.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'listing', d.user_id
FROM (
  SELECT DISTINCT x.user_id
  FROM registry.provider_difference x
  JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = x.user_id
  WHERE x.tenant_id = $1 AND c.recorded_at > coalesce($3::timestamptz, '-infinity') AND c.recorded_at <= $4::timestamptz
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconcile_listing
-- long: yes
-- include: finding_columns, finding_merge
-- Where the last complete listing and the connections named in $4 differ. What changed about a connection since it was
-- asked for comes first: the listing is older than that, by its own date where that was taken back. Data alone changes
-- nothing but absence, which counts in two listings only. A copy of terra_users that is newer than the last listing
-- counts for what it holds; of a connection that has ended here it must say that it is alive.
WITH clock AS (SELECT now() AS at, make_interval(secs => $3::double precision) AS grace),
complete AS (
  SELECT l.listing_id, l.started_at, l.asked_at, row_number() OVER (ORDER BY l.started_at DESC, l.listing_id DESC) AS ordinal
  FROM registry.provider_listing l WHERE l.tenant_id = $1 AND l.outcome = 'complete'
),
source AS (
  SELECT l.listing_id, l.started_at, l.asked_at, false AS is_copy FROM complete l WHERE l.ordinal = 1
  UNION ALL
  SELECT y.listing_id, y.started_at, y.asked_at, true FROM (
    SELECT x.listing_id, x.started_at, x.asked_at FROM registry.provider_listing x
    WHERE x.tenant_id = $1 AND x.outcome = 'copied'
    ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) y
  WHERE NOT EXISTS (SELECT 1 FROM complete n WHERE n.started_at > y.started_at)
),
held AS (
  SELECT k.user_id, l.is_copy, l.listing_id, l.started_at, u.user_id IS NOT NULL AS is_listed, u.asked_at, u.active, u.conflicting,
    u.reference_id AS listed_reference_id, u.resource AS listed_resource, c.user_id IS NOT NULL AS is_known, c.status,
    c.reference_id, c.resource, c.status IN ('active', 'degraded') AS is_live,
    coalesce(d.since, u.asked_at) + t.grace <= t.at
      AND coalesce(c.changed_at < least(u.asked_at, l.asked_at) - interval '2 seconds', true) AS is_settled,
    p.listing_id AS previous_id, p.started_at AS previous_at,
    u.user_id IS NULL AND b.user_id IS NULL AND c.recorded_at < p.started_at - interval '2 seconds' AS is_absent
  FROM unnest($4::text[]) AS k (user_id)
  CROSS JOIN clock t
  CROSS JOIN source l
  LEFT JOIN complete p ON p.ordinal = 2 AND NOT l.is_copy
  LEFT JOIN LATERAL (
    SELECT x.user_id, x.reference_id, x.resource, x.active, x.conflicting, x.asked_at
    FROM registry.provider_listing_user x
    WHERE x.tenant_id = $1 AND x.listing_id = l.listing_id AND x.user_id = k.user_id OFFSET 0) u ON true
  LEFT JOIN LATERAL (
    SELECT x.since FROM registry.provider_difference x
    WHERE x.tenant_id = $1 AND x.listing_id = l.listing_id AND x.user_id = k.user_id OFFSET 0) d ON true
  LEFT JOIN LATERAL (
    SELECT x.user_id FROM registry.provider_listing_user x
    WHERE x.tenant_id = $1 AND x.listing_id = p.listing_id AND x.user_id = k.user_id OFFSET 0) b ON true
  LEFT JOIN LATERAL (
    SELECT x.user_id, x.status, x.reference_id, x.resource, x.recorded_at, x.changed_at FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = k.user_id OFFSET 0) c ON true
),
judged AS (
  SELECT DISTINCT ON (h.user_id, v.kind) h.user_id, h.listing_id, h.started_at, h.previous_id, h.previous_at, v.kind,
    v.reason_code
  FROM held h
  CROSS JOIN LATERAL (VALUES
    ('missing_locally', CASE WHEN NOT h.is_known THEN 'unknown_here'
                             WHEN h.status IN ('pending', 'failed') THEN 'never_confirmed_here' ELSE 'ended_here' END,
      h.is_listed AND NOT h.conflicting AND h.active IS NOT FALSE AND h.is_settled AND h.is_live IS NOT TRUE
        AND (NOT h.is_copy OR h.active IS TRUE OR NOT h.is_known OR h.status IN ('pending', 'failed'))),
    ('missing_at_provider', 'absent_in_two_listings', h.is_live AND h.is_absent),
    ('status_drift', CASE WHEN h.conflicting THEN 'listed_in_two_ways' WHEN h.active IS FALSE THEN 'inactive_at_provider'
                          WHEN h.listed_reference_id <> h.reference_id THEN 'another_reference_id_at_provider'
                          ELSE 'another_resource_at_provider' END,
      h.is_listed AND h.is_settled AND h.is_live AND (h.conflicting OR h.active IS FALSE
        OR h.listed_reference_id <> h.reference_id OR h.listed_resource <> h.resource))
  ) AS v (kind, reason_code, holds)
  WHERE v.holds
  ORDER BY h.user_id, v.kind, h.is_copy
),
observed AS (
  SELECT j.kind, 'warning' AS severity, j.reason_code, 'listing' AS family, 'user_id' AS subject_type,
    j.user_id AS subject,
    jsonb_build_array(jsonb_build_object('type', 'listing', 'id', j.listing_id, 'at', j.started_at),
      jsonb_build_object('type', 'user_id', 'id', j.user_id, 'at', j.started_at))
    || CASE WHEN j.kind = 'missing_at_provider'
            THEN jsonb_build_array(jsonb_build_object('type', 'listing', 'id', j.previous_id, 'at', j.previous_at))
            ELSE '[]'::jsonb END AS evidence
  FROM judged j
)
--> finding_columns
--> finding_merge
;
