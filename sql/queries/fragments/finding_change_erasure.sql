DELETE FROM registry.finding_change h WHERE h.tenant_id = $1::uuid AND h.finding_id = ANY ($2::uuid[])
