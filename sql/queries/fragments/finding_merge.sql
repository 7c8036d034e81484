-- One row per fingerprint: what is seen again stays, what comes back opens again. What was repaired and shows itself by
-- the very same evidence is the old story, which the facts will tell for ever.
ON CONFLICT (tenant_id, kind, subject_type, subject) DO UPDATE SET
  severity      = excluded.severity,
  reason_code   = excluded.reason_code,
  evidence      = excluded.evidence,
  last_seen_at  = excluded.last_seen_at,
  last_seen_run = excluded.last_seen_run,
  opened_run    = CASE WHEN f.status = 'vanished' OR f.status = 'repaired' AND f.evidence <> excluded.evidence
                       THEN excluded.opened_run ELSE f.opened_run END,
  times_opened  = f.times_opened + CASE WHEN f.status = 'vanished' OR f.status = 'repaired' AND f.evidence <> excluded.evidence
                                        THEN 1 ELSE 0 END,
  resolved_at   = CASE WHEN f.status = 'repaired' AND f.evidence = excluded.evidence THEN f.resolved_at END,
  resolved_run  = CASE WHEN f.status = 'repaired' AND f.evidence = excluded.evidence THEN f.resolved_run END,
  status        = CASE WHEN f.status = 'vanished' OR f.status = 'repaired' AND f.evidence <> excluded.evidence
                       THEN 'open' ELSE f.status END
WHERE f.tenant_id = $1
