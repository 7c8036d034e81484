-- name: endpoint_tenant_lock
-- Waits for the changes of this tenant that are being written, and lets others wait: each of them shares the tenant's
-- row (connection_change_tenant, finding_change_tenant) before it looks for endpoints.
SELECT t.tenant_id FROM registry.tenant t WHERE t.tenant_id = $1::uuid FOR UPDATE;

-- name: endpoint_insert
-- Behind endpoint_tenant_lock, so that nobody adds another between the count and this: up to $8 for a tenant.
INSERT INTO registry.endpoint (tenant_id, endpoint_id, url, description, statuses, sealed_secret, finding_types)
SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::text[], $6::bytea, $7::text[]
WHERE (SELECT count(*) FROM registry.endpoint e WHERE e.tenant_id = $1 AND e.removed_at IS NULL) < $8::bigint
ON CONFLICT (tenant_id, endpoint_id) DO NOTHING;

-- name: endpoint_list
-- include: endpoint_columns
SELECT
--> endpoint_columns
FROM registry.endpoint e
WHERE e.tenant_id = $1::uuid AND e.removed_at IS NULL AND ($2::uuid IS NULL OR e.endpoint_id = $2)
  AND ($3::timestamptz IS NULL OR (e.created_at, e.endpoint_id) > ($3, $4::uuid))
ORDER BY e.created_at, e.endpoint_id LIMIT $5::bigint;

-- name: endpoint_update_audit
-- Before endpoint_update, where that will change something: the same conditions ($3 to $6), and the row stays locked.
INSERT INTO registry.audit_entry (tenant_id, audit_id, actor, action, subject, detail)
SELECT $1::uuid, $7::uuid, $8::text, 'endpoint.update', e.endpoint_id::text, $9::jsonb
FROM registry.endpoint e
WHERE e.tenant_id = $1 AND e.endpoint_id = $2::uuid AND e.removed_at IS NULL
  AND ($3::text IS NULL OR e.url = $3 AND e.description = $4::text AND e.statuses IS NOT DISTINCT FROM $5::text[]
    AND e.finding_types = $6::text[])
FOR UPDATE OF e
ON CONFLICT (tenant_id, audit_id) DO NOTHING;

-- name: endpoint_update
-- Only while it is as it was read ($7 to $10), where $7 is given.
UPDATE registry.endpoint SET url = $3::text, description = $4::text, statuses = $5::text[], finding_types = $6::text[]
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid AND removed_at IS NULL
  AND ($7::text IS NULL OR url = $7 AND description = $8::text AND statuses IS NOT DISTINCT FROM $9::text[]
    AND finding_types = $10::text[]);

-- name: endpoint_enable
-- What waited is due from $3 on, with all its attempts before it (delivery_release); whoever serves the endpoint sees to it.
UPDATE registry.endpoint
SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, paused_until = NULL,
  backlog_due_at = $3::timestamptz, backlog_resets = true
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid AND removed_at IS NULL;

-- name: endpoint_rotate
-- The secret of now signs until $4 beside the new one; a repetition finds the new one in place.
UPDATE registry.endpoint SET sealed_previous = sealed_secret, previous_until = $4::timestamptz, sealed_secret = $3::bytea
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid AND removed_at IS NULL AND sealed_secret <> $3;

-- name: endpoint_remove
UPDATE registry.endpoint
SET removed_at = now(), url = NULL, description = '', sealed_secret = NULL, sealed_previous = NULL, previous_until = NULL
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid AND removed_at IS NULL;
