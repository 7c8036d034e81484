-- Those of claimed(user_id) that are connections of another tenant. Each id is looked up by itself, whatever the planner
-- believes.
foreign_id AS (
  SELECT c.user_id FROM claimed c
  CROSS JOIN LATERAL (
    SELECT bool_or(x.tenant_id = $1) AS is_own FROM (
      SELECT k.tenant_id FROM registry.connection k WHERE k.user_id = c.user_id OFFSET 0) x
    HAVING count(*) > 0) o
  WHERE NOT o.is_own
),
observed AS (
  SELECT 'cross_tenant_claim' AS kind, 'critical' AS severity, 'id_of_another_tenant' AS reason_code, 'claim' AS family,
    'user_id' AS subject_type, f.user_id AS subject, w.evidence
  FROM foreign_id f
  CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('type', 'callback', 'id', k.callback_id, 'at', k.recorded_at)
      ORDER BY k.recorded_at, k.callback_id) AS evidence
    FROM (
      SELECT b.callback_id, b.recorded_at FROM registry.redirect_callback b
      WHERE b.tenant_id = $1 AND b.user_id = f.user_id AND octet_length(b.user_id) <= 256 AND b.outcome = 'success'
      ORDER BY b.recorded_at, b.callback_id LIMIT 20) k) w
  -- The callbacks may have gone with an erasure since.
  WHERE w.evidence IS NOT NULL
)
