INSERT INTO registry.finding AS f (tenant_id, finding_id, kind, severity, reason_code, family, subject_type, subject,
  evidence, first_seen_at, opened_at, last_seen_at, opened_run, last_seen_run, for_operators)
SELECT $1::uuid,
  encode(substr(sha256(convert_to(concat_ws(' ', $1::text, o.kind, o.subject_type, o.subject), 'UTF8')), 1, 16), 'hex')::uuid,
  o.kind, o.severity, o.reason_code, o.family, o.subject_type, o.subject,
  -- The first twenty tell the story; a flood of them must not bloat the row.
  jsonb_path_query_array(o.evidence, '$[0 to 19]'), now(), now(), now(), $2::uuid, $2::uuid,
  o.family = 'claim'
FROM observed o
