-- What sessions, callbacks and auth events say of each other. Takes candidate(session_id) and
-- clock(at, grace) and the tenant as $1; gives matched, one row a session. A browser is waited for only where the session
-- has a URL to return to: a phone's token has none, and a client of the gateway need not give both.
session AS (
  SELECT s.session_id, s.attempt_sha256, s.reference_id, s.resource, s.user_id, s.multi_auth, s.terra_session_id,
    s.created_at, s.expires_at, s.answered_at, s.refused_reason, s.return_success IS NOT NULL AS returns_success,
    s.return_success IS NOT NULL AND s.return_failure IS NOT NULL AS returns_always
  FROM candidate c JOIN registry.auth_session s ON s.tenant_id = $1 AND s.session_id = c.session_id
),
claim AS (
  SELECT s.session_id, b.callback_id, b.recorded_at, b.outcome, b.user_id, b.reference_id, b.resource
  FROM session s
  JOIN registry.redirect_callback b ON b.tenant_id = $1 AND b.attempt_sha256 = s.attempt_sha256
),
claimed AS (
  SELECT k.session_id, k.user_id, min(k.recorded_at) AS first_at, count(*) OVER (PARTITION BY k.session_id) AS ids
  FROM claim k WHERE k.outcome = 'success' AND k.user_id IS NOT NULL
  GROUP BY k.session_id, k.user_id
),
-- Tied ids: the pre-issued one and those of events that name the session; if there are none, the only claimed.
named AS (
  SELECT s.session_id, s.user_id FROM session s WHERE s.user_id IS NOT NULL
  UNION
  SELECT s.session_id, e.user_id
  FROM session s
  JOIN registry.auth_event e ON e.tenant_id = $1 AND e.widget_session_id = s.terra_session_id
  WHERE e.kind = 'auth_success' AND e.user_id IS NOT NULL
),
tied AS (
  SELECT n.session_id, n.user_id, false AS by_claim FROM named n
  UNION ALL
  SELECT k.session_id, k.user_id, true FROM claimed k
  -- NOT IN is hashed whatever the planner believes of the claims; an anti join became a nested loop here.
  WHERE k.ids = 1 AND k.session_id NOT IN (SELECT n.session_id FROM named n)
),
-- Successes of tied ids. A claimed id is tied by an event that names no session: one that names another
-- session belongs to that one.
success AS (
  SELECT t.session_id, t.user_id, e.event_id, e.occurred_at, e.recorded_at, e.reference_id, e.resource,
    row_number() OVER (PARTITION BY t.session_id, t.user_id ORDER BY e.recorded_at, e.event_id) AS ordinal
  FROM tied t
  JOIN registry.auth_event e ON e.tenant_id = $1 AND e.user_id = t.user_id
  WHERE e.kind IN ('auth_success', 'user_reauth') AND (NOT t.by_claim OR e.widget_session_id IS NULL)
),
compared AS (
  SELECT u.session_id, u.ordinal, u.occurred_at, u.recorded_at,
    -- Two app users of whom one was merged into the other are one; asked only where the names differ.
    u.reference_id <> s.reference_id AND coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = u.reference_id), u.reference_id)
      <> coalesce(
      (SELECT f.into_reference_id FROM registry.app_user_merge f
       WHERE f.tenant_id = $1 AND f.reference_id = s.reference_id), s.reference_id) AS reference_differs,
    u.resource <> s.resource AS resource_differs
  FROM success u JOIN session s ON s.session_id = u.session_id
),
-- What names another app user is not asked for its resource as well; what it says hides nothing that others say.
succeeded AS (
  SELECT u.session_id, max(u.occurred_at) FILTER (WHERE u.ordinal = 1) AS occurred_at,
    bool_or(u.recorded_at > u.occurred_at + k.grace) FILTER (WHERE u.ordinal = 1) AS late,
    bool_or(u.reference_differs) AS reference_differs,
    bool_or(u.resource_differs AND u.reference_differs IS NOT TRUE) AS resource_differs
  FROM compared u CROSS JOIN clock k
  GROUP BY u.session_id
),
-- Each callback beside its session and the event of the id that it claims. A success that claims an id
-- which is not its session's is foreign: its other claims are compared with nothing. Of several connections that come of
-- one session each has an event of its own: that of an id of which none has come is awaited for the grace of the first
-- callback that claims it.
heard AS (
  SELECT k.session_id, k.callback_id, k.recorded_at, k.outcome, k.user_id,
    d.user_id IS NOT NULL AND t.user_id IS NULL AND (o.session_id IS NOT NULL OR d.ids > 1) AND w.awaited IS NULL AS replayed,
    d.user_id IS NOT NULL AND t.user_id IS NULL AND o.session_id IS NOT NULL AND w.awaited IS NULL AS foreign_id,
    k.reference_id <> coalesce(s.reference_id, u.reference_id) AND coalesce(
      (SELECT g.into_reference_id FROM registry.app_user_merge g
       WHERE g.tenant_id = $1 AND g.reference_id = k.reference_id), k.reference_id)
      <> coalesce(
      (SELECT f.into_reference_id FROM registry.app_user_merge f
       WHERE f.tenant_id = $1 AND f.reference_id = coalesce(s.reference_id, u.reference_id)),
      coalesce(s.reference_id, u.reference_id)) AS reference_differs,
    k.resource <> coalesce(s.resource, u.resource) AS resource_differs,
    u.event_id IS NOT NULL AS confirmed
  FROM claim k
  CROSS JOIN clock c
  JOIN session s ON s.session_id = k.session_id
  LEFT JOIN claimed d ON d.session_id = k.session_id AND d.user_id = k.user_id AND k.outcome = 'success'
  LEFT JOIN tied t ON t.session_id = k.session_id AND t.user_id = k.user_id
  LEFT JOIN (SELECT DISTINCT x.session_id FROM tied x) o ON o.session_id = k.session_id
  LEFT JOIN success u ON u.session_id = k.session_id AND u.user_id = k.user_id AND u.ordinal = 1
  LEFT JOIN LATERAL (
    SELECT true AS awaited
    WHERE s.multi_auth AND d.first_at + c.grace > c.at AND d.first_at <= s.expires_at + c.grace
      AND NOT EXISTS (
        SELECT 1 FROM registry.auth_event e
        WHERE e.tenant_id = $1 AND e.user_id = d.user_id AND e.kind IN ('auth_success', 'user_reauth') OFFSET 0)
    OFFSET 0) w ON true
),
returned AS (
  SELECT h.session_id,
    min(h.recorded_at) FILTER (WHERE h.outcome = 'success' AND h.user_id IS NOT NULL AND NOT h.foreign_id) AS back_at,
    min(h.recorded_at) FILTER (WHERE h.outcome = 'failure') AS failed_at,
    bool_or(h.replayed) AS replayed,
    bool_or(h.reference_differs) FILTER (WHERE NOT h.foreign_id) AS reference_differs,
    bool_or(h.resource_differs AND h.reference_differs IS NOT TRUE) FILTER (WHERE NOT h.foreign_id) AS resource_differs
  FROM heard h GROUP BY h.session_id
),
matched AS (
  SELECT s.session_id, s.reference_id, s.created_at, s.expires_at, s.answered_at, s.refused_reason,
    s.returns_success, s.returns_always, e.session_id IS NOT NULL AS succeeded, e.occurred_at, coalesce(e.late, false) AS late,
    r.back_at, r.failed_at, coalesce(r.replayed, false) AS replayed,
    coalesce(e.reference_differs, false) AS event_reference_differs,
    coalesce(e.resource_differs, false) AS event_resource_differs,
    coalesce(r.reference_differs, false) AS claim_reference_differs,
    coalesce(r.resource_differs, false) AS claim_resource_differs
  FROM session s
  LEFT JOIN succeeded e ON e.session_id = s.session_id
  LEFT JOIN returned r ON r.session_id = s.session_id
)
