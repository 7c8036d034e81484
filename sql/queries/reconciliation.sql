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
-- When the first fact was recorded. No min(): without statistics the server reads all facts for it.
SELECT least(
  (SELECT e.recorded_at FROM registry.auth_event e WHERE e.tenant_id = $1::uuid ORDER BY e.recorded_at LIMIT 1),
  (SELECT b.recorded_at FROM registry.redirect_callback b WHERE b.tenant_id = $1 ORDER BY b.recorded_at LIMIT 1),
  (SELECT c.changed_at FROM registry.connection c WHERE c.tenant_id = $1 ORDER BY c.changed_at LIMIT 1),
  (SELECT s.expires_at FROM registry.auth_session s WHERE s.tenant_id = $1 ORDER BY s.expires_at LIMIT 1),
  (SELECT r.recorded_at FROM registry.webhook_receipt r
   WHERE r.tenant_id = $1 AND r.disposition = 'quarantined' ORDER BY r.recorded_at LIMIT 1)
) AS earliest;

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

-- name: reconciliation_run_list
-- long: yes
SELECT r.run_id, r.started_at, r.finished_at, r.window_start, r.window_end, r.outcome, r.examined, r.found_new,
  r.persisting, r.resolved, r.repaired, r.missed, r.provider, r.repair, r.remarks, r.error
FROM registry.reconciliation_run r
WHERE r.tenant_id = $1::uuid AND ($2::uuid IS NULL OR r.run_id = $2)
  AND ($3::timestamptz IS NULL OR (r.started_at, r.run_id) < ($3, $4::uuid))
  AND ($6::timestamptz IS NULL OR r.started_at >= $6) AND ($7::timestamptz IS NULL OR r.started_at < $7)
ORDER BY r.started_at DESC, r.run_id DESC LIMIT $5::bigint;
