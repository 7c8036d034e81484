-- name: reconcile_sessions
-- long: yes
-- include: matching, finding_columns, finding_merge
-- The table of sessions, callbacks and events for the sessions named in $4, written as findings of run $2. The ids are
-- read apart (MATERIALIZED): under row-level security a cast in a join would keep it from the index.
WITH clock AS (SELECT now() AS at, make_interval(secs => $3::double precision) AS grace),
candidate AS MATERIALIZED (SELECT named.session_id::uuid AS session_id FROM unnest($4::text[]) AS named (session_id)),
--> matching
, judged AS (
  SELECT m.session_id, v.kind, v.severity, v.reason_code
  FROM matched m CROSS JOIN clock k
  CROSS JOIN LATERAL (VALUES
    ('callback_without_event', 'warning', 'no_auth_event',
      NOT m.succeeded AND m.back_at + k.grace <= k.at),
    ('event_without_callback', 'info', 'no_redirect',
      m.succeeded AND m.returns_success AND m.back_at IS NULL AND m.failed_at IS NULL
        AND m.occurred_at + k.grace <= k.at),
    ('stale_session', 'info', 'nothing_came_back',
      NOT m.succeeded AND m.returns_always AND m.back_at IS NULL AND m.failed_at IS NULL AND m.answered_at IS NOT NULL
        AND m.refused_reason IS NULL AND m.expires_at + k.grace <= k.at),
    ('outcome_mismatch', 'warning', 'success_event_but_failure_redirect',
      m.succeeded AND m.back_at IS NULL AND greatest(m.failed_at, m.occurred_at) + k.grace <= k.at
        AND m.failed_at IS NOT NULL),
    ('late_event', 'info', 'accepted_after_grace', m.late),
    ('replayed_attempt', 'critical', 'claimed_id_is_not_of_the_session', m.replayed),
    ('reference_mismatch', 'critical',
      CASE WHEN m.claim_reference_differs THEN 'redirect_names_another' ELSE 'event_names_another' END,
      m.claim_reference_differs OR m.event_reference_differs),
    ('resource_mismatch', 'warning',
      CASE WHEN m.claim_resource_differs THEN 'redirect_names_another' ELSE 'event_names_another' END,
      m.claim_resource_differs OR m.event_resource_differs)
  ) AS v (kind, severity, reason_code, holds)
  WHERE v.holds
),
witness AS (
  SELECT s.session_id, 'session' AS type, s.session_id::text AS id, s.created_at AS at FROM session s
  UNION ALL
  SELECT u.session_id, 'event', u.event_id::text, u.recorded_at FROM success u WHERE u.ordinal <= 10
  UNION ALL
  SELECT h.session_id, 'callback', h.callback_id::text, h.recorded_at
  FROM (SELECT x.session_id, x.callback_id, x.recorded_at,
          row_number() OVER (PARTITION BY x.session_id ORDER BY x.recorded_at, x.callback_id) AS ordinal
        FROM heard x) h
  WHERE h.ordinal <= 20
),
evidence AS (
  SELECT w.session_id,
    jsonb_agg(jsonb_build_object('type', w.type, 'id', w.id, 'at', w.at) ORDER BY w.at, w.type, w.id) AS evidence
  FROM witness w WHERE w.session_id IN (SELECT j.session_id FROM judged j)
  GROUP BY w.session_id
),
observed AS (
  SELECT j.kind, j.severity, j.reason_code, 'session' AS family, 'session' AS subject_type,
    j.session_id::text AS subject, e.evidence
  FROM judged j JOIN evidence e ON e.session_id = j.session_id
)
--> finding_columns
--> finding_merge
;

-- name: reconcile_attempts
-- long: yes
-- include: finding_columns, finding_merge
-- Callbacks whose token belongs to no session of the tenant. The first hundred tokens of an hour are findings
-- of their own, the rest one summary, so that a flood cannot bury everything else. A token belongs to the hour
-- of its first arrival.
WITH candidate AS (SELECT DISTINCT decode(named.attempt, 'hex') AS attempt_sha256 FROM unnest($4::text[]) AS named (attempt)),
hour AS (
  SELECT DISTINCT date_trunc('hour', f.first_at, 'UTC') AS hour
  FROM candidate c
  CROSS JOIN LATERAL (
    SELECT min(b.recorded_at) AS first_at FROM registry.redirect_callback b
    WHERE b.tenant_id = $1 AND b.attempt_sha256 = c.attempt_sha256) f
  WHERE f.first_at IS NOT NULL
),
unknown AS (
  SELECT h.hour, b.attempt_sha256, min(b.recorded_at) AS first_at
  FROM hour h
  JOIN registry.redirect_callback b
    ON b.tenant_id = $1 AND b.recorded_at >= h.hour AND b.recorded_at < h.hour + interval '1 hour'
  WHERE NOT EXISTS (SELECT 1 FROM registry.auth_session s WHERE s.tenant_id = $1 AND s.attempt_sha256 = b.attempt_sha256)
    AND NOT EXISTS (
      SELECT 1 FROM registry.redirect_callback p
      WHERE p.tenant_id = $1 AND p.attempt_sha256 = b.attempt_sha256 AND p.recorded_at < h.hour)
  GROUP BY h.hour, b.attempt_sha256
),
ranked AS (
  SELECT u.hour, u.attempt_sha256, u.first_at,
    row_number() OVER (PARTITION BY u.hour ORDER BY u.first_at, u.attempt_sha256) AS ordinal
  FROM unknown u
),
observed AS (
  SELECT 'unknown_attempt' AS kind, 'critical' AS severity, 'token_of_no_session' AS reason_code, 'attempt' AS family,
    'attempt' AS subject_type, encode(r.attempt_sha256, 'hex') AS subject, w.evidence
  FROM ranked r
  CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('type', 'callback', 'id', k.callback_id, 'at', k.recorded_at)
      ORDER BY k.recorded_at, k.callback_id) AS evidence
    FROM (
      SELECT b.callback_id, b.recorded_at FROM registry.redirect_callback b
      WHERE b.tenant_id = $1 AND b.attempt_sha256 = r.attempt_sha256
      ORDER BY b.recorded_at, b.callback_id LIMIT 20) k) w
  WHERE r.ordinal <= 100 AND r.attempt_sha256 IN (SELECT c.attempt_sha256 FROM candidate c)
  UNION ALL
  SELECT 'unknown_attempt', 'critical', 'many_tokens_of_no_session', 'attempt', 'tenant',
    'unknown_attempt:' || to_char(r.hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24"Z"'),
    jsonb_build_array(jsonb_build_object('type', 'tenant', 'id', count(*)::text, 'at', min(r.first_at)))
  FROM ranked r WHERE r.ordinal > 100
  GROUP BY r.hour
)
--> finding_columns
WHERE $3::double precision >= 0
--> finding_merge
;

-- name: reconcile_connections
-- long: yes
-- include: finding_columns, finding_merge
-- What the facts about the ids named in $4 say against each other. OFFSET 0 keeps a look-up a look-up: where a table
-- has no statistics yet, the planner takes a tenant for a few rows and compares all of it with every candidate. An app
-- user who was merged into another counts as the other.
WITH RECURSIVE clock AS (SELECT now() AS at, make_interval(secs => $3::double precision) AS grace),
candidate AS (SELECT DISTINCT named.user_id COLLATE "C" AS user_id FROM unnest($4::text[]) AS named (user_id)),
naming AS (
  SELECT e.user_id, e.reference_id, e.event_id, e.recorded_at
  FROM candidate c
  CROSS JOIN LATERAL (
    SELECT x.user_id, coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = x.reference_id), x.reference_id) AS reference_id, x.event_id, x.recorded_at
    FROM registry.auth_event x
    WHERE x.tenant_id = $1 AND x.user_id = c.user_id AND x.reference_id IS NOT NULL OFFSET 0) e
  UNION ALL
  SELECT e.old_user_id, e.old_reference_id, e.event_id, e.recorded_at
  FROM candidate c
  CROSS JOIN LATERAL (
    SELECT x.old_user_id, coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = x.old_reference_id), x.old_reference_id) AS old_reference_id, x.event_id, x.recorded_at
    FROM registry.auth_event x
    WHERE x.tenant_id = $1 AND x.old_user_id = c.user_id AND x.old_reference_id IS NOT NULL OFFSET 0) e
),
-- The first event that names each, in their order.
first_naming AS (
  SELECT f.user_id, f.event_id, f.recorded_at,
    row_number() OVER (PARTITION BY f.user_id ORDER BY f.recorded_at, f.event_id) AS ordinal
  FROM (
    SELECT DISTINCT ON (n.user_id, n.reference_id) n.user_id, n.event_id, n.recorded_at
    FROM naming n ORDER BY n.user_id, n.reference_id, n.recorded_at, n.event_id) f
),
peer AS (
  SELECT DISTINCT p.user_id, o.reference_id, p.resource
  FROM candidate c
  CROSS JOIN LATERAL (
    SELECT coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = x.reference_id), x.reference_id) AS reference_id, x.resource
    FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = c.user_id OFFSET 0) o
  CROSS JOIN LATERAL (
    SELECT o.reference_id AS named
    UNION ALL
    SELECT f.reference_id FROM registry.app_user_merge f
    WHERE f.tenant_id = $1 AND f.into_reference_id = o.reference_id OFFSET 0) a
  CROSS JOIN LATERAL (
    SELECT x.user_id, x.resource FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.reference_id = a.named AND x.resource = o.resource
      AND x.status IN ('active', 'degraded') OFFSET 0) p
),
-- Since when an id is live: the last change that made it so. Only what outlived the grace counts, because the
-- two events of a re-authentication may come in either order.
settled AS (
  SELECT p.user_id, p.reference_id, p.resource, l.live_at
  FROM peer p CROSS JOIN clock k
  CROSS JOIN LATERAL (
    SELECT max(h.recorded_at) AS live_at FROM registry.connection_change h
    WHERE h.tenant_id = $1 AND h.user_id = p.user_id AND h.to_status IN ('active', 'degraded')
      AND coalesce(h.from_status, '') NOT IN ('active', 'degraded')) l
  WHERE l.live_at + k.grace <= k.at
),
-- The ids about which a re-authentication can say something: the candidates, what they replaced, and all that
-- took their place in turn, so that a circle is seen from each of its ids.
replaced_id AS (
  SELECT c.user_id FROM candidate c
  UNION
  SELECT e.old_user_id
  FROM candidate c
  CROSS JOIN LATERAL (
    SELECT x.old_user_id FROM registry.auth_event x
    WHERE x.tenant_id = $1 AND x.user_id = c.user_id AND x.kind = 'user_reauth' AND x.old_user_id IS NOT NULL OFFSET 0) e
),
related AS (
  SELECT i.user_id FROM replaced_id i
  UNION
  SELECT o.superseded_by
  FROM related n
  CROSS JOIN LATERAL (
    SELECT x.superseded_by FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = n.user_id AND x.superseded_by IS NOT NULL OFFSET 0) o
),
reauth AS (
  SELECT e.event_id, e.user_id, e.old_user_id, e.recorded_at,
    row_number() OVER (PARTITION BY e.old_user_id ORDER BY e.recorded_at, e.event_id) AS ordinal
  FROM related n
  CROSS JOIN LATERAL (
    SELECT x.event_id, x.user_id, x.old_user_id, x.recorded_at FROM registry.auth_event x
    WHERE x.tenant_id = $1 AND x.old_user_id = n.user_id AND x.kind = 'user_reauth' AND x.old_user_id <> x.user_id
    OFFSET 0) e
),
-- The chain of replacements that begins at each old id; a cycle is a chain that comes back to its start.
chain AS (
  SELECT DISTINCT r.old_user_id AS start, r.old_user_id AS user_id, 0 AS steps FROM reauth r
  UNION
  SELECT n.start, o.superseded_by, n.steps + 1
  FROM chain n
  CROSS JOIN LATERAL (
    SELECT x.superseded_by FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = n.user_id AND x.superseded_by IS NOT NULL OFFSET 0) o
  WHERE n.steps < 64 AND (n.steps = 0 OR n.user_id <> n.start)
),
replaced AS (
  SELECT r.old_user_id, count(DISTINCT r.user_id) AS heirs, min(r.recorded_at) AS recorded_at,
    jsonb_agg(jsonb_build_object('type', 'event', 'id', r.event_id, 'at', r.recorded_at)
      ORDER BY r.recorded_at, r.event_id) FILTER (WHERE r.ordinal <= 20) AS evidence
  FROM reauth r GROUP BY r.old_user_id
),
-- What took another id's place, with all that it replaced: the candidates, and what took theirs.
heir AS (
  SELECT c.user_id FROM candidate c
  UNION
  SELECT e.user_id
  FROM candidate c
  CROSS JOIN LATERAL (
    SELECT x.user_id FROM registry.auth_event x
    WHERE x.tenant_id = $1 AND x.old_user_id = c.user_id AND x.kind = 'user_reauth' OFFSET 0) e
),
shared AS (
  SELECT n.user_id, e.event_id, e.recorded_at,
    row_number() OVER (PARTITION BY n.user_id ORDER BY e.recorded_at, e.event_id) AS ordinal
  FROM heir h
  CROSS JOIN LATERAL (
    SELECT x.event_id, x.user_id, x.old_user_id, x.recorded_at FROM registry.auth_event x
    WHERE x.tenant_id = $1 AND x.user_id = h.user_id AND x.kind = 'user_reauth' AND x.old_user_id <> x.user_id
    OFFSET 0) e
  CROSS JOIN LATERAL (
    SELECT coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = x.reference_id), x.reference_id) AS reference_id
    FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = e.old_user_id OFFSET 0) o
  CROSS JOIN LATERAL (
    SELECT x.user_id, coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = x.reference_id), x.reference_id) AS reference_id
    FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = e.user_id OFFSET 0) n
  WHERE o.reference_id <> n.reference_id
),
observed AS (
  SELECT 'reference_conflict' AS kind, 'critical' AS severity, 'events_name_several' AS reason_code,
    'user_id' AS family, 'user_id' AS subject_type, n.user_id AS subject,
    jsonb_agg(jsonb_build_object('type', 'event', 'id', n.event_id, 'at', n.recorded_at)
      ORDER BY n.ordinal) FILTER (WHERE n.ordinal <= 20) AS evidence
  FROM first_naming n GROUP BY n.user_id HAVING count(*) > 1
  UNION ALL
  SELECT 'duplicate_active', 'warning', 'several_live_ids', 'user_id', 'user_id', min(g.user_id),
    jsonb_agg(jsonb_build_object('type', 'user_id', 'id', g.user_id, 'at', g.live_at) ORDER BY g.ordinal)
      FILTER (WHERE g.ordinal <= 20)
  FROM (SELECT x.user_id, x.reference_id, x.resource, x.live_at,
          row_number() OVER (PARTITION BY x.reference_id, x.resource ORDER BY x.live_at, x.user_id) AS ordinal
        FROM settled x) g
  GROUP BY g.reference_id, g.resource HAVING count(*) > 1
  UNION ALL
  SELECT 'unattributed', 'info', 'nobody_named', 'user_id', 'user_id', o.user_id,
    jsonb_build_array(jsonb_build_object('type', 'user_id', 'id', o.user_id, 'at', l.live_at))
  FROM candidate c
  CROSS JOIN clock k
  CROSS JOIN LATERAL (
    SELECT x.user_id FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = c.user_id AND x.status IN ('active', 'degraded') AND x.reference_id IS NULL
    OFFSET 0) o
  CROSS JOIN LATERAL (
    SELECT max(h.recorded_at) AS live_at FROM registry.connection_change h
    WHERE h.tenant_id = $1 AND h.user_id = o.user_id AND h.to_status IN ('active', 'degraded')
      AND coalesce(h.from_status, '') NOT IN ('active', 'degraded')) l
  WHERE l.live_at + k.grace <= k.at
  UNION ALL
  SELECT 'shared_account', 'warning', 'reauth_of_another_app_user', 'user_id', 'user_id', r.user_id,
    jsonb_agg(jsonb_build_object('type', 'event', 'id', r.event_id, 'at', r.recorded_at)
      ORDER BY r.ordinal) FILTER (WHERE r.ordinal <= 20)
  FROM shared r
  GROUP BY r.user_id
  UNION ALL
  SELECT 'orphan_reauth', 'warning',
    CASE WHEN p.heirs > 1 THEN 'fork' WHEN y.start IS NOT NULL THEN 'cycle' ELSE 'old_id_unknown' END,
    'user_id', 'user_id', p.old_user_id, p.evidence
  FROM replaced p
  CROSS JOIN clock k
  CROSS JOIN LATERAL (
    SELECT x.alive_key, x.correction_key FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = p.old_user_id OFFSET 0) o
  LEFT JOIN (SELECT DISTINCT x.start FROM chain x WHERE x.steps > 0 AND x.user_id = x.start) y ON y.start = p.old_user_id
  WHERE p.heirs > 1 OR y.start IS NOT NULL
     OR o.alive_key IS NULL AND o.correction_key IS NULL AND p.recorded_at + k.grace <= k.at
)
--> finding_columns
--> finding_merge
;

-- name: reconcile_receipts
-- long: yes
-- include: finding_columns, finding_merge
-- Authentic events that stand in quarantine: signed too long ago, or in the future, and not accepted since.
WITH candidate AS MATERIALIZED (SELECT named.receipt_id::uuid AS receipt_id FROM unnest($4::text[]) AS named (receipt_id)),
observed AS (
  SELECT 'quarantined_event' AS kind, 'warning' AS severity, r.reason_code, 'receipt' AS family,
    'event' AS subject_type, r.receipt_id::text AS subject,
    jsonb_build_array(jsonb_build_object('type', 'receipt', 'id', r.receipt_id, 'at', r.recorded_at)) AS evidence
  FROM candidate c
  JOIN registry.webhook_receipt r ON r.tenant_id = $1 AND r.receipt_id = c.receipt_id
  WHERE r.disposition = 'quarantined' AND $3::double precision >= 0
    AND NOT EXISTS (SELECT 1 FROM registry.auth_event e WHERE e.tenant_id = $1 AND e.event_id = r.receipt_id)
)
--> finding_columns
--> finding_merge
;

-- name: reconcile_tenant
-- long: yes
-- include: finding_columns, finding_merge
-- Deliveries that are rejected while none is accepted ($3: for how many seconds): the signing secret is wrong.
-- Beyond the day's limit of kept receipts the count's last time stands for those that were not kept.
WITH clock AS (SELECT now() AS at, make_interval(secs => $3::double precision) AS patience),
accepted AS (
  SELECT greatest(
    (SELECT max(e.recorded_at) FROM registry.auth_event e WHERE e.tenant_id = $1),
    (SELECT max(r.recorded_at) FROM registry.webhook_receipt r
     WHERE r.tenant_id = $1 AND r.disposition IN ('quarantined', 'unreadable', 'unknown_type'))) AS last_at
),
rejected AS (
  SELECT r.receipt_id, r.recorded_at, row_number() OVER (ORDER BY r.recorded_at, r.receipt_id) AS ordinal
  FROM registry.webhook_receipt r CROSS JOIN accepted a
  WHERE r.tenant_id = $1 AND r.disposition = 'rejected' AND r.recorded_at > coalesce(a.last_at, '-infinity')
),
streak AS (
  SELECT coalesce(
      (SELECT min(r.recorded_at) FROM rejected r),
      (SELECT min(n.last_at) FROM registry.webhook_receipt_count n
       WHERE n.tenant_id = $1 AND n.disposition = 'rejected' AND n.last_at > coalesce(a.last_at, '-infinity'))) AS first_at
  FROM accepted a
),
observed AS (
  SELECT 'signature_failing' AS kind, 'critical' AS severity, 'all_rejected' AS reason_code, 'tenant' AS family,
    'tenant' AS subject_type, t.slug AS subject,
    coalesce((SELECT jsonb_agg(jsonb_build_object('type', 'receipt', 'id', r.receipt_id, 'at', r.recorded_at)
                ORDER BY r.recorded_at, r.receipt_id)
              FROM rejected r WHERE r.ordinal <= 10), '[]'::jsonb) AS evidence
  FROM streak s CROSS JOIN clock k JOIN registry.tenant t ON t.tenant_id = $1
  WHERE s.first_at + k.patience <= k.at AND t.slug = ANY ($4::text[])
)
--> finding_columns
--> finding_merge
;

-- name: reconcile_vanish
-- long: yes
-- Findings about the subjects just examined ($4 of family $3) that run $2 did not see again. Planned for the subjects
-- at hand each time: a plan made while the table was small reads all findings for each slice.
UPDATE registry.finding
SET status = 'vanished', resolved_at = now(), resolved_run = $2::uuid
WHERE tenant_id = $1::uuid AND family = $3::text AND subject = ANY ($4::text[]) AND last_seen_run <> $2
  AND status IN ('open', 'acknowledged');
