-- name: screen_facts
-- long: yes
-- include: sessions_of_facts
-- What a run over everything has to examine of some windows' ($3 to $4, grace $5) facts: what is not plain. Plain is a
-- success callback with the id that its session was given, or that an event about the session names, beside an event
-- about that id in time that is no re-authentication, where nothing in session, callback and event disagrees.
-- Each window is joined by itself, because a join of few rows stays in the processor's memory; what lies up to $6 seconds
-- outside of it serves as somebody's other half, so that what a window's edge cuts apart is plain all the same. The edges
-- are worked out beforehand: under row-level security what is computed in a condition is kept from the index.
-- Of the events only those that can begin a connection are looked at, or that name an old id. Whatever else there is about
-- a plain session is not plain itself: another event that names it is not beside a session of its own, another callback
-- of it is beside no session; and another event about its id is found by screen_repeated.
WITH stretch AS MATERIALIZED (
  SELECT p.start, p.stop, p.start - make_interval(secs => $6::double precision) AS near_start,
    p.stop + make_interval(secs => $6) AS near_stop
  FROM unnest($3::timestamptz[], $4::timestamptz[]) AS p (start, stop)
),
odd AS MATERIALIZED (
  SELECT o.session_id, o.attempt_sha256, o.event_id, o.kind, o.user_id, o.old_user_id, o.widget_session_id
  FROM stretch p
  CROSS JOIN LATERAL (
    SELECT b.session_id, b.attempt_sha256, e.event_id, e.kind, e.user_id, e.old_user_id, e.widget_session_id
    FROM (
      SELECT s.session_id, s.user_id AS given_user_id, s.terra_session_id, s.reference_id, s.resource, s.created_at,
        h.attempt_sha256, h.outcome, h.user_id, h.reference_id AS claimed_reference_id, h.resource AS claimed_resource,
        h.recorded_at
      FROM (
        SELECT b.recorded_at, b.attempt_sha256, b.outcome, b.user_id, b.reference_id, b.resource
        FROM registry.redirect_callback b
        WHERE b.tenant_id = $1 AND b.recorded_at > p.near_start AND b.recorded_at <= p.near_stop) h
      FULL JOIN (
        SELECT x.created_at, x.session_id, x.attempt_sha256, x.user_id, x.terra_session_id, x.reference_id, x.resource
        FROM registry.auth_session x
        WHERE x.tenant_id = $1 AND x.created_at > p.near_start AND x.created_at <= p.near_stop) s
      ON s.attempt_sha256 = h.attempt_sha256) b
    FULL JOIN (
      SELECT x.event_id, x.kind, x.user_id, x.old_user_id, x.widget_session_id, x.reference_id, x.resource, x.recorded_at,
        x.occurred_at
      FROM registry.auth_event x
      WHERE x.tenant_id = $1 AND x.recorded_at > p.near_start AND x.recorded_at <= p.near_stop
        AND (x.user_id IS NOT NULL AND x.kind IN ('auth_success', 'user_reauth') OR x.old_user_id IS NOT NULL)) e
    ON e.user_id = coalesce(b.user_id, b.given_user_id)
    -- Whose the row is matters only where it is not plain.
    WHERE CASE
      WHEN b.outcome = 'success' AND b.user_id = e.user_id AND e.kind = 'auth_success' AND e.old_user_id IS NULL
        AND e.recorded_at <= e.occurred_at + make_interval(secs => $5::double precision)
        AND CASE WHEN b.given_user_id IS NULL THEN e.widget_session_id = b.terra_session_id
                 ELSE b.given_user_id = e.user_id
                   AND (e.widget_session_id IS NULL OR e.widget_session_id = b.terra_session_id) END
        AND (e.reference_id IS NULL OR b.reference_id IS NULL OR e.reference_id = b.reference_id)
        AND (e.resource IS NULL OR b.resource IS NULL OR e.resource = b.resource)
        AND (b.claimed_reference_id IS NULL OR b.reference_id IS NULL AND e.reference_id IS NULL
          OR b.claimed_reference_id = coalesce(b.reference_id, e.reference_id))
        AND (b.claimed_resource IS NULL OR b.resource IS NULL AND e.resource IS NULL
          OR b.claimed_resource = coalesce(b.resource, e.resource))
      THEN false
      ELSE b.recorded_at > p.start AND b.recorded_at <= p.stop OR b.created_at > p.start AND b.created_at <= p.stop
        OR e.recorded_at > p.start AND e.recorded_at <= p.stop END
    OFFSET 0) o
),
recent AS (SELECT DISTINCT o.user_id, o.widget_session_id, o.kind FROM odd o WHERE o.event_id IS NOT NULL),
arrived AS (SELECT DISTINCT o.attempt_sha256 FROM odd o WHERE o.session_id IS NULL AND o.attempt_sha256 IS NOT NULL)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, d.family, d.subject
FROM (
  SELECT 'session' AS family, n.session_id::text AS subject
  FROM (
    SELECT o.session_id FROM odd o WHERE o.session_id IS NOT NULL
    UNION
--> sessions_of_facts
  ) n
  UNION ALL
  SELECT 'attempt', encode(a.attempt_sha256, 'hex')
  FROM arrived a
  CROSS JOIN LATERAL (
    SELECT count(*) AS sessions FROM (
      SELECT 1 FROM registry.auth_session x
      WHERE x.tenant_id = $1 AND x.attempt_sha256 = a.attempt_sha256 LIMIT 1) s) c
  WHERE c.sessions = 0
  UNION ALL
  SELECT 'user_id', u.user_id
  FROM (
    SELECT o.user_id FROM odd o
    WHERE o.user_id IS NOT NULL AND (o.kind = 'user_reauth' OR o.old_user_id IS NOT NULL)
    UNION
    SELECT o.old_user_id FROM odd o WHERE o.old_user_id IS NOT NULL
    UNION
    SELECT c.user_id
    FROM stretch p
    CROSS JOIN LATERAL (
      SELECT x.user_id FROM registry.connection x
      WHERE x.tenant_id = $1 AND x.created_at > p.start AND x.created_at <= p.stop
        AND x.reference_id IS NULL AND x.status IN ('active', 'degraded') OFFSET 0) c
  ) u
) d
-- In one order for all, because others of the run may collect the same at the same time.
ORDER BY d.family, d.subject
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: screen_repeated_end
-- long: yes
-- Where the next part of the events by connection ends, that begins with the id $3 and has some $4 events: with the id
-- before this one; NULL where none follows. No min(): without statistics the server reads all that follow for it.
SELECT coalesce(nullif(n.user_id, $3::text), (
  SELECT x.user_id FROM registry.auth_event x
  WHERE x.tenant_id = $1 AND x.user_id > $3 ORDER BY x.user_id LIMIT 1)) AS subject
FROM (
  SELECT (
    SELECT e.user_id FROM registry.auth_event e
    WHERE e.tenant_id = $1::uuid AND e.user_id >= $3
    ORDER BY e.user_id, e.recorded_at OFFSET $4::bigint LIMIT 1) AS user_id) n
WHERE n.user_id IS NOT NULL AND $2::uuid IS NOT NULL;

-- name: screen_repeated
-- long: yes
-- include: sessions_of_facts
-- The ids from $3 on and before $4 that several events are about, as far as these can disagree: with one another about the
-- app user, or, where several begin a connection, with a session. First all that are repeated, which the index alone tells
-- in its order, then what their events say.
WITH repeated AS MATERIALIZED (
  SELECT g.user_id, w.beginnings
  FROM (
    SELECT k.user_id
    FROM (
      SELECT x.user_id FROM registry.auth_event x
      WHERE x.tenant_id = $1 AND x.user_id >= $3::text AND ($4::text IS NULL OR x.user_id < $4)
      ORDER BY x.user_id OFFSET 0) k
    GROUP BY k.user_id HAVING count(*) > 1) g
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE y.kind IN ('auth_success', 'user_reauth')) AS beginnings,
      min(y.reference_id) AS least, max(y.reference_id) AS greatest
    FROM (
      SELECT x.kind, x.reference_id FROM registry.auth_event x
      WHERE x.tenant_id = $1 AND x.user_id = g.user_id OFFSET 0) y) w
  WHERE w.beginnings > 1 OR w.least <> w.greatest
),
recent AS (
  SELECT DISTINCT y.user_id, y.widget_session_id, y.kind
  FROM repeated r
  CROSS JOIN LATERAL (
    SELECT x.user_id, x.widget_session_id, x.kind FROM registry.auth_event x
    WHERE x.tenant_id = $1 AND x.user_id = r.user_id AND x.kind IN ('auth_success', 'user_reauth') OFFSET 0) y
  WHERE r.beginnings > 1
),
arrived AS (SELECT NULL::bytea AS attempt_sha256 WHERE false)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, d.family, d.subject
FROM (
  SELECT 'session' AS family, n.session_id::text AS subject
  FROM (
--> sessions_of_facts
  ) n
  UNION ALL
  SELECT 'user_id', r.user_id FROM repeated r
) d
-- In one order for all, because others of the run may collect the same at the same time.
ORDER BY d.family, d.subject
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: screen_duplicates_end
-- long: yes
-- Where the next part of the connections by app user ends, that begins with the app user $3 and has some $4 connections:
-- with the app user before this one; NULL where none follows. No min(): without statistics the server reads all that
-- follow for it.
SELECT coalesce(nullif(n.reference_id, $3::text), (
  SELECT x.reference_id FROM registry.connection x
  WHERE x.tenant_id = $1 AND x.reference_id > $3 ORDER BY x.reference_id LIMIT 1)) AS subject
FROM (
  SELECT (
    SELECT c.reference_id FROM registry.connection c
    WHERE c.tenant_id = $1::uuid AND c.reference_id >= $3
    ORDER BY c.reference_id, c.resource OFFSET $4::bigint LIMIT 1) AS reference_id) n
WHERE n.reference_id IS NOT NULL AND $2::uuid IS NOT NULL;

-- name: screen_duplicates
-- long: yes
-- The live connections that share app user and resource with another, of the app users from $3 on and before $4. First
-- all that share, which the index alone tells in its order, then how many of them are live.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'user_id', d.user_id
FROM (
  SELECT c.reference_id, c.resource
  FROM (
    SELECT k.reference_id, k.resource FROM registry.connection k
    WHERE k.tenant_id = $1 AND k.reference_id >= $3::text AND ($4::text IS NULL OR k.reference_id < $4)
      AND k.resource IS NOT NULL
    ORDER BY k.reference_id, k.resource OFFSET 0) c
  GROUP BY c.reference_id, c.resource HAVING count(*) > 1) g
CROSS JOIN LATERAL (
  SELECT unnest(l.user_ids) AS user_id
  FROM (
    SELECT array_agg(x.user_id) AS user_ids
    FROM (
      SELECT y.user_id FROM registry.connection y
      WHERE y.tenant_id = $1 AND y.reference_id = g.reference_id AND y.resource = g.resource
        AND y.status IN ('active', 'degraded') OFFSET 0) x
    HAVING count(*) > 1) l) d
-- In one order for all, because others of the run may collect the same at the same time.
ORDER BY d.user_id
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;
