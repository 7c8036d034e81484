-- The change feed. Readers take what stands below the oldest transaction that still writes: nothing can appear there
-- any more, whatever order transactions commit in.

-- name: change_list
-- The changes after ($2, $3, $4), in the feed's order, with what the connection is today: of the app user that its own
-- was merged into.
SELECT h.position, h.user_id, h.sequence, h.from_status, h.to_status, h.cause_type, h.cause_id, h.recorded_at,
  coalesce(
    (SELECT m.into_reference_id FROM registry.app_user_merge m
     WHERE m.tenant_id = $1 AND m.reference_id = c.reference_id), c.reference_id) AS reference_id,
  c.resource
FROM registry.connection_change h
JOIN registry.connection c ON c.tenant_id = $1::uuid AND c.user_id = h.user_id
WHERE h.tenant_id = $1 AND (h.position, h.user_id, h.sequence) > ($2::bigint, $3::text, $4::bigint)
  AND h.position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    + (SELECT t.change_offset FROM registry.tenant t WHERE t.tenant_id = $1)
ORDER BY h.position, h.user_id, h.sequence LIMIT $5::bigint;

-- name: change_head
-- Since when a change waits for transactions that still write (held_since), the position that no change can have yet
-- (next_position), and whether there is one all the same, as after a restore into a cluster whose ids began anew.
SELECT
  (SELECT min(w.recorded_at) FROM registry.connection_change w
   WHERE w.tenant_id = $1 AND w.position >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint + t.change_offset
  ) AS held_since,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint + t.change_offset AS next_position,
  coalesce(
    (SELECT n.position FROM registry.connection_change n WHERE n.tenant_id = $1 ORDER BY n.position DESC LIMIT 1)
      >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint + t.change_offset, false) AS is_ahead
FROM registry.tenant t WHERE t.tenant_id = $1::uuid;

-- name: change_last
-- The last change that readers may take.
SELECT h.position, h.user_id, h.sequence
FROM registry.connection_change h
WHERE h.tenant_id = $1::uuid
  AND h.position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    + (SELECT t.change_offset FROM registry.tenant t WHERE t.tenant_id = $1)
ORDER BY h.position DESC, h.user_id DESC, h.sequence DESC LIMIT 1;

-- name: change_consumer_insert
-- Begins at a position; where the consumer is known, it stays where it is. A place at a change of somebody who was
-- erased ($6) is noted as the beginning of its position: the others there may be seen again.
INSERT INTO registry.change_consumer (tenant_id, name, position, user_id, sequence)
SELECT $1::uuid, $2::text, $3::bigint, CASE WHEN n.is_known THEN $4::text ELSE '' END,
  CASE WHEN n.is_known THEN $5::bigint ELSE 0 END
FROM (SELECT NOT EXISTS (
  SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = $6::bytea) AS is_known) n
ON CONFLICT (tenant_id, name) DO NOTHING;

-- name: change_consumer_show
SELECT c.position, c.user_id, c.sequence FROM registry.change_consumer c
WHERE c.tenant_id = $1::uuid AND c.name = $2::text;

-- name: change_consumer_acknowledge
-- Compares and goes forward, never back: of several acknowledgements in any order the last change counts.
UPDATE registry.change_consumer c
SET position = $3::bigint, user_id = CASE WHEN n.is_known THEN $4::text ELSE '' END,
  sequence = CASE WHEN n.is_known THEN $5::bigint ELSE 0 END, acknowledged_at = now()
FROM (SELECT NOT EXISTS (
  SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = $6::bytea) AS is_known) n
WHERE c.tenant_id = $1::uuid AND c.name = $2::text AND (c.position, c.user_id, c.sequence) < ($3, $4, $5);

-- name: change_consumer_list
-- long: yes
-- What waits for each, counted up to $2, and since when.
SELECT c.name, c.created_at, c.acknowledged_at, w.waiting, w.waiting_since
FROM registry.change_consumer c
CROSS JOIN LATERAL (
  SELECT count(*) AS waiting, min(f.recorded_at) AS waiting_since
  FROM (
    SELECT h.recorded_at FROM registry.connection_change h
    WHERE h.tenant_id = $1::uuid AND (h.position, h.user_id, h.sequence) > (c.position, c.user_id, c.sequence)
    ORDER BY h.position, h.user_id, h.sequence LIMIT $2::bigint) f) w
WHERE c.tenant_id = $1
ORDER BY c.name;

-- name: change_consumer_delete
DELETE FROM registry.change_consumer c WHERE c.tenant_id = $1::uuid AND c.name = $2::text;

-- name: change_wake
-- role: worker
-- Tells the other processes that tenants have new changes. A hint: who misses it looks a little later.
SELECT pg_notify('registry_change', w.tenant) FROM unnest($1::text[]) AS w (tenant);

-- name: change_offset_tenants_ahead
-- role: worker
-- How many tenants have positions that the cluster's transaction ids have not reached.
SELECT count(*) AS tenants
FROM registry.tenant t
CROSS JOIN LATERAL (
  SELECT greatest(
    (SELECT h.position FROM registry.connection_change h WHERE h.tenant_id = t.tenant_id
     ORDER BY h.position DESC LIMIT 1),
    (SELECT max(c.position) FROM registry.change_consumer c WHERE c.tenant_id = t.tenant_id)) AS position) n
WHERE n.position >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint + t.change_offset;

-- name: change_offset_lock
-- role: owner
-- Waits for the transactions that wrote changes, and lets no other begin: a position is never given with an old offset.
LOCK TABLE registry.connection_change IN SHARE ROW EXCLUSIVE MODE;

-- name: change_offset_raise
-- role: owner
UPDATE registry.tenant t
SET change_offset = n.position + 1 - pg_snapshot_xmin(pg_current_snapshot())::text::bigint
FROM (
  SELECT o.tenant_id, greatest(
    (SELECT h.position FROM registry.connection_change h WHERE h.tenant_id = o.tenant_id
     ORDER BY h.position DESC LIMIT 1),
    (SELECT max(c.position) FROM registry.change_consumer c WHERE c.tenant_id = o.tenant_id)) AS position
  FROM registry.tenant o) n
WHERE n.tenant_id = t.tenant_id
  AND n.position >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint + t.change_offset;
