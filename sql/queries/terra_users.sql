-- name: terra_users_read
-- role: owner
-- The table that Terra's SQL destinations keep, in the team's own database. Its columns differ by destination, so that each
-- is taken by name where it is there.
SELECT r.fields ->> 'user_id' AS user_id, r.fields ->> 'reference_id' AS reference_id,
  coalesce(r.fields ->> 'provider', r.fields ->> 'resource') AS resource, r.fields ->> 'granted_scopes' AS scopes,
  r.fields ->> 'state' AS state
FROM (SELECT to_jsonb(t) AS fields FROM terra_users t) r;

-- name: terra_users_copy_insert
-- Dated by the server's clock, as listings are.
INSERT INTO registry.provider_listing (tenant_id, listing_id, started_at, asked_at, outcome)
VALUES ($1::uuid, $2::uuid, now(), now(), 'copying')
ON CONFLICT (tenant_id, listing_id) DO NOTHING;

-- name: terra_users_copy_begun
-- long: yes
SELECT l.started_at FROM registry.provider_listing l WHERE l.tenant_id = $1::uuid AND l.listing_id = $2::uuid;

-- name: terra_users_copy_give_up_others
-- What was broken off, or loses its place to this one.
UPDATE registry.provider_listing SET outcome = 'given_up', finished_at = now(), reason = 'Another copy took its place.'
WHERE tenant_id = $1::uuid AND outcome = 'copying' AND listing_id <> $2::uuid;

-- name: terra_users_copy_end
-- long: yes
UPDATE registry.provider_listing SET outcome = 'copied', pages = 1, finished_at = now()
WHERE tenant_id = $1::uuid AND listing_id = $2::uuid AND outcome = 'copying';
