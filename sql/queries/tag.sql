-- name: tag_change
-- Sets the tags $4 to the values $5, of which NULL takes one away; where $6 is given, only while the tags are these.
-- Whoever comes second waits at the row of what has the tags, which is locked before; what is there no more gets none.
INSERT INTO registry.tag AS t (tenant_id, subject_type, subject, key, value)
SELECT $1::uuid, $2::text, $3::text, given.key, given.value
FROM unnest($4::text[], $5::text[]) AS given (key, value)
WHERE ($6::jsonb IS NULL OR $6 = coalesce(
    (SELECT jsonb_object_agg(b.key, b.value) FROM registry.tag b
     WHERE b.tenant_id = $1 AND b.subject_type = $2 AND b.subject = $3), '{}'))
  AND (
    EXISTS (SELECT FROM registry.app_user a WHERE a.tenant_id = $1 AND $2 = 'app_user' AND a.reference_id = $3)
    OR EXISTS (SELECT FROM registry.connection c WHERE c.tenant_id = $1 AND $2 = 'connection' AND c.user_id = $3))
ORDER BY given.key
ON CONFLICT (tenant_id, subject_type, subject, key) DO UPDATE SET value = excluded.value
WHERE t.tenant_id = $1;

-- name: tag_clear
DELETE FROM registry.tag
WHERE tenant_id = $1::uuid AND subject_type = $2::text AND subject = $3::text AND value IS NULL;

-- name: connection_lock
SELECT c.user_id FROM registry.connection c WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text FOR NO KEY UPDATE;

-- name: app_user_lock
SELECT a.reference_id FROM registry.app_user a
WHERE a.tenant_id = $1::uuid AND a.reference_id = $2::text FOR NO KEY UPDATE;

