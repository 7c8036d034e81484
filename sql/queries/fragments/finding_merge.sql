-- One row per fingerprint: what is seen again stays, what comes back opens again.
ON CONFLICT (tenant_id, kind, subject_type, subject) DO UPDATE SET
  severity      = excluded.severity,
  reason_code   = excluded.reason_code,
  evidence      = excluded.evidence,
  last_seen_at  = excluded.last_seen_at,
  last_seen_run = excluded.last_seen_run,
  opened_run    = CASE WHEN f.status IN ('vanished', 'repaired') THEN excluded.opened_run ELSE f.opened_run END,
  times_opened  = f.times_opened + CASE WHEN f.status IN ('vanished', 'repaired') THEN 1 ELSE 0 END,
  status        = CASE WHEN f.status IN ('vanished', 'repaired') THEN 'open' ELSE f.status END,
  resolved_at   = NULL,
  resolved_run  = NULL
WHERE f.tenant_id = $1
