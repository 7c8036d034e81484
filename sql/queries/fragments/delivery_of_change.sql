-- A delivery out of endpoint e, change h and connection c. Times as RFC 3339 writes them, members that say nothing left
-- out, as the API does.
e.tenant_id,
encode(substr(sha256(convert_to(concat_ws(':', e.endpoint_id, h.sequence, h.user_id), 'UTF8')), 1, 16), 'hex')::uuid
  AS delivery_id,
e.endpoint_id, 'connection.' || h.to_status AS type, h.user_id, h.sequence,
jsonb_strip_nulls(jsonb_build_object(
  'type', 'connection.' || h.to_status,
  'timestamp', to_char(h.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'data', jsonb_build_object(
    'connection', jsonb_build_object(
      'user_id', c.user_id, 'resource', c.resource,
      'reference_id', coalesce(
        (SELECT g.into_reference_id FROM registry.app_user_merge g
         WHERE g.tenant_id = $1 AND g.reference_id = c.reference_id), c.reference_id),
      'status', c.status,
      'tags', coalesce(
        (SELECT jsonb_object_agg(n.key, n.value) FROM registry.tag n
         WHERE n.tenant_id = $1 AND n.subject_type = 'connection' AND n.subject = c.user_id), '{}'),
      'scopes', c.scopes, 'superseded_by', c.superseded_by,
      'last_data_at', to_char(c.last_data_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
      'created_at', to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
      'recorded_at', to_char(c.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
      'needs_reauth', c.status IN ('degraded', 'revoked'),
      'reconnect', CASE WHEN c.status IN ('degraded', 'revoked') THEN jsonb_build_object(
        'kind', CASE
          WHEN c.resource IS NULL THEN 'widget'
          WHEN c.resource IN ('APPLE', 'APPLE_HEALTH', 'FREESTYLELIBRESDK', 'GOOGLEFIT', 'GOOGLE_FIT', 'HEALTH_CONNECT',
            'SAMSUNG', 'WEAROS') THEN 'mobile'
          ELSE 'direct' END,
        'replaces', c.user_id) END),
    'change', jsonb_build_object(
      'user_id', h.user_id, 'sequence', h.sequence, 'from_status', h.from_status, 'to_status', h.to_status,
      'cause_type', h.cause_type, 'cause_id', h.cause_id,
      'recorded_at', to_char(h.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))))::text AS body
