-- One connection by its key ($1 the tenant, $2 the user_id): whose it is, of what, and how it stands.
SELECT c.reference_id, c.resource, c.status
FROM benchmark.connection c
WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text;
