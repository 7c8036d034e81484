-- The sign of life of one connection ($1 the tenant, $2 the user_id), written by every call.
INSERT INTO benchmark.connection (tenant_id, user_id, last_data_at)
VALUES ($1::uuid, $2::text, clock_timestamp())
ON CONFLICT (tenant_id, user_id) DO UPDATE SET last_data_at = excluded.last_data_at;
