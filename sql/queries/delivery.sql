-- name: delivery_append
-- include: delivery_of_change
-- One delivery to each endpoint that wants the change which the statement before it wrote: the last one, if this
-- transaction wrote it. Callers of one transaction share now(), and then the same delivery is already there. What a
-- disabled endpoint wants waits until it is enabled, or until it is old (delivery_clean).
INSERT INTO registry.delivery (tenant_id, delivery_id, endpoint_id, type, user_id, sequence, body)
SELECT
--> delivery_of_change
FROM registry.endpoint e
CROSS JOIN LATERAL (
  SELECT l.user_id, l.sequence, l.from_status, l.to_status, l.cause_type, l.cause_id, l.recorded_at
  FROM registry.connection_change l
  WHERE l.tenant_id = $1 AND l.user_id = $2::text ORDER BY l.sequence DESC LIMIT 1) h
JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = h.user_id
WHERE e.tenant_id = $1::uuid AND e.removed_at IS NULL
  AND (e.statuses IS NULL OR h.to_status = ANY (e.statuses)) AND h.recorded_at = now()
ON CONFLICT (tenant_id, delivery_id) DO NOTHING;

-- name: delivery_append_findings
-- long: yes
-- One delivery to each endpoint that wants them of the transitions of findings that this transaction has written, with the
-- finding as it is now. It reads no transition where no endpoint wants any. What SQL does not know: words by kind and
-- reason ($2 to $6), the names and bounds of ages in seconds ($7, $8), severities and within how many seconds each is to
-- be dealt with ($9, $10).
INSERT INTO registry.delivery (tenant_id, delivery_id, endpoint_id, type, finding_id, sequence, body)
SELECT e.tenant_id,
  encode(substr(sha256(convert_to(concat_ws(':', e.endpoint_id, h.sequence, 'finding', f.finding_id), 'UTF8')), 1, 16),
    'hex')::uuid,
  e.endpoint_id, h.type, f.finding_id, h.sequence,
  jsonb_strip_nulls(jsonb_build_object(
    'type', h.type,
    'timestamp', to_char(h.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'data', jsonb_build_object(
      'finding', jsonb_build_object(
        'id', f.finding_id, 'tenant', t.slug, 'kind', f.kind, 'severity', f.severity, 'reason_code', f.reason_code,
        'subject', jsonb_build_object('type', f.subject_type, 'id', f.subject), 'status', f.status,
        'for_operators', f.for_operators,
        'first_seen_at', to_char(f.first_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'opened_at', to_char(f.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'last_seen_at', to_char(f.last_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'age_seconds', a.seconds, 'age', ($7::text[])[width_bucket(a.seconds, $8::text[]::double precision[]) + 1],
        'due_at', to_char((f.opened_at + make_interval(secs => a.target)) AT TIME ZONE 'UTC',
          'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'is_overdue', a.standing > a.target,
        'times_opened', f.times_opened, 'reopened', f.times_opened - 1,
        'resolved_at', to_char(f.resolved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'repair', CASE WHEN f.repair_act IS NOT NULL THEN jsonb_build_object(
          'act', f.repair_act, 'reason', f.repair_reason,
          'at', to_char(f.repair_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
          'correction_id', f.repair_correction) END,
        'summary', w.summary, 'suggestion', w.suggestion, 'documentation', w.documentation,
        'evidence', (
          SELECT coalesce(jsonb_agg(jsonb_build_object('type', v.witness ->> 'type', 'id', v.witness ->> 'id',
              'at', to_char((v.witness ->> 'at')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
            ORDER BY v.ordinal), '[]')
          FROM jsonb_array_elements(f.evidence) WITH ORDINALITY AS v (witness, ordinal))),
      'change', jsonb_build_object(
        'finding_id', f.finding_id, 'sequence', h.sequence, 'from_status', h.from_status, 'to_status', h.to_status,
        'reason', h.reason,
        'recorded_at', to_char(h.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))))::text
FROM registry.endpoint e
JOIN registry.tenant t ON t.tenant_id = $1
CROSS JOIN LATERAL (
  SELECT c.finding_id, c.sequence, c.from_status, c.to_status, c.reason, c.recorded_at,
    CASE WHEN c.to_status IN ('vanished', 'repaired') THEN 'finding.resolved'
         WHEN c.to_status = 'open' AND c.from_status IS NULL THEN 'finding.opened'
         WHEN c.to_status = 'open' AND c.from_status IN ('vanished', 'repaired') THEN 'finding.reopened'
         WHEN c.to_status = 'open' THEN 'finding.escalated' END AS type
  FROM registry.finding_change c
  WHERE c.tenant_id = $1 AND c.recorded_at = now() AND NOT c.for_operators AND cardinality(e.finding_types) > 0
  OFFSET 0) h
JOIN registry.finding f ON f.tenant_id = $1 AND f.finding_id = h.finding_id
CROSS JOIN LATERAL (
  SELECT extract(epoch FROM coalesce(f.resolved_at, now()) - f.first_seen_at)::double precision AS seconds,
    extract(epoch FROM coalesce(f.resolved_at, now()) - f.opened_at)::double precision AS standing,
    ($10::text[]::double precision[])[array_position($9::text[], f.severity)] AS target) a
LEFT JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
  AS w (kind, reason_code, summary, suggestion, documentation) ON w.kind = f.kind AND w.reason_code = f.reason_code
WHERE e.tenant_id = $1::uuid AND e.removed_at IS NULL AND h.type = ANY (e.finding_types) AND NOT f.for_operators
ON CONFLICT (tenant_id, delivery_id) DO NOTHING;

-- name: delivery_append_ping
INSERT INTO registry.delivery (tenant_id, delivery_id, endpoint_id, type, body)
SELECT e.tenant_id, $3::uuid, e.endpoint_id, 'ping',
  jsonb_build_object(
    'type', 'ping', 'timestamp', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'data', jsonb_build_object('endpoint_id', e.endpoint_id))::text
FROM registry.endpoint e
WHERE e.tenant_id = $1::uuid AND e.endpoint_id = $2::uuid AND e.disabled_at IS NULL AND e.removed_at IS NULL
ON CONFLICT (tenant_id, delivery_id) DO NOTHING;

-- name: delivery_append_disabled
-- Tells the tenant's other endpoints that one was disabled at $3.
INSERT INTO registry.delivery (tenant_id, delivery_id, endpoint_id, type, body)
SELECT e.tenant_id,
  encode(substr(sha256(convert_to(concat_ws(':', e.endpoint_id, 'disabled', x.endpoint_id, x.disabled_at), 'UTF8')), 1,
    16), 'hex')::uuid,
  e.endpoint_id, 'endpoint.disabled',
  jsonb_strip_nulls(jsonb_build_object(
    'type', 'endpoint.disabled',
    'timestamp', to_char(x.disabled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'data', jsonb_build_object(
      'endpoint_id', x.endpoint_id, 'url', x.url, 'description', x.description, 'reason', x.disabled_reason,
      'failing_since', to_char(x.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))))::text
FROM registry.endpoint x
JOIN registry.endpoint e ON e.tenant_id = $1
WHERE x.tenant_id = $1::uuid AND x.endpoint_id = $2::uuid AND x.disabled_at = $3::timestamptz
  AND x.disabled_reason <> 'operator'
  AND e.tenant_id = $1 AND e.endpoint_id <> x.endpoint_id AND e.disabled_at IS NULL AND e.removed_at IS NULL
ON CONFLICT (tenant_id, delivery_id) DO NOTHING;

-- name: delivery_wake
-- Wakes those who deliver; it decides nothing.
SELECT pg_notify('registry_deliveries', '');

-- name: delivery_due
-- long: yes
-- role: worker
-- The endpoints that have something to be delivered at $1 or to be released, those that were served longest ago first,
-- those that fail last. One probe of an index for each endpoint.
SELECT e.tenant_id, e.endpoint_id, e.failing_since IS NOT NULL AS is_failing,
  e.lease_until >= now() AS is_leased, o.created_at AS oldest_at
FROM registry.endpoint e
JOIN registry.tenant t ON t.tenant_id = e.tenant_id
LEFT JOIN LATERAL (
  SELECT d.created_at FROM registry.delivery d
  WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.state = 'pending'
    AND d.next_attempt_at <= greatest($1::timestamptz, now())
  ORDER BY d.next_attempt_at LIMIT 1) o ON true
WHERE (o.created_at IS NOT NULL OR e.backlog_due_at IS NOT NULL) AND t.disabled_at IS NULL
  AND e.disabled_at IS NULL AND e.removed_at IS NULL
  AND (e.paused_until IS NULL OR e.paused_until <= greatest($1, now()))
ORDER BY e.failing_since IS NOT NULL, e.lease_until NULLS FIRST LIMIT $2::bigint;

-- name: endpoint_claim
-- Takes or keeps the endpoint for $4 seconds; a lease that ran out is a process that was killed. It is measured by the
-- server's clock, the same for all.
UPDATE registry.endpoint SET lease_id = $3::uuid, lease_until = now() + make_interval(secs => $4::double precision)
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid AND (lease_id = $3 OR lease_until IS NULL OR lease_until < now())
  AND disabled_at IS NULL AND removed_at IS NULL;

-- name: endpoint_release
-- The end of the lease stays as the moment at which the endpoint was last served.
UPDATE registry.endpoint SET lease_id = NULL, lease_until = now() - interval '1 microsecond'
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid AND lease_id = $3::uuid;

-- name: endpoint_target
-- Where the holder of the lease sends, and with which secrets it signs.
SELECT e.url, e.sealed_secret, CASE WHEN e.previous_until > greatest($4::timestamptz, now()) THEN e.sealed_previous END
    AS sealed_previous,
  e.failing_since, e.backlog_due_at, e.backlog_resets, t.environment
FROM registry.endpoint e JOIN registry.tenant t ON t.tenant_id = $1
WHERE e.tenant_id = $1::uuid AND e.endpoint_id = $2::uuid AND e.lease_id = $3::uuid
  AND e.disabled_at IS NULL AND e.removed_at IS NULL AND t.disabled_at IS NULL
  AND (e.paused_until IS NULL OR e.paused_until <= greatest($4, now()));

-- name: delivery_next
-- The next deliveries of up to $5 connections that are not under way ($6), of each up to $7 in their order. Whatever
-- stands behind one that is not due yet must not be sent before it.
SELECT r.delivery_id, r.queue, r.sequence, r.body, r.attempts, r.due_since, r.next_attempt_at,
  r.next_attempt_at <= greatest($4::timestamptz, now()) AS is_due
FROM (
  SELECT o.queue FROM (
    SELECT d.queue, d.next_attempt_at FROM registry.delivery d
    WHERE d.tenant_id = $1::uuid AND d.endpoint_id = $2::uuid AND d.state = 'pending'
      AND d.next_attempt_at <= greatest($4, now()) AND d.queue <> ALL ($6::text[])
    ORDER BY d.next_attempt_at LIMIT $5::bigint * $7::bigint) o
  GROUP BY o.queue ORDER BY min(o.next_attempt_at) LIMIT $5) q
CROSS JOIN LATERAL (
  SELECT d.delivery_id, d.queue, d.sequence, d.body, d.attempts, d.due_since, d.next_attempt_at
  FROM registry.delivery d
  WHERE d.tenant_id = $1 AND d.endpoint_id = $2 AND d.state = 'pending' AND d.queue = q.queue
  ORDER BY d.sequence LIMIT $7) r
WHERE EXISTS (
  SELECT 1 FROM registry.endpoint e WHERE e.tenant_id = $1 AND e.endpoint_id = $2 AND e.lease_id = $3::uuid)
ORDER BY r.queue, r.sequence;

-- name: delivery_delivered
UPDATE registry.delivery
SET state = 'delivered', attempts = $3::integer, last_attempt_at = $4::timestamptz, settled_at = $4,
  last_status = $5::integer, last_error = NULL
WHERE tenant_id = $1::uuid AND delivery_id = $2::uuid AND state = 'pending';

-- name: endpoint_succeeded
-- At most once a minute while all is well, so that the row is not hot.
UPDATE registry.endpoint SET last_success_at = $3::timestamptz, failing_since = NULL, paused_until = NULL
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid
  AND (failing_since IS NOT NULL OR last_success_at IS NULL OR last_success_at < $3::timestamptz - interval '1 minute');

-- name: delivery_attempt_failed
-- Without a next attempt ($7) it is given up, and those behind it go on.
UPDATE registry.delivery
SET attempts = $3::integer, last_attempt_at = $4::timestamptz, last_status = $5::integer, last_error = $6::text,
  next_attempt_at = coalesce($7::timestamptz, next_attempt_at),
  state = CASE WHEN $7 IS NULL THEN 'failed' ELSE 'pending' END, settled_at = CASE WHEN $7 IS NULL THEN $4 END
WHERE tenant_id = $1::uuid AND delivery_id = $2::uuid AND state = 'pending';

-- name: delivery_wait
-- What stands behind a delivery that waits, waits as long.
UPDATE registry.delivery AS d SET next_attempt_at = w.until
FROM unnest($3::text[], $4::timestamptz[]) AS w (queue, until)
WHERE d.tenant_id = $1::uuid AND d.endpoint_id = $2::uuid AND d.queue = w.queue AND d.state = 'pending'
  AND d.next_attempt_at < w.until;

-- name: endpoint_failed
-- The first failure since the last success, and for how long the endpoint asked to be left alone ($4).
UPDATE registry.endpoint
SET failing_since = coalesce(failing_since, $3::timestamptz), paused_until = greatest(paused_until, $4::timestamptz)
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid
  AND (failing_since IS NULL OR $4::timestamptz > coalesce(paused_until, $3::timestamptz));

-- name: endpoint_disable
-- At $3 for the reason $4; where it is for failing, only if it has failed since $5.
UPDATE registry.endpoint SET disabled_at = $3::timestamptz, disabled_reason = $4::text
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid AND disabled_at IS NULL AND removed_at IS NULL
  AND ($5::timestamptz IS NULL OR failing_since <= $5);

-- name: endpoint_resume
-- An endpoint that failed for some time answers again: what it could not take is due from $3 on (delivery_release).
UPDATE registry.endpoint SET backlog_due_at = $3::timestamptz
WHERE tenant_id = $1::uuid AND endpoint_id = $2::uuid AND failing_since IS NOT NULL AND backlog_due_at IS NULL;

-- name: delivery_release
-- long: yes
-- A slice of what waits for an endpoint whose backlog is due since $3: what would be tried later, and where all of it
-- begins anew ($4) what is due already. What is being written at the moment is passed by, so that this waits for nobody
-- while others may wait for it; an attempt since then, or a delivery of since then, has the last word.
UPDATE registry.delivery AS d
SET next_attempt_at = $3::timestamptz, attempts = CASE WHEN $4::boolean THEN 0 ELSE d.attempts END,
  due_since = CASE WHEN $4 THEN $3 ELSE d.due_since END
WHERE d.tenant_id = $1::uuid AND d.state = 'pending' AND d.delivery_id = ANY (
  ARRAY(
    SELECT o.delivery_id FROM registry.delivery o
    WHERE o.tenant_id = $1 AND o.endpoint_id = $2::uuid AND o.state = 'pending' AND o.next_attempt_at > $3
      AND (o.last_attempt_at IS NULL OR o.last_attempt_at < $3) AND (o.due_since < $3 OR NOT $4)
    ORDER BY o.next_attempt_at LIMIT $5::bigint FOR UPDATE SKIP LOCKED)
  || ARRAY(
    SELECT o.delivery_id FROM registry.delivery o
    WHERE $4 AND o.tenant_id = $1 AND o.endpoint_id = $2 AND o.state = 'pending' AND o.next_attempt_at < $3
      AND o.due_since < $3
    ORDER BY o.next_attempt_at LIMIT $5 FOR UPDATE SKIP LOCKED));

-- name: endpoint_released
-- All that waits says so, unless it was enabled anew meanwhile, or a slice passed something by (delivery_release). What
-- was written since then and is due already needs no telling.
UPDATE registry.endpoint AS e SET backlog_due_at = NULL, backlog_resets = false
WHERE e.tenant_id = $1::uuid AND e.endpoint_id = $2::uuid AND e.lease_id = $3::uuid
  AND e.backlog_due_at = $4::timestamptz
  AND NOT EXISTS (
    SELECT 1 FROM registry.delivery o
    WHERE o.tenant_id = $1 AND o.endpoint_id = $2 AND o.state = 'pending' AND o.next_attempt_at > $4
      AND (o.last_attempt_at IS NULL OR o.last_attempt_at < $4)
      AND (o.due_since < $4 OR NOT e.backlog_resets AND o.next_attempt_at > now()))
  AND NOT EXISTS (
    SELECT 1 FROM registry.delivery o
    WHERE e.backlog_resets AND o.tenant_id = $1 AND o.endpoint_id = $2 AND o.state = 'pending'
      AND o.next_attempt_at < $4 AND o.due_since < $4);

-- name: delivery_old
-- long: yes
-- role: worker
-- The endpoints that have deliveries settled before $1, or are disabled and have some that have waited since before $1,
-- or are removed.
SELECT e.tenant_id, e.endpoint_id FROM registry.endpoint e
WHERE EXISTS (
    SELECT 1 FROM registry.delivery d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id
      AND d.state <> 'pending' AND d.settled_at < $1::timestamptz)
  OR e.disabled_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM registry.delivery d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id
      AND d.state = 'pending' AND d.next_attempt_at < $1)
  OR e.removed_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM registry.delivery d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id)
LIMIT $2::bigint;

-- name: delivery_clean
-- long: yes
-- A slice of what was settled before $3, of what a disabled endpoint has let wait since before $3, or of all there is
-- where the endpoint is removed.
DELETE FROM registry.delivery AS d
WHERE d.tenant_id = $1::uuid AND d.delivery_id IN (
  SELECT o.delivery_id FROM registry.delivery o JOIN registry.endpoint e ON e.tenant_id = $1
  WHERE o.tenant_id = $1 AND o.endpoint_id = $2::uuid AND e.tenant_id = $1 AND e.endpoint_id = $2
    AND (o.state <> 'pending' AND o.settled_at < $3::timestamptz OR e.removed_at IS NOT NULL
      OR o.state = 'pending' AND o.next_attempt_at < $3 AND e.disabled_at IS NOT NULL)
  LIMIT $4::bigint);

-- name: delivery_list
-- include: delivery_columns
-- long: yes
SELECT
--> delivery_columns
FROM registry.delivery d
WHERE d.tenant_id = $1::uuid AND ($2::uuid IS NULL OR d.endpoint_id = $2) AND ($3::text IS NULL OR d.state = $3)
  AND ($4::text IS NULL OR d.user_id = $4)
  AND ($5::timestamptz IS NULL OR (d.created_at, d.delivery_id) > ($5, $6::uuid))
  AND ($8::timestamptz IS NULL OR d.created_at >= $8) AND ($9::timestamptz IS NULL OR d.created_at < $9)
ORDER BY d.created_at, d.delivery_id LIMIT $7::bigint;

-- name: delivery_show
-- include: delivery_columns
SELECT d.body,
--> delivery_columns
FROM registry.delivery d WHERE d.tenant_id = $1::uuid AND d.delivery_id = $2::uuid;

-- name: delivery_retry
-- Due at once, with all its attempts before it; one that was delivered goes out again under the same id.
UPDATE registry.delivery
SET state = 'pending', attempts = 0, due_since = $3::timestamptz, next_attempt_at = $3, settled_at = NULL
WHERE tenant_id = $1::uuid AND delivery_id = $2::uuid;

-- name: delivery_replay_find
-- long: yes
-- A slice of the changes that endpoint $2 wants, recorded from $3 to before $4, of one connection ($5) and from one
-- number to another ($6, $7) where those are given, after the place where the slice before ended ($8, $9, $10).
SELECT h.recorded_at, h.user_id, h.sequence
FROM registry.endpoint e
JOIN registry.connection_change h ON h.tenant_id = $1
WHERE e.tenant_id = $1::uuid AND e.endpoint_id = $2::uuid AND e.removed_at IS NULL
  AND (e.statuses IS NULL OR h.to_status = ANY (e.statuses))
  AND ($3::timestamptz IS NULL OR h.recorded_at >= $3) AND ($4::timestamptz IS NULL OR h.recorded_at < $4)
  AND ($5::text IS NULL OR h.user_id = $5)
  AND ($6::bigint IS NULL OR h.sequence >= $6) AND ($7::bigint IS NULL OR h.sequence <= $7)
  AND ($8::timestamptz IS NULL OR (h.recorded_at, h.user_id, h.sequence) > ($8, $9::text, $10::bigint))
ORDER BY h.recorded_at, h.user_id, h.sequence LIMIT $11::bigint;

-- name: delivery_replay
-- include: delivery_of_change
-- The changes with the numbers $4 of the connections $3, due at $5. A delivery that is stored goes out with the body
-- that it had; another is made of the change, with the connection as it is now.
INSERT INTO registry.delivery AS d (tenant_id, delivery_id, endpoint_id, type, user_id, sequence, body, due_since,
  next_attempt_at)
SELECT
--> delivery_of_change
, $5::timestamptz, $5
FROM unnest($3::text[], $4::bigint[]) AS wanted (user_id, sequence)
JOIN registry.endpoint e ON e.tenant_id = $1
JOIN registry.connection_change h ON h.tenant_id = $1 AND h.user_id = wanted.user_id AND h.sequence = wanted.sequence
JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = h.user_id
WHERE e.tenant_id = $1::uuid AND e.endpoint_id = $2::uuid AND e.removed_at IS NULL
ORDER BY h.user_id, h.sequence
ON CONFLICT (tenant_id, delivery_id) DO UPDATE
SET state = 'pending', attempts = 0, due_since = excluded.due_since, next_attempt_at = excluded.next_attempt_at,
  settled_at = NULL
WHERE d.tenant_id = $1;
