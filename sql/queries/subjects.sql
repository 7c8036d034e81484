-- name: reconciliation_subject_clear
-- long: yes
DELETE FROM registry.reconciliation_subject WHERE tenant_id = $1::uuid;

-- name: reconciliation_collect_standing
-- long: yes
-- What has a finding that stands and was not seen by this run. When the subject of a group of live ids leaves it, what is
-- left of the group is judged anew.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, d.family, d.subject
FROM (
  SELECT f.family, f.subject FROM registry.finding f
  WHERE f.tenant_id = $1 AND f.status IN ('open', 'acknowledged') AND f.last_seen_run <> $2::uuid
    AND (f.family IN ('session', 'user_id', 'receipt') OR f.family = 'attempt' AND f.subject_type = 'attempt')
  UNION
  SELECT f.family, w.witness ->> 'id'
  FROM registry.finding f CROSS JOIN LATERAL jsonb_array_elements(f.evidence) AS w (witness)
  WHERE f.tenant_id = $1 AND f.family = 'user_id' AND f.kind = 'duplicate_active'
    AND f.status IN ('open', 'acknowledged') AND f.last_seen_run <> $2
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_standing_part
-- long: yes
-- The next $3 of them: a run since the last one finds by its facts what they change, and looks at a part of what stands in
-- each of its turns, however much that is.
WITH part AS MATERIALIZED (
  SELECT f.family, f.subject, f.subject_type, f.kind, f.evidence
  FROM registry.reconciliation_state s
  CROSS JOIN LATERAL (
    SELECT x.family, x.subject, x.subject_type, x.kind, x.evidence FROM registry.finding x
    WHERE x.tenant_id = $1 AND x.status IN ('open', 'acknowledged')
      AND (x.family, x.subject) > (coalesce(s.standing_family, ''), coalesce(s.standing_subject, ''))
    ORDER BY x.family, x.subject LIMIT $3::bigint) f
  WHERE s.tenant_id = $1
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, d.family, d.subject
FROM (
  SELECT p.family, p.subject FROM part p
  WHERE p.family IN ('session', 'user_id', 'receipt', 'listing') OR p.family = 'attempt' AND p.subject_type = 'attempt'
  UNION
  SELECT p.family, w.witness ->> 'id'
  FROM part p CROSS JOIN LATERAL jsonb_array_elements(p.evidence) AS w (witness)
  WHERE p.kind = 'duplicate_active'
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_standing_place
-- long: yes
-- Where the next part of $3 begins once the run is complete: after this one, or at the beginning where this one was the
-- last.
UPDATE registry.reconciliation_run
SET (standing_family, standing_subject) = (
  SELECT f.family, f.subject
  FROM registry.reconciliation_state s
  CROSS JOIN LATERAL (
    SELECT x.family, x.subject FROM registry.finding x
    WHERE x.tenant_id = $1 AND x.status IN ('open', 'acknowledged')
      AND (x.family, x.subject) > (coalesce(s.standing_family, ''), coalesce(s.standing_subject, ''))
    ORDER BY x.family, x.subject OFFSET $3::bigint - 1 LIMIT 1) f
  WHERE s.tenant_id = $1)
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_collect_sessions
-- long: yes
-- include: sessions_of_facts
-- Sessions that fell due in the window, or about which an event or a callback was recorded in it. The window
-- ($3) is already widened by the grace and the overlap; its end ($4) may lie in the future, where a clock went back.
WITH recent AS (
  SELECT e.user_id, e.widget_session_id, e.kind FROM registry.auth_event e
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3::timestamptz, '-infinity') AND e.recorded_at <= $4::timestamptz
),
arrived AS (
  SELECT DISTINCT b.attempt_sha256 FROM registry.redirect_callback b
  WHERE b.tenant_id = $1 AND b.recorded_at > coalesce($3, '-infinity') AND b.recorded_at <= $4
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'session', d.session_id::text
FROM (
  SELECT s.session_id FROM registry.auth_session s
  WHERE s.tenant_id = $1 AND s.expires_at > coalesce($3::timestamptz, '-infinity')
    AND s.expires_at <= least($4::timestamptz, now())
  UNION
--> sessions_of_facts
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_connections
-- long: yes
-- The connections that the window's events name and that changed in it, with what took their place, and with those of the
-- same app user and resource: a group of live ones is found under one of them.
WITH changed AS MATERIALIZED (
  SELECT c.user_id, c.superseded_by, c.reference_id, c.resource FROM registry.connection c
  WHERE c.tenant_id = $1 AND c.changed_at > coalesce($3::timestamptz, '-infinity') AND c.changed_at <= $4::timestamptz
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'user_id', d.user_id
FROM (
  SELECT e.user_id FROM registry.auth_event e
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3::timestamptz, '-infinity') AND e.recorded_at <= $4::timestamptz
    AND e.user_id IS NOT NULL
  UNION
  SELECT e.old_user_id FROM registry.auth_event e
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3, '-infinity') AND e.recorded_at <= $4
    AND e.old_user_id IS NOT NULL
  UNION
  SELECT unnest(ARRAY[c.user_id, c.superseded_by]) FROM changed c
  UNION
  SELECT p.user_id
  FROM changed c
  CROSS JOIN LATERAL (
    SELECT coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = c.reference_id), c.reference_id) AS reference_id OFFSET 0) o
  CROSS JOIN LATERAL (
    SELECT o.reference_id AS named
    UNION ALL
    SELECT f.reference_id FROM registry.app_user_merge f
    WHERE f.tenant_id = $1 AND f.into_reference_id = o.reference_id OFFSET 0) a
  CROSS JOIN LATERAL (
    SELECT x.user_id FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.reference_id = a.named AND x.resource = c.resource OFFSET 0) p
  UNION
  -- A group that stands under one of them, which may have left it.
  SELECT w.witness ->> 'id'
  FROM changed c
  CROSS JOIN LATERAL (
    SELECT x.evidence FROM registry.finding x
    WHERE x.tenant_id = $1 AND x.family = 'user_id' AND x.subject = c.user_id AND x.kind = 'duplicate_active'
      AND x.status IN ('open', 'acknowledged') OFFSET 0) f
  CROSS JOIN LATERAL jsonb_array_elements(f.evidence) AS w (witness)
) d
WHERE d.user_id IS NOT NULL
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_merged
-- long: yes
-- A merge makes one app user's of what two had, and of what was merged into the one before.
WITH merged AS MATERIALIZED (
  SELECT DISTINCT n.reference_id
  FROM registry.app_user_merge m
  CROSS JOIN LATERAL (
    SELECT m.reference_id
    UNION ALL
    SELECT m.into_reference_id
    UNION ALL
    SELECT f.reference_id FROM registry.app_user_merge f
    WHERE f.tenant_id = $1 AND f.into_reference_id = m.into_reference_id OFFSET 0) n
  WHERE m.tenant_id = $1 AND m.recorded_at > coalesce($3::timestamptz, '-infinity') AND m.recorded_at <= $4::timestamptz
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, d.family, d.subject
FROM (
  SELECT 'user_id' AS family, c.user_id AS subject
  FROM merged m
  CROSS JOIN LATERAL (
    SELECT x.user_id FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.reference_id = m.reference_id OFFSET 0) c
  UNION
  SELECT 'session', s.session_id::text
  FROM merged m
  CROSS JOIN LATERAL (
    SELECT x.session_id FROM registry.auth_session x
    WHERE x.tenant_id = $1 AND x.reference_id = m.reference_id OFFSET 0) s
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_attempts
-- long: yes
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'attempt', d.attempt
FROM (
  SELECT DISTINCT encode(b.attempt_sha256, 'hex') AS attempt FROM registry.redirect_callback b
  CROSS JOIN LATERAL (
    SELECT count(*) AS sessions FROM (
      SELECT 1 FROM registry.auth_session x
      WHERE x.tenant_id = $1 AND x.attempt_sha256 = b.attempt_sha256 LIMIT 1) s) n
  WHERE b.tenant_id = $1 AND b.recorded_at > coalesce($3::timestamptz, '-infinity') AND b.recorded_at <= $4::timestamptz
    AND n.sessions = 0
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_receipts
-- long: yes
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'receipt', d.receipt
FROM (
  SELECT r.receipt_id::text AS receipt FROM registry.webhook_receipt r
  WHERE r.tenant_id = $1 AND r.disposition = 'quarantined'
    AND r.recorded_at > coalesce($3::timestamptz, '-infinity') AND r.recorded_at <= $4::timestamptz
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_accepted
-- long: yes
-- Receipts whose event was accepted after all: it keeps their id.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'receipt', q.receipt_id::text
FROM registry.auth_event e
CROSS JOIN LATERAL (
  SELECT r.receipt_id FROM registry.webhook_receipt r
  WHERE r.tenant_id = $1 AND r.receipt_id = e.event_id AND r.disposition = 'quarantined' OFFSET 0) q
WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3::timestamptz, '-infinity') AND e.recorded_at <= $4::timestamptz
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_reopened
-- long: yes
-- What a person has done about findings, such as undoing a repair: facts may have come about it while it did not stand.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, f.family, f.subject
FROM registry.finding_change h
CROSS JOIN LATERAL (
  SELECT x.family, x.subject, x.subject_type FROM registry.finding x
  WHERE x.tenant_id = $1 AND x.finding_id = h.finding_id AND x.status IN ('open', 'acknowledged') OFFSET 0) f
WHERE h.tenant_id = $1 AND h.recorded_at > coalesce($3::timestamptz, '-infinity') AND h.recorded_at <= $4::timestamptz
  AND h.run_id IS NULL
  AND (f.family IN ('session', 'user_id', 'receipt') OR f.family = 'attempt' AND f.subject_type = 'attempt')
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_tenant
-- long: yes
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT t.tenant_id, $2::uuid, 'tenant', t.slug FROM registry.tenant t WHERE t.tenant_id = $1::uuid
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_slice
-- long: yes
-- The next subjects of one family. No min(): while the table has no statistics, as when it has just been filled, the
-- server reads all that is left for it.
SELECT s.family, s.subject FROM registry.reconciliation_subject s
WHERE s.tenant_id = $1::uuid AND s.run_id = $2::uuid
  AND s.family = (
    SELECT n.family FROM registry.reconciliation_subject n
    WHERE n.tenant_id = $1 AND n.run_id = $2 ORDER BY n.family LIMIT 1)
ORDER BY s.subject LIMIT $3::bigint;

-- name: reconciliation_slice_done
-- long: yes
-- The subjects are the first of their family, in order, so that the last of them ($4) stands for all.
DELETE FROM registry.reconciliation_subject
WHERE tenant_id = $1::uuid AND run_id = $2::uuid AND family = $3::text AND subject <= $4::text;
