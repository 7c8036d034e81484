-- What is held about one app user, found by exact ids of the right kind. What has no index for the question is read a page
-- at a time ($2 is where the page before ended), so that no statement takes long.

-- name: person_app_users
-- long: yes
-- The app user $2 and those who were merged into it, and into whom it was merged itself; what an erasure that was broken
-- off has noted.
SELECT 'app_user' AS kind, a.reference_id AS id FROM registry.app_user a
WHERE a.tenant_id = $1::uuid AND (a.reference_id = $2::text OR a.reference_id IN (
  SELECT f.reference_id FROM registry.app_user_merge f WHERE f.tenant_id = $1 AND f.into_reference_id = $2))
UNION ALL
SELECT 'merged_into', m.into_reference_id FROM registry.app_user_merge m
WHERE m.tenant_id = $1 AND m.reference_id = $2
UNION ALL
SELECT 'noted ' || s.kind, s.id FROM registry.erasure_scope s
WHERE s.tenant_id = $1 AND (s.reference_id = $2 OR s.reference_id IN (
  SELECT n.reference_id FROM registry.app_user_merge n WHERE n.tenant_id = $1 AND n.into_reference_id = $2));

-- name: person_connections
-- long: yes
SELECT c.user_id FROM registry.connection c WHERE c.tenant_id = $1::uuid AND c.reference_id = ANY ($2::text[]);

-- name: person_others_connections
-- long: yes
-- Those of the ids $2 that are connections of others than $3.
SELECT c.user_id FROM registry.connection c
WHERE c.tenant_id = $1::uuid AND c.user_id = ANY ($2::text[]) AND c.reference_id <> ALL ($3::text[]);

-- name: person_sessions
-- long: yes
-- The sessions of the app users $2, and those of the connections $3 that are nobody else's.
SELECT s.session_id, encode(s.attempt_sha256, 'hex') AS attempt, s.terra_session_id, s.user_id
FROM registry.auth_session s WHERE s.tenant_id = $1::uuid AND s.reference_id = ANY ($2::text[])
UNION
SELECT n.session_id, encode(n.attempt_sha256, 'hex'), n.terra_session_id, n.user_id
FROM registry.auth_session n
WHERE n.tenant_id = $1 AND n.user_id = ANY ($3::text[]) AND n.user_id IS NOT NULL
  AND (n.reference_id IS NULL OR n.reference_id = ANY ($2));

-- name: person_events
-- long: yes
-- The events that name one of the connections $2, on either side; of those that name one of the sessions $3 it is theirs
-- only where it names no connection and nobody but the app users $4.
SELECT e.event_id, e.user_id, e.old_user_id, true AS is_theirs FROM registry.auth_event e
WHERE e.tenant_id = $1::uuid AND e.user_id = ANY ($2::text[]) AND e.user_id IS NOT NULL
UNION
SELECT o.event_id, o.user_id, o.old_user_id, true FROM registry.auth_event o
WHERE o.tenant_id = $1 AND o.old_user_id = ANY ($2) AND o.old_user_id IS NOT NULL
UNION
SELECT n.event_id, n.user_id, n.old_user_id,
  n.user_id IS NULL AND n.old_user_id IS NULL AND coalesce(n.reference_id = ANY ($4::text[]), true)
FROM registry.auth_event n
WHERE n.tenant_id = $1 AND n.widget_session_id = ANY ($3::text[]) AND n.widget_session_id IS NOT NULL;

-- name: person_events_page
-- long: yes
-- Which events of a page name one of the app users $4.
SELECT e.event_id AS place, e.user_id, e.old_user_id,
  coalesce(e.reference_id = ANY ($4::text[]) OR e.old_reference_id = ANY ($4), false) AS is_theirs
FROM (
  SELECT x.event_id, x.user_id, x.old_user_id, x.reference_id, x.old_reference_id FROM registry.auth_event x
  WHERE x.tenant_id = $1::uuid AND x.event_id > $2::uuid ORDER BY x.event_id LIMIT $3::bigint) e
ORDER BY e.event_id;

-- name: person_callbacks
-- long: yes
-- The callbacks that claim one of the connections $2, or came with one of the tokens $3.
SELECT b.callback_id FROM registry.redirect_callback b
WHERE b.tenant_id = $1::uuid AND b.user_id = ANY ($2::text[]) AND octet_length(b.user_id) <= 256
UNION
SELECT n.callback_id FROM registry.redirect_callback n
WHERE n.tenant_id = $1 AND n.attempt_sha256 = ANY ($3::bytea[]);

-- name: person_callbacks_page
-- long: yes
-- Which callbacks of a page claim one of the app users $4; the query itself where it names something twice.
SELECT b.callback_id AS place, coalesce(b.reference_id = ANY ($4::text[]), false) AS is_theirs,
  CASE WHEN b.ambiguous <> '{}' THEN b.raw_query END AS raw_query
FROM (
  SELECT x.callback_id, x.reference_id, x.ambiguous, x.raw_query FROM registry.redirect_callback x
  WHERE x.tenant_id = $1::uuid AND x.callback_id > $2::uuid ORDER BY x.callback_id LIMIT $3::bigint) b
ORDER BY b.callback_id;

-- name: person_receipts_page
-- long: yes
-- Which receipts of a page name one of the connections $4, and the bodies of those that may name somebody: they hold one
-- of the texts $5, or escapes.
SELECT r.receipt_id AS place, coalesce(r.user_id = ANY ($4::text[]), false) AS is_theirs,
  CASE WHEN position('\x5c'::bytea IN r.body) > 0
    OR EXISTS (SELECT FROM unnest($5::bytea[]) AS w (needle) WHERE position(w.needle IN r.body) > 0)
    THEN r.body END AS body
FROM (
  SELECT x.receipt_id, x.user_id, x.body FROM registry.webhook_receipt x
  WHERE x.tenant_id = $1::uuid AND x.receipt_id > $2::uuid ORDER BY x.receipt_id LIMIT $3::bigint) r
ORDER BY r.receipt_id;

-- name: person_listed_page
-- long: yes
-- What a page of Terra's listings, after the user $5 of the listing $2, says of the app users $4, or of the connections $6.
SELECT u.listing_id, u.user_id, u.reference_id, u.resource, u.scopes, u.active, u.asked_at,
  coalesce(u.reference_id = ANY ($4::text[]) OR u.user_id = ANY ($6::text[]), false) AS is_theirs
FROM (
  SELECT x.listing_id, x.user_id, x.reference_id, x.resource, x.scopes, x.active, x.asked_at
  FROM registry.provider_listing_user x
  WHERE x.tenant_id = $1::uuid AND (x.listing_id, x.user_id) > ($2::uuid, $5::text)
  ORDER BY x.listing_id, x.user_id LIMIT $3::bigint) u
ORDER BY u.listing_id, u.user_id;

-- name: person_findings_page
-- long: yes
-- include: findings_page
--> findings_page
;

-- name: person_findings_page_for_operators
-- long: yes
-- role: worker
-- include: findings_page
--> findings_page
;

-- name: person_deliveries_page
-- long: yes
-- Bodies of a page's deliveries that tell of findings, or hold one of the texts $4 as a whole JSON string.
SELECT d.delivery_id AS place,
  CASE WHEN d.finding_id IS NOT NULL
    OR EXISTS (SELECT FROM unnest($4::text[]) AS w (needle) WHERE strpos(d.body, to_jsonb(w.needle)::text) > 0)
    THEN d.body END AS body
FROM (
  SELECT x.delivery_id, x.finding_id, x.body FROM registry.delivery x
  WHERE x.tenant_id = $1::uuid AND x.delivery_id > $2::uuid ORDER BY x.delivery_id LIMIT $3::bigint) d
ORDER BY d.delivery_id;

-- name: person_audit_page
-- long: yes
SELECT a.audit_id AS place, a.recorded_at, a.actor, a.action, a.subject, a.detail::text AS detail,
  a.subject = ANY ($4::text[])
    OR EXISTS (SELECT FROM jsonb_each_text(a.detail) AS v WHERE v.value = ANY ($4)) AS may_be_theirs
FROM (
  SELECT x.audit_id, x.recorded_at, x.actor, x.action, x.subject, x.detail FROM registry.audit_entry x
  WHERE x.tenant_id = $1::uuid AND x.audit_id > $2::uuid ORDER BY x.audit_id LIMIT $3::bigint) a
ORDER BY a.audit_id;

-- name: person_answers_page
-- long: yes
-- Answers kept for repetitions, after ($2, $4); they are sealed.
SELECT r.operation, r.idempotency_key, r.location, r.sealed_body, r.claim_id FROM registry.idempotent_request r
WHERE r.tenant_id = $1::uuid AND r.status IS NOT NULL AND (r.operation, r.idempotency_key) > ($2::text, $4::text)
ORDER BY r.operation, r.idempotency_key LIMIT $3::bigint;

-- name: erased_subject_find
-- Those of the digests $2 that stand for somebody who was erased.
SELECT x.digest FROM registry.erased_subject x WHERE x.tenant_id = $1::uuid AND x.digest = ANY ($2::bytea[]);
