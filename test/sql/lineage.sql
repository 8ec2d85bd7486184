-- What a view's lineage is, and what is refused with which words.  That no key is missed is the business of pgtap/lineage_cover.sql.
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.refusal(view regclass, key text DEFAULT 'k') RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text; h text; d text;
BEGIN
  PERFORM pg_tviews_derive(view, ARRAY[key]);
  RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, h = PG_EXCEPTION_HINT, d = PG_EXCEPTION_DETAIL;
  RETURN format('%s: %s%s%s', sqlstate, m, E'\n  DETAIL: ' || nullif(d, ''), E'\n  HINT: ' || nullif(h, ''));
END $$;
CREATE FUNCTION pg_temp.try(query text, key text DEFAULT 'k') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE 'CREATE VIEW lin.tried AS ' || query;
  RETURN pg_temp.refusal('lin.tried', key);
EXCEPTION WHEN OTHERS THEN
  RETURN 'not a view: ' || sqlerrm;
END $$;
CREATE FUNCTION pg_temp.outcome(query text, key text DEFAULT 'k') RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text := pg_temp.try(query, key);
BEGIN
  DROP VIEW IF EXISTS lin.tried;
  RETURN result;
END $$;

-- The shapes of the catalogue.
\getenv abs_srcdir PG_ABS_SRCDIR
\set schema_file :abs_srcdir '/shapes/schema.sql'
\set views_file :abs_srcdir '/shapes/views.sql'
\set ECHO none
\i :schema_file
CREATE TABLE crm.tv_user (pk_user int PRIMARY KEY, id uuid, tenant_id uuid, data jsonb);
CREATE TABLE blog.tv_post (pk_post bigint PRIMARY KEY, id uuid, tenant_id uuid, data jsonb);
\i :views_file
\set ECHO all
\pset format unaligned
SELECT v AS view, base_table, capture_columns, kind, used_columns, mapping_query, reason FROM (VALUES ('crm.v_user', 'pk_user'), ('blog.v_post', 'pk_post'), ('blog.v_post_thread', 'pk_post'), ('shop.v_order', 'pk_order'),
  ('blog.v_post_tags', 'pk_post'), ('crm.v_user_stats', 'pk_user'), ('crm.v_organization_dashboard', 'pk_organization'), ('ops.v_allocation', 'id'),
  ('blog.v_comment', 'pk_comment'), ('ops.v_doc_user', 'id')) s(v, k), LATERAL pg_tviews_derive(v::regclass, ARRAY[k]) d;
SELECT v AS view, pg_temp.refusal(v::regclass, k) FROM (VALUES ('shop.v_category', 'pk_category'), ('blog.v_comment_tree', 'pk_comment'),
  ('shop.v_product_rank', 'pk_product'), ('shop.v_best_seller', 'pk_product'), ('ops.v_doc_user', 'id')) s(v, k);
SELECT base_table, capture_columns, kind, reason FROM pg_tviews_derive('shop.v_category', '{pk_category}', true);
SELECT base_table, capture_columns, kind, reason FROM pg_tviews_derive('shop.v_product_rank', '{pk_product}', true);

-- Names that need quotes, ONLY, a dropped column, types and collations of all kinds.
CREATE SCHEMA lin;
CREATE SCHEMA "Weird ""one""";
CREATE COLLATION lin.ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN lin.code AS text;
CREATE TYPE lin.color AS ENUM ('red', 'green');
CREATE TABLE "Weird ""one"""."The Table" (gone int, "Pk" int PRIMARY KEY, "select" int, "Größe" text);
ALTER TABLE "Weird ""one"""."The Table" DROP COLUMN gone;
CREATE TABLE lin.a (id int PRIMARY KEY, b bigint, t text, v varchar(10), c char(4), d lin.code, e lin.color, n numeric, j jsonb, arr int[], r int4range,
                    i text COLLATE lin.ignore_case, ct text COLLATE "C", ts timestamp, tz timestamptz, "from" date);
CREATE TABLE lin.b (LIKE lin.a INCLUDING ALL);
CREATE TABLE lin.parent (id int, x int);
CREATE TABLE lin.child () INHERITS (lin.parent);
CREATE VIEW lin.v_quoted AS SELECT a.id AS "The key", w."Größe" FROM lin.a LEFT JOIN "Weird ""one"""."The Table" w ON w."select" = a.id;
CREATE VIEW lin.v_only AS SELECT a.id AS k, p.x FROM lin.a LEFT JOIN ONLY lin.parent p ON p.id = a.b LEFT JOIN lin.b ON b.id = p.x;
CREATE VIEW lin.v_types AS SELECT a.id AS k, count(*) FROM lin.a JOIN lin.b b1 ON b1.t = a.v JOIN lin.b b2 ON b2.c = a.c JOIN lin.b b3 ON b3.d = a.t
  JOIN lin.b b4 ON b4.e = a.e JOIN lin.b b5 ON b5.n = a.n JOIN lin.b b6 ON b6.j = a.j JOIN lin.b b7 ON b7.r = a.r JOIN lin.b b8 ON b8.i = a.i
  JOIN lin.b b9 ON b9.t = a.ct COLLATE "C" JOIN lin.b b10 ON b10.t = a.i COLLATE lin.ignore_case JOIN lin.b b11 ON b11.ts = a.tz JOIN lin.b b12 ON b12."from" = a.ts GROUP BY a.id;
CREATE VIEW lin.v_wide AS SELECT a.id AS k, b.t FROM lin.a LEFT JOIN lin.b ON b.b = a.id;
CREATE VIEW lin.v_wide_key AS SELECT a.b AS k, b.t FROM lin.a LEFT JOIN lin.b ON b.id = a.b;
CREATE VIEW lin.v_collation AS SELECT a.id AS k, b.t, x.t AS xt FROM lin.a JOIN lin.b ON b.ct = a.t COLLATE "C" JOIN lin.b x ON x.i = b.i;
SELECT v AS view, base_table, capture_columns, kind, mapping_query FROM (VALUES ('lin.v_quoted', 'The key'), ('lin.v_only', 'k'), ('lin.v_types', 'k'), ('lin.v_wide', 'k'),
  ('lin.v_wide_key', 'k'), ('lin.v_collation', 'k')) s(v, k), LATERAL pg_tviews_derive(v::regclass, ARRAY[k]) d;

-- Every mapping query runs as it is.
CREATE FUNCTION pg_temp.runs(view regclass, key text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE p record; n bigint := 0; t text;
BEGIN
  FOR p IN SELECT * FROM pg_tviews_derive(view, ARRAY[key]) WHERE mapping_query IS NOT NULL LOOP
    SELECT format_type(CASE WHEN y.typtype = 'd' THEN y.typbasetype ELSE y.oid END, NULL) INTO t
      FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE attrelid = p.base_table AND attname = p.capture_columns[1];
    EXECUTE format('PREPARE m(%s[]) AS %s', t, p.mapping_query);
    EXECUTE 'EXECUTE m(''{}'')';
    DEALLOCATE m;
    n := n + 1;
  END LOOP;
  RETURN n;
END $$;
SELECT v AS view, pg_temp.runs(v::regclass, k) FROM (VALUES ('lin.v_quoted', 'The key'), ('lin.v_only', 'k'), ('lin.v_types', 'k'), ('lin.v_wide', 'k'),
  ('lin.v_wide_key', 'k'), ('lin.v_collation', 'k'), ('ops.v_allocation', 'id'), ('shop.v_order', 'pk_order')) s(v, k);

-- Refused, by name.
CREATE MATERIALIZED VIEW lin.m AS SELECT 1 AS id;
CREATE FOREIGN DATA WRAPPER lin_fdw;
CREATE SERVER lin_server FOREIGN DATA WRAPPER lin_fdw;
CREATE FOREIGN TABLE lin.f (id int) SERVER lin_server;
CREATE TABLE lin.mixed (id int) PARTITION BY LIST (id);
CREATE FOREIGN TABLE lin.mixed_1 PARTITION OF lin.mixed FOR VALUES IN (1) SERVER lin_server;
CREATE FUNCTION lin.stable_one(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION lin.immutable_one(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION lin.rows_of(int) RETURNS SETOF int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION lin.add(int, int) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1 + $2';
CREATE AGGREGATE lin.total(int) (SFUNC = lin.add, STYPE = int);
CREATE OPERATOR lin.## (LEFTARG = int, RIGHTARG = int, FUNCTION = lin.add);
CREATE FUNCTION lin.same(int, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1::text = $2';
CREATE OPERATOR lin.= (LEFTARG = int, RIGHTARG = text, FUNCTION = lin.same);
SELECT q AS query, pg_temp.outcome('SELECT id AS k, ' || q || ' FROM lin.a') FROM unnest(ARRAY['now()', 'current_date', 'current_timestamp(0)', 'localtime', 'current_user', 'random()',
  'clock_timestamp()', 'age(ts)', 'age(ts, ts)', 'current_setting(t)', 'pg_backend_pid()', 'has_table_privilege(t, t)', 'txid_current_if_assigned()', 'pg_typeof(t)', 't::regclass',
  'to_char(tz, t)', 'to_tsvector(t)', 'xmin', 'a.tableoid', 'lin.stable_one(id)', 'lin.immutable_one(id)', 'lin.total(id) OVER ()', '(SELECT lin.total(x) FROM generate_series(1, a.id) x)',
  'id OPERATOR(lin.##) id', 'nextval(''pg_tview_audit_seq'')', 'gen_random_uuid()', '(SELECT max(x.y) FROM lin.rows_of(a.id) x(y))', 'current_database()', 'CASE WHEN now() > tz THEN 1 END']) q;
SELECT q AS query, pg_temp.outcome(q) FROM unnest(ARRAY[
  'SELECT id AS k FROM lin.m', 'SELECT id AS k FROM lin.f', 'SELECT id AS k FROM lin.mixed', 'SELECT id AS k FROM ONLY lin.mixed', 'SELECT oid AS k FROM pg_class', 'SELECT table_name AS k FROM information_schema.tables',
  'SELECT tview AS k FROM pg_tview_catalog', 'SELECT id AS k FROM lin.a TABLESAMPLE SYSTEM (10)', 'SELECT id AS k FROM lin.a FOR UPDATE',
  'SELECT a.id AS k FROM lin.a JOIN (SELECT id FROM lin.b FOR SHARE) b ON b.id = a.id', 'SELECT 1 AS k', 'SELECT id + 1 AS k FROM lin.a', 'SELECT id AS k FROM lin.a LIMIT 10', 'SELECT max(id) AS k FROM lin.a',
  'SELECT arr AS k FROM lin.a', 'SELECT coalesce(a.id, b.id) AS k FROM lin.a FULL JOIN lin.b ON b.id = a.id',
  'SELECT a.id AS k, b.t FROM lin.a, lin.b', 'SELECT a.id AS k, b.t FROM lin.a LEFT JOIN lin.b ON b.id > a.id', 'SELECT a.id AS k, b.t FROM lin.a LEFT JOIN lin.b ON lower(b.t) = a.t',
  'SELECT a.id AS k, b.t FROM lin.a LEFT JOIN lin.b ON b.id OPERATOR(lin.=) a.t', 'SELECT a.id AS k, b.t FROM lin.a LEFT JOIN lin.b ON b.id = a.id + 1', 'SELECT b.id AS k, a.t FROM lin.a LEFT JOIN lin.b ON b.id = a.b',
  'SELECT id AS k, t FROM lin.a UNION ALL SELECT b.id, a.t FROM lin.a LEFT JOIN lin.b ON b.id = a.b',
  'SELECT a.id AS k, a.b IN (SELECT b.b FROM lin.b) AS x FROM lin.a', 'SELECT a.id AS k FROM lin.a WHERE a.b NOT IN (SELECT b.b FROM lin.b)',
  'SELECT a.id AS k FROM lin.a WHERE a.b IN (SELECT b.b FROM lin.b ORDER BY b.id LIMIT 5)', 'SELECT a.id AS k, s.n FROM lin.a JOIN (SELECT b, count(*) AS n FROM lin.b GROUP BY ROLLUP (b)) s ON s.b = a.b',
  'SELECT a.id AS k, s.t FROM lin.a JOIN (SELECT DISTINCT ON (b) b, t FROM lin.b ORDER BY b, id) s ON s.t = a.t',
  'SELECT a.id AS k, s.n FROM lin.a JOIN (SELECT i, count(*) AS n FROM lin.b GROUP BY i) s ON s.i = a.i']) q;
-- A group's text is that of one of its rows: comparing it as text tells apart what citext put together.
CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA lin;
CREATE TABLE lin.ci (id int PRIMARY KEY, c lin.citext, r lin.a);
SELECT q AS query, pg_temp.outcome(q) FROM unnest(ARRAY['SELECT c::text AS k, count(*) FROM lin.ci WHERE c IS NOT NULL GROUP BY c', 'SELECT c AS k, count(*) FROM lin.ci WHERE c IS NOT NULL GROUP BY c',
  'SELECT c::text AS k, count(*) FROM lin.ci WHERE c IS NOT NULL GROUP BY c::text', 'SELECT c::text AS k, count(*) FROM (SELECT DISTINCT c FROM lin.ci WHERE c IS NOT NULL) s GROUP BY c::text',
  'SELECT a.id AS k, s.n FROM lin.a JOIN (SELECT c, count(*) AS n FROM lin.ci GROUP BY c) s ON s.c::text = a.t', 'SELECT a.id AS k, s.id AS s FROM lin.a JOIN lin.ci s ON s.c::text = a.t',
  'SELECT i COLLATE "C" AS k, count(*) FROM lin.b WHERE i IS NOT NULL GROUP BY i', 'SELECT id AS k, c::text FROM lin.ci GROUP BY id',
  'SELECT a.id AS k, s.c FROM lin.a JOIN (SELECT id, c FROM lin.ci GROUP BY id) s ON s.c::text = a.t', 'SELECT r AS k FROM lin.ci WHERE r IS NOT NULL',
  'SELECT a.id AS k, (SELECT count(*) FROM lin.a o WHERE o.arr = a.arr) FROM lin.a']) q;
-- Join keys and keys that are expressions: the words of their queries.
CREATE INDEX ON lin.b (lower(t));
CREATE VIEW lin.v_expressions AS SELECT a.id + 1 AS k, count(*) FROM lin.a LEFT JOIN lin.b b1 ON lower(b1.t) = a.t LEFT JOIN lin.b b2 ON b2.t || b2.d = coalesce(a.v, 'none')
  LEFT JOIN lin.b b3 ON b3.j ->> 'a' = a.id::text LEFT JOIN lin.b b4 ON b4.arr = a.arr LEFT JOIN lin.b b5 ON date_trunc('day', b5.tz) = a.ts LEFT JOIN "Weird ""one"""."The Table" w ON w."select" * 2 = a.id
  LEFT JOIN lin.b b6 ON lower(b6.ct) = a.ct LEFT JOIN lin.b b7 ON b7.n IS NOT DISTINCT FROM a.n GROUP BY a.id + 1;
SELECT base_table, capture_columns, kind, captures_nulls, mapping_query FROM pg_tviews_derive('lin.v_expressions', '{k}');
SELECT q AS query, pg_temp.outcome(q) FROM unnest(ARRAY['SELECT a.id AS k, s.c FROM lin.a JOIN (SELECT n::text AS t, count(*) AS c FROM lin.b GROUP BY n) s ON s.t = a.t',
  'SELECT a.id AS k, b.t FROM lin.a LEFT JOIN lin.b ON b.id = a.b JOIN lin.b o ON o.t = coalesce(b.t, ''none'')', 'SELECT a.id AS k, b.t FROM lin.a JOIN lin.b ON b.b + a.b = a.id']) q;

-- Arrays.
CREATE TABLE lin.tag (pk int PRIMARY KEY, wide bigint, name text COLLATE "C", label varchar);
CREATE TABLE lin.tagged (id int PRIMARY KEY, tags int[], names text[], labels varchar[]);
CREATE VIEW lin.v_tagged AS SELECT g.id AS k, (SELECT count(*) FROM lin.tag t WHERE t.pk = ANY (g.tags)) AS a, (SELECT count(*) FROM lin.tag t WHERE g.names @> ARRAY[t.name]) AS b,
  (SELECT count(*) FROM lin.tag t JOIN unnest(g.tags) e ON e = t.wide) AS c, (SELECT count(*) FROM lin.tag t WHERE t.label IN (SELECT unnest(g.labels))) AS d FROM lin.tagged g;
SELECT base_table, capture_columns, kind, mapping_query FROM pg_tviews_derive('lin.v_tagged', '{k}');
CREATE VIEW lin.v_tag AS SELECT t.pk AS k, count(g.id) FROM lin.tag t LEFT JOIN lin.tagged g ON g.tags && ARRAY[t.pk] OR false LEFT JOIN lin.tagged h ON t.pk = ANY (h.tags) GROUP BY t.pk;
SELECT base_table, capture_columns, kind, mapping_query, reason FROM pg_tviews_derive('lin.v_tag', '{k}', true);

-- Keys of several columns: one table has them all, a feed, or only a part is found and the rest is looked up.
SELECT base_table, capture_columns, kind, mapping_query FROM pg_tviews_derive('ops.v_device_day', '{device_id,day}');
CREATE VIEW lin.v_feed AS SELECT 'a' AS kind, a.id, b.t FROM lin.a LEFT JOIN lin.b ON b.id = a.b UNION ALL SELECT 'b', b.id, b.t FROM lin.b;
SELECT base_table, capture_columns, kind, mapping_query FROM pg_tviews_derive('lin.v_feed', '{kind,id}');
CREATE VIEW lin.v_pairs AS SELECT a.id AS k, b.ct AS "L", a.t FROM lin.a JOIN lin.b ON b.b = a.b WHERE b.ct IS NOT NULL;
SELECT base_table, capture_columns, kind, mapping_query FROM pg_tviews_derive('lin.v_pairs', '{k,L}', stored => 'lin.a'::regclass);

CREATE VIEW lin.two AS SELECT id AS k, b FROM lin.a;
CREATE FUNCTION pg_temp.derive_keys(keys text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_tviews_derive('lin.two', keys);
  RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ': ' || sqlerrm;
END $$;
SELECT k, pg_temp.derive_keys(k) FROM (VALUES ('{k,b}'::text[]), ('{}'), ('{no_such}'), ('{NULL}'), ('{k}')) s(k);

-- A key that may become NULL is warned of.
SELECT q AS query, pg_temp.outcome(q) FROM unnest(ARRAY['SELECT a.b AS k FROM lin.a WHERE a.b IS NOT NULL', 'SELECT a.b AS k FROM lin.a WHERE a.b > 1', 'SELECT a.b AS k FROM lin.a JOIN lin.b ON b.id = a.b',
  'SELECT id AS k FROM lin.a FULL JOIN lin.b USING (id)', 'SELECT coalesce(a.id, b.id) AS k FROM lin.a FULL JOIN lin.b ON a.id = b.id', 'SELECT s.id AS k FROM (SELECT a.id FROM lin.a LEFT JOIN lin.b ON b.id = a.b) s',
  'SELECT id AS k FROM lin.a UNION ALL SELECT id FROM lin.b', 'SELECT b.id AS k FROM lin.a RIGHT JOIN lin.b ON b.id = a.b']) q;
SELECT pg_temp.outcome('SELECT a.b AS k FROM lin.a');
SELECT pg_temp.outcome('SELECT a.id AS k FROM lin.a FULL JOIN lin.b ON a.id = b.id');
SELECT pg_temp.outcome('SELECT b AS k FROM lin.a FULL JOIN lin.b USING (b)');
SELECT pg_temp.outcome('SELECT id AS k FROM lin.a UNION ALL SELECT b.b::int FROM lin.b');
CREATE TEMP VIEW temporary_view AS SELECT id AS k FROM lin.a;
SELECT regexp_replace(pg_temp.refusal('temporary_view'), 'pg_temp_\d+', 'pg_temp');
CREATE TEMP TABLE temporary_table (k int);
CREATE VIEW over_temporary AS SELECT k FROM temporary_table;
SELECT regexp_replace(pg_temp.refusal('over_temporary'), 'pg_temp_\d+', 'pg_temp');
ROLLBACK;
