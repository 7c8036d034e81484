-- name: reconciliation_state_insert
-- long: yes
INSERT INTO registry.reconciliation_state (tenant_id) VALUES ($1::uuid)
ON CONFLICT (tenant_id) DO NOTHING;

-- name: reconciliation_claim
-- long: yes
-- The row is the lock: one run per tenant across all replicas. A lease that ran out is a run that was killed;
-- a repetition after a lost answer finds its own claim.
UPDATE registry.reconciliation_state
SET run_id = $2::uuid, lease_until = now() + make_interval(secs => $3::double precision)
WHERE tenant_id = $1::uuid AND (run_id IS NULL OR lease_until < now() OR run_id = $2)
RETURNING watermark, lease_until - make_interval(secs => $3) AS window_end;

-- name: reconciliation_abandon_others
-- long: yes
UPDATE registry.reconciliation_run
SET outcome = 'failed', error = 'the run was interrupted', finished_at = now()
WHERE tenant_id = $1::uuid AND outcome = 'running' AND run_id <> $2::uuid;

-- name: reconciliation_run_insert
-- long: yes
INSERT INTO registry.reconciliation_run (tenant_id, run_id, window_start, window_end)
VALUES ($1::uuid, $2::uuid, $3::timestamptz, $4::timestamptz)
ON CONFLICT (tenant_id, run_id) DO NOTHING;

-- name: reconciliation_subject_clear
-- long: yes
DELETE FROM registry.reconciliation_subject WHERE tenant_id = $1::uuid;

-- name: reconciliation_collect_sessions
-- long: yes
-- Sessions that fell due in the window, or about which an event or a callback was recorded in it, and those
-- with an open finding. The window ($3) is already widened by the grace and the overlap.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'session', d.session_id::text
FROM (
  SELECT s.session_id FROM registry.auth_session s
  WHERE s.tenant_id = $1 AND s.expires_at > coalesce($3::timestamptz, '-infinity') AND s.expires_at <= $4::timestamptz
  UNION
  SELECT s.session_id
  FROM registry.auth_event e
  JOIN registry.auth_session s ON s.tenant_id = $1 AND s.user_id = e.user_id
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3, '-infinity') AND e.recorded_at <= $4
  UNION
  SELECT s.session_id
  FROM registry.auth_event e
  JOIN registry.auth_session s ON s.tenant_id = $1 AND s.terra_session_id = e.widget_session_id
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3, '-infinity') AND e.recorded_at <= $4
  UNION
  SELECT s.session_id
  FROM registry.auth_event e
  JOIN registry.redirect_callback b
    ON b.tenant_id = $1 AND b.user_id = e.user_id AND octet_length(b.user_id) <= 256 AND b.outcome = 'success'
  JOIN registry.auth_session s ON s.tenant_id = $1 AND s.attempt_sha256 = b.attempt_sha256
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3, '-infinity') AND e.recorded_at <= $4
    AND e.widget_session_id IS NULL
  UNION
  -- A later event about an id that an earlier one tied to the session.
  SELECT s.session_id
  FROM registry.auth_event e
  JOIN registry.auth_event o ON o.tenant_id = $1 AND o.user_id = e.user_id
  JOIN registry.auth_session s ON s.tenant_id = $1 AND s.terra_session_id = o.widget_session_id
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3, '-infinity') AND e.recorded_at <= $4
    AND e.kind IN ('auth_success', 'user_reauth') AND o.kind = 'auth_success' AND o.widget_session_id IS NOT NULL
  UNION
  SELECT s.session_id
  FROM registry.redirect_callback b
  JOIN registry.auth_session s ON s.tenant_id = $1 AND s.attempt_sha256 = b.attempt_sha256
  WHERE b.tenant_id = $1 AND b.recorded_at > coalesce($3, '-infinity') AND b.recorded_at <= $4
  UNION
  SELECT f.subject::uuid FROM registry.finding f
  WHERE f.tenant_id = $1 AND f.family = 'session' AND f.status IN ('open', 'acknowledged')
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_connections
-- long: yes
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
  SELECT c.user_id FROM registry.connection c
  WHERE c.tenant_id = $1 AND c.recorded_at > coalesce($3, '-infinity') AND c.recorded_at <= $4
  UNION
  SELECT f.subject FROM registry.finding f
  WHERE f.tenant_id = $1 AND f.family = 'user_id' AND f.status IN ('open', 'acknowledged')
  UNION
  -- When the subject itself leaves a group of live ids, what is left of the group is judged anew.
  SELECT w.witness ->> 'id'
  FROM registry.finding f CROSS JOIN LATERAL jsonb_array_elements(f.evidence) AS w (witness)
  WHERE f.tenant_id = $1 AND f.family = 'user_id' AND f.kind = 'duplicate_active'
    AND f.status IN ('open', 'acknowledged')
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_attempts
-- long: yes
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'attempt', d.attempt
FROM (
  SELECT encode(b.attempt_sha256, 'hex') AS attempt FROM registry.redirect_callback b
  WHERE b.tenant_id = $1 AND b.recorded_at > coalesce($3::timestamptz, '-infinity') AND b.recorded_at <= $4::timestamptz
    AND NOT EXISTS (
      SELECT 1 FROM registry.auth_session s WHERE s.tenant_id = $1 AND s.attempt_sha256 = b.attempt_sha256)
  UNION
  SELECT f.subject FROM registry.finding f
  WHERE f.tenant_id = $1 AND f.family = 'attempt' AND f.subject_type = 'attempt'
    AND f.status IN ('open', 'acknowledged')
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
  UNION
  SELECT f.subject FROM registry.finding f
  WHERE f.tenant_id = $1 AND f.family = 'receipt' AND f.status IN ('open', 'acknowledged')
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_tenant
-- long: yes
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT t.tenant_id, $2::uuid, 'tenant', t.slug FROM registry.tenant t WHERE t.tenant_id = $1::uuid
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_slice
-- long: yes
-- The next subjects of one family, and the lease renewed by the statement beside this one.
SELECT s.family, s.subject FROM registry.reconciliation_subject s
WHERE s.tenant_id = $1::uuid AND s.run_id = $2::uuid
  AND s.family = (SELECT min(n.family) FROM registry.reconciliation_subject n WHERE n.tenant_id = $1 AND n.run_id = $2)
ORDER BY s.subject LIMIT $3::bigint;

-- name: reconciliation_slice_done
-- long: yes
DELETE FROM registry.reconciliation_subject
WHERE tenant_id = $1::uuid AND run_id = $2::uuid AND family = $3::text AND subject = ANY ($4::text[]);

-- name: reconciliation_renew
-- long: yes
UPDATE registry.reconciliation_state SET lease_until = now() + make_interval(secs => $3::double precision)
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_finish
-- long: yes
UPDATE registry.reconciliation_run AS r
SET outcome = $3::text, finished_at = now(), examined = $4::bigint, error = $5::text,
  found_new = (SELECT count(*) FROM registry.finding f
               WHERE f.tenant_id = $1 AND f.opened_run = $2 AND f.status IN ('open', 'acknowledged')),
  persisting = (SELECT count(*) FROM registry.finding f
                WHERE f.tenant_id = $1 AND f.opened_run <> $2 AND f.status IN ('open', 'acknowledged')),
  resolved = (SELECT count(*) FROM registry.finding f WHERE f.tenant_id = $1 AND f.resolved_run = $2)
WHERE r.tenant_id = $1::uuid AND r.run_id = $2::uuid AND r.outcome = 'running';

-- name: reconciliation_release
-- long: yes
-- The watermark moves only with a complete run ($3), so an interrupted one is repeated as a whole.
UPDATE registry.reconciliation_state
SET run_id = NULL, lease_until = NULL, watermark = coalesce($3::timestamptz, watermark)
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_run_list
-- long: yes
SELECT r.run_id, r.started_at, r.finished_at, r.window_start, r.window_end, r.outcome, r.examined, r.found_new,
  r.persisting, r.resolved, r.error
FROM registry.reconciliation_run r
WHERE r.tenant_id = $1::uuid AND ($2::uuid IS NULL OR r.run_id = $2)
  AND ($3::timestamptz IS NULL OR (r.started_at, r.run_id) < ($3, $4::uuid))
ORDER BY r.started_at DESC, r.run_id DESC LIMIT $5::bigint;
