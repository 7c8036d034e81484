-- Run once by scripts/bench driver, after the registry's migrations: one tenant with a million connections, whose
-- user_ids are the numbers from 1 on, as text. :rows is their number.

-- Room in each page for the next version of its rows, so that no update of them changes an index.
ALTER TABLE registry.connection SET (fillfactor = 60, autovacuum_enabled = off);

INSERT INTO registry.tenant (tenant_id, slug, environment, dev_id, terra_base_url, terra_widget_url)
VALUES ('018f0000-0000-7000-8000-000000000001', 'bench', 'testing', 'bench', 'http://localhost/v2',
  'http://localhost/widget');

INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, data_key, reference_key, reference_id,
  resource_key, resource, scopes_key, scopes)
SELECT '018f0000-0000-7000-8000-000000000001', k::text, key, key, key, key, 'person-' || k, key,
  (ARRAY['FITBIT', 'GARMIN', 'OURA', 'WITHINGS'])[1 + k % 4], key, 'activity,sleep,heartrate'
FROM generate_series(1, :rows) AS k
CROSS JOIN LATERAL (SELECT '1700000000000000:4:' || md5(k::text) AS key) AS made;

VACUUM ANALYZE registry.connection;
