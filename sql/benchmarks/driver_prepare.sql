-- Run once by scripts/bench driver, after the registry's migrations: one tenant with :rows connections, whose user_ids
-- are the numbers from 1 on, as text.

-- What the bare workloads and the real read look up and write. It stands under the policy of the registry's own table but
-- has no computed columns, checks or second index, because drivers are to be compared, not what the server does with a row.
CREATE SCHEMA benchmark;
CREATE TABLE benchmark.connection (
  tenant_id    uuid NOT NULL,
  user_id      text COLLATE "C" NOT NULL,
  reference_id text,
  resource     text,
  status       text,
  last_data_at timestamptz,
  PRIMARY KEY (tenant_id, user_id)
-- Room in each page for the next version of its rows, so that no update of them changes an index.
) WITH (fillfactor = 60, autovacuum_enabled = off);

ALTER TABLE benchmark.connection ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON benchmark.connection TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT USAGE ON SCHEMA benchmark TO registry_service;
GRANT SELECT, INSERT, UPDATE ON benchmark.connection TO registry_service;

INSERT INTO registry.tenant (tenant_id, slug, environment, dev_id, terra_base_url, terra_widget_url)
VALUES ('018f0000-0000-7000-8000-000000000001', 'bench', 'testing', 'bench', 'http://localhost/v2',
  'http://localhost/widget');

INSERT INTO benchmark.connection (tenant_id, user_id, reference_id, resource, status, last_data_at)
SELECT '018f0000-0000-7000-8000-000000000001', k::text, 'person-' || k,
  (ARRAY['FITBIT', 'GARMIN', 'OURA', 'WITHINGS'])[1 + k % 4], 'connected', '2026-01-01'
FROM generate_series(1, :rows) AS k;

-- What the real intake finds.
ALTER TABLE registry.connection SET (autovacuum_enabled = off);

INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, data_key, reference_key, reference_id,
  resource_key, resource, scopes_key, scopes)
SELECT '018f0000-0000-7000-8000-000000000001', k::text, key, key, key, key, 'person-' || k, key,
  (ARRAY['FITBIT', 'GARMIN', 'OURA', 'WITHINGS'])[1 + k % 4], key, 'activity,sleep,heartrate'
FROM generate_series(1, :rows) AS k
CROSS JOIN LATERAL (SELECT '1700000000000000:4:' || md5(k::text) AS key) AS made;

VACUUM ANALYZE benchmark.connection, registry.connection;
