-- name: finding_list
-- long: yes
-- include: finding_listed, finding_page
SELECT
--> finding_listed
--> finding_page
;

-- name: finding_list_for_operators
-- long: yes
-- role: worker
-- include: finding_listed, finding_page
SELECT
--> finding_listed
--> finding_page
;

-- name: finding_acknowledge
-- include: finding_acknowledged
--> finding_acknowledged
;

-- name: finding_acknowledge_for_operators
-- long: yes
-- role: worker
-- include: finding_acknowledged
--> finding_acknowledged
;

-- name: finding_acknowledge_log
-- include: finding_acknowledged_log
--> finding_acknowledged_log
;

-- name: finding_acknowledge_log_for_operators
-- long: yes
-- role: worker
-- include: finding_acknowledged_log
--> finding_acknowledged_log
;

-- name: finding_acknowledgement_end
-- long: yes
-- Acknowledgements whose time is over.
UPDATE registry.finding SET status = 'open'
WHERE tenant_id = $1::uuid AND status = 'acknowledged' AND acknowledged_until <= now();

-- name: finding_escalate
-- long: yes
-- include: finding_level
-- What is open and has passed another bound, or has become more severe. What is acknowledged waits until that is over. Of
-- what an older version has opened, its severity is no news. For each severity and each level that it can leave, the index
-- gives those that are old enough, so that what stands and stays costs nothing.
UPDATE registry.finding AS f
SET announced_escalation = CASE
    WHEN f.announced_escalation >= 0 THEN f.announced_escalation
    WHEN f.severity = 'critical' THEN 20
    WHEN f.severity = 'warning' THEN 10
    ELSE 0 END,
  escalation =
--> finding_level
WHERE f.tenant_id = $1::uuid AND f.status = 'open' AND (
    f.severity = 'critical' AND (f.escalation < 20
      OR f.escalation = 20 AND f.opened_at <= now() - make_interval(secs => ($4::text[])[1]::double precision)
      OR f.escalation = 21 AND f.opened_at <= now() - make_interval(secs => ($4::text[])[2]::double precision)
      OR f.escalation = 22 AND f.opened_at <= now() - make_interval(secs => ($4::text[])[3]::double precision)
      OR f.escalation = 23 AND f.opened_at <= now() - make_interval(secs => ($4::text[])[4]::double precision))
    OR f.severity = 'warning' AND (f.escalation < 10
      OR f.escalation = 10 AND f.opened_at <= now() - make_interval(secs => ($3::text[])[1]::double precision)
      OR f.escalation = 11 AND f.opened_at <= now() - make_interval(secs => ($3::text[])[2]::double precision)
      OR f.escalation = 12 AND f.opened_at <= now() - make_interval(secs => ($3::text[])[3]::double precision)
      OR f.escalation = 13 AND f.opened_at <= now() - make_interval(secs => ($3::text[])[4]::double precision))
    OR f.severity = 'info' AND (f.escalation < 0
      OR f.escalation = 0 AND f.opened_at <= now() - make_interval(secs => ($2::text[])[1]::double precision)
      OR f.escalation = 1 AND f.opened_at <= now() - make_interval(secs => ($2::text[])[2]::double precision)
      OR f.escalation = 2 AND f.opened_at <= now() - make_interval(secs => ($2::text[])[3]::double precision)
      OR f.escalation = 3 AND f.opened_at <= now() - make_interval(secs => ($2::text[])[4]::double precision))
  );

-- name: finding_change_tenant
-- long: yes
-- Shares the tenant's row, as every change of a connection does (endpoint_tenant_lock): so a transition either sees an
-- endpoint, or was committed before it was added.
SELECT t.tenant_id FROM registry.tenant t WHERE t.tenant_id = $1::uuid FOR KEY SHARE;

-- name: finding_change_append
-- long: yes
-- include: finding_changes
--> finding_changes
;

-- name: finding_change_append_for_operators
-- long: yes
-- role: worker
-- include: finding_changes
--> finding_changes
;

-- name: finding_change_announce
-- long: yes
-- include: finding_announced
--> finding_announced
;

-- name: finding_change_announce_for_operators
-- long: yes
-- role: worker
-- include: finding_announced
--> finding_announced
;

-- name: finding_repair_left
-- long: yes
-- What a repair has tried and left open, why, and the correction that it wrote nevertheless.
UPDATE registry.finding
SET repair_act = 'left', repair_reason = $3::text, repair_at = now(), repair_correction = $4::uuid
WHERE tenant_id = $1::uuid AND finding_id = $2::uuid AND status IN ('open', 'acknowledged');

-- name: finding_repair_made
-- The correction by which the finding was repaired, and what the connection's registers say since.
SELECT f.status AS finding_status, k.correction_id, k.user_id, k.verdict, c.correction_key, c.recorded_at, c.status,
  greatest(c.alive_key, c.auth_key, c.data_key) AS life_key,
  greatest(c.superseded_key, c.deauthenticated_key, c.revoked_key) AS end_key
FROM registry.finding f
LEFT JOIN registry.correction k ON k.tenant_id = $1 AND k.correction_id = f.repair_correction
LEFT JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = k.user_id
WHERE f.tenant_id = $1::uuid AND f.finding_id = $2::uuid;

-- name: correction_insert_undoing
-- The opposite of the correction by which finding $4 was repaired, only where the finding is still repaired by it ($5) and
-- the connection is as it was when Terra was asked ($6). Both rows stay locked for the statements after this one.
INSERT INTO registry.correction (tenant_id, correction_id, occurred_at, user_id, verdict, source, reason, evidence)
SELECT c.tenant_id, $2::uuid, $3::timestamptz, c.user_id, CASE k.verdict WHEN 'gone' THEN 'alive' ELSE 'gone' END,
  'undo', $7::text, $8::jsonb
FROM registry.connection c
JOIN registry.correction k ON k.tenant_id = $1 AND k.correction_id = $5::uuid AND k.user_id = c.user_id
JOIN registry.finding f ON f.tenant_id = $1 AND f.repair_correction = k.correction_id
WHERE c.tenant_id = $1::uuid AND f.finding_id = $4::uuid AND f.status = 'repaired' AND c.recorded_at = $6::timestamptz
  AND NOT EXISTS (
    SELECT FROM unnest($9::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
FOR UPDATE OF c, f
ON CONFLICT (tenant_id, correction_id) DO NOTHING;

-- name: finding_undone
-- long: yes
-- The finding stands again, where the correction ($3) was written that undoes its repair.
UPDATE registry.finding
SET status = 'open', times_opened = times_opened + 1, resolved_at = NULL, resolved_run = NULL, last_seen_at = now(),
  repair_act = 'undone', repair_reason = $4::text, repair_at = now(), repair_correction = $3::uuid
WHERE tenant_id = $1::uuid AND finding_id = $2::uuid AND status = 'repaired'
  AND EXISTS (SELECT 1 FROM registry.correction k WHERE k.tenant_id = $1 AND k.correction_id = $3);

-- name: finding_rehearsed
-- long: yes
-- What this transaction has changed of findings and nobody is told, because it is rolled back.
SELECT f.announced_status, f.status, f.finding_id, f.kind, f.severity, f.reason_code, f.subject_type, f.subject
FROM registry.finding f
WHERE f.tenant_id = $1::uuid
  AND f.is_unannounced;

-- name: finding_rehearsed_for_operators
-- long: yes
-- role: worker
SELECT f.announced_status, f.status, f.finding_id, f.kind, f.severity, f.reason_code, f.subject_type, f.subject
FROM registry.finding f
WHERE f.tenant_id = $1::uuid
  AND f.is_unannounced;

-- name: finding_listing
-- long: yes
-- What listing $2 said of the connection $3, as long as its users are kept: those of others may be gone in part.
SELECT l.listing_id, l.outcome IN ('copying', 'copied') AS is_copy, $3::text AS user_id,
  coalesce(u.asked_at, l.started_at) AS asked_at,
  CASE WHEN u.user_id IS NOT NULL THEN true
       WHEN l.listing_id IN (
              SELECT k.listing_id FROM registry.provider_listing k
              WHERE k.tenant_id = $1 AND k.outcome = 'complete' ORDER BY k.started_at DESC, k.listing_id DESC LIMIT 2)
         OR l.listing_id IN (
              SELECT y.listing_id FROM registry.provider_listing y
              WHERE y.tenant_id = $1 AND y.outcome = 'copied' ORDER BY y.started_at DESC, y.listing_id DESC LIMIT 1)
       THEN false END AS is_listed,
  coalesce(u.conflicting, false) AS conflicting, u.reference_id, u.resource, u.scopes, u.active
FROM registry.provider_listing l
LEFT JOIN registry.provider_listing_user u
  ON u.tenant_id = $1 AND u.listing_id = l.listing_id AND u.user_id = $3
WHERE l.tenant_id = $1::uuid AND l.listing_id = $2::uuid;
