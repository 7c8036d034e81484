-- name: tenant_insert
INSERT INTO registry.tenant (tenant_id, slug, environment, dev_id, terra_base_url, terra_widget_url, return_urls,
  grace_seconds, session_expiry_seconds, horizon_seconds, signature_failing_seconds, shadow, binds_browser,
  provider_every_seconds, repair)
SELECT $1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text[], $8::double precision,
  $9::double precision, $10::double precision, $11::double precision, $12::boolean,
  $13::boolean, $14::double precision, $15::text
WHERE $1::uuid IS NOT NULL
ON CONFLICT (tenant_id) DO NOTHING;

-- name: tenant_update
-- What is null stays as it is.
UPDATE registry.tenant SET
  return_urls = coalesce($2::text[], return_urls), terra_base_url = coalesce($3::text, terra_base_url),
  terra_widget_url = coalesce($4::text, terra_widget_url), grace_seconds = coalesce($5::double precision, grace_seconds),
  session_expiry_seconds = coalesce($6::double precision, session_expiry_seconds),
  horizon_seconds = coalesce($7::double precision, horizon_seconds),
  signature_failing_seconds = coalesce($8::double precision, signature_failing_seconds),
  shadow = coalesce($9::boolean, shadow), binds_browser = coalesce($10::boolean, binds_browser),
  provider_every_seconds = coalesce($11::double precision, provider_every_seconds), repair = coalesce($12::text, repair),
  dev_id = coalesce($13::text, dev_id), copies_terra_users = coalesce($14::boolean, copies_terra_users)
WHERE tenant_id = $1::uuid;

-- name: tenant_show
SELECT t.tenant_id, t.slug, t.environment, t.disabled_at, t.shadow, t.dev_id, t.terra_base_url, t.terra_widget_url,
  t.return_urls, t.grace_seconds, t.session_expiry_seconds, t.horizon_seconds, t.signature_failing_seconds, t.binds_browser,
  t.provider_every_seconds, t.repair, t.copies_terra_users, t.created_at
FROM registry.tenant t WHERE t.tenant_id = $1::uuid;

-- name: tenant_list
-- long: yes
-- role: worker
SELECT t.tenant_id, t.slug, t.environment, t.disabled_at, t.shadow, t.dev_id, t.terra_base_url, t.terra_widget_url,
  t.return_urls, t.grace_seconds, t.session_expiry_seconds, t.horizon_seconds, t.signature_failing_seconds, t.binds_browser,
  t.provider_every_seconds, t.repair, t.copies_terra_users, t.created_at
FROM registry.tenant t
WHERE $1::text IS NULL OR t.slug > $1
ORDER BY t.slug LIMIT $2::bigint;

-- name: tenant_secret_insert_first
-- The first secret of a purpose, in the transaction that makes the tenant: of two that make it at once, whoever
-- comes second waits at the tenant's row and then finds the other's.
INSERT INTO registry.tenant_secret (tenant_id, secret_id, purpose, sealed)
SELECT $1::uuid, $2::uuid, $3::text, $4::bytea
WHERE NOT EXISTS (SELECT 1 FROM registry.tenant_secret s WHERE s.tenant_id = $1 AND s.purpose = $3)
ON CONFLICT (tenant_id, secret_id) DO NOTHING;

-- name: tenant_secret_insert
INSERT INTO registry.tenant_secret (tenant_id, secret_id, purpose, sealed)
VALUES ($1::uuid, $2::uuid, $3::text, $4::bytea)
ON CONFLICT (tenant_id, secret_id) DO NOTHING;

-- name: tenant_secret_list
SELECT s.secret_id, s.purpose, s.sealed, s.created_at FROM registry.tenant_secret s
WHERE s.tenant_id = $1::uuid AND (s.retired_at IS NULL OR s.retired_at > now())
ORDER BY s.created_at DESC, s.secret_id DESC;

-- name: tenant_secret_retire
-- The secrets of one purpose hold for $4 seconds more, but for the one named ($3), which stays.
UPDATE registry.tenant_secret
SET retired_at = least(retired_at, now() + make_interval(secs => $4::double precision))
WHERE tenant_id = $1::uuid AND purpose = $2::text AND secret_id <> $3::uuid
  AND (retired_at IS NULL OR retired_at > now());

-- name: tenant_disable
-- A tenant that is disabled is one that does not exist, for whoever asks from outside.
UPDATE registry.tenant SET disabled_at = CASE WHEN $2::boolean THEN coalesce(disabled_at, now()) END
WHERE tenant_id = $1::uuid;

-- name: api_key_insert
INSERT INTO registry.api_key (tenant_id, key_id, key_sha256, name, scopes, expires_at)
VALUES ($1::uuid, $2::uuid, $3::bytea, $4::text, $5::text[], $6::timestamptz)
ON CONFLICT (tenant_id, key_id) DO NOTHING;

-- name: api_key_find
-- With whether it is a minute since its use was written, so that looking for a key writes nothing.
SELECT k.key_id, k.name, k.scopes, k.created_at, k.expires_at, k.revoked_at, t.slug, t.disabled_at,
  k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS is_use_due
FROM registry.api_key k JOIN registry.tenant t ON t.tenant_id = k.tenant_id
WHERE k.tenant_id = $1::uuid AND t.tenant_id = $1 AND k.key_sha256 = $2::bytea;

-- name: api_key_list
SELECT k.key_id, k.name, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at
FROM registry.api_key k
WHERE k.tenant_id = $1::uuid AND ($2::uuid IS NULL OR k.key_id = $2)
  AND ($3::timestamptz IS NULL OR (k.created_at, k.key_id) > ($3, $4::uuid))
  AND ($6::timestamptz IS NULL OR k.created_at >= $6) AND ($7::timestamptz IS NULL OR k.created_at < $7)
ORDER BY k.created_at, k.key_id LIMIT $5::bigint;

-- name: api_key_revoke
UPDATE registry.api_key SET revoked_at = now()
WHERE tenant_id = $1::uuid AND key_id = $2::uuid AND revoked_at IS NULL;

-- name: api_key_rotate
-- The successor of $2: the same name and scopes, and where $6 says so the same length of life, while the key that it
-- follows still holds.
INSERT INTO registry.api_key (tenant_id, key_id, key_sha256, name, scopes, expires_at)
SELECT $1::uuid, $3::uuid, $4::bytea, k.name, k.scopes,
  CASE WHEN $6::boolean THEN now() + (k.expires_at - k.created_at) ELSE $5::timestamptz END
FROM registry.api_key k
WHERE k.tenant_id = $1 AND k.key_id = $2::uuid AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
ON CONFLICT (tenant_id, key_id) DO NOTHING;

-- name: api_key_end
-- The key ends after the overlap, or before where it was to end before; only where its successor ($4) was made.
UPDATE registry.api_key AS k SET expires_at = least(k.expires_at, $3::timestamptz)
WHERE k.tenant_id = $1::uuid AND k.key_id = $2::uuid AND EXISTS (
  SELECT FROM registry.api_key n WHERE n.tenant_id = $1 AND n.key_id = $4::uuid);

-- name: api_key_used
-- At most once a minute, so that a busy key is not a hot row.
UPDATE registry.api_key SET last_used_at = now()
WHERE tenant_id = $1::uuid AND key_sha256 = $2::bytea AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > now())
  AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');
