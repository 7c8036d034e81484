-- name: reconciliation_state_insert
-- long: yes
INSERT INTO registry.reconciliation_state (tenant_id) VALUES ($1::uuid)
ON CONFLICT (tenant_id) DO NOTHING;

-- name: reconciliation_claim
-- long: yes
-- The row is the lock: one run per tenant across all replicas. A lease ($4 seconds) that ran out is a process that
-- was killed, one that ends far too late was written before the clock went back (a bit too late it seems to whoever has
-- waited for the row). $5 is the scheduler's time, $6 the version of the row that it saw; a repetition after a lost
-- answer finds its own claim ($3).
UPDATE registry.reconciliation_state AS s
SET run_id = coalesce(s.run_id, CASE WHEN $7::boolean THEN (
    SELECT q.run_id FROM registry.reconciliation_run q
    WHERE q.tenant_id = $1 AND q.outcome = 'queued' ORDER BY q.started_at, q.run_id LIMIT 1) END, $2::uuid), lease_id = $3::uuid,
  lease_until = coalesce($5::timestamptz, now()) + make_interval(secs => $4::double precision), version = s.version + 1
WHERE s.tenant_id = $1::uuid
  AND (s.lease_id = $3 OR (s.lease_until IS NULL OR s.lease_until < coalesce($5, now())
       OR s.lease_until > coalesce($5, now()) + make_interval(secs => 2 * $4::double precision))
     AND ($6::bigint IS NULL OR s.version = $6));

-- name: reconciliation_standing
-- long: yes
-- Whose the run is ($2 is the scheduler's time), and how far it has come.
SELECT s.run_id, s.lease_id, s.watermark, s.due_at, now() AS clock, coalesce($2::timestamptz, now()) AS at,
  coalesce(r.outcome <> 'queued', false) AS begun, coalesce(r.outcome = 'queued', false) AS asked, r.is_full,
  r.window_start, CASE WHEN r.outcome <> 'queued' THEN r.window_end END AS window_end, r.collected_to, r.examined, s.provider_at,
  r.asks_provider, r.provider, r.differed_to, r.has_differed, s.terra_users_at, r.copies_terra_users, r.terra_users, r.repair, r.repaired_to, r.repaired_id, r.is_partial, r.remarks
FROM registry.reconciliation_state s
LEFT JOIN registry.reconciliation_run r ON r.tenant_id = $1 AND r.run_id = s.run_id
WHERE s.tenant_id = $1::uuid;

-- name: reconciliation_renew
-- long: yes
-- First in each transaction of a run: it takes the row's lock, so that nobody takes the run over in the middle of it.
UPDATE registry.reconciliation_state
SET lease_until = coalesce($5::timestamptz, now()) + make_interval(secs => $4::double precision)
WHERE tenant_id = $1::uuid AND run_id = $2::uuid AND lease_id = $3::uuid;

-- name: reconciliation_fence
-- long: yes
-- include: run_held
--> run_held
;

-- name: reconciliation_fence_across_tenants
-- long: yes
-- role: worker
-- include: run_held
--> run_held
;

-- name: reconciliation_schedule
-- long: yes
-- A run begins ($3): when the next is due, NULL where that stays as it is, and how many were missed; a repetition finds it
-- said.
UPDATE registry.reconciliation_state
SET started_at = $3::timestamptz, due_at = coalesce($4::timestamptz, due_at), missed = missed + $5::bigint
WHERE tenant_id = $1::uuid AND run_id = $2::uuid AND started_at IS DISTINCT FROM $3;

-- name: reconciliation_abandon_others
-- long: yes
UPDATE registry.reconciliation_run
SET outcome = 'failed', error = 'the run was interrupted', finished_at = now()
WHERE tenant_id = $1::uuid AND outcome = 'running' AND run_id <> $2::uuid;

-- name: reconciliation_run_insert
-- long: yes
-- One that was asked for is there already, and begins.
INSERT INTO registry.reconciliation_run AS r (tenant_id, run_id, window_start, window_end, missed, asks_provider, repair,
  copies_terra_users)
VALUES ($1::uuid, $2::uuid, $3::timestamptz, $4::timestamptz, $5::bigint, $6::boolean, $7::text, $8::boolean)
ON CONFLICT (tenant_id, run_id) DO UPDATE SET outcome = 'running', window_start = excluded.window_start,
  window_end = excluded.window_end, missed = excluded.missed, asks_provider = excluded.asks_provider,
  repair = excluded.repair, copies_terra_users = excluded.copies_terra_users
WHERE r.tenant_id = $1 AND r.outcome = 'queued';

-- name: reconciliation_run_ask
-- long: yes
-- A run that is asked for, unless as many wait as may ($6). Whoever works on the queue does it.
INSERT INTO registry.reconciliation_run (tenant_id, run_id, window_end, outcome, asks_provider, repair, is_full)
SELECT $1::uuid, $2::uuid, now(), 'queued', $3::boolean, $4::text, $5::boolean
WHERE (SELECT count(*) FROM registry.reconciliation_run q WHERE q.tenant_id = $1 AND q.outcome = 'queued') < $6::bigint
ON CONFLICT (tenant_id, run_id) DO NOTHING;

-- name: reconciliation_ask
-- long: yes
-- Due at once, where a run waits. It comes after the run is written, so that a run that ends meanwhile sees the other, or
-- is waited for.
UPDATE registry.reconciliation_state AS s
SET asked_at = coalesce(s.asked_at, now()), place_at = least(s.place_at, coalesce($2::timestamptz, now())),
  version = s.version + 1
WHERE s.tenant_id = $1::uuid
  AND EXISTS (SELECT FROM registry.reconciliation_run q WHERE q.tenant_id = $1 AND q.outcome = 'queued');

-- name: reconciliation_earliest
-- long: yes
-- When the first fact was recorded.
SELECT least(
  (SELECT min(e.recorded_at) FROM registry.auth_event e WHERE e.tenant_id = $1::uuid),
  (SELECT min(b.recorded_at) FROM registry.redirect_callback b WHERE b.tenant_id = $1),
  (SELECT min(c.changed_at) FROM registry.connection c WHERE c.tenant_id = $1),
  (SELECT min(s.expires_at) FROM registry.auth_session s WHERE s.tenant_id = $1),
  (SELECT min(r.recorded_at) FROM registry.webhook_receipt r WHERE r.tenant_id = $1 AND r.disposition = 'quarantined')
) AS earliest;

-- name: reconciliation_subject_clear
-- long: yes
DELETE FROM registry.reconciliation_subject WHERE tenant_id = $1::uuid;

-- name: reconciliation_collect_standing
-- long: yes
-- What has a finding that stands and was not seen by this run. When the subject of a group of live ids leaves it, what is
-- left of the group is judged anew.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, d.family, d.subject
FROM (
  SELECT f.family, f.subject FROM registry.finding f
  WHERE f.tenant_id = $1 AND f.status IN ('open', 'acknowledged') AND f.last_seen_run <> $2::uuid
    AND (f.family IN ('session', 'user_id', 'receipt') OR f.family = 'attempt' AND f.subject_type = 'attempt')
  UNION
  SELECT f.family, w.witness ->> 'id'
  FROM registry.finding f CROSS JOIN LATERAL jsonb_array_elements(f.evidence) AS w (witness)
  WHERE f.tenant_id = $1 AND f.family = 'user_id' AND f.kind = 'duplicate_active'
    AND f.status IN ('open', 'acknowledged') AND f.last_seen_run <> $2
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_standing_part
-- long: yes
-- The next $3 of them: a run since the last one finds by its facts what they change, and looks at a part of what stands in
-- each of its turns, however much that is.
WITH part AS MATERIALIZED (
  SELECT f.family, f.subject, f.subject_type, f.kind, f.evidence
  FROM registry.reconciliation_state s
  CROSS JOIN LATERAL (
    SELECT x.family, x.subject, x.subject_type, x.kind, x.evidence FROM registry.finding x
    WHERE x.tenant_id = $1 AND x.status IN ('open', 'acknowledged')
      AND (x.family, x.subject) > (coalesce(s.standing_family, ''), coalesce(s.standing_subject, ''))
    ORDER BY x.family, x.subject LIMIT $3::bigint) f
  WHERE s.tenant_id = $1
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, d.family, d.subject
FROM (
  SELECT p.family, p.subject FROM part p
  WHERE p.family IN ('session', 'user_id', 'receipt', 'listing') OR p.family = 'attempt' AND p.subject_type = 'attempt'
  UNION
  SELECT p.family, w.witness ->> 'id'
  FROM part p CROSS JOIN LATERAL jsonb_array_elements(p.evidence) AS w (witness)
  WHERE p.kind = 'duplicate_active'
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_standing_place
-- long: yes
-- Where the next part of $3 begins once the run is complete: after this one, or at the beginning where this one was the
-- last.
UPDATE registry.reconciliation_run
SET (standing_family, standing_subject) = (
  SELECT f.family, f.subject
  FROM registry.reconciliation_state s
  CROSS JOIN LATERAL (
    SELECT x.family, x.subject FROM registry.finding x
    WHERE x.tenant_id = $1 AND x.status IN ('open', 'acknowledged')
      AND (x.family, x.subject) > (coalesce(s.standing_family, ''), coalesce(s.standing_subject, ''))
    ORDER BY x.family, x.subject OFFSET $3::bigint - 1 LIMIT 1) f
  WHERE s.tenant_id = $1)
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_collect_sessions
-- long: yes
-- include: sessions_of_facts
-- Sessions that fell due in the window, or about which an event or a callback was recorded in it. The window
-- ($3) is already widened by the grace and the overlap; its end ($4) may lie in the future, where a clock went back.
WITH recent AS (
  SELECT e.user_id, e.widget_session_id, e.kind FROM registry.auth_event e
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3::timestamptz, '-infinity') AND e.recorded_at <= $4::timestamptz
),
arrived AS (
  SELECT DISTINCT b.attempt_sha256 FROM registry.redirect_callback b
  WHERE b.tenant_id = $1 AND b.recorded_at > coalesce($3, '-infinity') AND b.recorded_at <= $4
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'session', d.session_id::text
FROM (
  SELECT s.session_id FROM registry.auth_session s
  WHERE s.tenant_id = $1 AND s.expires_at > coalesce($3::timestamptz, '-infinity')
    AND s.expires_at <= least($4::timestamptz, now())
  UNION
--> sessions_of_facts
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_connections
-- long: yes
-- The connections that the window's events name and that changed in it, with what took their place, and with those of the
-- same app user and resource: a group of live ones is found under one of them.
WITH changed AS MATERIALIZED (
  SELECT c.user_id, c.superseded_by, c.reference_id, c.resource FROM registry.connection c
  WHERE c.tenant_id = $1 AND c.changed_at > coalesce($3::timestamptz, '-infinity') AND c.changed_at <= $4::timestamptz
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'user_id', d.user_id
FROM (
  SELECT e.user_id FROM registry.auth_event e
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3::timestamptz, '-infinity') AND e.recorded_at <= $4::timestamptz
    AND e.user_id IS NOT NULL
  UNION
  SELECT e.old_user_id FROM registry.auth_event e
  WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3, '-infinity') AND e.recorded_at <= $4
    AND e.old_user_id IS NOT NULL
  UNION
  SELECT unnest(ARRAY[c.user_id, c.superseded_by]) FROM changed c
  UNION
  SELECT p.user_id
  FROM changed c
  CROSS JOIN LATERAL (
    SELECT coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = c.reference_id), c.reference_id) AS reference_id OFFSET 0) o
  CROSS JOIN LATERAL (
    SELECT o.reference_id AS named
    UNION ALL
    SELECT f.reference_id FROM registry.app_user_merge f
    WHERE f.tenant_id = $1 AND f.into_reference_id = o.reference_id OFFSET 0) a
  CROSS JOIN LATERAL (
    SELECT x.user_id FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.reference_id = a.named AND x.resource = c.resource OFFSET 0) p
  UNION
  -- A group that stands under one of them, which may have left it.
  SELECT w.witness ->> 'id'
  FROM changed c
  CROSS JOIN LATERAL (
    SELECT x.evidence FROM registry.finding x
    WHERE x.tenant_id = $1 AND x.family = 'user_id' AND x.subject = c.user_id AND x.kind = 'duplicate_active'
      AND x.status IN ('open', 'acknowledged') OFFSET 0) f
  CROSS JOIN LATERAL jsonb_array_elements(f.evidence) AS w (witness)
) d
WHERE d.user_id IS NOT NULL
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_merged
-- long: yes
-- A merge makes one app user's of what two had, and of what was merged into the one before.
WITH merged AS MATERIALIZED (
  SELECT DISTINCT n.reference_id
  FROM registry.app_user_merge m
  CROSS JOIN LATERAL (
    SELECT m.reference_id
    UNION ALL
    SELECT m.into_reference_id
    UNION ALL
    SELECT f.reference_id FROM registry.app_user_merge f
    WHERE f.tenant_id = $1 AND f.into_reference_id = m.into_reference_id OFFSET 0) n
  WHERE m.tenant_id = $1 AND m.recorded_at > coalesce($3::timestamptz, '-infinity') AND m.recorded_at <= $4::timestamptz
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, d.family, d.subject
FROM (
  SELECT 'user_id' AS family, c.user_id AS subject
  FROM merged m
  CROSS JOIN LATERAL (
    SELECT x.user_id FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.reference_id = m.reference_id OFFSET 0) c
  UNION
  SELECT 'session', s.session_id::text
  FROM merged m
  CROSS JOIN LATERAL (
    SELECT x.session_id FROM registry.auth_session x
    WHERE x.tenant_id = $1 AND x.reference_id = m.reference_id OFFSET 0) s
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_attempts
-- long: yes
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'attempt', d.attempt
FROM (
  SELECT DISTINCT encode(b.attempt_sha256, 'hex') AS attempt FROM registry.redirect_callback b
  CROSS JOIN LATERAL (
    SELECT count(*) AS sessions FROM (
      SELECT 1 FROM registry.auth_session x
      WHERE x.tenant_id = $1 AND x.attempt_sha256 = b.attempt_sha256 LIMIT 1) s) n
  WHERE b.tenant_id = $1 AND b.recorded_at > coalesce($3::timestamptz, '-infinity') AND b.recorded_at <= $4::timestamptz
    AND n.sessions = 0
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_receipts
-- long: yes
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'receipt', d.receipt
FROM (
  SELECT r.receipt_id::text AS receipt FROM registry.webhook_receipt r
  WHERE r.tenant_id = $1 AND r.disposition = 'quarantined'
    AND r.recorded_at > coalesce($3::timestamptz, '-infinity') AND r.recorded_at <= $4::timestamptz
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_accepted
-- long: yes
-- Receipts whose event was accepted after all: it keeps their id.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'receipt', q.receipt_id::text
FROM registry.auth_event e
CROSS JOIN LATERAL (
  SELECT r.receipt_id FROM registry.webhook_receipt r
  WHERE r.tenant_id = $1 AND r.receipt_id = e.event_id AND r.disposition = 'quarantined' OFFSET 0) q
WHERE e.tenant_id = $1 AND e.recorded_at > coalesce($3::timestamptz, '-infinity') AND e.recorded_at <= $4::timestamptz
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_reopened
-- long: yes
-- What a person has done about findings, such as undoing a repair: facts may have come about it while it did not stand.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, f.family, f.subject
FROM registry.finding_change h
CROSS JOIN LATERAL (
  SELECT x.family, x.subject, x.subject_type FROM registry.finding x
  WHERE x.tenant_id = $1 AND x.finding_id = h.finding_id AND x.status IN ('open', 'acknowledged') OFFSET 0) f
WHERE h.tenant_id = $1 AND h.recorded_at > coalesce($3::timestamptz, '-infinity') AND h.recorded_at <= $4::timestamptz
  AND h.run_id IS NULL
  AND (f.family IN ('session', 'user_id', 'receipt') OR f.family = 'attempt' AND f.subject_type = 'attempt')
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_collect_tenant
-- long: yes
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT t.tenant_id, $2::uuid, 'tenant', t.slug FROM registry.tenant t WHERE t.tenant_id = $1::uuid
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_slice
-- long: yes
-- The next subjects of one family.
SELECT s.family, s.subject FROM registry.reconciliation_subject s
WHERE s.tenant_id = $1::uuid AND s.run_id = $2::uuid
  AND s.family = (SELECT min(n.family) FROM registry.reconciliation_subject n WHERE n.tenant_id = $1 AND n.run_id = $2)
ORDER BY s.subject LIMIT $3::bigint;

-- name: reconciliation_slice_done
-- long: yes
-- The subjects are the first of their family, in order, so that the last of them ($4) stands for all.
DELETE FROM registry.reconciliation_subject
WHERE tenant_id = $1::uuid AND run_id = $2::uuid AND family = $3::text AND subject <= $4::text;

-- name: reconciliation_progress
-- long: yes
UPDATE registry.reconciliation_run
SET examined = $3::bigint, collected_to = coalesce($4::timestamptz, collected_to)
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_provider_done
-- long: yes
-- How the reading of Terra's listing ended, and what there is to say about the run so far.
UPDATE registry.reconciliation_run SET provider = $3::text, is_partial = is_partial OR $4::boolean, remarks = $5::text[]
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_provider_asked
-- long: yes
UPDATE registry.reconciliation_state SET provider_at = $3::timestamptz
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_terra_users_done
-- long: yes
-- How copying terra_users ended, and what there is to say about the run so far.
UPDATE registry.reconciliation_run
SET terra_users = $3::text, is_partial = is_partial OR $3 = 'incomplete', remarks = $4::text[]
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_terra_users_copied
-- long: yes
UPDATE registry.reconciliation_state SET terra_users_at = $3::timestamptz
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_repair_progress
-- long: yes
-- Findings up to ($3, $4) are dealt with.
UPDATE registry.reconciliation_run
SET repaired_to = $3::timestamptz, repaired_id = $4::uuid, is_partial = is_partial OR $5::boolean, remarks = $6::text[]
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_yield
-- long: yes
-- The end of a slice: the tenant goes to the back of the queue ($4 is the scheduler's time), or waits until $4 where that
-- lies ahead.
UPDATE registry.reconciliation_state
SET lease_id = NULL, lease_until = NULL, place_at = coalesce($4::timestamptz, now()), version = version + 1
WHERE tenant_id = $1::uuid AND run_id = $2::uuid AND lease_id = $3::uuid;

-- name: reconciliation_finish
-- long: yes
-- Only whoever holds the run ($5) ends it.
UPDATE registry.reconciliation_run AS r
SET outcome = CASE WHEN $3::text = 'complete' AND r.is_partial THEN 'partial' ELSE $3::text END, finished_at = now(),
  error = $4::text,
  found_new = (SELECT count(*) FROM registry.finding f
               WHERE f.tenant_id = $1 AND f.opened_run = $2 AND f.status IN ('open', 'acknowledged')),
  persisting = (SELECT count(*) FROM registry.finding f
                WHERE f.tenant_id = $1 AND f.opened_run <> $2 AND f.status IN ('open', 'acknowledged')),
  resolved = (SELECT count(*) FROM registry.finding f
              WHERE f.tenant_id = $1 AND f.resolved_run = $2 AND f.status = 'vanished'),
  repaired = (SELECT count(*) FROM registry.finding f
              WHERE f.tenant_id = $1 AND f.resolved_run = $2 AND f.status = 'repaired')
WHERE r.tenant_id = $1::uuid AND r.run_id = $2::uuid AND r.outcome IN ('queued', 'running')
  AND EXISTS (
    SELECT FROM registry.reconciliation_state s WHERE s.tenant_id = $1 AND s.run_id = $2 AND s.lease_id = $5::uuid);

-- name: reconciliation_release
-- long: yes
-- The watermark moves only with a complete run ($4), and the place among what stands with it, so what an interrupted one left
-- is examined by the next. A scheduled run that could not begin is over for this time: when it was tried ($6), when the next
-- is due ($7) and how many were missed ($8) are said here.
UPDATE registry.reconciliation_state AS s
SET run_id = NULL, lease_id = NULL, lease_until = NULL, watermark = coalesce($4::timestamptz, s.watermark),
  started_at = coalesce($6::timestamptz, s.started_at), due_at = coalesce($7::timestamptz, s.due_at),
  missed = s.missed + CASE WHEN s.started_at IS DISTINCT FROM $6 THEN $8::bigint ELSE 0 END,
  (standing_family, standing_subject) = (
    SELECT CASE WHEN $4 IS NULL THEN s.standing_family ELSE q.standing_family END,
      CASE WHEN $4 IS NULL THEN s.standing_subject ELSE q.standing_subject END
    FROM registry.reconciliation_run q WHERE q.tenant_id = $1 AND q.run_id = $2),
  asked_at = CASE WHEN EXISTS (
    SELECT FROM registry.reconciliation_run q WHERE q.tenant_id = $1 AND q.outcome = 'queued') THEN s.asked_at END,
  place_at = CASE WHEN EXISTS (
    SELECT FROM registry.reconciliation_run q WHERE q.tenant_id = $1 AND q.outcome = 'queued')
    THEN coalesce($5::timestamptz, now()) ELSE coalesce($7, s.due_at, $5, now()) END,
  version = s.version + 1
WHERE s.tenant_id = $1::uuid AND s.run_id = $2::uuid AND s.lease_id = $3::uuid;

-- name: reconciliation_pause
-- long: yes
UPDATE registry.reconciliation_state
SET paused_at = coalesce(paused_at, now()), paused_by = $2::text, paused_reason = $3::text, version = version + 1
WHERE tenant_id = $1::uuid;

-- name: reconciliation_resume
-- long: yes
-- Due at once; what fell into the pause was not missed.
UPDATE registry.reconciliation_state
SET paused_at = NULL, paused_by = NULL, paused_reason = NULL, due_at = coalesce($2::timestamptz, now()),
  place_at = coalesce($2, now()), version = version + 1
WHERE tenant_id = $1::uuid AND paused_at IS NOT NULL;

-- name: reconciliation_due
-- long: yes
-- role: worker
-- Those whose turn it may be at $1, in the order of the queue: due, or scheduled further ahead than $3 seconds, which is
-- a clock that went back; with $4 all that were not begun since, with $6 only those that were asked for. A tenant that was disabled in the middle of its run is
-- listed, so that the run is ended.
SELECT s.tenant_id, t.slug, s.place_at, s.due_at, s.started_at, s.lease_until, s.run_id IS NOT NULL AS under_way,
  s.paused_at, t.disabled_at, s.missed, s.version, s.asked_at, coalesce($1::timestamptz, now()) AS at
FROM registry.reconciliation_state s JOIN registry.tenant t ON t.tenant_id = s.tenant_id
WHERE (s.paused_at IS NULL OR s.asked_at IS NOT NULL) AND (t.disabled_at IS NULL OR s.run_id IS NOT NULL)
  AND (NOT $6::boolean OR s.asked_at IS NOT NULL)
  AND (s.lease_until IS NULL OR s.lease_until < coalesce($1, now())
    OR s.lease_until > coalesce($1, now()) + make_interval(secs => 2 * $2::double precision))
  AND CASE WHEN $4::timestamptz IS NULL
    THEN s.place_at <= coalesce($1, now()) OR s.place_at > coalesce($1, now()) + make_interval(secs => $3::double precision + $2)
    ELSE s.started_at IS NULL OR s.started_at < $4 OR s.started_at > coalesce($1, now()) OR s.run_id IS NOT NULL END
ORDER BY s.place_at, s.tenant_id LIMIT $5::bigint;

-- name: reconciliation_next_due
-- long: yes
-- role: worker
SELECT coalesce($1::timestamptz, now()) AS at, (
  SELECT s.place_at FROM registry.reconciliation_state s
  WHERE s.paused_at IS NULL AND s.place_at > coalesce($1, now()) ORDER BY s.place_at LIMIT 1) AS next_at;

-- name: reconciliation_schedule_list
-- long: yes
-- role: worker
SELECT s.tenant_id, t.slug, s.place_at, s.due_at, s.started_at, s.lease_until, s.run_id IS NOT NULL AS under_way,
  s.paused_at, s.paused_by, s.paused_reason, t.disabled_at, s.missed, s.version, s.asked_at, now() AS at
FROM registry.reconciliation_state s JOIN registry.tenant t ON t.tenant_id = s.tenant_id
WHERE ($1::text IS NULL OR t.slug > $1) AND ($3::uuid IS NULL OR s.tenant_id = $3)
ORDER BY t.slug LIMIT $2::bigint;

-- name: reconciliation_run_list
-- long: yes
SELECT r.run_id, r.started_at, r.finished_at, r.window_start, r.window_end, r.outcome, r.examined, r.found_new,
  r.persisting, r.resolved, r.repaired, r.missed, r.provider, r.repair, r.remarks, r.error
FROM registry.reconciliation_run r
WHERE r.tenant_id = $1::uuid AND ($2::uuid IS NULL OR r.run_id = $2)
  AND ($3::timestamptz IS NULL OR (r.started_at, r.run_id) < ($3, $4::uuid))
  AND ($6::timestamptz IS NULL OR r.started_at >= $6) AND ($7::timestamptz IS NULL OR r.started_at < $7)
ORDER BY r.started_at DESC, r.run_id DESC LIMIT $5::bigint;
