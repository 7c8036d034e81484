-- What an app user is shown as.
a.reference_id, a.created_at,
  (SELECT m.into_reference_id FROM registry.app_user_merge m
   WHERE m.tenant_id = $1 AND m.reference_id = a.reference_id) AS merged_into,
  (SELECT jsonb_object_agg(t.key, t.value)::text FROM registry.tag t
   WHERE t.tenant_id = $1 AND t.subject_type = 'app_user' AND t.subject = a.reference_id) AS tags
