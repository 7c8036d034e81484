-- What a connection is shown as: of the app user that its own was merged into, with its tags.
c.user_id, c.resource,
  coalesce(
    (SELECT m.into_reference_id FROM registry.app_user_merge m
     WHERE m.tenant_id = $1 AND m.reference_id = c.reference_id), c.reference_id) AS reference_id,
  c.status, c.scopes, c.superseded_by, c.last_data_at, c.created_at, c.recorded_at,
  (SELECT jsonb_object_agg(t.key, t.value)::text FROM registry.tag t
   WHERE t.tenant_id = $1 AND t.subject_type = 'connection' AND t.subject = c.user_id) AS tags
