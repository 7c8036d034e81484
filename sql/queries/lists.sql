-- name: connection_list
-- include: connection_columns, connection_filter
-- long: yes
-- A page of a tenant's connections; one that asks for few of many reads many.
SELECT
--> connection_columns
FROM registry.connection c
WHERE c.tenant_id = $1::uuid
--> connection_filter
ORDER BY c.created_at, c.user_id LIMIT $6::bigint;

-- name: connection_list_of_person
-- include: connection_columns, connection_filter
-- The same page of one app user's, who has a few: its own and those of who was merged into it, or none where it was
-- merged itself.
SELECT
--> connection_columns
FROM registry.connection c
WHERE c.tenant_id = $1::uuid
--> connection_filter
  AND c.reference_id = ANY (ARRAY(
    SELECT $12::text COLLATE "C"
    WHERE NOT EXISTS (SELECT FROM registry.app_user_merge g WHERE g.tenant_id = $1 AND g.reference_id = $12)
    UNION ALL
    SELECT f.reference_id FROM registry.app_user_merge f WHERE f.tenant_id = $1 AND f.into_reference_id = $12))
ORDER BY c.created_at, c.user_id LIMIT $6::bigint;

-- name: connection_list_of_tag
-- include: connection_columns, connection_filter
-- long: yes
-- The same page of those with one tag ($12 and $13), and of one app user where $14 names one.
SELECT
--> connection_columns
FROM registry.tag a
JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = a.subject
WHERE c.tenant_id = $1::uuid AND a.tenant_id = $1 AND a.subject_type = 'connection' AND a.key = $12::text
  AND a.value = $13::text
--> connection_filter
  AND ($14::text IS NULL OR coalesce(
    (SELECT f.into_reference_id FROM registry.app_user_merge f
     WHERE f.tenant_id = $1 AND f.reference_id = c.reference_id), c.reference_id) = $14)
ORDER BY c.created_at, c.user_id LIMIT $6::bigint;

-- name: connection_show
-- include: connection_columns
SELECT
--> connection_columns
FROM registry.connection c WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text;

-- name: connection_show_several
-- include: connection_columns
SELECT
--> connection_columns
FROM registry.connection c WHERE c.tenant_id = $1::uuid AND c.user_id = ANY ($2::text[]);

-- name: connection_change_list
SELECT h.user_id, h.sequence, h.from_status, h.to_status, h.cause_type, h.cause_id, h.recorded_at
FROM registry.connection_change h
WHERE h.tenant_id = $1::uuid AND h.user_id = $2::text
ORDER BY h.sequence DESC LIMIT $3::bigint;

-- name: correction_list
SELECT x.correction_id, x.recorded_at, x.occurred_at, x.user_id, x.verdict, x.source, x.reason
FROM registry.correction x
WHERE x.tenant_id = $1::uuid AND x.user_id = $2::text
ORDER BY x.recorded_at DESC, x.correction_id LIMIT $3::bigint;

-- name: app_user_show
-- include: app_user_columns
SELECT
--> app_user_columns
FROM registry.app_user a
WHERE a.tenant_id = $1::uuid AND a.reference_id = $2::text;

-- name: app_user_list
-- include: app_user_columns
-- long: yes
-- A page of app users by id; with a tag ($4 and $5) where one is named.
SELECT
--> app_user_columns
FROM registry.app_user a
WHERE a.tenant_id = $1::uuid
  AND ($2::timestamptz IS NULL OR (a.created_at, a.reference_id) > ($2, $3::text))
  AND ($4::text IS NULL OR EXISTS (
    SELECT FROM registry.tag f
    WHERE f.tenant_id = $1 AND f.subject_type = 'app_user' AND f.key = $4 AND f.value = $5::text
      AND f.subject = a.reference_id))
  AND ($7::timestamptz IS NULL OR a.created_at >= $7) AND ($8::timestamptz IS NULL OR a.created_at < $8)
ORDER BY a.created_at, a.reference_id LIMIT $6::bigint;

-- name: auth_event_list
-- long: yes
SELECT e.event_id, e.recorded_at, e.signed_at, e.occurred_at, e.channel, e.kind, e.type, e.status, e.user_id,
  e.old_user_id, e.reference_id, e.old_reference_id, e.resource, e.widget_session_id, e.reason, e.trace_id
FROM registry.auth_event e
WHERE e.tenant_id = $1::uuid AND ($2::uuid IS NULL OR e.event_id = $2)
  AND ($3::text IS NULL OR e.user_id = $3) AND ($4::text IS NULL OR e.kind = $4)
  AND ($5::timestamptz IS NULL OR (e.recorded_at, e.event_id) > ($5, $6::uuid))
  AND ($8::text IS NULL OR e.reference_id = $8) AND ($9::text IS NULL OR e.resource = $9)
  AND ($10::timestamptz IS NULL OR e.recorded_at >= $10) AND ($11::timestamptz IS NULL OR e.recorded_at < $11)
ORDER BY e.recorded_at, e.event_id LIMIT $7::bigint;

-- name: auth_event_naming
-- The events about one connection, on either side of a re-authentication, newest first.
SELECT e.event_id, e.recorded_at, e.signed_at, e.occurred_at, e.channel, e.kind, e.type, e.status, e.user_id,
  e.old_user_id, e.reference_id, e.old_reference_id, e.resource, e.widget_session_id, e.reason, e.trace_id
FROM registry.auth_event e
WHERE e.tenant_id = $1::uuid AND (e.user_id = $2::text OR e.old_user_id = $2)
ORDER BY e.recorded_at DESC, e.event_id LIMIT $3::bigint;

-- name: auth_event_body
SELECT e.body FROM registry.auth_event e WHERE e.tenant_id = $1::uuid AND e.event_id = $2::uuid;

-- name: webhook_receipt_list
-- long: yes
SELECT r.receipt_id, r.recorded_at, r.disposition, r.reason_code, r.signed_at, r.occurred_at, r.type, r.user_id,
  r.trace_id, r.body_bytes
FROM registry.webhook_receipt r
WHERE r.tenant_id = $1::uuid AND ($2::uuid IS NULL OR r.receipt_id = $2)
  AND ($3::text IS NULL OR r.disposition = $3)
  AND ($4::timestamptz IS NULL OR (r.recorded_at, r.receipt_id) > ($4, $5::uuid))
  AND ($7::text IS NULL OR r.user_id = $7)
  AND ($8::timestamptz IS NULL OR r.recorded_at >= $8) AND ($9::timestamptz IS NULL OR r.recorded_at < $9)
ORDER BY r.recorded_at, r.receipt_id LIMIT $6::bigint;

-- name: webhook_receipt_body
SELECT r.body FROM registry.webhook_receipt r WHERE r.tenant_id = $1::uuid AND r.receipt_id = $2::uuid;

-- name: auth_session_list
-- long: yes
-- include: matching
-- A page of sessions with what became of each; with $11 only those that have ended ($11 false) or not. The siblings of
-- one person serve only to decide whose a failure is that names nothing but the person: the one session whose life holds
-- it and that no success is tied to.
WITH page AS (
  SELECT s.session_id, s.created_at, s.reference_id, s.expires_at
  FROM registry.auth_session s
  WHERE s.tenant_id = $1::uuid AND ($3::uuid IS NULL OR s.session_id = $3)
    AND ($4::text IS NULL OR s.reference_id = ANY (ARRAY(
      SELECT $4 COLLATE "C"
      WHERE NOT EXISTS (SELECT FROM registry.app_user_merge g WHERE g.tenant_id = $1 AND g.reference_id = $4)
      UNION ALL
      SELECT f.reference_id FROM registry.app_user_merge f WHERE f.tenant_id = $1 AND f.into_reference_id = $4)))
    AND ($5::timestamptz IS NULL OR (s.created_at, s.session_id) > ($5, $6::uuid))
    AND ($8::text IS NULL OR s.resource = $8) AND ($9::timestamptz IS NULL OR s.created_at >= $9)
    AND ($10::timestamptz IS NULL OR s.created_at < $10)
    AND ($11::boolean IS NULL OR (s.expires_at > now()) = $11)
  ORDER BY s.created_at, s.session_id LIMIT $7::bigint
),
clock AS (SELECT now() AS at, make_interval(secs => $2::double precision) AS grace),
candidate AS (
  SELECT p.session_id FROM page p
  UNION
  SELECT s.session_id FROM page p
  JOIN registry.auth_session s ON s.tenant_id = $1 AND s.reference_id = p.reference_id
  WHERE s.created_at <= p.expires_at AND s.expires_at >= p.created_at
),
--> matching
, failure AS (
  SELECT s.session_id FROM session s
  JOIN registry.auth_event e ON e.tenant_id = $1 AND e.user_id = s.user_id
  WHERE e.kind = 'auth_failure'
  UNION
  SELECT s.session_id FROM session s
  JOIN registry.auth_event e ON e.tenant_id = $1 AND e.widget_session_id = s.terra_session_id
  WHERE e.kind = 'auth_failure'
  UNION
  SELECT taken.session_id
  FROM (
    SELECT m.session_id, count(*) OVER (PARTITION BY e.event_id) AS takers
    FROM registry.auth_event e
    JOIN matched m ON m.reference_id = e.reference_id AND e.occurred_at >= m.created_at
      AND e.occurred_at <= m.expires_at AND NOT m.succeeded
    WHERE e.tenant_id = $1 AND e.kind = 'auth_failure' AND e.user_id IS NULL AND e.widget_session_id IS NULL
      AND e.reference_id IN (SELECT p.reference_id FROM page p)
  ) taken
  WHERE taken.takers = 1
)
SELECT s.session_id, s.kind,
  coalesce(
    (SELECT g.into_reference_id FROM registry.app_user_merge g
     WHERE g.tenant_id = $1 AND g.reference_id = s.reference_id), s.reference_id) AS reference_id,
  s.resource, s.multi_auth, s.user_id, s.terra_session_id, s.auth_url,
  s.return_success, s.return_failure, s.channel, s.replaces, s.is_bound, s.answered_at, s.refused_reason,
  s.refused_code, s.refused_status, s.created_at, s.expires_at,
  CASE
    WHEN m.succeeded THEN 'completed'
    WHEN m.refused_reason IS NOT NULL OR m.failed_at IS NOT NULL OR f.session_id IS NOT NULL THEN 'failed'
    WHEN m.expires_at <= k.at THEN 'expired'
    ELSE 'open'
  END AS status
FROM page p
CROSS JOIN clock k
JOIN registry.auth_session s ON s.tenant_id = $1 AND s.session_id = p.session_id
JOIN matched m ON m.session_id = p.session_id
LEFT JOIN failure f ON f.session_id = p.session_id
ORDER BY p.created_at, p.session_id;

-- name: redirect_callback_list
-- long: yes
-- include: matching
-- A page of callbacks with the verdict that all facts and claims so far give each.
WITH page AS (
  SELECT b.callback_id, b.recorded_at, b.attempt_sha256
  FROM registry.redirect_callback b
  WHERE b.tenant_id = $1::uuid AND ($3::uuid IS NULL OR b.callback_id = $3)
    AND ($4::bytea IS NULL OR b.claim_sha256 = $4) AND ($5::bytea IS NULL OR b.attempt_sha256 = $5)
    AND ($6::timestamptz IS NULL OR (b.recorded_at, b.callback_id) > ($6, $7::uuid))
    AND ($9::text IS NULL OR b.user_id = $9) AND ($10::text IS NULL OR b.outcome = $10)
    AND ($11::timestamptz IS NULL OR b.recorded_at >= $11) AND ($12::timestamptz IS NULL OR b.recorded_at < $12)
    AND ($13::text IS NULL OR b.reference_id = $13) AND ($14::text IS NULL OR b.resource = $14)
  ORDER BY b.recorded_at, b.callback_id LIMIT $8::bigint
),
clock AS (SELECT now() AS at, make_interval(secs => $2::double precision) AS grace),
candidate AS (
  SELECT DISTINCT s.session_id FROM page p
  JOIN registry.auth_session s ON s.tenant_id = $1 AND s.attempt_sha256 = p.attempt_sha256
),
--> matching
SELECT b.callback_id, b.recorded_at, encode(b.attempt_sha256, 'hex') AS attempt_sha256, b.outcome, b.user_id,
  b.reference_id, b.resource, b.reason, b.ambiguous, b.raw_query, b.is_bound, h.session_id,
  CASE
    WHEN h.session_id IS NULL OR h.foreign_id OR h.replayed OR h.reference_differs OR h.resource_differs
      THEN 'contradicted'
    WHEN b.outcome = 'success' AND h.confirmed THEN 'corroborated'
    WHEN b.outcome = 'failure' AND m.succeeded AND m.back_at IS NULL THEN 'contradicted'
    WHEN b.recorded_at + k.grace <= k.at THEN 'unconfirmed'
    ELSE 'unverified'
  END AS verdict
FROM page p
CROSS JOIN clock k
JOIN registry.redirect_callback b ON b.tenant_id = $1 AND b.callback_id = p.callback_id
LEFT JOIN heard h ON h.callback_id = b.callback_id
LEFT JOIN matched m ON m.session_id = h.session_id
ORDER BY p.recorded_at, p.callback_id;

-- name: auth_session_naming
-- The sessions about one connection: its pre-issued id, the widget sessions its events name, the tokens of the
-- callbacks that claimed it.
SELECT s.session_id FROM registry.auth_session s WHERE s.tenant_id = $1::uuid AND s.user_id = $2::text
UNION
SELECT s.session_id FROM registry.auth_event e
JOIN registry.auth_session s ON s.tenant_id = $1 AND s.terra_session_id = e.widget_session_id
WHERE e.tenant_id = $1 AND e.user_id = $2
UNION
SELECT s.session_id FROM registry.redirect_callback b
JOIN registry.auth_session s ON s.tenant_id = $1 AND s.attempt_sha256 = b.attempt_sha256
WHERE b.tenant_id = $1 AND b.user_id = $2 AND octet_length(b.user_id) <= 256
ORDER BY 1 LIMIT $3::bigint;
