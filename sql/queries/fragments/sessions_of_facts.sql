-- The sessions that events, recent(user_id, widget_session_id, kind), and callbacks, arrived(attempt_sha256), may say
-- something about. OFFSET 0 keeps a look-up a look-up: a run must cost what its facts are, whatever the planner believes.
  SELECT s.session_id
  FROM recent e
  CROSS JOIN LATERAL (
    SELECT x.session_id FROM registry.auth_session x
    WHERE x.tenant_id = $1 AND x.user_id = e.user_id AND x.user_id IS NOT NULL OFFSET 0) s
  UNION
  SELECT s.session_id
  FROM recent e
  CROSS JOIN LATERAL (
    SELECT x.session_id FROM registry.auth_session x
    WHERE x.tenant_id = $1 AND x.terra_session_id = e.widget_session_id AND x.terra_session_id IS NOT NULL OFFSET 0) s
  UNION
  SELECT s.session_id
  FROM (SELECT DISTINCT r.user_id FROM recent r WHERE r.widget_session_id IS NULL) e
  CROSS JOIN LATERAL (
    SELECT x.attempt_sha256 FROM registry.redirect_callback x
    WHERE x.tenant_id = $1 AND x.user_id = e.user_id AND octet_length(x.user_id) <= 256 AND x.outcome = 'success'
    OFFSET 0) b
  CROSS JOIN LATERAL (
    SELECT x.session_id FROM registry.auth_session x
    WHERE x.tenant_id = $1 AND x.attempt_sha256 = b.attempt_sha256 OFFSET 0) s
  UNION
  -- A later event about an id that an earlier one tied to the session.
  SELECT s.session_id
  FROM (SELECT DISTINCT r.user_id FROM recent r WHERE r.kind IN ('auth_success', 'user_reauth')) e
  CROSS JOIN LATERAL (
    SELECT x.widget_session_id FROM registry.auth_event x
    WHERE x.tenant_id = $1 AND x.user_id = e.user_id AND x.kind = 'auth_success' AND x.widget_session_id IS NOT NULL
    OFFSET 0) o
  CROSS JOIN LATERAL (
    SELECT x.session_id FROM registry.auth_session x
    WHERE x.tenant_id = $1 AND x.terra_session_id = o.widget_session_id AND x.terra_session_id IS NOT NULL OFFSET 0) s
  UNION
  SELECT s.session_id
  FROM arrived c
  CROSS JOIN LATERAL (
    SELECT x.session_id FROM registry.auth_session x
    WHERE x.tenant_id = $1 AND x.attempt_sha256 = c.attempt_sha256 OFFSET 0) s
