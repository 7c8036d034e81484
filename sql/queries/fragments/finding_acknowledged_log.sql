-- The acknowledgement as a transition, after the update that holds the row's lock.
INSERT INTO registry.finding_change (tenant_id, finding_id, sequence, from_status, to_status, made_by, reason, until,
  for_operators)
SELECT f.tenant_id, f.finding_id, f.change_sequence, p.to_status, f.status, f.acknowledged_by, f.acknowledged_reason,
  f.acknowledged_until, f.for_operators
FROM registry.finding f
LEFT JOIN registry.finding_change p
  ON p.tenant_id = $1 AND p.finding_id = f.finding_id AND p.sequence = f.change_sequence - 1
WHERE f.tenant_id = $1::uuid AND f.finding_id = $2::uuid AND f.status = 'acknowledged'
ON CONFLICT (tenant_id, finding_id, sequence) DO NOTHING
