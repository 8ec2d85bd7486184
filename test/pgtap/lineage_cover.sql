-- Lineage is exact: after random changes, every key whose view row really changed is among the keys that the OLD and NEW values
-- lead to in the new state.  A missed key is a lost update, so this runs over many shapes, with few values that collide often.
\set ON_ERROR_STOP on
\set QUIET on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS pg_tviews;
CREATE SCHEMA cover;
SET search_path = cover, public;
SET client_min_messages = error;  -- some keys may become NULL, on purpose

-- u v w: plain tables; p: partitioned; n: NOT NULL columns; q: quoted names, with a dropped column in front.
CREATE TABLE u (id int PRIMARY KEY, x int, y int, z int, t text);
CREATE TABLE v (id int PRIMARY KEY, x int, y int, z int, t text);
CREATE TABLE w (id bigint PRIMARY KEY, x bigint, y int, z int, t varchar(5));
CREATE TABLE p (id int PRIMARY KEY, x int, y int, z int, t text) PARTITION BY HASH (id);
CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE p1 (t text, z int, y int, x int, id int NOT NULL);
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE n (id int PRIMARY KEY, x int NOT NULL, y int NOT NULL, z int, t text);
CREATE TABLE "Q t" (gone int, id int PRIMARY KEY, x int, y int, z int, t text);
ALTER TABLE "Q t" DROP COLUMN gone;
-- g: documents and arrays that follow from the other columns.
CREATE FUNCTION document(x int, y int, t text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
  $$ SELECT jsonb_build_object('x', x, 'u', jsonb_build_object('id', y, 't', t)) $$;
CREATE TABLE g (id int PRIMARY KEY, x int, y int, z int, t text,
                doc jsonb GENERATED ALWAYS AS (cover.document(x, y, t)) STORED,
                arr int[] GENERATED ALWAYS AS (CASE WHEN z = 4 THEN NULL ELSE ARRAY[x, y] END) STORED);
CREATE INDEX ON v (x);
CREATE INDEX ON w (y);

CREATE TABLE changed_row (relation oid, old jsonb, new jsonb);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO cover.changed_row VALUES (tg_argv[0]::regclass, CASE WHEN tg_op <> 'INSERT' THEN to_jsonb(old) END, CASE WHEN tg_op <> 'DELETE' THEN to_jsonb(new) END);
  RETURN NULL;
END $$;
DO $$
DECLARE r regclass;
BEGIN
  FOREACH r IN ARRAY ARRAY['u', 'v', 'w', 'p', 'n', '"Q t"', 'g']::regclass[] LOOP
    EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION note_change(%L)', r, 'cover.' || r);
  END LOOP;
END $$;

-- A small value, NULL now and then.
CREATE FUNCTION dice(allow_null boolean) RETURNS int LANGUAGE sql VOLATILE AS
  $$ SELECT CASE WHEN allow_null AND random() < 0.15 THEN NULL ELSE 1 + floor(random() * 4)::int END $$;

-- One random statement on one of `tables`.
CREATE FUNCTION change_something(tables text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  t text := tables[1 + floor(random() * cardinality(tables))];
  nullable boolean := t <> 'n';
  c text := (ARRAY['x', 'y', 'z', 't'])[1 + floor(random() * 4)];
BEGIN
  CASE floor(random() * 6)::int
    WHEN 0 THEN EXECUTE format('DELETE FROM %s WHERE id = %s', t, cover.dice(false));
    WHEN 1, 2 THEN EXECUTE format('INSERT INTO %s VALUES (%s, %L, %L, %L, %L) ON CONFLICT DO NOTHING', t, cover.dice(false) + 3 * (random() > 0.7)::int,
                               cover.dice(nullable), cover.dice(nullable), cover.dice(true), cover.dice(true));
    WHEN 3 THEN EXECUTE format('UPDATE %s SET id = %s WHERE id = %s AND NOT EXISTS (SELECT FROM %1$s WHERE id = %2$s)', t, cover.dice(false), cover.dice(false));
    ELSE EXECUTE format('UPDATE %s SET %I = %L WHERE %s = %s', t, c, cover.dice(nullable), (ARRAY['id', 'x', 'y'])[1 + floor(random() * 3)], cover.dice(false));
  END CASE;
END $$;

-- What is captured of a row image: a column, or "column #>> 'path'".
CREATE FUNCTION captured(image jsonb, what text) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN what LIKE '% #>> ''{%}''' THEN image -> split_part(what, ' #>> ', 1) #>> trim(split_part(what, ' #>> ', 2), '''')::text[] ELSE
    -- An array as its text.
    CASE WHEN jsonb_typeof(image -> what) = 'array' THEN (SELECT array_agg(e)::text FROM jsonb_array_elements_text(image -> what) e) ELSE image ->> what END END
$$;
CREATE FUNCTION key_text(parts text[]) RETURNS text LANGUAGE sql AS
  $$ SELECT CASE WHEN cardinality(parts) = 1 THEN parts[1] WHEN array_position(parts, NULL) IS NULL THEN to_jsonb(parts)::text END $$;

-- The keys that the noted changes lead to, by the lineage of the view.
CREATE FUNCTION affected(view regclass, paths jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  path record;
  images jsonb;
  query text;
  literal text;
BEGIN
  FOR path IN SELECT * FROM jsonb_to_recordset(paths)
      AS r(base_table oid, capture_columns text[], kind text, used_columns text[], mapping_query text, captures_nulls boolean) LOOP
    CONTINUE WHEN path.kind = 'full';
    SELECT jsonb_agg(DISTINCT i.image) INTO images FROM cover.changed_row r, LATERAL (VALUES (r.old), (r.new)) o(row),
      LATERAL (SELECT coalesce(jsonb_agg(cover.captured(o.row, c) ORDER BY n), '[]') FROM unnest(path.capture_columns) WITH ORDINALITY u(c, n)) i(image)
      WHERE r.relation = path.base_table AND o.row IS NOT NULL AND (path.captures_nulls OR NOT i.image @> '[null]')
        AND (r.old IS NULL OR r.new IS NULL OR (path.used_columns IS NULL AND r.old IS DISTINCT FROM r.new)
             OR EXISTS (SELECT FROM unnest(path.used_columns) c WHERE r.old -> c IS DISTINCT FROM r.new -> c));
    CONTINUE WHEN images IS NULL;
    IF path.kind = 'key' THEN
      RETURN QUERY SELECT cover.key_text(ARRAY(SELECT jsonb_array_elements_text(i))) FROM jsonb_array_elements(images) i;
    ELSE
      query := path.mapping_query;
      FOR n IN REVERSE cardinality(path.capture_columns) .. 1 LOOP
        SELECT format('%L::%s[]', ARRAY(SELECT i ->> (n - 1) FROM jsonb_array_elements(images) i),
                      CASE WHEN t.typarray = 0 THEN 'text' ELSE coalesce(format_type(t.oid, NULL), 'text') END) INTO literal
          FROM (VALUES (path.capture_columns[n])) c(name) LEFT JOIN pg_attribute a ON a.attrelid = path.base_table AND a.attname = c.name
          LEFT JOIN pg_type t ON t.oid = a.atttypid;
        query := replace(query, '$' || n, literal);
      END LOOP;
      RETURN QUERY EXECUTE format('SELECT cover.key_text(ARRAY(SELECT value FROM jsonb_each_text(to_jsonb(q)) ORDER BY key)) FROM (%s) q(%s)', query,
                                  (SELECT string_agg('k' || n, ', ') FROM generate_series(1, (paths -> 0 ->> 'key_count')::int) n));
    END IF;
  END LOOP;
END $$;

-- The view's rows by key, as text.
CREATE FUNCTION contents(view regclass, key text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE result jsonb;
BEGIN
  EXECUTE format('SELECT coalesce(jsonb_object_agg(k, rows), ''{}'') FROM (SELECT cover.key_text(ARRAY[%s]) AS k, array_agg(r::text ORDER BY r::text) AS rows '
                 'FROM %s r GROUP BY 1) s WHERE k IS NOT NULL', (SELECT string_agg(format('%I::text', c), ', ') FROM unnest(key) c), view) INTO result;
  RETURN result;
END $$;

-- Changes the tables that have paths only, at random, and compares.  `missed` is NULL when no changed key was missed; `checked` counts the changed keys.
CREATE FUNCTION misses(view regclass, key text[], rounds int, OUT missed text, OUT checked int, OUT superfluous int) LANGUAGE plpgsql AS $$
DECLARE
  paths jsonb;
  reads_stored boolean;
  keyed_tables text[];
  before jsonb;
  after jsonb;
  changed text[];
  found text[];
BEGIN
  -- What the TVIEW would hold: the view's rows before the changes.
  DROP TABLE IF EXISTS cover.stored;
  EXECUTE format('CREATE UNLOGGED TABLE cover.stored AS TABLE %s', view);
  SELECT jsonb_agg(to_jsonb(d) || jsonb_build_object('base_table', d.base_table::oid, 'key_count', cardinality(key))) INTO paths
    FROM pg_tviews_derive(view, key, true, 'cover.stored'::regclass) d;
  keyed_tables := ARRAY(SELECT (e ->> 'base_table')::oid::regclass::text FROM jsonb_array_elements(paths) e
                        GROUP BY 1 HAVING NOT bool_or(e ->> 'kind' = 'full') ORDER BY 1);
  reads_stored := paths @> '[{"kind": "partition"}]';
  checked := 0;
  superfluous := 0;
  after := cover.contents(view, key);
  IF keyed_tables = '{}' THEN
    RETURN;
  END IF;
  FOR round IN 1 .. 8 * rounds LOOP
    EXIT WHEN round > rounds AND checked > 0;
    before := after;
    DELETE FROM cover.changed_row;
    IF reads_stored THEN
      DELETE FROM cover.stored;
      EXECUTE format('INSERT INTO cover.stored TABLE %s', view);
    END IF;
    FOR i IN 1 .. 1 + floor(random() * 3) LOOP
      PERFORM cover.change_something(keyed_tables);
    END LOOP;
    after := cover.contents(view, key);
    changed := ARRAY(SELECT coalesce(b.key, a.key) FROM jsonb_each(before) b FULL JOIN jsonb_each(after) a ON a.key = b.key WHERE a.value IS DISTINCT FROM b.value);
    found := ARRAY(SELECT DISTINCT k FROM cover.affected(view, paths) k);
    checked := checked + cardinality(changed);
    superfluous := superfluous + (SELECT count(*) FROM unnest(found) f(k) WHERE k <> ALL (changed));
    IF NOT changed <@ found THEN
      missed := format('round %s: of keys %s only %s were reached from %s', round, changed, found, (SELECT json_agg(c) FROM cover.changed_row c));
      RETURN;
    END IF;
  END LOOP;
END $$;

SELECT setseed(0.17);
SELECT count(change_something(ARRAY['u', 'v', 'w', 'p', 'n', '"Q t"', 'g'])) FROM generate_series(1, 150) \g /dev/null
CREATE TABLE shape (number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, query text, key text[] DEFAULT '{k}', has_full boolean DEFAULT false);
INSERT INTO shape (name, query, has_full) VALUES
  ('one table', 'SELECT id AS k, x, t FROM u WHERE y > 1', false),
  ('inner join', 'SELECT u.id AS k, v.t FROM u JOIN v ON v.id = u.x', false),
  ('inner join keyed by the other side', 'SELECT v.id AS k, u.t, v.x FROM u JOIN v ON v.id = u.x', false),
  ('left join', 'SELECT u.id AS k, v.t FROM u LEFT JOIN v ON v.id = u.x', false),
  ('left join, WHERE makes it inner', 'SELECT u.id AS k, v.t FROM u LEFT JOIN v ON v.id = u.x WHERE v.y = u.z', false),
  ('left join, ON compares preserved relations', 'SELECT u.id AS k, v.t, w.t AS wt FROM (u LEFT JOIN v ON true) LEFT JOIN w ON u.x = v.x AND w.id = u.y', true),
  ('right join', 'SELECT u.id AS k, v.t FROM v RIGHT JOIN u ON v.id = u.x', false),
  ('nested outer joins', 'SELECT u.id AS k, v.t, w.t AS wt FROM u LEFT JOIN (v LEFT JOIN w ON w.id = v.x) ON v.y = u.x', false),
  ('inner join below the nullable side', 'SELECT u.id AS k, v.t, w.t AS wt FROM u LEFT JOIN (v JOIN w ON w.id = v.x) ON v.y = u.x', false),
  ('ON between two nullable relations', 'SELECT u.id AS k, v.t, w.t AS wt FROM u LEFT JOIN (v CROSS JOIN w) ON v.y = u.x AND w.y = v.x', false),
  ('outer join keyed by the nullable side', 'SELECT v.id AS k, u.t, v.t AS vt FROM u LEFT JOIN v ON v.id = u.x', true),
  ('full join', 'SELECT u.id AS k, v.t, v.id FROM u FULL JOIN v ON v.id = u.x WHERE u.id IS NOT NULL', false),
  ('full join using', 'SELECT id AS k, u.t, v.t AS vt FROM u FULL JOIN v USING (id)', false),
  ('three-way full join using', 'SELECT id AS k, u.t, v.t AS vt, n.t AS nt FROM u FULL JOIN v USING (id) FULL JOIN n USING (id)', false),
  ('full join using, grouped', 'SELECT x AS k, count(u.t), max(v.t) FROM u FULL JOIN v USING (x) GROUP BY x', false),
  ('full join, COALESCE', 'SELECT coalesce(u.id, v.id) AS k, u.t, v.t AS vt FROM u FULL JOIN v ON v.id = u.id', false),
  ('full join, COALESCE of other columns', 'SELECT coalesce(v.x, u.y) AS k, u.t, v.t AS vt, u.id, v.id AS vid FROM u FULL JOIN v ON u.y = v.x AND v.z = u.z', false),
  ('full join of three, COALESCE', 'SELECT coalesce(u.id, v.id, n.id) AS k, u.t, v.t AS vt, n.t AS nt FROM u FULL JOIN v ON v.id = u.id FULL JOIN n ON n.id = coalesce(u.id, v.id)', false),
  ('full join of three, by the first', 'SELECT coalesce(u.id, v.id, n.id) AS k, u.t, v.t AS vt, n.t AS nt FROM u FULL JOIN v ON v.id = u.id FULL JOIN n ON n.id = u.id', false),
  ('COALESCE of columns that differ', 'SELECT coalesce(u.x, v.x) AS k, u.t, v.t AS vt FROM u FULL JOIN v ON v.id = u.id', true),
  ('COALESCE below a grouped sub-select', 'SELECT n.id AS k, s.c FROM n LEFT JOIN (SELECT coalesce(u.x, v.x) AS x, count(*) AS c FROM u FULL JOIN v ON v.x = u.x GROUP BY 1) s ON s.x = n.x', false),
  ('left join, COALESCE', 'SELECT coalesce(v.id, u.x) AS k, u.id, v.t FROM u LEFT JOIN v ON v.id = u.x', false),
  ('merged column in a sub-select', 'SELECT id AS k, (SELECT max(s.t) FROM (SELECT x, t FROM n) s WHERE s.x = id) FROM u FULL JOIN v USING (id)', false),
  ('left join to a merged column', 'SELECT id AS k, u.t, v.t AS vt, n.t AS nt FROM (u FULL JOIN v USING (id)) LEFT JOIN (SELECT x, t FROM n) n ON n.x = id', false),
  ('full join under a left join', 'SELECT n.id AS k, s.* FROM n LEFT JOIN (SELECT u.t, v.t AS vt, u.x AS ux, v.x AS vx FROM u FULL JOIN v ON u.y = v.y) s ON s.ux = n.x', false),
  ('a row of the other full-join side must not lead back', 'SELECT w.id AS k, u.t, v.t AS vt FROM u FULL JOIN (v CROSS JOIN w) ON u.y = v.y AND u.z = w.z', true),
  ('same table twice', 'SELECT u.id AS k, a.t, b.t AS bt FROM u JOIN v a ON a.id = u.x LEFT JOIN v b ON b.id = u.y', false),
  ('self join', 'SELECT a.id AS k, b.t FROM u a LEFT JOIN u b ON b.id = a.x', false),
  ('junction', 'SELECT u.id AS k, array_agg(w.t ORDER BY w.t) FROM u LEFT JOIN v ON v.x = u.id LEFT JOIN w ON w.id = v.y GROUP BY u.id', false),
  ('chain of four', 'SELECT u.id AS k, p.t FROM u LEFT JOIN v ON v.id = u.x JOIN w ON w.x = v.x LEFT JOIN p ON p.id = w.y', false),
  ('mixed integer widths', 'SELECT u.id AS k, w.t, p.t AS pt FROM u JOIN w ON w.id = u.x JOIN p ON p.x = w.id', false),
  ('a bigint leads to an int key', 'SELECT u.id AS k, w.y FROM u LEFT JOIN w ON w.x = u.id', false),
  ('text against varchar', 'SELECT u.id AS k, w.id AS wid FROM u LEFT JOIN w ON w.t = u.t', false),
  ('a varchar key', 'SELECT w.t AS k, count(*), max(u.id) FROM w JOIN u ON u.t = w.t GROUP BY w.t', false),
  ('a text key', 'SELECT u.t AS k, count(*), max(w.id) FROM u LEFT JOIN w ON w.t = u.t GROUP BY u.t', false),
  ('a merged text key', 'SELECT t AS k, count(*), max(u.id), max(v.id) AS mv FROM u FULL JOIN v USING (t) GROUP BY t', false),
  ('partitioned, columns in another order', 'SELECT p.id AS k, v.t, p.z FROM p LEFT JOIN v ON v.x = p.x', false),
  ('quoted name, dropped column', 'SELECT q.id AS k, v.t, q.z FROM "Q t" q LEFT JOIN v ON v.x = q.x', false),
  ('scalar sub-select', 'SELECT u.id AS k, (SELECT max(v.t) FROM v WHERE v.x = u.id) FROM u', false),
  ('scalar sub-select over a join', 'SELECT u.id AS k, (SELECT count(*) FROM v JOIN w ON w.id = v.y WHERE v.x = u.y) FROM u', false),
  ('scalar sub-select with LIMIT', 'SELECT u.id AS k, (SELECT v.t FROM v WHERE v.x = u.id ORDER BY v.y, v.id LIMIT 1) FROM u', false),
  ('LIMIT in a level below the correlation', 'SELECT u.id AS k, (SELECT max(s.t) FROM (SELECT * FROM v ORDER BY y, id LIMIT 3) s WHERE s.x = u.id) FROM u', true),
  ('correlation two levels down', 'SELECT u.id AS k, (SELECT max(s.t) FROM (SELECT v.t FROM v WHERE v.x = u.id ORDER BY y, id LIMIT 2) s) FROM u', false),
  ('correlation in the ON of an outer join, nullable', 'SELECT u.id AS k, (SELECT count(w.id) FROM v LEFT JOIN w ON w.y = u.x WHERE v.x = u.y) FROM u', false),
  ('correlation in the ON of an outer join, preserved', 'SELECT u.id AS k, (SELECT count(*) FROM v LEFT JOIN w ON v.y = u.x AND w.y = u.x) FROM u', true),
  ('an outer row does not need the inner one', 'SELECT n.id AS k, u.t, (SELECT count(*) FROM v WHERE v.x = u.y AND v.z = n.id) FROM n CROSS JOIN u', true),
  ('a LATERAL left neighbour does not need the right one', 'SELECT n.id AS k, u.t, l.c FROM n CROSS JOIN u LEFT JOIN LATERAL (SELECT count(*) AS c FROM v WHERE v.x = u.y AND v.z = n.id) l ON true', true),
  ('EXISTS', 'SELECT u.id AS k, u.t FROM u WHERE EXISTS (SELECT FROM v WHERE v.x = u.y AND v.z > 1)', false),
  ('NOT EXISTS', 'SELECT u.id AS k, u.t FROM u WHERE NOT EXISTS (SELECT FROM v WHERE v.x = u.y AND v.z > 1)', false),
  ('EXISTS in EXISTS', 'SELECT u.id AS k, u.t FROM u WHERE EXISTS (SELECT FROM v WHERE v.x = u.y AND EXISTS (SELECT FROM w WHERE w.y = v.y))', false),
  ('inner EXISTS correlated to the outermost', 'SELECT u.id AS k, u.t FROM u WHERE EXISTS (SELECT FROM v WHERE v.x = u.y AND NOT EXISTS (SELECT FROM w WHERE w.y = u.z))', false),
  ('IN', 'SELECT u.id AS k, u.t FROM u WHERE u.x IN (SELECT v.y FROM v WHERE v.z > 1)', false),
  ('IN below OR', 'SELECT u.id AS k, u.t FROM u WHERE u.z = 2 OR u.x IN (SELECT v.y FROM v WHERE v.z > 1)', false),
  ('IN with LIMIT', 'SELECT u.id AS k, u.t FROM u WHERE u.x IN (SELECT v.y FROM v ORDER BY v.id LIMIT 3)', true),
  ('IN as a value', 'SELECT u.id AS k, u.x IN (SELECT v.y FROM v) FROM u', true),
  ('IN as a value, never NULL', 'SELECT n.id AS k, n.x IN (SELECT m.y FROM n m WHERE m.z > 1) FROM n', false),
  ('NOT IN', 'SELECT u.id AS k, u.t FROM u WHERE u.x NOT IN (SELECT v.y FROM v WHERE v.z > 3 AND v.y < 3)', true),
  ('NOT IN, never NULL', 'SELECT n.id AS k, n.t FROM n WHERE n.x NOT IN (SELECT m.y FROM n m WHERE m.z > 1)', false),
  ('NOT IN, made nullable by an outer join', 'SELECT u.id AS k, u.t FROM u LEFT JOIN n ON n.x = u.y WHERE n.y NOT IN (SELECT m.y FROM n m WHERE m.z > 3)', true),
  ('row IN', 'SELECT u.id AS k, u.t FROM u WHERE (u.x, u.z > 2) IN (SELECT v.y, v.z > 2 FROM v)', false),
  ('ALL', 'SELECT u.id AS k, u.x > ALL (SELECT v.y FROM v WHERE v.x = u.z) FROM u', false),
  ('ARRAY', 'SELECT u.id AS k, ARRAY(SELECT v.t FROM v WHERE v.x = u.id ORDER BY v.id) FROM u', false),
  ('IN in the ON of an outer join', 'SELECT u.id AS k, v.t FROM u LEFT JOIN v ON v.x = u.x AND v.y IN (SELECT w.y FROM w)', false),
  ('EXISTS in the ON of a full join', 'SELECT u.id AS k, v.t FROM u FULL JOIN v ON v.x = u.x AND EXISTS (SELECT FROM w WHERE w.y = v.y) WHERE u.id IS NOT NULL', false),
  ('LATERAL', 'SELECT u.id AS k, l.* FROM u LEFT JOIN LATERAL (SELECT count(*) AS c, max(v.t) AS m FROM v WHERE v.x = u.y) l ON true', false),
  ('LATERAL with LIMIT', 'SELECT u.id AS k, l.* FROM u LEFT JOIN LATERAL (SELECT v.t, w.t AS wt FROM v LEFT JOIN w ON w.id = v.y WHERE v.x = u.y ORDER BY v.id, w.id LIMIT 2) l ON true', false),
  ('LATERAL column is an outer column', 'SELECT u.id AS k, l.t, w.t AS wt FROM u JOIN LATERAL (SELECT u.x AS ux, v.t FROM v WHERE v.y = u.y) l ON true LEFT JOIN w ON w.y = l.ux', false),
  ('grouped sub-select', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT x, count(*) AS c, max(t) AS m FROM v GROUP BY x) s ON s.x = u.id', false),
  ('grouped sub-select over a join', 'SELECT u.id AS k, s.c FROM u JOIN (SELECT v.x, count(w.id) AS c FROM v LEFT JOIN w ON w.y = v.y GROUP BY v.x) s ON s.x = u.y', false),
  ('grouped by the primary key', 'SELECT u.id AS k, s.x, s.c FROM u LEFT JOIN (SELECT v.id, v.x, count(w.id) AS c FROM v LEFT JOIN w ON w.y = v.id GROUP BY v.id) s ON s.x = u.id', false),
  ('HAVING', 'SELECT u.id AS k, s.c FROM u LEFT JOIN (SELECT x, count(*) AS c FROM v GROUP BY x HAVING count(*) > 1) s ON s.x = u.x', false),
  ('DISTINCT', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT DISTINCT x, y FROM v) s ON s.y = u.x', false),
  ('DISTINCT ON the joined column', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT DISTINCT ON (x) x, y, t FROM v ORDER BY x, y DESC, id) s ON s.x = u.id', false),
  ('DISTINCT ON another column', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT DISTINCT ON (x) x, y, t FROM v ORDER BY x, z DESC, id) s ON s.y = u.id', false),
  ('window over the joined column', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT x, id, rank() OVER (PARTITION BY x ORDER BY y, id) AS r FROM v) s ON s.x = u.id', false),
  ('window over another column', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT x, id, rank() OVER (PARTITION BY y ORDER BY z, id) AS r FROM v) s ON s.x = u.id', false),
  ('window in the top level', 'SELECT x AS k, id, sum(z) OVER (PARTITION BY x ORDER BY id) FROM v', false),
  ('window, keyed by the row', 'SELECT id AS k, t, row_number() OVER (PARTITION BY x ORDER BY y, id) FROM v WHERE z > 1', false),
  ('window, partitioned by a joined table', 'SELECT v.id AS k, v.t, u.t AS ut, rank() OVER (PARTITION BY u.x ORDER BY v.y) FROM v JOIN u ON u.id = v.x', false),
  ('window, partitioned by an optional table', 'SELECT v.id AS k, v.t, count(*) OVER (PARTITION BY u.x) FROM v LEFT JOIN u ON u.id = v.x', false),
  ('window, partitioned by the second optional table', 'SELECT v.id AS k, v.t, count(*) OVER (PARTITION BY n.y) FROM v LEFT JOIN (u JOIN n ON n.id = u.y) ON u.id = v.x', false),
  ('window, partitioned by an optional table of an optional table', 'SELECT v.id AS k, v.t, count(*) OVER (PARTITION BY p.y) FROM v LEFT JOIN u ON u.id = v.x LEFT JOIN p ON p.id = u.y', true),
  ('window, partitioned by the one of two optional tables', 'SELECT v.id AS k, u.t, count(*) OVER (PARTITION BY n.y) FROM v LEFT JOIN u ON u.id = v.x LEFT JOIN n ON n.id = v.y', false),
  ('window, partitioned beside an optional table', 'SELECT v.id AS k, v.t, max(u.t) OVER (PARTITION BY v.y) FROM v LEFT JOIN u ON u.id = v.x', false),
  ('window over a merged column', 'SELECT u.id AS k, count(*) OVER (PARTITION BY x) FROM u FULL JOIN v USING (x) WHERE u.id IS NOT NULL', false),
  ('two windows with a common partition', 'SELECT id AS k, rank() OVER (PARTITION BY x, y ORDER BY z), sum(z) OVER (PARTITION BY x) FROM v', false),
  ('two windows without a common partition', 'SELECT id AS k, rank() OVER (PARTITION BY x ORDER BY z), sum(z) OVER (PARTITION BY y) FROM v', true),
  ('window without a partition', 'SELECT id AS k, rank() OVER (ORDER BY z) FROM v', true),
  ('window over groups', 'SELECT x AS k, y, count(*), sum(count(*)) OVER (PARTITION BY y) FROM (SELECT x, y FROM v WHERE x IS NOT NULL) s GROUP BY x, y', false),
  ('window over a grouped join', 'SELECT u.id AS k, u.y, count(v.id), rank() OVER (PARTITION BY u.y ORDER BY count(v.id)) FROM u LEFT JOIN v ON v.x = u.id GROUP BY u.id, u.y', false),
  ('window by two columns', 'SELECT id AS k, t, rank() OVER (PARTITION BY x, y ORDER BY z, id) FROM v', false),
  ('window by two columns, never NULL', 'SELECT id AS k, t, rank() OVER (PARTITION BY x, y ORDER BY z, id) FROM n', false),
  ('window by two columns of an optional table', 'SELECT v.id AS k, v.t, count(*) OVER (PARTITION BY u.x, u.y), max(v.z) OVER (PARTITION BY u.y, u.x) FROM v LEFT JOIN u ON u.id = v.x', false),
  ('window by columns of two tables', 'SELECT v.id AS k, v.t, count(*) OVER (PARTITION BY u.x, v.y, u.z) FROM v JOIN u ON u.id = v.x', false),
  ('window by a column, an expression and a text', 'SELECT v.id AS k, count(*) OVER (PARTITION BY v.x, v.z % 2, v.t) FROM v', false),
  ('window by two columns over groups', 'SELECT s.x AS k, s.y, s.c, sum(s.c) OVER (PARTITION BY s.y, s.z) FROM (SELECT x, y, z, count(*) AS c FROM v WHERE x IS NOT NULL GROUP BY x, y, z) s', false),
  ('window by two columns in a window', 'SELECT k, t, rank() OVER (PARTITION BY y, z ORDER BY r, k) FROM (SELECT v.id AS k, v.y, v.z, v.t, rank() OVER (PARTITION BY v.x, v.y ORDER BY v.z) AS r FROM v) s', false),
  ('window by columns of a full join', 'SELECT u.id AS k, count(*) OVER (PARTITION BY v.y, v.z) FROM u FULL JOIN v ON v.x = u.id WHERE u.id IS NOT NULL', false),
  ('window over a join under an alias with other names', 'SELECT j.a AS k, j.d, count(*) OVER (PARTITION BY j.b, j.c) FROM (v LEFT JOIN u ON u.id = v.x) j(a, b, c, d) WHERE j.a > 0', false),
  ('window over aliases of joins in one another', 'SELECT j.w_id AS k, count(*) OVER (PARTITION BY j.y ORDER BY j.z) FROM ((SELECT id, y, z FROM v) a JOIN ((SELECT id AS w_id, x FROM w) b LEFT JOIN (SELECT id AS u_id, t FROM u) c ON c.u_id = b.x) i ON i.w_id = a.id) j', false),
  ('window over NATURAL JOIN', 'SELECT id AS k, count(*) OVER (PARTITION BY y, z), ut FROM (SELECT id, y, z FROM v) a NATURAL JOIN (SELECT id, t AS ut FROM u) b', false),
  ('window over USING', 'SELECT v.id AS k, count(*) OVER (PARTITION BY x, u.y) FROM v LEFT JOIN u USING (x)', false),
  ('window in a window', 'SELECT k, t, rank() OVER (PARTITION BY y ORDER BY r, k) FROM (SELECT v.id AS k, v.y, v.t, rank() OVER (PARTITION BY v.x ORDER BY v.z) AS r FROM v) s', false),
  ('three windows deep', 'SELECT k, rank() OVER (PARTITION BY z ORDER BY q, k) FROM (SELECT k, z, rank() OVER (PARTITION BY y ORDER BY r, k) AS q FROM (SELECT v.id AS k, v.y, v.z, rank() OVER (PARTITION BY v.x ORDER BY v.z) AS r FROM v) s) s2', false),
  ('four windows deep', 'SELECT k, rank() OVER (PARTITION BY x ORDER BY p, k) FROM (SELECT k, x, rank() OVER (PARTITION BY z ORDER BY q, k) AS p FROM (SELECT k, x, z, rank() OVER (PARTITION BY y ORDER BY r, k) AS q FROM (SELECT v.id AS k, v.x, v.y, v.z, rank() OVER (PARTITION BY v.x ORDER BY v.z) AS r FROM v) s) s2) s3', true),
  ('window below a join that leads on', 'SELECT u.id AS k, s.r FROM u LEFT JOIN w ON w.y = u.x LEFT JOIN (SELECT v.id, v.t, rank() OVER (PARTITION BY v.x ORDER BY v.z) AS r FROM v) s ON s.id = w.id', false),
  ('window in a branch', 'SELECT id AS k, rank() OVER (PARTITION BY x ORDER BY z) FROM v UNION ALL SELECT id, 0 FROM u', false),
  ('window with a plain sub-select beside it', 'SELECT v.id AS k, rank() OVER (PARTITION BY v.x ORDER BY v.z), (SELECT count(*) FROM u WHERE u.x = v.id) FROM v', false),
  ('window with a sub-select in its order', 'SELECT v.id AS k, rank() OVER (PARTITION BY v.x ORDER BY (SELECT count(*) FROM u WHERE u.x = v.id)) FROM v', false),
  ('window over rows that EXISTS chooses', 'SELECT v.id AS k, rank() OVER (PARTITION BY v.x ORDER BY v.z) FROM v WHERE EXISTS (SELECT FROM u WHERE u.y = v.y)', false),
  ('window in a correlated LATERAL', 'SELECT u.id AS k, l.* FROM u JOIN LATERAL (SELECT v.id, rank() OVER (PARTITION BY v.y ORDER BY v.z) AS r FROM v WHERE v.x > u.x) l ON l.id = u.y', false),
  ('window over a table column and a joined exit', 'SELECT w.id AS k, v.t, rank() OVER (PARTITION BY v.x ORDER BY v.z) FROM v JOIN w ON w.y = v.id', false),
  ('IN a window', 'SELECT u.id AS k, u.t FROM u WHERE u.x IN (SELECT s.id FROM (SELECT v.id, rank() OVER (PARTITION BY v.x ORDER BY v.z, v.id) AS r FROM v) s WHERE s.r = 1)', false),
  ('window of text', 'SELECT v.id AS k, rank() OVER (PARTITION BY v.t ORDER BY v.z) FROM v', false),
  ('window over an expression', 'SELECT v.id AS k, rank() OVER (PARTITION BY v.x % 2 ORDER BY v.z) FROM v', false),
  ('window in a view of a CTE', 'WITH s AS (SELECT v.id, v.x, v.z FROM v WHERE v.y > 1) SELECT s.id AS k, rank() OVER (PARTITION BY s.x ORDER BY s.z) FROM s', false),
  ('DISTINCT ON, keyed by the row', 'SELECT DISTINCT ON (x) id AS k, x, t FROM v ORDER BY x, y DESC, id', false),
  ('DISTINCT ON a joined column', 'SELECT DISTINCT ON (u.y) v.id AS k, u.y, v.t FROM v JOIN u ON u.id = v.x ORDER BY u.y, v.z, v.id', false),
  ('DISTINCT ON two columns', 'SELECT DISTINCT ON (x, y) id AS k, t FROM v ORDER BY x, y, z, id', false),
  ('DISTINCT ON two columns, keyed by the row', 'SELECT DISTINCT ON (x, y) id AS k, t, z FROM v ORDER BY x, y, z, id', false),
  ('DISTINCT ON two columns in a joined sub-select', 'SELECT u.id AS k, s.t FROM u JOIN (SELECT DISTINCT ON (x, y) id, t FROM v ORDER BY x, y, z, id) s ON s.id = u.x', false),
  ('DISTINCT ON above a window', 'SELECT DISTINCT ON (x) id AS k, rank() OVER (PARTITION BY x ORDER BY y) AS r FROM v ORDER BY x, z, id', false),
  ('DISTINCT ON with LIMIT', 'SELECT DISTINCT ON (x) id AS k, x, t FROM v ORDER BY x, y DESC, id LIMIT 2', true),
  ('breadcrumb', 'SELECT c.id AS k, (WITH RECURSIVE up(id, t, parent, n) AS (SELECT c.id, c.t, c.x, 0 UNION ALL SELECT x.id, x.t, x.x, up.n + 1 FROM u x JOIN up ON x.id = up.parent WHERE up.n < 6) SELECT string_agg(up.t, '','' ORDER BY n) FROM up) FROM u c', false),
  ('subtree', 'SELECT c.id AS k, (WITH RECURSIVE down AS (SELECT c.id AS id UNION SELECT x.id FROM u x JOIN down ON x.x = down.id) SELECT array_agg(down.id ORDER BY down.id) FROM down) FROM u c', false),
  ('subtree with rows of its own', 'SELECT c.id AS k, (WITH RECURSIVE down AS (SELECT h.id, h.t FROM u h WHERE h.x = c.id UNION SELECT x.id, x.t FROM u x, down WHERE down.id = x.x) SELECT string_agg(down.t, '','' ORDER BY down.id, down.t) FROM down) FROM u c', false),
  ('subtree in LATERAL', 'SELECT c.id AS k, l.n FROM v c LEFT JOIN LATERAL (WITH RECURSIVE down AS (SELECT h.id FROM u h WHERE h.x = c.y UNION SELECT x.id FROM u x JOIN down ON x.x = down.id) SELECT count(*) AS n FROM down) l ON true', false),
  ('subtree from the rows of another table', 'SELECT c.id AS k, (WITH RECURSIVE down AS (SELECT v.y AS id FROM v WHERE v.x = c.id UNION SELECT x.id FROM u x JOIN down ON x.x = down.id) SELECT count(*) FROM down) FROM n c', false),
  ('subtree by edges', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id UNION SELECT e.y FROM v e JOIN r ON e.x = r.id) SELECT array_agg(r.id ORDER BY r.id) FROM r) FROM u c', false),
  ('subtree by edges and nodes', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id, c.t UNION SELECT d.id, d.t FROM v e JOIN r ON e.x = r.id JOIN u d ON d.id = e.y WHERE d.z > 1) SELECT string_agg(r.t, '','' ORDER BY r.id, r.t) FROM r) FROM u c', false),
  ('subtree by edges and a column of the node', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.x AS x, c.id UNION SELECT d.x, d.id FROM v e JOIN r ON e.x = r.x JOIN u d ON d.id = e.y) SELECT array_agg(r.id ORDER BY r.id) FROM r) FROM u c', false),
  ('recursion of two branches', 'SELECT c.id AS k, (WITH RECURSIVE r(id) AS ((SELECT c.x UNION ALL SELECT v.x FROM v WHERE v.y = c.y) UNION SELECT x.x FROM u x JOIN r ON x.id = r.id) SELECT array_agg(r.id ORDER BY r.id) FROM r) FROM n c', false),
  ('recursion of mixed integer widths', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id UNION SELECT x.id FROM w x JOIN r ON x.x = r.id) SELECT array_agg(r.id ORDER BY r.id) FROM r) FROM w c', false),
  ('recursion over text', 'SELECT c.id AS k, (WITH RECURSIVE r(t, id) AS (SELECT c.t, c.id UNION SELECT x.y::text, x.id FROM u x JOIN r ON x.t = r.t) SELECT array_agg(r.id ORDER BY r.id) FROM r) FROM u c', true),
  ('recursion with EXISTS in its term', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id UNION SELECT x.id FROM u x JOIN r ON x.x = r.id WHERE EXISTS (SELECT FROM v WHERE v.x = x.y)) SELECT count(*) FROM r) FROM n c', false),
  ('recursion without an equality', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id UNION SELECT x.id FROM u x JOIN r ON x.x > r.id) SELECT count(*) FROM r) FROM n c', true),
  ('recursion by a computed link', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id UNION SELECT x.x + 1 FROM u x JOIN r ON x.id = r.id) SELECT count(*) FROM r) FROM n c', true),
  ('recursion joined outside', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id, c.y UNION SELECT x.id, x.y FROM u x JOIN r ON x.x = r.id) SELECT string_agg(v.t, '','' ORDER BY v.id) FROM r JOIN v ON v.id = r.y) FROM u c', true),
  ('recursion with a second condition', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id UNION SELECT x.id FROM u x JOIN r ON x.x = r.id AND x.y = c.y) SELECT count(*) FROM r) FROM n c', false),
  ('recursion joined to more by its link', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id, c.x AS up UNION SELECT u.id, u.x FROM u JOIN r ON u.id = r.up) SELECT string_agg(w.t, '','' ORDER BY w.id) FROM r JOIN w ON w.id = r.up) FROM v c', false),
  ('recursion joined to a chain by its link', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id, c.x AS up UNION SELECT u.id, u.x FROM u JOIN r ON u.id = r.up) SELECT string_agg(n.t, '','' ORDER BY n.id) FROM r LEFT JOIN n ON n.id = r.up JOIN w ON w.x = n.y) FROM v c', false),
  ('recursion downwards, joined to more', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT u.id, u.t FROM u WHERE u.x = c.x UNION SELECT u.id, u.t FROM u JOIN r ON u.x = r.id) SELECT string_agg(p.t, '','' ORDER BY p.id) FROM r JOIN p ON p.x = r.id WHERE NOT EXISTS (SELECT FROM w WHERE w.y = r.id AND w.z > 3)) FROM v c', false),
  ('recursion joined to more by another column', 'SELECT c.id AS k, (WITH RECURSIVE r AS (SELECT c.id AS id, c.x AS up UNION SELECT u.id, u.x FROM u JOIN r ON u.id = r.up) SELECT string_agg(w.t, '','' ORDER BY w.id) FROM r JOIN w ON w.id = r.id) FROM v c', true),
  ('full join of a correlated sub-select', 'SELECT u.id AS k, (SELECT count(w.id) FROM (SELECT p.x FROM p WHERE p.z = u.y) s FULL JOIN w ON s.x = w.y) FROM u', true),
  ('recursion in a window', 'SELECT c.id AS k, rank() OVER (PARTITION BY c.y ORDER BY (WITH RECURSIVE r AS (SELECT c.id AS id UNION SELECT x.id FROM u x JOIN r ON x.x = r.id) SELECT count(*) FROM r)) FROM v c', true),
  ('GROUPING SETS', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT x, y, count(*) AS c FROM v GROUP BY ROLLUP (x, y)) s ON s.x = u.id', true),
  ('CTE', 'WITH s AS (SELECT x, count(*) AS c FROM v GROUP BY x) SELECT u.id AS k, s.c FROM u LEFT JOIN s ON s.x = u.id', false),
  ('CTE read twice', 'WITH s AS (SELECT x, y, count(*) AS c FROM v GROUP BY x, y) SELECT u.id AS k, a.c, b.c AS bc FROM u LEFT JOIN s a ON a.x = u.id LEFT JOIN s b ON b.y = u.y', false),
  ('materialized CTE in a sub-select', 'SELECT u.id AS k, (WITH s AS MATERIALIZED (SELECT v.t, v.y FROM v WHERE v.x = u.x) SELECT max(s.t) FROM s JOIN w ON w.y = s.y) FROM u', false),
  ('CTE read from a sub-select', 'WITH s AS (SELECT v.x, v.y, v.t FROM v) SELECT u.id AS k, (SELECT max(s.t) FROM s WHERE s.x = u.id) FROM u', false),
  ('recursive CTE', 'WITH RECURSIVE s AS (SELECT id, x FROM v WHERE y = 1 UNION SELECT v.id, v.x FROM v JOIN s ON v.id = s.x) SELECT u.id AS k, s.x FROM u LEFT JOIN s ON s.id = u.id', true),
  ('sub-select that limits a join with the key inside', 'SELECT s.k, w.t FROM (SELECT u.id AS k, v.y FROM u JOIN v ON v.x = u.x) s LEFT JOIN w ON w.y = s.y', false),
  ('comma join and WHERE', 'SELECT u.id AS k, v.t, w.t AS wt FROM u, v, w WHERE v.x = u.id AND w.y = v.id AND u.z > 1', false),
  ('no equality', 'SELECT u.id AS k, v.t FROM u JOIN v ON v.x < u.x', true),
  ('OR', 'SELECT u.id AS k, v.t FROM u JOIN v ON v.x = u.x OR v.y = u.y', true),
  ('IS NOT DISTINCT FROM', 'SELECT u.id AS k, v.t FROM u JOIN v ON v.x IS NOT DISTINCT FROM u.x', false),
  ('IS NOT DISTINCT FROM in an outer join', 'SELECT u.id AS k, v.t, p.t AS pt FROM u LEFT JOIN v ON v.x IS NOT DISTINCT FROM u.y LEFT JOIN p ON p.id = v.z', false),
  ('IS NOT DISTINCT FROM above an outer join', 'SELECT n.id AS k, v.t, w.t AS wt FROM n LEFT JOIN v ON v.id = n.y JOIN w ON w.x IS NOT DISTINCT FROM v.x', true),
  ('IS NOT DISTINCT FROM above an outer join, the other side', 'SELECT w.id AS k, n.t, v.t AS vt FROM w JOIN n ON n.x = w.y LEFT JOIN v ON v.id = n.y WHERE w.x IS NOT DISTINCT FROM v.x', false),
  ('IS NOT DISTINCT FROM, only above an outer join', 'SELECT w.id AS k, s.t, s.vt FROM w JOIN (SELECT n.id, n.t, v.t AS vt, v.x FROM n LEFT JOIN v ON v.id = n.y) s ON s.x IS NOT DISTINCT FROM w.x', true),
  ('IS NOT DISTINCT FROM a group', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT x, count(*) AS c FROM v GROUP BY x) s ON s.x IS NOT DISTINCT FROM u.x', false),
  ('IS NOT DISTINCT FROM a ROLLUP', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT x, count(*) AS c FROM v GROUP BY ROLLUP (x)) s ON s.x IS NOT DISTINCT FROM u.x', true),
  ('IS NOT DISTINCT FROM an expression', 'SELECT u.id AS k, (SELECT max(v.t) FROM v WHERE NOT v.x + v.y IS DISTINCT FROM u.x + 1) FROM u', false),
  ('equal or both NULL', 'SELECT u.id AS k, v.t FROM u JOIN v ON v.x = u.x OR (u.x IS NULL AND v.x IS NULL)', false),
  ('uncorrelated sub-select', 'SELECT u.id AS k, (SELECT max(v.t) FROM v) FROM u', true),
  ('cross join', 'SELECT u.id AS k, v.t FROM u CROSS JOIN v', true),
  ('UNION ALL', 'SELECT id AS k, t FROM u WHERE z > 2 UNION ALL SELECT v.x, p.t FROM v JOIN p ON p.id = v.y', false),
  ('UNION', 'SELECT n.id AS k, s.t FROM n LEFT JOIN (SELECT x, t FROM u UNION SELECT y, t FROM v) s ON s.x = n.x', false),
  ('INTERSECT', 'SELECT n.id AS k, s.x FROM n LEFT JOIN (SELECT x, y FROM u INTERSECT SELECT y, x FROM v) s ON s.x = n.x', false),
  ('EXCEPT', 'SELECT n.id AS k, s.x FROM n LEFT JOIN (SELECT x, y FROM u EXCEPT ALL SELECT y, x FROM v) s ON s.x = n.x', false),
  ('UNION ALL joined to more', 'SELECT s.x AS k, count(w.t), max(s.t) AS m FROM (SELECT x, y, t FROM u UNION ALL SELECT y, x, t FROM v) s LEFT JOIN w ON w.id = s.y GROUP BY s.x', false),
  ('UNION joined to more on both sides', 'SELECT n.id AS k, s.t, w.t AS wt FROM n LEFT JOIN (SELECT x, y, t FROM u UNION SELECT y, x, t FROM v UNION SELECT z, x, t FROM p) s ON s.x = n.x LEFT JOIN w ON w.id = s.y', false),
  ('EXCEPT joined to more', 'SELECT s.x AS k, w.t FROM (SELECT x, y FROM u EXCEPT SELECT y, x FROM v) s LEFT JOIN w ON w.id = s.y', false),
  ('EXCEPT joined to more, by a sub-select', 'SELECT s.x AS k, s.y, (SELECT count(*) FROM w WHERE w.id = s.y) FROM (SELECT x, y FROM u EXCEPT ALL SELECT y, x FROM v) s', false),
  ('two UNIONs joined', 'SELECT s.k, e.t FROM (SELECT id AS k, x FROM u UNION ALL SELECT id + 10, y FROM v) s JOIN (SELECT x, t FROM n UNION ALL SELECT y, t FROM p) e ON e.x = s.x', false),
  ('UNION ALL joined to more, one branch leads nowhere', 'SELECT s.x AS k, w.t FROM (SELECT x, y FROM u UNION ALL SELECT x, max(y) FROM v GROUP BY x) s LEFT JOIN w ON w.id = s.y', true),
  ('NOT IN against a UNION', 'SELECT s.k FROM (SELECT id AS k, x FROM n UNION ALL SELECT id + 10, x FROM v) s WHERE s.x NOT IN (SELECT x FROM n m WHERE m.y > 2)', true),
  ('LIMIT above UNION ALL', 'SELECT n.id AS k, s.x FROM n LEFT JOIN (SELECT x, id FROM u UNION ALL SELECT y, id FROM v ORDER BY 1, 2 LIMIT 3) s ON s.x = n.x', true),
  ('join to a column of a UNION ALL key', 'SELECT s.k, p.t FROM (SELECT id AS k FROM u UNION ALL SELECT x FROM v) s LEFT JOIN p ON p.x = s.k', false),
  ('aggregate of an outer column', 'SELECT u.x AS k, (SELECT count(*) FROM v WHERE v.x = u.x AND v.y > count(u.id)) FROM u GROUP BY u.x', false),
  ('whole row', 'SELECT u.id AS k, v FROM u LEFT JOIN v ON v.id = u.x', false),
  ('count without columns', 'SELECT u.id AS k, (SELECT count(*) FROM v WHERE v.x = u.x) FROM u', false),
  ('join alias', 'SELECT j.id AS k, j.vt FROM (u JOIN (SELECT id AS vid, t AS vt FROM v) s ON s.vid = u.x) j(id)', false),
  ('natural join', 'SELECT id AS k, x, t FROM u NATURAL JOIN (SELECT id, z FROM v) s', false),
  ('expression on one side', 'SELECT u.id AS k, v.t FROM u LEFT JOIN v ON v.id = u.x + 1', false),
  ('expressions on both sides', 'SELECT u.id AS k, (SELECT max(v.t) FROM v WHERE v.x + v.y = u.x * 2) FROM u', false),
  ('expression of text', 'SELECT u.id AS k, v.x FROM u LEFT JOIN v ON upper(v.t) || ''x'' = u.t || ''x''', false),
  ('expression that is not strict', 'SELECT u.id AS k, v.t FROM u LEFT JOIN v ON coalesce(v.x, 1) = u.x', false),
  ('expression that is not strict, above an inner join', 'SELECT u.id AS k, v.t, w.t AS wt FROM u JOIN v ON v.id = u.x JOIN w ON w.x = coalesce(v.y, 1)', false),
  ('expression that is not strict, above an outer join', 'SELECT n.id AS k, v.t, w.t AS wt FROM n LEFT JOIN v ON v.id = n.y JOIN w ON w.x = coalesce(v.x, 1)', true),
  ('expression that is not strict, above an outer join in a sub-select', 'SELECT s.id AS k, w.t AS wt FROM (SELECT n.id, v.x FROM n LEFT JOIN v ON v.id = n.y) s JOIN w ON w.x = coalesce(s.x, 1)', true),
  ('expression that is strict, above an outer join', 'SELECT n.id AS k, v.t, w.t AS wt FROM n LEFT JOIN v ON v.id = n.y JOIN w ON w.x = v.x + 1', false),
  ('expression that is not strict, below an outer join', 'SELECT n.id AS k, s.t, w.t AS wt FROM n LEFT JOIN (SELECT coalesce(x, 1) AS x, t FROM v) s ON s.x = n.y LEFT JOIN w ON w.x = s.x', false),
  ('expression that is not strict, over a ROLLUP', 'SELECT n.id AS k, s.c, w.t FROM n LEFT JOIN (SELECT coalesce(x, 1) AS x, count(*) AS c FROM n GROUP BY ROLLUP (x)) s ON true LEFT JOIN w ON w.x = s.x', true),
  ('expression in a sub-select', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT x + y AS s, count(*) AS c FROM v GROUP BY x + y) s ON s.s = u.x', false),
  ('expression over the columns of a group', 'SELECT u.id AS k, s.* FROM u LEFT JOIN (SELECT x, y, x + y AS s, count(*) AS c FROM v GROUP BY x, y) s ON s.s + 1 = u.x', false),
  ('expression of two relations', 'SELECT u.id AS k, s.t FROM u LEFT JOIN (SELECT v.x + w.y AS s, v.t FROM v JOIN w ON w.id = v.y) s ON s.s = u.x', true),
  ('expression as the key', 'SELECT x + 1 AS k, count(*), max(t) FROM v GROUP BY 1', false),
  ('expression that is not strict as the key', 'SELECT coalesce(v.x, 0) * 10 + coalesce(v.y, 0) AS k, count(*), max(u.t) FROM v LEFT JOIN u ON u.x = v.z GROUP BY 1', false),
  ('expression of the nullable side as the key', 'SELECT coalesce(v.x, 0) AS k, count(*) FROM n LEFT JOIN v ON v.x = n.x GROUP BY 1', true),
  ('IN with expressions', 'SELECT u.id AS k, u.t FROM u WHERE u.x + 1 IN (SELECT v.y + 2 FROM v WHERE v.z > 1)', false),
  ('UNION with an expression', 'SELECT n.id AS k, s.t FROM n LEFT JOIN (SELECT x + 1 AS x, t FROM u UNION SELECT y, t FROM v) s ON s.x = n.x', false),
  ('document', 'SELECT u.id AS k, (SELECT count(g.t) FROM g WHERE g.doc ->> ''x'' = u.id::text) FROM u', false),
  ('document, key on its side', 'SELECT g.id AS k, u.t FROM g LEFT JOIN u ON u.id::text = g.doc #>> ''{u,id}''', false),
  ('document, cast', 'SELECT u.id AS k, count(g.id) FROM u LEFT JOIN g ON (g.doc -> ''u'' ->> ''id'')::int = u.x GROUP BY u.id', false),
  ('document, two paths', 'SELECT u.id AS k, count(g.id) FROM u LEFT JOIN g ON (g.doc -> ''u'' ->> ''id'') || (g.doc ->> ''x'') = u.x::text || u.y::text GROUP BY u.id', false),
  ('document, paths that begin alike', 'SELECT u.id AS k, count(g.id) FROM u LEFT JOIN g ON (g.doc #>> ''{u,id}'') || coalesce(g.doc -> ''u'' ->> ''t'', ''1'') = u.x::text || u.t GROUP BY u.id', false),
  ('document, not only texts', 'SELECT u.id AS k, count(g.id) FROM u LEFT JOIN g ON (g.doc -> ''x'')::text = u.x::text GROUP BY u.id', false),
  ('document, where a path is missing', 'SELECT u.id AS k, count(g.id) FROM u LEFT JOIN g ON coalesce(g.doc ->> ''x'', g.doc #>> ''{u,id}'', ''1'') = u.x::text GROUP BY u.id', false),
  ('text of an integer', 'SELECT u.id AS k, v.t FROM u LEFT JOIN v ON v.t = u.x::text', false),
  ('text of an integer, the other way', 'SELECT v.id AS k, u.t FROM v LEFT JOIN u ON u.id::text = v.t', false),
  ('element of an array', 'SELECT u.id AS k, count(g.id) FROM u LEFT JOIN g ON u.id = ANY (g.arr) GROUP BY u.id', false),
  ('element of an array, key on its side', 'SELECT g.id AS k, (SELECT string_agg(u.t, '','' ORDER BY u.id) FROM u WHERE u.id = ANY (g.arr)) FROM g', false),
  ('element of an array, of another type', 'SELECT g.id AS k, count(w.t), max(v.t) AS m FROM g LEFT JOIN w ON w.id = ANY (g.arr) LEFT JOIN v ON v.id = w.y GROUP BY g.id', false),
  ('element of an array, more hops', 'SELECT u.id AS k, (SELECT count(*) FROM v JOIN g ON g.arr @> ARRAY[v.y] JOIN p ON p.x = g.id WHERE v.x = u.id) FROM u', false),
  ('array that contains', 'SELECT g.id AS k, count(u.t) FROM g LEFT JOIN u ON g.arr @> ARRAY[u.x] GROUP BY g.id', false),
  ('array that is contained', 'SELECT u.id AS k, count(g.t) FROM g RIGHT JOIN u ON ARRAY[u.x + 1] <@ g.arr GROUP BY u.id', false),
  ('one of two columns', 'SELECT u.id AS k, count(v.t) FROM u LEFT JOIN v ON v.id IN (u.x, u.y) GROUP BY u.id', false),
  ('not in an array', 'SELECT u.id AS k, count(g.id) FROM u LEFT JOIN g ON u.id <> ALL (g.arr) GROUP BY u.id', true),
  ('IN unnested', 'SELECT u.id AS k, count(g.t) FROM u JOIN g ON u.id IN (SELECT unnest(g.arr)) GROUP BY u.id', false),
  ('IN unnested in FROM', 'SELECT g.id AS k, (SELECT count(*) FROM u WHERE u.id IN (SELECT e FROM unnest(g.arr) e)) FROM g', false),
  ('IN unnested, limited', 'SELECT g.id AS k, (SELECT count(*) FROM u WHERE u.id IN (SELECT e FROM unnest(g.arr) e LIMIT 1)) FROM g', true),
  ('LATERAL unnest', 'SELECT g.id AS k, e.n, u.t FROM g CROSS JOIN LATERAL unnest(g.arr) WITH ORDINALITY e(pk, n) LEFT JOIN u ON u.id = e.pk', false),
  ('LATERAL unnest, key on the other side', 'SELECT u.id AS k, g.t FROM g CROSS JOIN unnest(g.arr) e(pk) JOIN u ON e.pk = u.id', false),
  ('unnest in a correlated sub-select', 'SELECT g.id AS k, (SELECT string_agg(u.t, '','' ORDER BY e.n) FROM unnest(g.arr) WITH ORDINALITY e(pk, n) JOIN u ON u.id = e.pk) FROM g', false),
  ('unnest inside of an outer join', 'SELECT n.id AS k, g.t, x.t AS xt FROM n CROSS JOIN g LEFT JOIN (unnest(g.arr) e(pk) JOIN u x ON x.id = e.pk) ON x.y = n.id', true),
  ('equal arrays', 'SELECT g.id AS k, h.t FROM g LEFT JOIN g h ON h.arr = g.arr', false),
  ('VALUES and functions', 'SELECT u.id AS k, g, c FROM u CROSS JOIN generate_series(1, 2) g CROSS JOIN (VALUES (1), (2)) a(c) LEFT JOIN v ON v.id = g + u.x WHERE v.x = u.z OR v.x IS NULL', true);

-- Keys of two columns.
INSERT INTO shape (name, key, query, has_full) SELECT name, '{k,l}', query, has_full FROM (VALUES
  ('two columns of one table', 'SELECT x AS k, y AS l, count(*), max(t) FROM v GROUP BY x, y', false),
  ('a column and an expression', 'SELECT x AS k, y * 2 AS l, count(*), max(t) FROM v GROUP BY x, y * 2', false),
  ('a constant and a column', 'SELECT ''u'' AS k, u.id AS l, v.t FROM u LEFT JOIN v ON v.x = u.id', false),
  ('columns that a junction has', 'SELECT u.id AS k, w.id AS l, v.t, u.t AS ut, p.t AS pt FROM u JOIN v ON v.x = u.id JOIN w ON w.id = v.y LEFT JOIN p ON p.id = w.x', false),
  ('feed', 'SELECT ''u'' AS k, id AS l, t FROM u UNION ALL SELECT ''v'', id, t FROM v', false),
  ('feed with joins', 'SELECT ''u'' AS k, u.id AS l, w.t FROM u LEFT JOIN w ON w.id = u.x UNION ALL SELECT ''v'', v.id, p.t FROM v JOIN p ON p.x = v.y', false),
  ('feed of one table', 'SELECT ''u'' AS k, id AS l, t FROM u WHERE x > 1 UNION ALL SELECT ''x'', id, y::text FROM u WHERE x < 3', false),
  ('feed in a sub-select', 'SELECT s.k || ''!'' AS k, s.l, s.t FROM (SELECT ''u'' AS k, id AS l, t FROM u UNION ALL SELECT ''v'', id, t FROM v) s', false),
  ('feed joined to more', 'SELECT s.k, s.l, w.t FROM (SELECT ''u'' AS k, id AS l, x FROM u UNION ALL SELECT ''v'', id, y FROM v) s LEFT JOIN w ON w.id = s.x', false),
  ('feed joined to more, by a chain', 'SELECT s.k, s.l, n.t FROM (SELECT ''u'' AS k, id AS l, x FROM u UNION ALL SELECT ''v'', v.id, p.y FROM v JOIN p ON p.id = v.x) s JOIN w ON w.id = s.x LEFT JOIN n ON n.x = w.y', false),
  ('UNION of pairs', 'SELECT x AS k, y AS l FROM u UNION SELECT y, z FROM v', false),
  ('EXCEPT of pairs', 'SELECT x AS k, y AS l FROM u EXCEPT SELECT y, x FROM v', false),
  ('INTERSECT of pairs', 'SELECT x AS k, y AS l FROM u INTERSECT SELECT y, x FROM v', false),
  ('no table has both', 'SELECT u.id AS k, v.id AS l, u.t, v.t AS vt, w.t AS wt FROM u JOIN v ON v.x = u.x LEFT JOIN w ON w.id = u.y', false),
  ('no table has both, nor an equality', 'SELECT u.id AS k, v.id AS l, u.t, v.t AS vt FROM u CROSS JOIN v', false),
  ('no table has both, in one branch', 'SELECT u.id AS k, v.id AS l, v.t FROM u JOIN v ON v.x = u.x UNION ALL SELECT id + 10, y, t FROM p', false),
  ('one column has no source', 'SELECT u.id AS k, coalesce(v.id, 0) AS l, v.t FROM u LEFT JOIN v ON v.x = u.id', false),
  ('a rank', 'SELECT x AS k, rank() OVER (PARTITION BY x ORDER BY y, id) AS l, id, t FROM v', false),
  ('a grouped sub-select has both', 'SELECT s.x AS k, s.y AS l, s.c, w.t FROM (SELECT x, y, count(*) AS c FROM v GROUP BY x, y) s LEFT JOIN w ON w.x = s.x AND w.y = s.y', false),
  ('full join by two columns', 'SELECT x AS k, y AS l, count(u.t), count(v.t) AS cv FROM u FULL JOIN v USING (x, y) GROUP BY x, y', false),
  ('bigint and int', 'SELECT w.id AS k, u.id AS l, w.t, v.t AS vt FROM w JOIN v ON v.x = w.id JOIN u ON u.id = v.y', false),
  ('a rank over an outer join that has the other part, too', 'SELECT w.x AS k, rank() OVER (PARTITION BY v.z ORDER BY v.y)::int AS l FROM v LEFT JOIN (p RIGHT JOIN u w ON w.y = p.z AND w.x = p.x) ON v.z = w.z', true),
  ('two constants', 'SELECT ''a'' AS k, ''b'' AS l, count(*) FROM u', false)) s(name, query, has_full);

-- Keys that come from no table.
INSERT INTO shape (name, query, has_full) VALUES
  ('a constant', 'SELECT 1 AS k, count(*) AS c, (SELECT max(t) FROM v) FROM u WHERE x > 1', false),
  ('a constant without FROM', 'SELECT 1 AS k, (SELECT count(*) FROM u) AS u, (SELECT count(*) FROM v JOIN w ON w.x = v.x) AS v', false),
  ('a constant per branch', 'SELECT ''u'' AS k, count(*) AS c FROM u UNION ALL SELECT ''v'', sum(y) FROM v UNION ALL SELECT ''uv'', count(*) FROM u WHERE x IN (SELECT x FROM v)', false),
  ('a constant in one branch', 'SELECT ''all'' AS k, count(*) AS c FROM u UNION ALL SELECT t, count(*) FROM u GROUP BY t', false),
  ('a constant in a branch with LIMIT above', 'SELECT * FROM (SELECT ''u'' AS k, count(*) AS c FROM u HAVING count(*) > 2 UNION ALL SELECT ''v'', count(*) FROM v ORDER BY c, k LIMIT 1) s', true),
  ('a constant in a branch with a window above', 'SELECT k, sum(c) OVER () AS c FROM (SELECT ''u'' AS k, count(*) AS c FROM u UNION ALL SELECT ''v'', count(*) FROM v) s', true),
  ('a series', 'SELECT s.k, count(u.id) AS c FROM generate_series(1, 4) s(k) LEFT JOIN u ON u.x = s.k GROUP BY s.k', false),
  ('a series, counted through a join', 'SELECT s.k, count(v.id) AS c FROM generate_series(1, 4) s(k) LEFT JOIN (u JOIN v ON v.x = u.id) ON u.x = s.k GROUP BY s.k', false),
  ('a series in the optional side', 'SELECT s.k, count(u.id) AS c FROM u LEFT JOIN generate_series(1, 3) s(k) ON u.x = s.k GROUP BY s.k', true),
  ('an expression of a series', 'SELECT s.d * 2 AS k, count(u.id) AS c FROM generate_series(0, 3) s(d) LEFT JOIN u ON u.x + u.y = s.d * 2 GROUP BY 1', false),
  ('an expression of what a value equals', 'SELECT s.d * 2 AS k, count(u.id) AS c FROM generate_series(0, 3) s(d) LEFT JOIN u ON u.x = s.d GROUP BY s.d', false),
  ('a value that a bigint equals', 'SELECT s.d AS k, count(w.id) AS c FROM generate_series(0, 3) s(d) LEFT JOIN w ON w.x = s.d GROUP BY s.d', false),
  ('VALUES', 'SELECT s.k, s.n, count(u.id) AS c FROM (VALUES (''1'', ''one''), (''2'', ''two''), (''9'', ''nine'')) s(k, n) LEFT JOIN u ON u.t = s.k GROUP BY s.k, s.n', false),
  ('a series in a select list', 'SELECT s.k, (SELECT max(u.t) FROM u WHERE u.x = s.k) FROM (SELECT generate_series(1, 4) AS k) s', false),
  ('a series in a CTE read twice', 'WITH s AS (SELECT g + 1 AS k FROM generate_series(0, 3) g) SELECT a.k, count(u.id) AS c, (SELECT max(v.t) FROM v, s b WHERE b.k = v.x AND v.y = a.k) FROM s a LEFT JOIN u ON u.x = a.k GROUP BY a.k', false),
  ('an aggregate of another table', 'SELECT s.k, u.id, u.t FROM (SELECT max(x) AS k FROM v) s JOIN u ON u.x = s.k', true),
  ('elements', 'SELECT e.k, count(*) AS c, max(g.t) FROM g, unnest(g.arr) e(k) GROUP BY e.k', false),
  ('elements, an expression', 'SELECT e.k + 1 AS k, count(*) AS c, max(g.t) FROM g, unnest(g.arr) e(k) GROUP BY 1', false),
  ('elements, joined', 'SELECT e.k, count(*) AS c, max(u.t) FROM g CROSS JOIN LATERAL unnest(g.arr) e(k) JOIN u ON u.x = e.k LEFT JOIN v ON v.id = g.y GROUP BY e.k', false),
  ('elements in a sub-select', 'SELECT u.id AS k, count(s.e) AS c FROM u LEFT JOIN (SELECT unnest(arr) AS e, t FROM g) s ON s.e = u.x GROUP BY u.id', false),
  ('elements in a sub-select, the other way', 'SELECT s.id AS k, max(u.t) FROM u JOIN (SELECT unnest(arr) AS e, id FROM g) s ON s.e = u.x GROUP BY s.id', false),
  ('elements in a sub-select of IN', 'SELECT id AS k, t FROM u WHERE x IN (SELECT unnest(arr) FROM g WHERE y > 1)', false),
  ('elements in a sub-select of IN, through a join', 'SELECT id AS k, t FROM u WHERE x IN (SELECT unnest(g.arr) FROM g JOIN v ON v.id = g.x WHERE v.y > 1)', false),
  ('elements of a range', 'SELECT s.k, count(*) AS c FROM u, generate_series(u.x, u.y) s(k) GROUP BY s.k', false);
INSERT INTO shape (name, key, query, has_full)
SELECT s.name, '{k,l}', s.query, s.has_full FROM (VALUES
  ('a series and a table', 'SELECT s.k, u.id AS l, count(v.id) AS c FROM generate_series(1, 3) s(k) CROSS JOIN u LEFT JOIN v ON v.x = s.k AND v.y = u.id GROUP BY s.k, u.id', false),
  ('two sets of elements', 'SELECT a.k, b.l, count(*) AS c FROM g, unnest(g.arr) a(k), unnest(g.arr) b(l) GROUP BY a.k, b.l', true),
  ('an element and its row', 'SELECT g.id AS k, e.l, g.t, count(*) AS c FROM g, unnest(g.arr) e(l) GROUP BY g.id, e.l', false),
  ('an element and a column', 'SELECT g.x AS k, e.l, count(*) AS c, max(v.t) FROM g CROSS JOIN LATERAL unnest(g.arr) e(l) LEFT JOIN v ON v.id = e.l GROUP BY g.x, e.l', false)) s(name, query, has_full);

-- Views in views: a grouped one, one with a filter, and an outer join over both.
CREATE VIEW inner_grouped AS SELECT v.x, count(*) AS c, max(w.t) AS m FROM v LEFT JOIN w ON w.y = v.id GROUP BY v.x;
CREATE VIEW inner_filtered AS SELECT p.id, p.x, p.t, g.c FROM p LEFT JOIN inner_grouped g ON g.x = p.y WHERE p.z > 1;
INSERT INTO shape (name, query) VALUES
  ('views in views', 'SELECT u.id AS k, f.t, f.c FROM u LEFT JOIN inner_filtered f ON f.x = u.id'),
  ('view joined to itself', 'SELECT a.id AS k, b.t, b.c FROM inner_filtered a LEFT JOIN inner_filtered b ON b.id = a.x');

SELECT plan((3 * count(*))::int) FROM shape;
DO $$
DECLARE s record;
BEGIN
  FOR s IN SELECT number, query FROM shape LOOP
    EXECUTE format('CREATE VIEW shape_%s AS %s', s.number, s.query);
  END LOOP;
END $$;
CREATE FUNCTION check_shape(name text, number int, key text[], has_full boolean) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  result record;
BEGIN
  SELECT * INTO result FROM cover.misses(format('cover.shape_%s', number)::regclass, key, 60);
  RETURN NEXT is(result.missed, NULL, name || ': no changed key is missed');
  RETURN NEXT ok(result.checked > 0 OR has_full, name || ': keys did change');
  RETURN NEXT is(EXISTS (SELECT FROM pg_tviews_derive(format('cover.shape_%s', number)::regclass, key, true) WHERE kind = 'full'), has_full,
                 name || CASE WHEN has_full THEN ': has no path' ELSE ': every table has a path' END);
END $$;
SELECT check_shape(name, number, key, has_full) FROM shape ORDER BY number;
SELECT * FROM finish();
ROLLBACK;
