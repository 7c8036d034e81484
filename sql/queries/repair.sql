-- name: repair_candidates
-- long: yes
-- Open findings that an answer of Terra's can settle, with the ids to ask about, oldest first, after ($3, $4), all of them
-- or those of $6, which may be acknowledged.
SELECT f.finding_id, f.kind, f.reason_code, f.subject_type, f.subject, f.first_seen_at, t.user_id, t.session_id,
  t.reference_id, t.resource, t.multi_auth, t.session_at, t.claims, c.status, c.recorded_at
FROM registry.finding f
LEFT JOIN LATERAL (
  SELECT f.subject AS user_id, NULL::uuid AS session_id, NULL::text AS reference_id, NULL::text AS resource,
    false AS multi_auth, NULL::timestamptz AS session_at, 0::bigint AS claims
  WHERE f.subject_type = 'user_id'
  UNION ALL
  SELECT coalesce(s.user_id, CASE WHEN b.claims = 1 THEN b.user_id END), s.session_id, s.reference_id, s.resource,
    s.multi_auth, s.created_at, b.claims
  FROM registry.auth_session s
  CROSS JOIN LATERAL (
    SELECT min(x.user_id) AS user_id, count(DISTINCT x.user_id) AS claims FROM registry.redirect_callback x
    WHERE x.tenant_id = $1 AND x.attempt_sha256 = s.attempt_sha256 AND x.outcome = 'success'
      AND octet_length(x.user_id) <= 256) b
  WHERE f.subject_type = 'session' AND s.tenant_id = $1 AND s.session_id = f.subject::uuid
) t ON true
LEFT JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = t.user_id
WHERE f.tenant_id = $1::uuid AND (f.status = 'open' OR $6::uuid[] IS NOT NULL AND f.status = 'acknowledged')
  AND f.kind = ANY ($2::text[])
  AND ($3::timestamptz IS NULL OR (f.first_seen_at, f.finding_id) > ($3, $4::uuid))
  AND ($6 IS NULL OR f.finding_id = ANY ($6))
ORDER BY f.first_seen_at, f.finding_id LIMIT $5::bigint;

-- name: correction_insert_if_live
-- Terra does not know the connection any more: written only where the connection is still as it was when Terra was
-- asked ($8), and still live, and the finding that says so ($10) still stands. Both rows stay locked for the statements after
-- this one.
INSERT INTO registry.correction (tenant_id, correction_id, occurred_at, user_id, verdict, source, reason, evidence)
SELECT c.tenant_id, $2::uuid, $3::timestamptz, c.user_id, 'gone', $5::text, $6::text, $7::jsonb
FROM registry.connection c
JOIN registry.finding f ON f.tenant_id = $1 AND f.finding_id = $10::uuid AND f.status IN ('open', 'acknowledged')
WHERE c.tenant_id = $1::uuid AND c.user_id = $4::text AND c.status IN ('active', 'degraded')
  AND c.recorded_at = $8::timestamptz AND NOT EXISTS (
    SELECT FROM unnest($9::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
FOR UPDATE OF c, f
ON CONFLICT (tenant_id, correction_id) DO NOTHING;

-- name: connection_apply_correction
-- Joins a correction that was written ($3) into its connection, with the order key $4. No such correction, no change.
UPDATE registry.connection AS c
SET correction_verdict = k.verdict, correction_key = $4::text, recorded_at = now(), changed_at = now()
FROM registry.correction k
WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text AND k.tenant_id = $1 AND k.correction_id = $3::uuid
  AND k.user_id = c.user_id
  AND ($4, k.verdict) > (coalesce(c.correction_key, ''), coalesce(c.correction_verdict, ''));

-- name: finding_repaired
-- long: yes
-- In the transaction that writes the correction: only where this was written ($5) and the connection ($4) is now as the
-- correction says ($6: live), for the reason $7. Repeated, because the answer to a COMMIT was lost, it finds the same.
UPDATE registry.finding
SET status = 'repaired', resolved_at = now(), resolved_run = $3::uuid, repair_reason = $7::text, repair_at = now(),
  repair_act = CASE WHEN $6::boolean THEN 'confirmed' ELSE 'ended' END, repair_correction = $5::uuid
WHERE tenant_id = $1::uuid AND finding_id = $2::uuid
  AND (status IN ('open', 'acknowledged') OR status = 'repaired' AND repair_correction = $5::uuid)
  AND EXISTS (SELECT 1 FROM registry.correction k WHERE k.tenant_id = $1 AND k.correction_id = $5::uuid)
  AND EXISTS (
    SELECT 1 FROM registry.connection c
    WHERE c.tenant_id = $1 AND c.user_id = $4::text AND (c.status IN ('active', 'degraded')) = $6::boolean);

-- name: repair_witnesses
-- long: yes
-- Live connections of which a signed webhook has spoken and which the last complete listing holds: Terra, asked with the
-- right key, knows them. What corrections alone show alive is none of them: the key of another environment may have
-- brought it here, and knows it.
SELECT c.user_id
FROM registry.provider_listing_user u
JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = u.user_id
WHERE u.tenant_id = $1::uuid AND c.status IN ('active', 'degraded') AND NOT u.conflicting
  AND (c.alive_key IS NOT NULL OR c.data_key IS NOT NULL)
  AND u.listing_id = (
    SELECT l.listing_id FROM registry.provider_listing l
    WHERE l.tenant_id = $1 AND l.outcome = 'complete' ORDER BY l.started_at DESC, l.listing_id DESC LIMIT 1)
ORDER BY u.user_id LIMIT $2::bigint;

-- name: connection_witnesses
-- long: yes
-- The newest live connections besides $2 of which a signed webhook has spoken: Terra, asked with the right key, knows them.
SELECT c.user_id FROM registry.connection c
WHERE c.tenant_id = $1::uuid AND c.user_id <> $2::text AND c.status IN ('active', 'degraded')
  AND (c.alive_key IS NOT NULL OR c.data_key IS NOT NULL)
ORDER BY c.created_at DESC, c.user_id DESC LIMIT $3::bigint;

-- name: connection_of_another_tenant
-- role: worker
-- Whether $2 is alive with another tenant, which no repair of this one may take over.
SELECT EXISTS (
  SELECT FROM registry.connection c
  JOIN registry.tenant t ON t.tenant_id = c.tenant_id
  WHERE c.user_id = $2::text AND c.tenant_id <> $1::uuid AND c.status IN ('active', 'degraded') AND t.disabled_at IS NULL
) AS is_foreign;
