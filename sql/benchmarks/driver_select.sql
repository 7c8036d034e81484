-- One connection by its key ($1 the tenant, $2 the user_id), with the columns that the service reads of it.
SELECT c.user_id, c.resource, c.reference_id, c.status, c.scopes, c.superseded_by, c.last_data_at, c.created_at,
  c.recorded_at
FROM registry.connection c
WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text;
