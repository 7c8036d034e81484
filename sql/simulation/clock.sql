-- Puts a clock that can be set ahead in the place of the server's, in this one database, for `registry simulate`: `now()` of
-- every statement that is parsed from here on, and of every column's default. No other database sees it.
CREATE SCHEMA simulation;
CREATE TABLE simulation.clock (ahead interval NOT NULL);
INSERT INTO simulation.clock (ahead) VALUES (interval '0');

CREATE FUNCTION simulation.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.now() + (SELECT c.ahead FROM simulation.clock c)
$$;

GRANT USAGE ON SCHEMA simulation TO PUBLIC;
GRANT SELECT ON simulation.clock TO PUBLIC;

DO $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT a.attrelid::regclass AS relation, a.attname AS name
    FROM pg_attrdef d
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE pg_get_expr(d.adbin, d.adrelid) = 'now()'
  LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT simulation.now()', found.relation, found.name);
  END LOOP;
  -- pg_catalog comes first unless it is named: here the clock does.
  EXECUTE format('ALTER DATABASE %I SET search_path = simulation, pg_catalog, public', current_database());
END
$$;
