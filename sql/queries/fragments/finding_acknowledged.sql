-- Says who has taken a finding on; again with the same words it changes nothing.
UPDATE registry.finding AS f
SET status = 'acknowledged', acknowledged_by = $3::text, acknowledged_reason = $4::text,
  acknowledged_until = $5::timestamptz, acknowledged_at = now(), announced_status = 'acknowledged',
  change_sequence = f.change_sequence + 1
WHERE f.tenant_id = $1::uuid AND f.finding_id = $2::uuid AND f.status IN ('open', 'acknowledged')
  AND (f.status <> 'acknowledged' OR f.acknowledged_by IS DISTINCT FROM $3 OR f.acknowledged_reason IS DISTINCT FROM $4
    OR f.acknowledged_until IS DISTINCT FROM $5)
