-- name: finding_list
-- long: yes
-- include: finding_listed
SELECT
--> finding_listed
FROM registry.finding f
WHERE f.tenant_id = $1::uuid AND ($2::uuid IS NULL OR f.finding_id = $2)
  AND ($3::text IS NULL OR f.kind = $3)
  AND f.severity = ANY ($4::text[])
  AND CASE WHEN f.status = 'acknowledged' AND f.acknowledged_until <= now() THEN 'open' ELSE f.status END
    = ANY ($5::text[])
  AND ($6::timestamptz IS NULL OR (f.first_seen_at, f.finding_id) > ($6, $7::uuid))
ORDER BY f.first_seen_at, f.finding_id LIMIT $8::bigint;

-- name: finding_list_for_operators
-- long: yes
-- role: worker
-- include: finding_listed
SELECT
--> finding_listed
FROM registry.finding f
WHERE f.tenant_id = $1::uuid AND ($2::uuid IS NULL OR f.finding_id = $2)
  AND ($3::text IS NULL OR f.kind = $3)
  AND f.severity = ANY ($4::text[])
  AND CASE WHEN f.status = 'acknowledged' AND f.acknowledged_until <= now() THEN 'open' ELSE f.status END
    = ANY ($5::text[])
  AND ($6::timestamptz IS NULL OR (f.first_seen_at, f.finding_id) > ($6, $7::uuid))
ORDER BY f.first_seen_at, f.finding_id LIMIT $8::bigint;

-- name: finding_acknowledge
-- Says who has taken a finding on; again with the same words it changes nothing.
UPDATE registry.finding AS f
SET status = 'acknowledged', acknowledged_by = $3::text, acknowledged_reason = $4::text,
  acknowledged_until = $5::timestamptz, acknowledged_at = now(), announced_status = 'acknowledged',
  change_sequence = f.change_sequence + 1
WHERE f.tenant_id = $1::uuid AND f.finding_id = $2::uuid AND f.status IN ('open', 'acknowledged')
  AND (f.status <> 'acknowledged' OR f.acknowledged_by IS DISTINCT FROM $3 OR f.acknowledged_reason IS DISTINCT FROM $4
    OR f.acknowledged_until IS DISTINCT FROM $5);

-- name: finding_acknowledge_for_operators
-- long: yes
-- role: worker
UPDATE registry.finding AS f
SET status = 'acknowledged', acknowledged_by = $3::text, acknowledged_reason = $4::text,
  acknowledged_until = $5::timestamptz, acknowledged_at = now(), announced_status = 'acknowledged',
  change_sequence = f.change_sequence + 1
WHERE f.tenant_id = $1::uuid AND f.finding_id = $2::uuid AND f.status IN ('open', 'acknowledged')
  AND (f.status <> 'acknowledged' OR f.acknowledged_by IS DISTINCT FROM $3 OR f.acknowledged_reason IS DISTINCT FROM $4
    OR f.acknowledged_until IS DISTINCT FROM $5);

-- name: finding_acknowledge_log
-- The acknowledgement as a transition, after the update that holds the row's lock.
INSERT INTO registry.finding_change (tenant_id, finding_id, sequence, from_status, to_status, made_by, reason, until,
  for_operators)
SELECT f.tenant_id, f.finding_id, f.change_sequence, p.to_status, f.status, f.acknowledged_by, f.acknowledged_reason,
  f.acknowledged_until, f.for_operators
FROM registry.finding f
LEFT JOIN registry.finding_change p
  ON p.tenant_id = $1 AND p.finding_id = f.finding_id AND p.sequence = f.change_sequence - 1
WHERE f.tenant_id = $1::uuid AND f.finding_id = $2::uuid AND f.status = 'acknowledged'
ON CONFLICT (tenant_id, finding_id, sequence) DO NOTHING;

-- name: finding_acknowledge_log_for_operators
-- long: yes
-- role: worker
INSERT INTO registry.finding_change (tenant_id, finding_id, sequence, from_status, to_status, made_by, reason, until,
  for_operators)
SELECT f.tenant_id, f.finding_id, f.change_sequence, p.to_status, f.status, f.acknowledged_by, f.acknowledged_reason,
  f.acknowledged_until, f.for_operators
FROM registry.finding f
LEFT JOIN registry.finding_change p
  ON p.tenant_id = $1 AND p.finding_id = f.finding_id AND p.sequence = f.change_sequence - 1
WHERE f.tenant_id = $1::uuid AND f.finding_id = $2::uuid AND f.status = 'acknowledged'
ON CONFLICT (tenant_id, finding_id, sequence) DO NOTHING;

-- name: finding_acknowledgement_end
-- long: yes
-- Acknowledgements whose time is over.
UPDATE registry.finding SET status = 'open'
WHERE tenant_id = $1::uuid AND status = 'acknowledged' AND acknowledged_until <= now();

-- name: finding_change_append
-- long: yes
-- What this transaction has changed of findings: committed rows have their status announced.
INSERT INTO registry.finding_change (tenant_id, finding_id, sequence, run_id, from_status, to_status, for_operators)
SELECT f.tenant_id, f.finding_id, f.change_sequence + 1, $2::uuid, f.announced_status, f.status, f.for_operators
FROM registry.finding f
WHERE f.tenant_id = $1::uuid AND f.announced_status IS DISTINCT FROM f.status
ON CONFLICT (tenant_id, finding_id, sequence) DO NOTHING;

-- name: finding_change_append_for_operators
-- long: yes
-- role: worker
INSERT INTO registry.finding_change (tenant_id, finding_id, sequence, run_id, from_status, to_status, for_operators)
SELECT f.tenant_id, f.finding_id, f.change_sequence + 1, $2::uuid, f.announced_status, f.status, f.for_operators
FROM registry.finding f
WHERE f.tenant_id = $1::uuid AND f.announced_status IS DISTINCT FROM f.status
ON CONFLICT (tenant_id, finding_id, sequence) DO NOTHING;

-- name: finding_change_announce
-- long: yes
-- What has come back is nobody's yet, and its time to be dealt with begins anew.
UPDATE registry.finding
SET opened_at = CASE WHEN status = 'open' AND announced_status IN ('vanished', 'repaired') THEN last_seen_at ELSE opened_at END,
  acknowledged_by     = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_by END,
  acknowledged_reason = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_reason END,
  acknowledged_until  = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_until END,
  acknowledged_at     = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_at END,
  announced_status = status, change_sequence = change_sequence + 1
WHERE tenant_id = $1::uuid AND announced_status IS DISTINCT FROM status;

-- name: finding_change_announce_for_operators
-- long: yes
-- role: worker
UPDATE registry.finding
SET opened_at = CASE WHEN status = 'open' AND announced_status IN ('vanished', 'repaired') THEN last_seen_at ELSE opened_at END,
  acknowledged_by     = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_by END,
  acknowledged_reason = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_reason END,
  acknowledged_until  = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_until END,
  acknowledged_at     = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_at END,
  announced_status = status, change_sequence = change_sequence + 1
WHERE tenant_id = $1::uuid AND announced_status IS DISTINCT FROM status;
