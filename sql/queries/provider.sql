-- name: provider_listing_under_way
-- long: yes
-- The server's clock, by which everything is recorded and by which listings are dated, whatever a process's own says; and the
-- listing that run $3 reads or has read, or else the reading that was begun and not ended, by whomever. One that is older
-- than $2 seconds, or dated ahead by a clock that went back since, is of no use any more.
SELECT t.at, t.listing_id IS NOT NULL AS is_own, l.listing_id, l.outcome, l.reason, l.next_page,
  l.started_at > t.at - make_interval(secs => $2::double precision) AND l.started_at <= t.at AS is_fresh
FROM (
  SELECT now() AS at, (SELECT r.listing_id FROM registry.reconciliation_run r
                       WHERE r.tenant_id = $1 AND r.run_id = $3::uuid) AS listing_id) t
LEFT JOIN LATERAL (
  SELECT x.listing_id, x.outcome, x.reason, x.next_page, x.started_at FROM registry.provider_listing x
  WHERE x.tenant_id = $1::uuid AND (x.listing_id = t.listing_id OR t.listing_id IS NULL AND x.outcome = 'reading')
  ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) l ON true;

-- name: provider_listing_date
-- long: yes
-- A reading of which no page was read begins with the page that is asked for at $3.
UPDATE registry.provider_listing SET started_at = $3::timestamptz, asked_at = $3
WHERE tenant_id = $1::uuid AND listing_id = $2::uuid AND outcome = 'reading' AND next_page = 0;

-- name: provider_listing_of_run
-- long: yes
-- Which listing run $2 reads: whoever goes on with the run goes on with that one, or finds how it ended.
UPDATE registry.reconciliation_run SET listing_id = $3::uuid WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: provider_listing_insert
INSERT INTO registry.provider_listing (tenant_id, listing_id, started_at, asked_at)
VALUES ($1::uuid, $2::uuid, $3::timestamptz, $3::timestamptz)
ON CONFLICT (tenant_id, listing_id) DO NOTHING;

-- name: provider_listing_redate
-- long: yes
-- Listings that are dated ahead are older than the clock's way back, and nothing says by how much. They keep their order and
-- count as of when the last one before them was there: so they come before whatever is read from now on, and all that was
-- recorded since seems newer than they are. First wherever a listing is begun, or a run that judges by them.
WITH dated AS MATERIALIZED (
  SELECT x.listing_id, x.started_at, x.started_at > now() AS is_ahead,
    row_number() OVER (ORDER BY x.started_at, x.listing_id) AS place
  FROM registry.provider_listing x
  WHERE x.tenant_id = $1::uuid AND x.outcome IN ('complete', 'copied') AND (x.started_at > now() OR x.asked_at > now())
),
last_known AS (
  SELECT greatest(max(x.started_at), max(x.finished_at) FILTER (WHERE x.finished_at <= now())) AS at
  FROM registry.provider_listing x WHERE x.tenant_id = $1 AND x.outcome IN ('complete', 'copied') AND x.started_at <= now()
),
redated AS (
  SELECT d.listing_id, CASE WHEN d.is_ahead
    THEN least(coalesce(k.at, (SELECT t.created_at FROM registry.tenant t WHERE t.tenant_id = $1), now())
      + d.place * interval '1 microsecond', now()) ELSE d.started_at END AS at
  FROM dated d CROSS JOIN last_known k
)
UPDATE registry.provider_listing l
SET started_at = r.at, asked_at = r.at, finished_at = least(l.finished_at, now())
FROM redated r
WHERE l.tenant_id = $1 AND l.listing_id = r.listing_id;

-- name: provider_listing_keep
-- long: yes
-- The users of one page, each once; one that an earlier page listed otherwise is in conflict.
INSERT INTO registry.provider_listing_user AS u (tenant_id, listing_id, user_id, reference_id, resource, scopes, active,
  conflicting, asked_at)
SELECT $1::uuid, $2::uuid, n.user_id, n.reference_id, n.resource, n.scopes, n.active, n.conflicting, $9::timestamptz
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::boolean[], $10::bytea[])
  AS n (user_id, reference_id, resource, scopes, active, conflicting, digest)
WHERE NOT EXISTS (SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = n.digest)
ON CONFLICT (tenant_id, listing_id, user_id) DO UPDATE SET
  conflicting = u.conflicting OR excluded.conflicting OR u.reference_id IS DISTINCT FROM excluded.reference_id
    OR u.resource IS DISTINCT FROM excluded.resource OR u.active IS DISTINCT FROM excluded.active
WHERE u.tenant_id = $1;

-- name: provider_listing_advance
-- long: yes
-- A page counts once, whoever repeats it.
UPDATE registry.provider_listing
SET next_page = $4::integer, pages = pages + 1, asked_at = $5::timestamptz
WHERE tenant_id = $1::uuid AND listing_id = $2::uuid AND outcome = 'reading' AND next_page = $3::integer;

-- name: provider_listing_end
-- long: yes
-- Repeated, because the answer to a COMMIT was lost, it finds its own outcome.
UPDATE registry.provider_listing SET outcome = $3::text, reason = $4::text, finished_at = now()
WHERE tenant_id = $1::uuid AND listing_id = $2::uuid AND outcome IN ('reading', $3);

-- name: provider_listing_slice
-- long: yes
-- Where the slice of ids after $3 ends that holds at most $4 of the listing and, with $5, of the connections; NULL where
-- there are no more than these.
SELECT least(
  (SELECT u.user_id FROM registry.provider_listing_user u
   WHERE u.tenant_id = $1::uuid AND u.listing_id = $2::uuid AND u.user_id > $3::text
   ORDER BY u.user_id OFFSET $4::bigint - 1 LIMIT 1),
  (SELECT c.user_id FROM registry.connection c
   WHERE $5::boolean AND c.tenant_id = $1 AND c.user_id > $3
   ORDER BY c.user_id OFFSET $4 - 1 LIMIT 1)) AS until;

-- name: provider_listing_assess
-- long: yes
-- What decides whether absence from listing $2 may count, of the ids after $3 up to $4: how many live connections it could
-- hold, how many of these a signed webhook has spoken of, how many of both it does hold, and how many neither it nor the
-- complete listing before it holds. Data that has come since a listing began takes nobody out of the first numbers: else a
-- listing of strangers would have nothing to be held against where everybody wears his device. Nobody is
-- absent twice about whom anything was recorded since the earlier listing began. What Terra's answers alone have brought
-- here may have come by the key of another environment: it proves nothing.
WITH previous AS (
  SELECT p.listing_id, p.started_at FROM registry.provider_listing p
  WHERE p.tenant_id = $1 AND p.outcome = 'complete' AND p.listing_id <> $2
  ORDER BY p.started_at DESC, p.listing_id DESC LIMIT 1
)
SELECT
  (SELECT count(*) FROM registry.provider_listing_user u
   WHERE u.tenant_id = $1::uuid AND u.listing_id = $2::uuid AND u.user_id > $3::text
     AND ($4::text IS NULL OR u.user_id <= $4)) AS listed,
  count(*) AS live,
  count(*) FILTER (WHERE s.is_signed) AS signed,
  count(u.user_id) AS known,
  count(u.user_id) FILTER (WHERE s.is_signed) AS confirmed,
  count(*) FILTER (WHERE u.user_id IS NULL) AS absent_once,
  count(*) FILTER (WHERE u.user_id IS NULL AND b.user_id IS NULL AND c.recorded_at < p.started_at - interval '2 seconds')
    AS absent_twice,
  (SELECT count(*) FROM previous) AS listings_before
FROM registry.connection c
CROSS JOIN LATERAL (SELECT c.alive_key IS NOT NULL OR c.data_key IS NOT NULL AS is_signed) s
LEFT JOIN previous p ON true
-- Looked up one by one: past what the statistics of a listing just written know, the planner expects a single row, and would
-- compare all with all.
LEFT JOIN LATERAL (
  SELECT x.user_id FROM registry.provider_listing_user x
  WHERE x.tenant_id = $1 AND x.listing_id = $2 AND x.user_id = c.user_id OFFSET 0) u ON true
LEFT JOIN LATERAL (
  SELECT x.user_id FROM registry.provider_listing_user x
  WHERE x.tenant_id = $1 AND x.listing_id = p.listing_id AND x.user_id = c.user_id OFFSET 0) b ON true
WHERE c.tenant_id = $1 AND c.user_id > $3::text AND ($4::text IS NULL OR c.user_id <= $4) AND c.status IN ('active', 'degraded')
  AND c.changed_at < (SELECT l.started_at FROM registry.provider_listing l WHERE l.tenant_id = $1 AND l.listing_id = $2);

-- name: provider_difference_collect
-- long: yes
-- Of the ids after $3 up to $4. What differed in the listing before, or in the copy, has differed since then.
WITH other AS MATERIALIZED (
  SELECT k.listing_id FROM (
    SELECT x.listing_id FROM registry.provider_listing x
    WHERE x.tenant_id = $1::uuid AND x.listing_id <> $2::uuid AND x.outcome = 'complete'
    ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) k
  UNION ALL
  SELECT y.listing_id FROM (
    SELECT x.listing_id FROM registry.provider_listing x
    WHERE x.tenant_id = $1 AND x.listing_id <> $2 AND x.outcome = 'copied'
    ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) y
)
INSERT INTO registry.provider_difference (tenant_id, listing_id, user_id, since)
SELECT $1::uuid, $2::uuid, coalesce(u.user_id, c.user_id), least((
    SELECT min(d.since) FROM other o
    CROSS JOIN LATERAL (
      SELECT x.since FROM registry.provider_difference x
      WHERE x.tenant_id = $1 AND x.listing_id = o.listing_id AND x.user_id = coalesce(u.user_id, c.user_id) OFFSET 0) d),
    u.asked_at)
FROM (SELECT x.user_id, x.reference_id, x.resource, x.active, x.conflicting, x.asked_at FROM registry.provider_listing_user x
      WHERE x.tenant_id = $1 AND x.listing_id = $2 AND x.user_id > $3::text AND ($4::text IS NULL OR x.user_id <= $4)) u
FULL JOIN (SELECT x.user_id, x.reference_id, x.resource, x.status FROM registry.connection x
           WHERE x.tenant_id = $1 AND x.user_id > $3::text AND ($4::text IS NULL OR x.user_id <= $4)) c
  ON c.user_id = u.user_id
-- What a copy of terra_users lacks says nothing.
WHERE u.user_id IS NULL AND c.status IN ('active', 'degraded') AND EXISTS (
        SELECT 1 FROM registry.provider_listing l
        WHERE l.tenant_id = $1 AND l.listing_id = $2 AND l.outcome IN ('reading', 'complete'))
   OR u.user_id IS NOT NULL AND (
        c.user_id IS NULL OR c.status NOT IN ('active', 'degraded') OR u.conflicting OR u.active IS FALSE
        OR u.reference_id <> c.reference_id OR u.resource <> c.resource)
ON CONFLICT (tenant_id, listing_id, user_id) DO NOTHING;

-- name: provider_listing_forgettable
-- long: yes
-- Listings that neither the last two complete ones nor the last copy of terra_users nor what is under way are, and whose
-- users are still there.
SELECT l.listing_id FROM registry.provider_listing l
WHERE l.tenant_id = $1::uuid AND l.outcome NOT IN ('reading', 'copying') AND l.listing_id NOT IN (
  SELECT k.listing_id FROM registry.provider_listing k
  WHERE k.tenant_id = $1 AND k.outcome = 'complete' ORDER BY k.started_at DESC, k.listing_id DESC LIMIT 2)
  AND l.listing_id NOT IN (
  SELECT y.listing_id FROM registry.provider_listing y
  WHERE y.tenant_id = $1 AND y.outcome = 'copied' ORDER BY y.started_at DESC, y.listing_id DESC LIMIT 1)
  AND EXISTS (
  SELECT FROM registry.provider_listing_user u WHERE u.tenant_id = $1 AND u.listing_id = l.listing_id);

-- name: provider_listing_forget_users
-- long: yes
DELETE FROM registry.provider_listing_user
WHERE tenant_id = $1::uuid AND listing_id = $2::uuid AND user_id > $3::text AND ($4::text IS NULL OR user_id <= $4);

-- name: provider_difference_forgettable
-- long: yes
-- Listings that neither the last complete one nor the last copy of terra_users nor what is under way are, which collects before
-- it ends, and whose differences are still there.
SELECT l.listing_id FROM registry.provider_listing l
WHERE l.tenant_id = $1::uuid AND l.outcome NOT IN ('reading', 'copying') AND l.listing_id NOT IN (
  SELECT k.listing_id FROM registry.provider_listing k
  WHERE k.tenant_id = $1 AND k.outcome = 'complete' ORDER BY k.started_at DESC, k.listing_id DESC LIMIT 1)
  AND l.listing_id NOT IN (
  SELECT y.listing_id FROM registry.provider_listing y
  WHERE y.tenant_id = $1 AND y.outcome = 'copied' ORDER BY y.started_at DESC, y.listing_id DESC LIMIT 1)
  AND EXISTS (
  SELECT FROM registry.provider_difference d WHERE d.tenant_id = $1 AND d.listing_id = l.listing_id);

-- name: provider_difference_slice
-- long: yes
-- Where the slice of ids after $3 ends that holds at most $4 of what listing $2 differs in; NULL where there are no more.
SELECT (
  SELECT d.user_id FROM registry.provider_difference d
  WHERE d.tenant_id = $1::uuid AND d.listing_id = $2::uuid AND d.user_id > $3::text
  ORDER BY d.user_id OFFSET $4::bigint - 1 LIMIT 1) AS until;

-- name: provider_difference_forget
-- long: yes
DELETE FROM registry.provider_difference
WHERE tenant_id = $1::uuid AND listing_id = $2::uuid AND user_id > $3::text AND ($4::text IS NULL OR user_id <= $4);

-- name: reconciliation_difference_slice
-- long: yes
-- Where the slice of ids after $2 ends that holds at most $3 of what the last complete listing differs in, of what the last
-- copy of terra_users does, and of what stands about them; NULL where there are no more than these.
SELECT least(
  (SELECT d.user_id FROM registry.provider_difference d
   WHERE d.tenant_id = $1::uuid AND d.user_id > $2::text AND d.listing_id = (
     SELECT k.listing_id FROM registry.provider_listing k
     WHERE k.tenant_id = $1 AND k.outcome = 'complete' ORDER BY k.started_at DESC, k.listing_id DESC LIMIT 1)
   ORDER BY d.user_id OFFSET $3::bigint - 1 LIMIT 1),
  (SELECT d.user_id FROM registry.provider_difference d
   WHERE d.tenant_id = $1 AND d.user_id > $2 AND d.listing_id = (
     SELECT y.listing_id FROM registry.provider_listing y
     WHERE y.tenant_id = $1 AND y.outcome = 'copied' ORDER BY y.started_at DESC, y.listing_id DESC LIMIT 1)
   ORDER BY d.user_id OFFSET $3 - 1 LIMIT 1),
  (SELECT f.subject FROM registry.finding f
   WHERE f.tenant_id = $1 AND f.family = 'listing' AND f.status IN ('open', 'acknowledged') AND f.subject > $2
   ORDER BY f.subject OFFSET $3 - 1 LIMIT 1)) AS until;

-- name: reconciliation_collect_differences
-- long: yes
-- Of the ids after $3 up to $4, where a listing was finished since $5: all that differs, with what stands; otherwise what
-- differs since then. $5 is widened by the grace.
WITH finished AS MATERIALIZED (
  SELECT EXISTS (
    SELECT 1 FROM registry.provider_listing l
    WHERE l.tenant_id = $1::uuid AND l.outcome IN ('complete', 'copied')
      AND l.finished_at > coalesce($5::timestamptz, '-infinity')) AS is_new
),
source AS MATERIALIZED (
  SELECT k.listing_id FROM (
    SELECT x.listing_id FROM registry.provider_listing x
    WHERE x.tenant_id = $1 AND x.outcome = 'complete' ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) k
  UNION ALL
  SELECT y.listing_id FROM (
    SELECT x.listing_id FROM registry.provider_listing x
    WHERE x.tenant_id = $1 AND x.outcome = 'copied' ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) y
)
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'listing', d.user_id
FROM (
  SELECT x.user_id
  FROM source s
  CROSS JOIN finished n
  CROSS JOIN LATERAL (
    SELECT w.user_id, w.since FROM registry.provider_difference w
    WHERE w.tenant_id = $1 AND w.listing_id = s.listing_id AND w.user_id > $3::text
      AND ($4::text IS NULL OR w.user_id <= $4) OFFSET 0) x
  WHERE n.is_new OR x.since > coalesce($5, '-infinity')
  UNION
  SELECT f.subject FROM finished n CROSS JOIN registry.finding f
  WHERE n.is_new AND f.tenant_id = $1 AND f.family = 'listing' AND f.status IN ('open', 'acknowledged')
    AND f.subject > $3 AND ($4 IS NULL OR f.subject <= $4)
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconciliation_differences_collected
-- long: yes
-- Up to which id ($3) what listings differ in is collected; NULL is all of it.
UPDATE registry.reconciliation_run SET differed_to = $3::text, has_differed = $3 IS NULL
WHERE tenant_id = $1::uuid AND run_id = $2::uuid;

-- name: reconciliation_collect_listing
-- long: yes
-- Whoever differs in a listing and whose connection has a fact of the window ($3 to $4), which is widened by the grace.
INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
SELECT $1::uuid, $2::uuid, 'listing', d.user_id
FROM (
  SELECT DISTINCT x.user_id
  FROM registry.provider_difference x
  JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = x.user_id
  WHERE x.tenant_id = $1 AND c.recorded_at > coalesce($3::timestamptz, '-infinity') AND c.recorded_at <= $4::timestamptz
) d
ON CONFLICT (tenant_id, run_id, family, subject) DO NOTHING;

-- name: reconcile_listing
-- long: yes
-- include: finding_columns, finding_merge
-- Where the last complete listing and the connections named in $4 differ. What changed about a connection since it was
-- asked for comes first: the listing is older than that, by its own date where that was taken back. Data alone changes nothing but absence, which counts in two
-- listings only. A copy of terra_users that is newer than the last listing counts for what it holds; of a connection that
-- has ended here it must say that it is alive.
WITH clock AS (SELECT now() AS at, make_interval(secs => $3::double precision) AS grace),
complete AS (
  SELECT l.listing_id, l.started_at, l.asked_at, row_number() OVER (ORDER BY l.started_at DESC, l.listing_id DESC) AS ordinal
  FROM registry.provider_listing l WHERE l.tenant_id = $1 AND l.outcome = 'complete'
),
source AS (
  SELECT l.listing_id, l.started_at, l.asked_at, false AS is_copy FROM complete l WHERE l.ordinal = 1
  UNION ALL
  SELECT y.listing_id, y.started_at, y.asked_at, true FROM (
    SELECT x.listing_id, x.started_at, x.asked_at FROM registry.provider_listing x
    WHERE x.tenant_id = $1 AND x.outcome = 'copied'
    ORDER BY x.started_at DESC, x.listing_id DESC LIMIT 1) y
  WHERE NOT EXISTS (SELECT 1 FROM complete n WHERE n.started_at > y.started_at)
),
held AS (
  SELECT k.user_id, l.is_copy, l.listing_id, l.started_at, u.user_id IS NOT NULL AS is_listed, u.asked_at, u.active, u.conflicting,
    u.reference_id AS listed_reference_id, u.resource AS listed_resource, c.user_id IS NOT NULL AS is_known, c.status,
    c.reference_id, c.resource, c.status IN ('active', 'degraded') AS is_live,
    coalesce(d.since, u.asked_at) + t.grace <= t.at
      AND coalesce(c.changed_at < least(u.asked_at, l.asked_at) - interval '2 seconds', true) AS is_settled,
    p.listing_id AS previous_id, p.started_at AS previous_at,
    u.user_id IS NULL AND b.user_id IS NULL AND c.recorded_at < p.started_at - interval '2 seconds' AS is_absent
  FROM unnest($4::text[]) AS k (user_id)
  CROSS JOIN clock t
  CROSS JOIN source l
  LEFT JOIN complete p ON p.ordinal = 2 AND NOT l.is_copy
  LEFT JOIN LATERAL (
    SELECT x.user_id, x.reference_id, x.resource, x.active, x.conflicting, x.asked_at
    FROM registry.provider_listing_user x
    WHERE x.tenant_id = $1 AND x.listing_id = l.listing_id AND x.user_id = k.user_id OFFSET 0) u ON true
  LEFT JOIN LATERAL (
    SELECT x.since FROM registry.provider_difference x
    WHERE x.tenant_id = $1 AND x.listing_id = l.listing_id AND x.user_id = k.user_id OFFSET 0) d ON true
  LEFT JOIN LATERAL (
    SELECT x.user_id FROM registry.provider_listing_user x
    WHERE x.tenant_id = $1 AND x.listing_id = p.listing_id AND x.user_id = k.user_id OFFSET 0) b ON true
  LEFT JOIN LATERAL (
    SELECT x.user_id, x.status, x.reference_id, x.resource, x.recorded_at, x.changed_at FROM registry.connection x
    WHERE x.tenant_id = $1 AND x.user_id = k.user_id OFFSET 0) c ON true
),
judged AS (
  SELECT DISTINCT ON (h.user_id, v.kind) h.user_id, h.listing_id, h.started_at, h.previous_id, h.previous_at, v.kind,
    v.reason_code
  FROM held h
  CROSS JOIN LATERAL (VALUES
    ('missing_locally', CASE WHEN NOT h.is_known THEN 'unknown_here'
                             WHEN h.status IN ('pending', 'failed') THEN 'never_confirmed_here' ELSE 'ended_here' END,
      h.is_listed AND NOT h.conflicting AND h.active IS NOT FALSE AND h.is_settled AND h.is_live IS NOT TRUE
        AND (NOT h.is_copy OR h.active IS TRUE OR NOT h.is_known OR h.status IN ('pending', 'failed'))),
    ('missing_at_provider', 'absent_in_two_listings', h.is_live AND h.is_absent),
    ('status_drift', CASE WHEN h.conflicting THEN 'listed_in_two_ways' WHEN h.active IS FALSE THEN 'inactive_at_provider'
                          WHEN h.listed_reference_id <> h.reference_id THEN 'another_reference_id_at_provider'
                          ELSE 'another_resource_at_provider' END,
      h.is_listed AND h.is_settled AND h.is_live AND (h.conflicting OR h.active IS FALSE
        OR h.listed_reference_id <> h.reference_id OR h.listed_resource <> h.resource))
  ) AS v (kind, reason_code, holds)
  WHERE v.holds
  ORDER BY h.user_id, v.kind, h.is_copy
),
observed AS (
  SELECT j.kind, 'warning' AS severity, j.reason_code, 'listing' AS family, 'user_id' AS subject_type,
    j.user_id AS subject,
    jsonb_build_array(jsonb_build_object('type', 'listing', 'id', j.listing_id, 'at', j.started_at),
      jsonb_build_object('type', 'user_id', 'id', j.user_id, 'at', j.started_at))
    || CASE WHEN j.kind = 'missing_at_provider'
            THEN jsonb_build_array(jsonb_build_object('type', 'listing', 'id', j.previous_id, 'at', j.previous_at))
            ELSE '[]'::jsonb END AS evidence
  FROM judged j
)
--> finding_columns
--> finding_merge
;

-- name: repair_candidates
-- long: yes
-- Open findings that an answer of Terra's can settle, with the ids to ask about, oldest first, after ($3, $4), all of them
-- or those of $6, which may be acknowledged.
SELECT f.finding_id, f.kind, f.reason_code, f.subject_type, f.subject, f.first_seen_at, t.user_id, t.session_id,
  t.reference_id, t.resource, t.multi_auth, t.session_at, t.claims, c.status, c.recorded_at
FROM registry.finding f
LEFT JOIN LATERAL (
  SELECT f.subject AS user_id, NULL::uuid AS session_id, NULL::text AS reference_id, NULL::text AS resource,
    false AS multi_auth, NULL::timestamptz AS session_at, 0::bigint AS claims
  WHERE f.subject_type = 'user_id'
  UNION ALL
  SELECT coalesce(s.user_id, CASE WHEN b.claims = 1 THEN b.user_id END), s.session_id, s.reference_id, s.resource,
    s.multi_auth, s.created_at, b.claims
  FROM registry.auth_session s
  CROSS JOIN LATERAL (
    SELECT min(x.user_id) AS user_id, count(DISTINCT x.user_id) AS claims FROM registry.redirect_callback x
    WHERE x.tenant_id = $1 AND x.attempt_sha256 = s.attempt_sha256 AND x.outcome = 'success'
      AND octet_length(x.user_id) <= 256) b
  WHERE f.subject_type = 'session' AND s.tenant_id = $1 AND s.session_id = f.subject::uuid
) t ON true
LEFT JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = t.user_id
WHERE f.tenant_id = $1::uuid AND (f.status = 'open' OR $6::uuid[] IS NOT NULL AND f.status = 'acknowledged')
  AND f.kind = ANY ($2::text[])
  AND ($3::timestamptz IS NULL OR (f.first_seen_at, f.finding_id) > ($3, $4::uuid))
  AND ($6 IS NULL OR f.finding_id = ANY ($6))
ORDER BY f.first_seen_at, f.finding_id LIMIT $5::bigint;

-- name: correction_insert_if_live
-- Terra does not know the connection any more: written only where the connection is still as it was when Terra was
-- asked ($8), and still live, and the finding that says so ($10) still stands. Both rows stay locked for the statements after
-- this one.
INSERT INTO registry.correction (tenant_id, correction_id, occurred_at, user_id, verdict, source, reason, evidence)
SELECT c.tenant_id, $2::uuid, $3::timestamptz, c.user_id, 'gone', $5::text, $6::text, $7::jsonb
FROM registry.connection c
JOIN registry.finding f ON f.tenant_id = $1 AND f.finding_id = $10::uuid AND f.status IN ('open', 'acknowledged')
WHERE c.tenant_id = $1::uuid AND c.user_id = $4::text AND c.status IN ('active', 'degraded')
  AND c.recorded_at = $8::timestamptz AND NOT EXISTS (
    SELECT FROM unnest($9::bytea[]) AS w (digest)
    CROSS JOIN LATERAL (
      SELECT FROM registry.erased_subject x WHERE x.tenant_id = $1 AND x.digest = w.digest OFFSET 0) e)
FOR UPDATE OF c, f
ON CONFLICT (tenant_id, correction_id) DO NOTHING;

-- name: connection_apply_correction
-- Joins a correction that was written ($3) into its connection, with the order key $4. No such correction, no change.
UPDATE registry.connection AS c
SET correction_verdict = k.verdict, correction_key = $4::text, recorded_at = now(), changed_at = now()
FROM registry.correction k
WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text AND k.tenant_id = $1 AND k.correction_id = $3::uuid
  AND k.user_id = c.user_id
  AND ($4, k.verdict) > (coalesce(c.correction_key, ''), coalesce(c.correction_verdict, ''));

-- name: finding_repaired
-- long: yes
-- In the transaction that writes the correction: only where this was written ($5) and the connection ($4) is now as the
-- correction says ($6: live), for the reason $7. Repeated, because the answer to a COMMIT was lost, it finds the same.
UPDATE registry.finding
SET status = 'repaired', resolved_at = now(), resolved_run = $3::uuid, repair_reason = $7::text, repair_at = now(),
  repair_act = CASE WHEN $6::boolean THEN 'confirmed' ELSE 'ended' END, repair_correction = $5::uuid
WHERE tenant_id = $1::uuid AND finding_id = $2::uuid
  AND (status IN ('open', 'acknowledged') OR status = 'repaired' AND repair_correction = $5::uuid)
  AND EXISTS (SELECT 1 FROM registry.correction k WHERE k.tenant_id = $1 AND k.correction_id = $5::uuid)
  AND EXISTS (
    SELECT 1 FROM registry.connection c
    WHERE c.tenant_id = $1 AND c.user_id = $4::text AND (c.status IN ('active', 'degraded')) = $6::boolean);

-- name: repair_witnesses
-- long: yes
-- Live connections of which a signed webhook has spoken and which the last complete listing holds: Terra, asked with the
-- right key, knows them. What corrections alone show alive is none of them: the key of another environment may have
-- brought it here, and knows it.
SELECT c.user_id
FROM registry.provider_listing_user u
JOIN registry.connection c ON c.tenant_id = $1 AND c.user_id = u.user_id
WHERE u.tenant_id = $1::uuid AND c.status IN ('active', 'degraded') AND NOT u.conflicting
  AND (c.alive_key IS NOT NULL OR c.data_key IS NOT NULL)
  AND u.listing_id = (
    SELECT l.listing_id FROM registry.provider_listing l
    WHERE l.tenant_id = $1 AND l.outcome = 'complete' ORDER BY l.started_at DESC, l.listing_id DESC LIMIT 1)
ORDER BY u.user_id LIMIT $2::bigint;

-- name: connection_witnesses
-- long: yes
-- The newest live connections besides $2 of which a signed webhook has spoken: Terra, asked with the right key, knows them.
SELECT c.user_id FROM registry.connection c
WHERE c.tenant_id = $1::uuid AND c.user_id <> $2::text AND c.status IN ('active', 'degraded')
  AND (c.alive_key IS NOT NULL OR c.data_key IS NOT NULL)
ORDER BY c.created_at DESC, c.user_id DESC LIMIT $3::bigint;

-- name: connection_of_another_tenant
-- role: worker
-- Whether $2 is alive with another tenant, which no repair of this one may take over.
SELECT EXISTS (
  SELECT FROM registry.connection c
  JOIN registry.tenant t ON t.tenant_id = c.tenant_id
  WHERE c.user_id = $2::text AND c.tenant_id <> $1::uuid AND c.status IN ('active', 'degraded') AND t.disabled_at IS NULL
) AS is_foreign;

-- name: provider_listing_last
-- long: yes
-- The last complete listing, and why absence from it does not count, if it does not.
SELECT l.listing_id, l.reason, l.started_at FROM registry.provider_listing l
WHERE l.tenant_id = $1::uuid AND l.outcome = 'complete'
ORDER BY l.started_at DESC, l.listing_id DESC LIMIT 1;
