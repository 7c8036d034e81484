-- The sign of life of one connection ($1 the tenant, $2 the user_id), written by every call: its key is the time.
INSERT INTO registry.connection (tenant_id, user_id, data_key)
VALUES ($1::uuid, $2::text,
  concat_ws(':', to_char(extract(epoch FROM clock_timestamp()) * 1000000, 'FM0000000000000000'), '0', 'bench'))
ON CONFLICT (tenant_id, user_id) DO UPDATE SET data_key = excluded.data_key;
