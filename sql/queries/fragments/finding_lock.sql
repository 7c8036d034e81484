SELECT f.finding_id FROM registry.finding f
WHERE f.tenant_id = $1::uuid AND f.finding_id = ANY ($2::uuid[]) ORDER BY f.finding_id FOR UPDATE
