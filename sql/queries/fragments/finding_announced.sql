-- What has come back is nobody's yet, and its time to be dealt with begins anew. What was done about it before is the old
-- story, unless it has come back by what was done.
UPDATE registry.finding
SET opened_at = CASE WHEN status = 'open' AND announced_status IN ('vanished', 'repaired') THEN last_seen_at ELSE opened_at END,
  acknowledged_by     = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_by END,
  acknowledged_reason = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_reason END,
  acknowledged_until  = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_until END,
  acknowledged_at     = CASE WHEN status = 'open' THEN NULL ELSE acknowledged_at END,
  repair_act        = CASE WHEN repair_at < now() AND status = 'open' AND announced_status IN ('vanished', 'repaired')
                           THEN NULL ELSE repair_act END,
  repair_reason     = CASE WHEN repair_at < now() AND status = 'open' AND announced_status IN ('vanished', 'repaired')
                           THEN NULL ELSE repair_reason END,
  repair_at         = CASE WHEN repair_at < now() AND status = 'open' AND announced_status IN ('vanished', 'repaired')
                           THEN NULL ELSE repair_at END,
  repair_correction = CASE WHEN repair_at < now() AND status = 'open' AND announced_status IN ('vanished', 'repaired')
                           THEN NULL ELSE repair_correction END,
  escalation = CASE WHEN status = 'open' AND coalesce(announced_status, 'vanished') IN ('vanished', 'repaired')
                    THEN CASE severity WHEN 'critical' THEN 20 WHEN 'warning' THEN 10 ELSE 0 END ELSE escalation END,
  announced_escalation = CASE WHEN status = 'open' AND coalesce(announced_status, 'vanished') IN ('vanished', 'repaired')
                    THEN CASE severity WHEN 'critical' THEN 20 WHEN 'warning' THEN 10 ELSE 0 END ELSE escalation END,
  announced_status = status, change_sequence = change_sequence + 1
WHERE tenant_id = $1::uuid AND is_unannounced
