-- name: idempotent_request_claim
-- The first request under a key takes it. No row written means: another one has, or this is a repetition.
INSERT INTO registry.idempotent_request (tenant_id, operation, idempotency_key, request_sha256, claim_id, lease_until)
VALUES ($1::uuid, $2::text, $3::text, $4::bytea, $5::uuid, now() + make_interval(secs => $6::double precision))
ON CONFLICT (tenant_id, operation, idempotency_key) DO NOTHING;

-- name: idempotent_request_take_over
-- A request that never answered has ended with its process, or another key's time is over ($5: how long keys are kept).
UPDATE registry.idempotent_request
SET claim_id = $4::uuid, request_sha256 = $6::bytea, status = NULL, location = NULL, sealed_body = NULL,
  created_at = now(), lease_until = now() + make_interval(secs => $7::double precision)
WHERE tenant_id = $1::uuid AND operation = $2::text AND idempotency_key = $3::text
  AND (status IS NULL AND lease_until < now() OR created_at < now() - make_interval(secs => $5::double precision));

-- name: idempotent_request_find
SELECT r.request_sha256, r.claim_id, r.status, r.location, r.sealed_body
FROM registry.idempotent_request r
WHERE r.tenant_id = $1::uuid AND r.operation = $2::text AND r.idempotency_key = $3::text;

-- name: idempotent_request_answer
UPDATE registry.idempotent_request SET status = $5::integer, location = $6::text, sealed_body = $7::bytea
WHERE tenant_id = $1::uuid AND operation = $2::text AND idempotency_key = $3::text AND claim_id = $4::uuid
  AND NOT EXISTS (
    SELECT FROM unnest($8::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e);

-- name: idempotent_request_release
-- Nothing was done: whoever asks again may try anew.
DELETE FROM registry.idempotent_request
WHERE tenant_id = $1::uuid AND operation = $2::text AND idempotency_key = $3::text AND claim_id = $4::uuid
  AND status IS NULL;

-- name: idempotent_request_expire
-- Those whose time is over, a few at a time ($3).
DELETE FROM registry.idempotent_request
WHERE tenant_id = $1::uuid AND (operation, idempotency_key) IN (
  SELECT o.operation, o.idempotency_key FROM registry.idempotent_request o
  WHERE o.tenant_id = $1 AND o.created_at < now() - make_interval(secs => $2::double precision)
  ORDER BY o.created_at LIMIT $3::bigint);
