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
  r.asks_provider, r.provider, r.differed_to, r.has_differed, s.terra_users_at, r.copies_terra_users, r.terra_users,
  r.repair, r.repaired_to, r.repaired_id, r.is_partial, r.remarks
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

-- name: reconciliation_yield
-- long: yes
-- The end of a slice: the tenant goes to the back of the queue ($4 is the scheduler's time), or waits until $4 where that
-- lies ahead.
UPDATE registry.reconciliation_state
SET lease_id = NULL, lease_until = NULL, place_at = coalesce($4::timestamptz, now()), version = version + 1
WHERE tenant_id = $1::uuid AND run_id = $2::uuid AND lease_id = $3::uuid;

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
-- a clock that went back; with $4 all that were not begun since, with $6 only those that were asked for. A tenant that
-- was disabled in the middle of its run is listed, so that the run is ended.
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
