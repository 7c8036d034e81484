-- name: audit_entry_insert
-- Who ($3) did what ($4) to what ($5), in the transaction that does it, and only where that took effect; where one cannot
-- tell afterwards it stands before the statement that does it, and only where that will: the row stays locked until then.
INSERT INTO registry.audit_entry (tenant_id, audit_id, actor, action, subject, detail)
SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::jsonb
WHERE CASE $4
  WHEN 'app_user.merge' THEN EXISTS (
    SELECT FROM registry.app_user_merge m
    WHERE m.tenant_id = $1 AND m.reference_id = $5 AND m.recorded_at = now())
  WHEN 'event.accept' THEN EXISTS (
    SELECT FROM registry.auth_event e
    WHERE e.tenant_id = $1 AND e.recorded_at = now() AND e.body_sha256 = decode($6::jsonb ->> 'body_sha256', 'hex'))
  WHEN 'event.replay' THEN EXISTS (
    SELECT FROM registry.auth_event e
    WHERE e.tenant_id = $1 AND e.recorded_at = now() AND e.body_sha256 = decode($6::jsonb ->> 'body_sha256', 'hex'))
  WHEN 'finding.repair' THEN EXISTS (
    SELECT FROM registry.finding f
    WHERE f.tenant_id = $1 AND f.finding_id = $5::uuid AND f.status = 'repaired'
      AND f.repair_correction = ($6::jsonb ->> 'correction')::uuid)
  WHEN 'finding.undo' THEN EXISTS (
    SELECT FROM registry.correction k WHERE k.tenant_id = $1 AND k.correction_id = ($6::jsonb ->> 'correction')::uuid)
  WHEN 'api_key.revoke' THEN EXISTS (
    SELECT FROM registry.api_key k WHERE k.tenant_id = $1 AND k.key_id = $5::uuid AND k.revoked_at = now())
  WHEN 'api_key.rotate' THEN EXISTS (
    SELECT FROM registry.api_key k WHERE k.tenant_id = $1 AND k.key_id = ($6::jsonb ->> 'successor')::uuid)
  WHEN 'api_key.create' THEN EXISTS (
    SELECT FROM registry.api_key k WHERE k.tenant_id = $1 AND k.key_id = $5::uuid)
  WHEN 'endpoint.add' THEN EXISTS (
    SELECT FROM registry.endpoint e WHERE e.tenant_id = $1 AND e.endpoint_id = $5::uuid)
  WHEN 'endpoint.rotate_secret' THEN EXISTS (
    SELECT FROM registry.endpoint e WHERE e.tenant_id = $1 AND e.endpoint_id = $5::uuid AND e.removed_at IS NULL)
  WHEN 'endpoint.enable' THEN EXISTS (
    SELECT FROM registry.endpoint e
    WHERE e.tenant_id = $1 AND e.endpoint_id = $5::uuid AND e.removed_at IS NULL
      AND (e.disabled_at IS NOT NULL OR e.failing_since IS NOT NULL OR e.paused_until IS NOT NULL)
    FOR UPDATE OF e)
  WHEN 'endpoint.disable' THEN EXISTS (
    SELECT FROM registry.endpoint e
    WHERE e.tenant_id = $1 AND e.endpoint_id = $5::uuid AND e.removed_at IS NULL AND e.disabled_at IS NULL
    FOR UPDATE OF e)
  WHEN 'endpoint.remove' THEN EXISTS (
    SELECT FROM registry.endpoint e WHERE e.tenant_id = $1 AND e.endpoint_id = $5::uuid AND e.removed_at IS NULL
    FOR UPDATE OF e)
  ELSE true
END
ON CONFLICT (tenant_id, audit_id) DO NOTHING;
