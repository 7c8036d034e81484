-- Logins that may call the functions of the schema registry_api for a tenant.

-- name: embedder_insert
INSERT INTO registry.embedder (tenant_id, login) VALUES ($1::uuid, $2::text)
ON CONFLICT (tenant_id, login) DO NOTHING;

-- name: embedder_delete
DELETE FROM registry.embedder e WHERE e.tenant_id = $1::uuid AND e.login = $2::text;

-- name: embedder_list
SELECT e.login, e.created_at FROM registry.embedder e WHERE e.tenant_id = $1::uuid ORDER BY e.login;
