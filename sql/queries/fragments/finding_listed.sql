-- What a finding is shown as.
f.finding_id, f.kind, f.severity, f.reason_code, f.subject_type, f.subject, f.for_operators,
  -- An acknowledgement ends at its time, whether or not a run has noticed.
  CASE WHEN f.status = 'acknowledged' AND f.acknowledged_until <= now() THEN 'open' ELSE f.status END AS status,
  f.evidence::text AS evidence, f.first_seen_at, coalesce(f.opened_at, f.first_seen_at) AS opened_at, f.last_seen_at,
  f.times_opened, f.resolved_at, f.repair_act, f.repair_reason, f.repair_at, f.repair_correction, f.acknowledged_by,
  f.acknowledged_reason, f.acknowledged_until, f.acknowledged_at,
  now() AS at
