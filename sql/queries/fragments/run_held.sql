-- Fails (division by zero), and with it the transaction, where the run belongs to another by now or the tenant is
-- disabled or gone.
SELECT 1 / count(*) AS held
FROM registry.reconciliation_state s JOIN registry.tenant t ON t.tenant_id = $1
WHERE s.tenant_id = $1::uuid AND s.run_id = $2::uuid AND s.lease_id = $3::uuid AND t.disabled_at IS NULL
HAVING $1 IS NOT NULL
