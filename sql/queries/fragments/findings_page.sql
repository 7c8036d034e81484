-- Which findings of a page are about one of $4, as type and id, or rest on one.
SELECT f.finding_id AS place, (f.subject_type || ' ' || f.subject) = ANY ($4::text[]) AS is_theirs,
  EXISTS (
    SELECT FROM jsonb_array_elements(f.evidence) AS w (witness)
    WHERE concat(w.witness ->> 'type', ' ', w.witness ->> 'id') = ANY ($4)) AS rests_on_them
FROM (
  SELECT x.finding_id, x.subject_type, x.subject, x.evidence FROM registry.finding x
  WHERE x.tenant_id = $1::uuid AND x.finding_id > $2::uuid ORDER BY x.finding_id LIMIT $3::bigint) f
ORDER BY f.finding_id
