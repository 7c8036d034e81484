-- name: app_user_merge_begin
-- long: yes
-- Merges of one tenant come one after the other: two in a circle at once must not both be taken. The lock lets facts
-- be recorded meanwhile.
SELECT t.tenant_id FROM registry.tenant t WHERE t.tenant_id = $1::uuid FOR NO KEY UPDATE;

-- name: app_user_merge_insert
-- long: yes
-- The app user $2 becomes what $3 is, unless it was merged before, or $3 was merged into it.
INSERT INTO registry.app_user_merge (tenant_id, reference_id, into_reference_id)
SELECT $1::uuid, $2::text, d.into_reference_id
FROM (
  SELECT coalesce(
    (SELECT m.into_reference_id FROM registry.app_user_merge m WHERE m.tenant_id = $1 AND m.reference_id = $3::text),
    $3::text) COLLATE "C" AS into_reference_id) d
WHERE d.into_reference_id <> $2
  AND EXISTS (SELECT FROM registry.app_user a WHERE a.tenant_id = $1 AND a.reference_id = $2)
  AND EXISTS (SELECT FROM registry.app_user a WHERE a.tenant_id = $1 AND a.reference_id = d.into_reference_id)
ON CONFLICT (tenant_id, reference_id) DO NOTHING;

-- name: app_user_merge_move_on
-- long: yes
-- Whoever was merged into $2 before belongs where $2 now belongs.
UPDATE registry.app_user_merge AS m SET into_reference_id = n.into_reference_id, recorded_at = now()
FROM registry.app_user_merge n
WHERE m.tenant_id = $1::uuid AND n.tenant_id = $1 AND n.reference_id = $2::text AND m.into_reference_id = $2;

-- name: app_user_merge_tags
-- long: yes
-- Whoever $2 is now has its tags, too. Where both had one, the other's own stays.
INSERT INTO registry.tag (tenant_id, subject_type, subject, key, value)
SELECT $1::uuid, t.subject_type, m.into_reference_id, t.key, t.value
FROM registry.app_user_merge m
JOIN registry.tag t ON t.tenant_id = $1 AND t.subject_type = 'app_user' AND t.subject = m.reference_id
WHERE m.tenant_id = $1 AND m.reference_id = $2::text
ORDER BY t.key
ON CONFLICT (tenant_id, subject_type, subject, key) DO NOTHING;

-- name: app_user_merge_tags_clear
-- long: yes
DELETE FROM registry.tag AS t
USING registry.app_user_merge m
WHERE t.tenant_id = $1::uuid AND t.subject_type = 'app_user' AND t.subject = $2::text
  AND m.tenant_id = $1 AND m.reference_id = $2;

-- name: app_user_merge_find
-- long: yes
-- Where both stand now.
SELECT
  (SELECT m.into_reference_id FROM registry.app_user_merge m WHERE m.tenant_id = $1::uuid AND m.reference_id = $2::text)
    AS merged_into,
  coalesce(
    (SELECT m.into_reference_id FROM registry.app_user_merge m WHERE m.tenant_id = $1 AND m.reference_id = $3::text),
    $3) AS target,
  EXISTS (SELECT FROM registry.app_user a WHERE a.tenant_id = $1 AND a.reference_id = $2) AS knows_source,
  EXISTS (SELECT FROM registry.app_user a WHERE a.tenant_id = $1 AND a.reference_id = $3) AS knows_target;
