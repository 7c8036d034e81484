-- name: report_funnel
-- long: yes
-- include: matching
-- How far the sessions since $3 came, by resource; a widget's resource is the one that its event names.
WITH clock AS (SELECT now() AS at, make_interval(secs => $2::double precision) AS grace),
candidate AS (
  SELECT x.session_id FROM registry.auth_session x WHERE x.tenant_id = $1::uuid AND x.created_at >= $3::timestamptz
),
--> matching
SELECT r.resource, count(*) AS sessions, count(*) FILTER (WHERE r.is_back) AS returned,
  count(*) FILTER (WHERE r.succeeded) AS confirmed, count(*) FILTER (WHERE r.is_live) AS live
FROM (
  SELECT coalesce(s.resource, (SELECT min(u.resource) FROM success u WHERE u.session_id = m.session_id)) AS resource,
    m.back_at IS NOT NULL AS is_back, m.succeeded,
    EXISTS (
      SELECT FROM success u
      JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = u.user_id AND c.status IN ('active', 'degraded')
      WHERE u.session_id = m.session_id) AS is_live
  FROM matched m JOIN session s ON s.session_id = m.session_id) r
GROUP BY r.resource ORDER BY count(*) DESC, r.resource;

-- name: report_latency
-- long: yes
-- include: matching
-- How long after the browser's return the event was recorded, in seconds, below zero where it came first: percentiles,
-- and how many lie between the bounds $4. Sessions since $3.
WITH clock AS (SELECT now() AS at, make_interval(secs => $2::double precision) AS grace),
candidate AS (
  SELECT x.session_id FROM registry.auth_session x WHERE x.tenant_id = $1::uuid AND x.created_at >= $3::timestamptz
),
--> matching
, latency AS (
  SELECT extract(epoch FROM min(u.recorded_at) - m.back_at)::double precision AS seconds
  FROM matched m JOIN success u ON u.session_id = m.session_id
  WHERE m.back_at IS NOT NULL GROUP BY m.session_id, m.back_at
),
percentile AS (
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY l.seconds) AS p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY l.seconds) AS p90,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY l.seconds) AS p99
  FROM latency l
)
SELECT width_bucket(l.seconds, $4::text[]::double precision[]) AS bucket, count(*) AS count, p.p50, p.p90, p.p99
FROM latency l CROSS JOIN percentile p
GROUP BY 1, p.p50, p.p90, p.p99 ORDER BY 1;

-- name: report_findings
-- long: yes
-- The findings that stand, by kind and by age between the bounds $2 in seconds.
SELECT f.kind, f.severity,
  width_bucket(
    greatest(extract(epoch FROM now() - coalesce(f.opened_at, f.first_seen_at)), 0)::double precision,
    $2::text[]::double precision[]) AS bucket,
  count(*) AS count
FROM registry.finding f
WHERE f.tenant_id = $1::uuid AND f.status IN ('open', 'acknowledged') AND NOT f.for_operators
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: report_left
-- long: yes
-- What repairs have tried and left open, by kind and reason.
SELECT f.kind, f.repair_reason AS reason, count(*) AS count, max(f.repair_at) AS last_at
FROM registry.finding f
WHERE f.tenant_id = $1::uuid AND f.status IN ('open', 'acknowledged') AND f.repair_act = 'left' AND NOT f.for_operators
GROUP BY f.kind, f.repair_reason ORDER BY f.kind, count(*) DESC, f.repair_reason;

-- name: report_comparison
-- long: yes
-- What stood at $2 and at $3, by kind: which is new, which persists, which is resolved.
SELECT f.kind, count(*) FILTER (WHERE s.stands AND NOT s.stood) AS new,
  count(*) FILTER (WHERE s.stands AND s.stood) AS persisting, count(*) FILTER (WHERE s.stood AND NOT s.stands) AS resolved
FROM (
  SELECT h.finding_id,
    coalesce((array_agg(h.to_status ORDER BY h.sequence DESC) FILTER (WHERE h.recorded_at <= $2::timestamptz))[1]
      IN ('open', 'acknowledged'), false) AS stood,
    coalesce((array_agg(h.to_status ORDER BY h.sequence DESC) FILTER (WHERE h.recorded_at <= $3::timestamptz))[1]
      IN ('open', 'acknowledged'), false) AS stands
  FROM registry.finding_change h WHERE h.tenant_id = $1::uuid GROUP BY h.finding_id) s
JOIN registry.finding f ON f.tenant_id = $1 AND f.finding_id = s.finding_id
WHERE (s.stood OR s.stands) AND NOT f.for_operators
GROUP BY f.kind ORDER BY f.kind;
