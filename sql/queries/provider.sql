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

-- name: provider_listing_last
-- long: yes
-- The last complete listing, and why absence from it does not count, if it does not.
SELECT l.listing_id, l.reason, l.started_at FROM registry.provider_listing l
WHERE l.tenant_id = $1::uuid AND l.outcome = 'complete'
ORDER BY l.started_at DESC, l.listing_id DESC LIMIT 1;
