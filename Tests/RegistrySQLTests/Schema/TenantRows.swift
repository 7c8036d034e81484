import Foundation

/// One row of every table for one tenant, so that each table can be asked whose rows it shows.
enum TenantRows {
  /// INSERT statements in the order of the foreign keys; `$1` is the tenant, `$2` a text that differs by tenant.
  static let inserts: [(table: String, text: String)] = [
    (
      "tenant",
      """
      INSERT INTO registry.tenant (tenant_id, slug, dev_id, terra_base_url, terra_widget_url)
      VALUES ($1, $2, 'dev', 'https://api.example', 'https://widget.example')
      """
    ),
    (
      "tenant_secret",
      "INSERT INTO registry.tenant_secret (tenant_id, secret_id, purpose, sealed) VALUES ($1, md5($2)::uuid, 'terra_signing', '\\x00')"
    ),
    (
      "api_key",
      """
      INSERT INTO registry.api_key (tenant_id, key_id, key_sha256, name, scopes)
      VALUES ($1, md5($2)::uuid, sha256($2::bytea), 'key', '{admin}')
      """
    ),
    ("app_user", "INSERT INTO registry.app_user (tenant_id, reference_id) VALUES ($1, $2)"),
    (
      "auth_session",
      """
      INSERT INTO registry.auth_session (tenant_id, session_id, kind, attempt_sha256, return_success, return_failure,
        request_sha256, expires_at)
      VALUES ($1, md5($2)::uuid, 'widget', sha256($2::bytea), 'https://a', 'https://b', sha256($2::bytea), now())
      """
    ),
    (
      "auth_event_key",
      "INSERT INTO registry.auth_event_key (tenant_id, dedup_key, event_id) VALUES ($1, $2, md5($2)::uuid)"
    ),
    (
      "auth_event",
      """
      INSERT INTO registry.auth_event (tenant_id, event_id, signed_at, occurred_at, channel, kind, type, body, body_sha256)
      VALUES ($1, md5($2)::uuid, now(), now(), 'webhook', 'auth_success', 'auth', '\\x7b7d', sha256('\\x7b7d'))
      """
    ),
    (
      "webhook_receipt",
      """
      INSERT INTO registry.webhook_receipt (tenant_id, receipt_id, disposition, reason_code, headers, body, body_sha256,
        body_bytes)
      VALUES ($1, md5($2)::uuid, 'rejected', 'bad_signature', '{}', '\\x00', sha256('\\x00'), 1)
      """
    ),
    (
      "webhook_receipt_count",
      "INSERT INTO registry.webhook_receipt_count (tenant_id, day, disposition, count) SELECT $1, current_date, 'rejected', length($2)"
    ),
    (
      "redirect_callback",
      """
      INSERT INTO registry.redirect_callback (tenant_id, callback_id, attempt_sha256, claim_sha256, outcome, raw_query)
      VALUES ($1, md5($2)::uuid, sha256($2::bytea), sha256($2::bytea), 'success', '')
      """
    ),
    (
      "correction",
      """
      INSERT INTO registry.correction (tenant_id, correction_id, occurred_at, user_id, verdict, source, reason)
      VALUES ($1, md5($2)::uuid, now(), $2, 'alive', 'operator', 'seen')
      """
    ),
    ("connection", "INSERT INTO registry.connection (tenant_id, user_id) VALUES ($1, $2)"),
    (
      "connection_change",
      """
      INSERT INTO registry.connection_change (tenant_id, user_id, sequence, to_status, cause_type, cause_id)
      VALUES ($1, $2, 1, 'pending', 'event', 'e')
      """
    ),
    ("embedder", "INSERT INTO registry.embedder (tenant_id, login) VALUES ($1, $2)"),
    (
      "change_consumer",
      """
      INSERT INTO registry.change_consumer (tenant_id, name, position, user_id, sequence) VALUES ($1, $2, 0, '', 0)
      """
    ),
    (
      "reconciliation_state",
      "INSERT INTO registry.reconciliation_state (tenant_id, watermark) SELECT $1, now() WHERE $2 <> ''"
    ),
    (
      "reconciliation_run",
      "INSERT INTO registry.reconciliation_run (tenant_id, run_id, window_end) VALUES ($1, md5($2)::uuid, now())"
    ),
    (
      "reconciliation_subject",
      """
      INSERT INTO registry.reconciliation_subject (tenant_id, run_id, family, subject)
      VALUES ($1, md5($2)::uuid, 'tenant', $2)
      """
    ),
    (
      "finding",
      """
      INSERT INTO registry.finding (tenant_id, finding_id, kind, severity, reason_code, family, subject_type, subject,
        evidence, first_seen_at, last_seen_at, opened_run, last_seen_run, for_operators)
      SELECT $1, md5($2 || n)::uuid, 'unattributed', 'info', 'nobody_named', 'user_id', 'user_id', $2 || n, '[]', now(),
        now(), md5($2)::uuid, md5($2)::uuid, n = 2
      FROM generate_series(1, 2) AS n
      """
    ),
    (
      "finding_change",
      """
      INSERT INTO registry.finding_change (tenant_id, finding_id, sequence, to_status, for_operators)
      SELECT $1, md5($2 || n)::uuid, 1, 'open', n = 2 FROM generate_series(1, 2) AS n
      """
    ),
    (
      "tag",
      "INSERT INTO registry.tag (tenant_id, subject_type, subject, key, value) VALUES ($1, 'app_user', $2::text, 'k', 'v')"
    ),
    (
      "app_user_merge",
      """
      WITH other AS (
        INSERT INTO registry.app_user (tenant_id, reference_id) VALUES ($1, $2::text || ' merged')
        RETURNING tenant_id, reference_id)
      INSERT INTO registry.app_user_merge (tenant_id, reference_id, into_reference_id)
      SELECT o.tenant_id, o.reference_id, $2::text FROM other o
      """
    ),
    (
      "audit_entry",
      """
      INSERT INTO registry.audit_entry (tenant_id, audit_id, actor, action, subject)
      VALUES ($1, md5($2::text)::uuid, 'cli', 'merge', $2::text)
      """
    ),
    (
      "idempotent_request",
      """
      INSERT INTO registry.idempotent_request (tenant_id, operation, idempotency_key, request_sha256, claim_id, lease_until)
      VALUES ($1, 'o', $2::text, sha256(convert_to($2::text, 'UTF8')), md5($2::text)::uuid, now())
      """
    ),
    (
      "erased_subject",
      "INSERT INTO registry.erased_subject (tenant_id, digest) VALUES ($1, sha256(convert_to($2::text, 'UTF8')))"
    ),
    (
      "erasure_scope",
      "INSERT INTO registry.erasure_scope (tenant_id, reference_id, kind, id) VALUES ($1, $2, 'app_user', $2)"
    ),
    (
      "provider_listing",
      """
      INSERT INTO registry.provider_listing (tenant_id, listing_id, started_at, asked_at)
      VALUES ($1, md5($2)::uuid, now(), now())
      """
    ),
    (
      "provider_listing_user",
      """
      INSERT INTO registry.provider_listing_user (tenant_id, listing_id, user_id, asked_at)
      VALUES ($1, md5($2)::uuid, $2, now())
      """
    ),
    (
      "provider_difference",
      "INSERT INTO registry.provider_difference (tenant_id, listing_id, user_id) VALUES ($1, md5($2)::uuid, $2)"
    ),
    (
      "endpoint",
      """
      INSERT INTO registry.endpoint (tenant_id, endpoint_id, url, sealed_secret)
      VALUES ($1, md5($2)::uuid, 'https://backend.example/' || $2, '\\x00')
      """
    ),
    (
      "delivery",
      """
      INSERT INTO registry.delivery (tenant_id, delivery_id, endpoint_id, type, user_id, sequence, body)
      VALUES ($1, md5($2)::uuid, md5($2)::uuid, 'connection.pending', $2, 1, '{}')
      """
    ),
  ]
}
