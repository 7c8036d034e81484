DELETE FROM registry.finding f WHERE f.tenant_id = $1::uuid AND f.finding_id = ANY ($2::uuid[])
