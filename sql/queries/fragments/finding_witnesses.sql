-- What findings of others rest on, without what was taken out ($3, as type and id).
UPDATE registry.finding
SET evidence = coalesce((
  SELECT jsonb_agg(w.witness ORDER BY w.n) FROM jsonb_array_elements(evidence) WITH ORDINALITY AS w (witness, n)
  WHERE concat(w.witness ->> 'type', ' ', w.witness ->> 'id') <> ALL ($3::text[])), '[]')
WHERE tenant_id = $1::uuid AND finding_id = ANY ($2::uuid[])
