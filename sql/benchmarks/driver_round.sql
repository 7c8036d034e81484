-- Run before each round of scripts/bench driver, so that all begin alike: what the intake wrote is gone, no checkpoint
-- falls into the round, and no contender pays for the first change of a page after the checkpoint.
TRUNCATE registry.auth_event, registry.auth_event_key, registry.app_user, registry.app_user_merge,
  registry.connection_change;
DELETE FROM registry.connection WHERE octet_length(user_id) = 19;
VACUUM (ANALYZE) benchmark.connection, registry.connection;
CHECKPOINT;

UPDATE benchmark.connection c SET last_data_at = c.last_data_at
FROM (SELECT min(user_id) AS user_id FROM benchmark.connection GROUP BY (ctid::text::point)[0]) AS first_of_page
WHERE c.tenant_id = '018f0000-0000-7000-8000-000000000001' AND c.user_id = first_of_page.user_id;
