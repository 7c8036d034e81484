-- What this transaction has changed of findings: committed rows are announced as they are.
INSERT INTO registry.finding_change (tenant_id, finding_id, sequence, run_id, from_status, to_status, reason, for_operators)
SELECT f.tenant_id, f.finding_id, f.change_sequence + 1, $2::uuid, f.announced_status, f.status,
  CASE WHEN f.announced_status = 'acknowledged' AND f.status = 'open' THEN 'acknowledgement_ended'
       WHEN f.announced_status IS DISTINCT FROM f.status THEN NULL
       WHEN f.escalation / 10 > f.announced_escalation / 10 THEN 'more_severe'
       WHEN f.announced_escalation % 10 = 0 THEN 'overdue'
       ELSE 'older' END,
  f.for_operators
FROM registry.finding f
WHERE f.tenant_id = $1::uuid
  AND f.is_unannounced
ON CONFLICT (tenant_id, finding_id, sequence) DO NOTHING
