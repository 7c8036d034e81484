-- name: auth_session_insert
-- Before Terra is asked. No row written means: the idempotency key is taken, or this is a repetition.
INSERT INTO registry.auth_session (tenant_id, session_id, kind, attempt_sha256, sealed_attempt, reference_id, resource,
  multi_auth, return_success, return_failure, idempotency_key, request_sha256, expires_at, channel, replaces, is_bound)
SELECT $1::uuid, $2::uuid, $3::text, $4::bytea, $5::bytea, $6::text, $7::text, $8::boolean, $9::text, $10::text,
  $11::text, $12::bytea, $13::timestamptz, $14::text,
  CASE WHEN NOT EXISTS (
    SELECT FROM unnest($17::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
    THEN $15::text END,
  $16::boolean
ON CONFLICT DO NOTHING;

-- name: auth_session_by_idempotency_key
SELECT s.session_id, s.kind, s.sealed_attempt, s.sealed_token, s.is_bound, s.request_sha256, s.auth_url, s.answered_at,
  s.refused_reason, s.refused_code, s.refused_status, s.created_at, s.expires_at
FROM registry.auth_session s WHERE s.tenant_id = $1::uuid AND s.idempotency_key = $2::text;

-- name: auth_session_answered
-- Of two requests with one idempotency key the first answer stays. The attempt token of a session that is bound to its
-- browser stays sealed, because a repetition must give out the URL that holds it. An id that was erased ($8) is left out.
UPDATE registry.auth_session
SET user_id = CASE WHEN NOT EXISTS (
    SELECT FROM unnest($8::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
    THEN $3::text END,
  terra_session_id = $4::text, auth_url = $5::text, expires_at = $6::timestamptz,
  answered_at = now(), sealed_attempt = CASE WHEN is_bound THEN sealed_attempt END, sealed_token = $7::bytea,
  refused_reason = NULL, refused_code = NULL, refused_status = NULL
WHERE tenant_id = $1::uuid AND session_id = $2::uuid AND auth_url IS NULL AND sealed_token IS NULL;

-- name: auth_session_refused
-- The token is kept where a repetition of the request may ask Terra again ($5).
UPDATE registry.auth_session
SET refused_reason = $3::text, refused_status = $4::integer, refused_code = $6::text, answered_at = now(),
  sealed_attempt = CASE WHEN $5::boolean THEN sealed_attempt END
WHERE tenant_id = $1::uuid AND session_id = $2::uuid AND auth_url IS NULL AND sealed_token IS NULL;

-- name: auth_session_by_attempt
SELECT s.session_id, s.return_success, s.return_failure, s.auth_url, s.is_bound, s.expires_at,
  s.expires_at <= now() AS is_expired
FROM registry.auth_session s WHERE s.tenant_id = $1::uuid AND s.attempt_sha256 = $2::bytea;

-- name: redirect_callback_insert
-- A reload is the same claim, and writes nothing.
INSERT INTO registry.redirect_callback (tenant_id, callback_id, attempt_sha256, claim_sha256, outcome, user_id,
  reference_id, resource, reason, ambiguous, raw_query, is_bound)
SELECT $1::uuid, $2::uuid, $3::bytea, $4::bytea, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text[],
  $11::text, $12::boolean
WHERE NOT EXISTS (
    SELECT FROM unnest($13::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
ON CONFLICT (tenant_id, claim_sha256) DO NOTHING;
