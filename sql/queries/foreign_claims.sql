-- name: reconciliation_claimed
-- long: yes
-- What success callbacks of these sessions or attempts ($2: the family, $3: its subjects) claim, and is no connection of
-- the tenant's own. Each is looked up by itself, whatever the planner believes.
WITH candidate AS MATERIALIZED (
  SELECT n.subject::uuid AS session_id FROM unnest($3::text[]) AS n (subject) WHERE $2::text = 'session'
),
attempt AS MATERIALIZED (
  SELECT a.attempt_sha256
  FROM candidate c
  CROSS JOIN LATERAL (
    SELECT s.attempt_sha256 FROM registry.auth_session s
    WHERE s.tenant_id = $1 AND s.session_id = c.session_id OFFSET 0) a
  UNION ALL
  SELECT decode(n.subject, 'hex') FROM unnest($3) AS n (subject) WHERE $2 = 'attempt'
)
SELECT DISTINCT b.user_id
FROM attempt a
CROSS JOIN LATERAL (
  SELECT x.user_id FROM registry.redirect_callback x
  WHERE x.tenant_id = $1::uuid AND x.attempt_sha256 = a.attempt_sha256 AND x.outcome = 'success'
    AND octet_length(x.user_id) <= 256 OFFSET 0) b
CROSS JOIN LATERAL (
  SELECT count(*) AS own FROM (
    SELECT 1 FROM registry.connection k WHERE k.tenant_id = $1 AND k.user_id = b.user_id LIMIT 1) k) c
WHERE c.own = 0;

-- name: reconcile_foreign_claims
-- long: yes
-- role: worker
-- include: foreign_claims, finding_columns, finding_merge
-- Which of these ids ($3), that callbacks claim, are connections of another tenant. For operators only.
WITH claimed AS (SELECT DISTINCT n.user_id FROM unnest($3::text[]) AS n (user_id)),
--> foreign_claims
--> finding_columns
--> finding_merge
;

-- name: reconcile_standing_foreign_claims
-- long: yes
-- role: worker
-- include: foreign_claims, finding_columns, finding_merge
-- The same about the findings that stand and were not seen by this run.
WITH claimed AS (
  SELECT p.subject AS user_id FROM registry.finding p
  WHERE p.tenant_id = $1 AND p.family = 'claim' AND p.last_seen_run <> $2 AND p.status IN ('open', 'acknowledged')
),
--> foreign_claims
--> finding_columns
--> finding_merge
;

-- name: reconcile_vanish_foreign_claims
-- long: yes
-- role: worker
UPDATE registry.finding
SET status = 'vanished', resolved_at = now(), resolved_run = $2::uuid
WHERE tenant_id = $1::uuid AND family = 'claim' AND last_seen_run <> $2 AND status IN ('open', 'acknowledged');
