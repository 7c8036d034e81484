-- An erasure: first it is noted whom it takes out, so that writers leave them out; then whoever may not have seen that is
-- waited for; then the rows go, a few at a time.

-- name: erasure_scope_insert
-- long: yes
INSERT INTO registry.erasure_scope (tenant_id, reference_id, kind, id)
SELECT $1::uuid, $2::text, n.kind, n.id FROM unnest($3::text[], $4::text[]) AS n (kind, id)
ON CONFLICT (tenant_id, reference_id, kind, id) DO NOTHING;

-- name: erased_subject_insert
-- long: yes
INSERT INTO registry.erased_subject (tenant_id, digest)
SELECT $1::uuid, n.digest FROM unnest($2::bytea[]) AS n (digest) ORDER BY n.digest
ON CONFLICT (tenant_id, digest) DO NOTHING;

-- name: erasure_writers
-- long: yes
-- The transactions that may write with a view of the tables that is older than this statement: who writes a row has
-- locked the table before its statement looked, and keeps the lock to the end. What only reads is not waited for.
SELECT DISTINCT concat(l.virtualtransaction, ' ', l.pid) AS writer
FROM pg_locks l
WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND l.relation IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind = 'r');

-- name: erase_event_keys
-- long: yes
-- All keys of a body begin with its hash.
DELETE FROM registry.auth_event_key AS k
USING registry.auth_event v
WHERE k.tenant_id = $1::uuid AND v.tenant_id = $1 AND v.event_id = ANY ($2::uuid[]) AND k.event_id = v.event_id
  AND k.dedup_key >= encode(v.body_sha256, 'hex') AND k.dedup_key < encode(v.body_sha256, 'hex') || ';';

-- name: erase_events
-- long: yes
DELETE FROM registry.auth_event v WHERE v.tenant_id = $1::uuid AND v.event_id = ANY ($2::uuid[]);

-- name: erase_receipt_keys
-- long: yes
DELETE FROM registry.auth_event_key AS k
USING registry.webhook_receipt v
WHERE k.tenant_id = $1::uuid AND v.tenant_id = $1 AND v.receipt_id = ANY ($2::uuid[]) AND k.event_id = v.receipt_id
  AND k.dedup_key >= encode(v.body_sha256, 'hex') AND k.dedup_key < encode(v.body_sha256, 'hex') || ';';

-- name: erase_receipts
-- long: yes
DELETE FROM registry.webhook_receipt r WHERE r.tenant_id = $1::uuid AND r.receipt_id = ANY ($2::uuid[]);

-- name: erase_callbacks
-- long: yes
DELETE FROM registry.redirect_callback b WHERE b.tenant_id = $1::uuid AND b.callback_id = ANY ($2::uuid[]);

-- name: erase_corrections
-- long: yes
DELETE FROM registry.correction c WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text;

-- name: erase_listed
-- long: yes
DELETE FROM registry.provider_listing_user u
WHERE u.tenant_id = $1::uuid AND (u.listing_id, u.user_id) IN (
  SELECT n.listing_id, n.user_id FROM unnest($2::uuid[], $3::text[]) AS n (listing_id, user_id));

-- name: erase_listed_names
-- long: yes
-- What Terra says of others' connections, without the app users $4.
UPDATE registry.provider_listing_user SET reference_id = NULL
WHERE tenant_id = $1::uuid AND (listing_id, user_id) IN (
    SELECT n.listing_id, n.user_id FROM unnest($2::uuid[], $3::text[]) AS n (listing_id, user_id))
  AND reference_id = ANY ($4::text[]);

-- name: erase_sessions
-- long: yes
DELETE FROM registry.auth_session s WHERE s.tenant_id = $1::uuid AND s.session_id = ANY ($2::uuid[]);

-- name: erase_session_users
-- long: yes
-- Sessions of others than the app users $3 that were given one of the connections.
UPDATE registry.auth_session SET user_id = NULL
WHERE tenant_id = $1::uuid AND user_id = ANY ($2::text[]) AND user_id IS NOT NULL
  AND reference_id IS NOT NULL AND reference_id <> ALL ($3::text[]);

-- name: erase_replaced
-- long: yes
-- Others' sessions that were to replace one of the connections.
UPDATE registry.auth_session SET replaces = NULL
WHERE tenant_id = $1::uuid AND replaces = ANY ($2::text[]) AND replaces IS NOT NULL;

-- name: erase_successors
-- long: yes
-- Others' connections that this one superseded stay superseded, by nobody.
UPDATE registry.connection SET superseded_by = NULL
WHERE tenant_id = $1::uuid AND superseded_by = $2::text AND superseded_by IS NOT NULL;

-- name: erase_connection_lock
-- long: yes
-- First, as by whoever writes about a connection.
SELECT c.user_id FROM registry.connection c WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text FOR UPDATE;

-- name: erase_tags
-- long: yes
DELETE FROM registry.tag t WHERE t.tenant_id = $1::uuid AND t.subject_type = $2::text AND t.subject = ANY ($3::text[]);

-- name: erase_changes
-- long: yes
DELETE FROM registry.connection_change h WHERE h.tenant_id = $1::uuid AND h.user_id = $2::text;

-- name: erase_connection
-- long: yes
DELETE FROM registry.connection c WHERE c.tenant_id = $1::uuid AND c.user_id = $2::text;

-- name: erase_deliveries
-- long: yes
-- The deliveries about a connection, some at a time.
DELETE FROM registry.delivery d
WHERE d.tenant_id = $1::uuid AND d.delivery_id IN (
  SELECT o.delivery_id FROM registry.delivery o
  WHERE o.tenant_id = $1 AND o.user_id = $2::text AND o.user_id IS NOT NULL LIMIT $3::bigint);

-- name: erase_deliveries_of_findings
-- long: yes
DELETE FROM registry.delivery d WHERE d.tenant_id = $1::uuid AND d.delivery_id = ANY ($2::uuid[]);

-- name: erase_delivery_names
-- long: yes
-- Another's delivery, without the names that its body held.
UPDATE registry.delivery SET body = $3::text WHERE tenant_id = $1::uuid AND delivery_id = $2::uuid AND body = $4::text;

-- name: erase_subjects
-- long: yes
DELETE FROM registry.reconciliation_subject r
WHERE r.tenant_id = $1::uuid AND (r.family, r.subject) IN (
  SELECT n.family, n.subject FROM unnest($2::text[], $3::text[]) AS n (family, subject));

-- name: erase_differences
-- long: yes
DELETE FROM registry.provider_difference d WHERE d.tenant_id = $1::uuid AND d.user_id = ANY ($2::text[]);

-- name: erase_consumer_places
-- long: yes
-- A reader that stands at one of their changes stands at the beginning of its position: it may see others there again.
UPDATE registry.change_consumer SET user_id = '', sequence = 0
WHERE tenant_id = $1::uuid AND user_id = ANY ($2::text[]);

-- name: erase_findings_lock
-- long: yes
-- include: finding_lock
--> finding_lock
;

-- name: erase_findings_lock_for_operators
-- long: yes
-- role: worker
-- include: finding_lock
--> finding_lock
;

-- name: erase_finding_changes
-- long: yes
-- include: finding_change_erasure
--> finding_change_erasure
;

-- name: erase_finding_changes_for_operators
-- long: yes
-- role: worker
-- include: finding_change_erasure
--> finding_change_erasure
;

-- name: erase_findings
-- long: yes
-- include: finding_erasure
--> finding_erasure
;

-- name: erase_findings_for_operators
-- long: yes
-- role: worker
-- include: finding_erasure
--> finding_erasure
;

-- name: erase_witnesses
-- long: yes
-- include: finding_witnesses
--> finding_witnesses
;

-- name: erase_witnesses_for_operators
-- long: yes
-- role: worker
-- include: finding_witnesses
--> finding_witnesses
;

-- name: erase_audit_names
-- long: yes
-- That something was done stays; whom it was done to does not.
UPDATE registry.audit_entry SET subject = $3::text, detail = $4::jsonb
WHERE tenant_id = $1::uuid AND audit_id = $2::uuid;

-- name: erase_answer
-- long: yes
DELETE FROM registry.idempotent_request r
WHERE r.tenant_id = $1::uuid AND r.operation = $2::text AND r.idempotency_key = $3::text AND r.claim_id = $4::uuid;

-- name: erase_app_users_lock
-- long: yes
SELECT a.reference_id FROM registry.app_user a
WHERE a.tenant_id = $1::uuid AND a.reference_id = ANY ($2::text[]) ORDER BY a.reference_id FOR UPDATE;

-- name: erase_merges
-- long: yes
-- Those among the app users $2 only: one that has come since keeps the app user, until it is taken out as well.
DELETE FROM registry.app_user_merge m
WHERE m.tenant_id = $1::uuid AND m.reference_id = ANY ($2::text[]) AND m.into_reference_id = ANY ($2);

-- name: erase_app_users
-- long: yes
DELETE FROM registry.app_user a WHERE a.tenant_id = $1::uuid AND a.reference_id = ANY ($2::text[]);

-- name: erasure_scope_clear
-- long: yes
DELETE FROM registry.erasure_scope s WHERE s.tenant_id = $1::uuid AND s.reference_id = ANY ($2::text[]);
