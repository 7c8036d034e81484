-- How far finding f has come by its severity and the bounds of age that it has passed, which are in seconds: $2 for info,
-- $3 for warning, $4 for critical.
CASE f.severity
  WHEN 'critical' THEN 20 + width_bucket(
    extract(epoch FROM now() - f.opened_at)::double precision, $4::text[]::double precision[])
  WHEN 'warning' THEN 10 + width_bucket(
    extract(epoch FROM now() - f.opened_at)::double precision, $3::text[]::double precision[])
  ELSE width_bucket(extract(epoch FROM now() - f.opened_at)::double precision, $2::text[]::double precision[])
END
