-- Run by scripts/bench reconcile: attempts :first to :last of the one tenant, each a session with its event, its callback
-- and its connection, :step seconds apart from :origin on. Of a thousand one has no event, one no callback, in one the
-- callback names somebody else, and in one the event came an hour late.
\set at '(:\'origin\'::timestamptz + (i - :first) * :step * interval \'1 second\')'
SET synchronous_commit = off;
SET session_replication_role = replica;

INSERT INTO registry.auth_session (tenant_id, session_id, kind, attempt_sha256, reference_id, resource, return_success,
  return_failure, request_sha256, user_id, terra_session_id, auth_url, answered_at, created_at, expires_at)
SELECT t.tenant_id, ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid,
  CASE WHEN i % 2 = 0 THEN 'direct' ELSE 'widget' END, sha256(('attempt ' || i)::bytea), 'person-' || i,
  CASE WHEN i % 2 = 0 THEN 'FITBIT' END, 'https://app.example/ok', 'https://app.example/no',
  sha256(('request ' || i)::bytea), CASE WHEN i % 2 = 0 THEN 'user-' || i END,
  CASE WHEN i % 2 = 1 THEN 'widget-' || i END, 'https://widget.example/session/' || i, :at, :at,
  :at + interval '15 minutes'
FROM registry.tenant t, generate_series(:first, :last) AS i;

INSERT INTO registry.auth_event (tenant_id, event_id, recorded_at, signed_at, occurred_at, channel, kind, type, status,
  user_id, reference_id, resource, widget_session_id, body, body_sha256)
SELECT t.tenant_id, ('10000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid,
  :at + CASE WHEN i % 1000 = 3 THEN interval '1 hour' ELSE interval '61 seconds' END, :at + interval '60 seconds',
  :at + interval '60 seconds', 'webhook', 'auth_success', 'auth', 'success', 'user-' || i, 'person-' || i, 'FITBIT',
  CASE WHEN i % 2 = 1 THEN 'widget-' || i END, convert_to(repeat(md5(i::text), 18), 'UTF8'),
  sha256(('body ' || i)::bytea)
FROM registry.tenant t, generate_series(:first, :last) AS i
WHERE i % 1000 <> 0;

INSERT INTO registry.redirect_callback (tenant_id, callback_id, recorded_at, attempt_sha256, claim_sha256, outcome,
  user_id, reference_id, resource, raw_query)
SELECT t.tenant_id, ('20000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, :at + interval '62 seconds',
  sha256(('attempt ' || i)::bytea), sha256(('claim ' || i)::bytea), 'success', 'user-' || i,
  CASE WHEN i % 1000 = 2 THEN 'somebody-else' ELSE 'person-' || i END, 'FITBIT',
  'user_id=user-' || i || '&reference_id=person-' || i || '&resource=FITBIT'
FROM registry.tenant t, generate_series(:first, :last) AS i
WHERE i % 1000 <> 1;

INSERT INTO registry.connection (tenant_id, user_id, auth_key, alive_key, reference_key, reference_id, resource_key,
  resource, created_at, recorded_at, changed_at)
SELECT t.tenant_id, 'user-' || i, k.key, k.key, k.key, 'person-' || i, k.key, 'FITBIT', :at,
  r.at, r.at
FROM registry.tenant t, generate_series(:first, :last) AS i
CROSS JOIN LATERAL (
  SELECT :at + CASE WHEN i % 1000 = 3 THEN interval '1 hour' ELSE interval '61 seconds' END AS at) r
CROSS JOIN LATERAL (
  SELECT lpad((extract(epoch FROM :at + interval '60 seconds') * 1000000)::bigint::text, 16, '0') || ':4:' || i AS key) k
WHERE i % 1000 <> 0;

INSERT INTO registry.connection_change (tenant_id, user_id, sequence, to_status, cause_type, cause_id, recorded_at)
SELECT t.tenant_id, 'user-' || i, 1, 'active', 'event', '10000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'),
  :at + interval '61 seconds'
FROM registry.tenant t, generate_series(:first, :last) AS i
WHERE i % 1000 <> 0;
