-- name: auth_event_key_claim
-- Makes the deliveries of one event share one event id: the id that one of the keys already has, else $3.
-- Two deliveries at once meet at the primary key, in the order of the keys. Each key is looked up by itself: with
-- `= ANY`, a plan made while the table was small reads all of a tenant's keys for each event. Nothing is written about
-- whom an erasure took out: $4, as ErasedSubject makes it, and so in all statements that take in what comes from outside.
INSERT INTO registry.auth_event_key (tenant_id, dedup_key, event_id)
SELECT $1::uuid, claimed.dedup_key,
  coalesce(
    (SELECT known.event_id
     FROM unnest($2::text[]) AS wanted (dedup_key)
     CROSS JOIN LATERAL (
       SELECT k.event_id FROM registry.auth_event_key k
       WHERE k.tenant_id = $1 AND k.dedup_key = wanted.dedup_key LIMIT 1) AS known
     ORDER BY wanted.dedup_key COLLATE "C" LIMIT 1),
    $3::uuid)
FROM unnest($2::text[]) AS claimed (dedup_key)
WHERE NOT EXISTS (
    SELECT FROM unnest($4::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
ORDER BY claimed.dedup_key
ON CONFLICT (tenant_id, dedup_key) DO NOTHING;

-- name: auth_event_insert
-- Writes the event under the id of its first key ($2). No row written means: a duplicate.
INSERT INTO registry.auth_event (tenant_id, event_id, signed_at, occurred_at, channel, kind, type, status, user_id,
  old_user_id, reference_id, old_reference_id, resource, widget_session_id, reason, trace_id, body, body_sha256)
SELECT $1::uuid, k.event_id, $3::timestamptz, $4::timestamptz, $5::text, $6::text, $7::text, $8::text, $9::text,
  $10::text, $11::text, $12::text, $13::text, $14::text, $15::text, $16::text, $17::bytea, $18::bytea
FROM registry.auth_event_key k
WHERE k.tenant_id = $1 AND k.dedup_key = $2::text AND NOT EXISTS (
    SELECT FROM unnest($19::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
ON CONFLICT (tenant_id, event_id) DO NOTHING;

-- name: app_user_insert
INSERT INTO registry.app_user (tenant_id, reference_id)
SELECT $1::uuid, named.reference_id FROM unnest($2::text[]) AS named (reference_id)
WHERE NOT EXISTS (
    SELECT FROM unnest($3::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
ORDER BY named.reference_id
ON CONFLICT (tenant_id, reference_id) DO NOTHING;

-- name: connection_join
-- Joins what one fact says of one user_id into its row: each register keeps its greatest key. Nothing is
-- read before, and a repetition grows no register, so it writes nothing (but takes the row lock). Data that only comes
-- again and again moves recorded_at and not changed_at, by which runs know what they have to judge.
INSERT INTO registry.connection AS c (tenant_id, user_id, auth_key, degraded_key, alive_key, failed_key, revoked_key,
  deauthenticated_key, superseded_key, superseded_by, data_key, correction_key, correction_verdict,
  reference_key, reference_id, resource_key, resource, scopes_key, scopes)
SELECT $1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text,
  $11::text, $12::text, $13::text, $14::text, $15::text, $16::text, $17::text, $18::text, $19::text
WHERE NOT EXISTS (
    SELECT FROM unnest($20::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET
  auth_key            = greatest(c.auth_key, excluded.auth_key),
  degraded_key        = greatest(c.degraded_key, excluded.degraded_key),
  alive_key           = greatest(c.alive_key, excluded.alive_key),
  failed_key          = greatest(c.failed_key, excluded.failed_key),
  revoked_key         = greatest(c.revoked_key, excluded.revoked_key),
  deauthenticated_key = greatest(c.deauthenticated_key, excluded.deauthenticated_key),
  superseded_by       = CASE WHEN (excluded.superseded_key, excluded.superseded_by)
                             > (coalesce(c.superseded_key, ''), coalesce(c.superseded_by, ''))
                             THEN excluded.superseded_by ELSE c.superseded_by END,
  superseded_key      = greatest(c.superseded_key, excluded.superseded_key),
  data_key            = greatest(c.data_key, excluded.data_key),
  correction_verdict  = CASE WHEN (excluded.correction_key, excluded.correction_verdict)
                             > (coalesce(c.correction_key, ''), coalesce(c.correction_verdict, ''))
                             THEN excluded.correction_verdict ELSE c.correction_verdict END,
  correction_key      = greatest(c.correction_key, excluded.correction_key),
  reference_id        = CASE WHEN (excluded.reference_key, excluded.reference_id)
                             > (coalesce(c.reference_key, ''), coalesce(c.reference_id, ''))
                             THEN excluded.reference_id ELSE c.reference_id END,
  reference_key       = greatest(c.reference_key, excluded.reference_key),
  resource            = CASE WHEN (excluded.resource_key, excluded.resource)
                             > (coalesce(c.resource_key, ''), coalesce(c.resource, ''))
                             THEN excluded.resource ELSE c.resource END,
  resource_key        = greatest(c.resource_key, excluded.resource_key),
  scopes              = CASE WHEN (excluded.scopes_key, excluded.scopes)
                             > (coalesce(c.scopes_key, ''), coalesce(c.scopes, ''))
                             THEN excluded.scopes ELSE c.scopes END,
  scopes_key          = greatest(c.scopes_key, excluded.scopes_key),
  recorded_at         = excluded.recorded_at,
  changed_at          = CASE WHEN
       excluded.auth_key            > coalesce(c.auth_key, '')
    OR excluded.degraded_key        > coalesce(c.degraded_key, '')
    OR excluded.alive_key           > coalesce(c.alive_key, '')
    OR excluded.failed_key          > coalesce(c.failed_key, '')
    OR excluded.revoked_key         > coalesce(c.revoked_key, '')
    OR excluded.deauthenticated_key > coalesce(c.deauthenticated_key, '')
    OR (excluded.superseded_key, excluded.superseded_by)
       > (coalesce(c.superseded_key, ''), coalesce(c.superseded_by, ''))
    OR (excluded.correction_key, excluded.correction_verdict)
       > (coalesce(c.correction_key, ''), coalesce(c.correction_verdict, ''))
    OR excluded.data_key > coalesce(c.data_key, '') AND c.status = 'degraded'
    OR (excluded.reference_key, excluded.reference_id) > (coalesce(c.reference_key, ''), coalesce(c.reference_id, ''))
       AND excluded.reference_id IS DISTINCT FROM c.reference_id
    OR (excluded.resource_key, excluded.resource) > (coalesce(c.resource_key, ''), coalesce(c.resource, ''))
       AND excluded.resource IS DISTINCT FROM c.resource
    OR (excluded.scopes_key, excluded.scopes) > (coalesce(c.scopes_key, ''), coalesce(c.scopes, ''))
       AND excluded.scopes IS DISTINCT FROM c.scopes
    THEN excluded.changed_at ELSE c.changed_at END
WHERE c.tenant_id = $1 AND (
     excluded.auth_key            > coalesce(c.auth_key, '')
  OR excluded.degraded_key        > coalesce(c.degraded_key, '')
  OR excluded.alive_key           > coalesce(c.alive_key, '')
  OR excluded.failed_key          > coalesce(c.failed_key, '')
  OR excluded.revoked_key         > coalesce(c.revoked_key, '')
  OR excluded.deauthenticated_key > coalesce(c.deauthenticated_key, '')
  OR (excluded.superseded_key, excluded.superseded_by)
     > (coalesce(c.superseded_key, ''), coalesce(c.superseded_by, ''))
  OR excluded.data_key            > coalesce(c.data_key, '')
  OR (excluded.correction_key, excluded.correction_verdict)
     > (coalesce(c.correction_key, ''), coalesce(c.correction_verdict, ''))
  OR (excluded.reference_key, excluded.reference_id) > (coalesce(c.reference_key, ''), coalesce(c.reference_id, ''))
  OR (excluded.resource_key, excluded.resource) > (coalesce(c.resource_key, ''), coalesce(c.resource, ''))
  OR (excluded.scopes_key, excluded.scopes) > (coalesce(c.scopes_key, ''), coalesce(c.scopes, '')));

-- name: connection_take_session_reference
-- A session's reference_id serves while no event names one: it joins with the least key. Sent when an event
-- names a widget session but nobody ($3), and when Terra has named the session that events were waiting for.
UPDATE registry.connection AS c
SET reference_key = '0000000000000000:0:' || s.session_id::text, reference_id = s.reference_id, recorded_at = now(),
  changed_at = now()
FROM registry.auth_session s
WHERE c.tenant_id = $1::uuid AND s.tenant_id = $1 AND s.terra_session_id = $3::text AND s.reference_id IS NOT NULL
  AND (c.user_id = $2::text OR $2 IS NULL AND c.user_id IN (
    SELECT e.user_id FROM registry.auth_event e WHERE e.tenant_id = $1 AND e.widget_session_id = $3))
  AND coalesce(c.reference_key, '') < '0000000000000000:0:' || s.session_id::text;

-- name: connection_change_append
-- The transition, if there was one: the upsert before it holds the row lock, so the last change is the last.
-- The cause of an event is the id that its deliveries share, found by its first key ($5). The position never falls along
-- a connection, and is never below what an older transaction can still write (see changes.sql).
INSERT INTO registry.connection_change (tenant_id, user_id, sequence, from_status, to_status, cause_type, cause_id,
  position)
SELECT c.tenant_id, c.user_id, coalesce(p.sequence, 0) + 1, p.to_status, c.status, $3::text,
  coalesce((SELECT k.event_id::text FROM registry.auth_event_key k
            WHERE k.tenant_id = $1 AND k.dedup_key = $5::text), $4::text),
  greatest(p.position, pg_current_xact_id()::text::bigint
    + (SELECT t.change_offset FROM registry.tenant t WHERE t.tenant_id = $1))
FROM registry.connection c
LEFT JOIN LATERAL (
  SELECT h.sequence, h.to_status, h.position FROM registry.connection_change h
  WHERE h.tenant_id = $1 AND h.user_id = c.user_id ORDER BY h.sequence DESC LIMIT 1) p ON true
WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text AND c.status IS DISTINCT FROM p.to_status
ON CONFLICT (tenant_id, user_id, sequence) DO NOTHING;

-- name: correction_insert
INSERT INTO registry.correction (tenant_id, correction_id, occurred_at, user_id, verdict, source, reason, evidence)
SELECT $1::uuid, $2::uuid, $3::timestamptz, $4::text, $5::text, $6::text, $7::text, $8::jsonb
WHERE NOT EXISTS (
    SELECT FROM unnest($9::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
ON CONFLICT (tenant_id, correction_id) DO NOTHING;

-- name: webhook_receipt_keep
-- An authentic delivery that does not become an event. Its deliveries share one receipt by their key ($2);
-- where the event itself was accepted before, there is nothing to keep.
INSERT INTO registry.webhook_receipt (tenant_id, receipt_id, disposition, reason_code, signed_at, occurred_at, type,
  user_id, trace_id, headers, body, body_sha256, body_bytes)
SELECT $1::uuid, k.event_id, $3::text, $4::text, $5::timestamptz, $6::timestamptz, $7::text, $8::text, $9::text,
  $10::jsonb, $11::bytea, $12::bytea, $13::bigint
FROM registry.auth_event_key k
WHERE k.tenant_id = $1 AND k.dedup_key = $2::text
  AND NOT EXISTS (SELECT 1 FROM registry.auth_event v WHERE v.tenant_id = $1 AND v.event_id = k.event_id)
  AND NOT EXISTS (
    SELECT FROM unnest($14::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
ON CONFLICT (tenant_id, receipt_id) DO NOTHING;

-- name: webhook_receipt_count_rejected
-- repeatable: no
INSERT INTO registry.webhook_receipt_count AS r (tenant_id, day, disposition, count)
VALUES ($1::uuid, $2::date, 'rejected', $3::bigint)
ON CONFLICT (tenant_id, day, disposition) DO UPDATE SET count = r.count + excluded.count, last_at = excluded.last_at
WHERE r.tenant_id = $1;

-- name: webhook_receipt_keep_rejected
-- Kept while the day's count, which includes this one, is within the limit ($11).
INSERT INTO registry.webhook_receipt (tenant_id, receipt_id, disposition, reason_code, signed_at, trace_id, headers,
  body, body_sha256, body_bytes)
SELECT $1::uuid, $2::uuid, 'rejected', $4::text, $5::timestamptz, $6::text, $7::jsonb, $8::bytea, $9::bytea, $10::bigint
FROM registry.webhook_receipt_count r
WHERE r.tenant_id = $1 AND r.day = $3::date AND r.disposition = 'rejected' AND r.count <= $11::bigint
  AND NOT EXISTS (
    SELECT FROM unnest($12::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
ON CONFLICT (tenant_id, receipt_id) DO NOTHING;
