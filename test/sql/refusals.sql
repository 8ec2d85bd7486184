-- What no TVIEW can keep fresh, and what is said about it: bare, in a nested view, in a sub-select; and what looks alike and is accepted.
\set ECHO none
\pset format unaligned
SET client_min_messages = warning;
CREATE SCHEMA ref;
SET search_path = ref, public;
CREATE TABLE tb_a (pk_a int PRIMARY KEY, fk_b int, t text, tz timestamptz, ts timestamp, d date, j jsonb);
CREATE TABLE tb_b (pk_b int PRIMARY KEY, t text);
CREATE TABLE tb_free (t text);
CREATE SEQUENCE seq;
CREATE MATERIALIZED VIEW mat AS SELECT * FROM tb_b;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER there FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE away (pk_b int, t text) SERVER there;
CREATE TABLE parts (pk_b int, t text) PARTITION BY LIST (pk_b);
CREATE FOREIGN TABLE parts_1 PARTITION OF parts FOR VALUES IN (1) SERVER there;
CREATE TABLE parent (pk_b int, t text);
CREATE FOREIGN TABLE child () INHERITS (parent) SERVER there;
CREATE FUNCTION stable_one(int) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION volatile_one(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION stable_two(int, int) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE OPERATOR ## (LEFTARG = int, RIGHTARG = int, FUNCTION = stable_two);
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION to_pair(int) RETURNS pair STABLE LANGUAGE plpgsql AS 'BEGIN RETURN ROW($1, $1); END';
CREATE TYPE pair2 AS (a int, b int);
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);
CREATE AGGREGATE odd_sum(int) (SFUNC = stable_two, STYPE = int, INITCOND = '0');
CREATE FUNCTION rows_of(int) RETURNS SETOF int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN NEXT $1; END';
CREATE FUNCTION changes(int) RETURNS int LANGUAGE sql AS 'INSERT INTO ref.tb_free VALUES (NULL) RETURNING 1';
CREATE VIEW v_now AS SELECT pk_b, t, now() AS seen FROM tb_b;
CREATE FUNCTION said(query text, options jsonb DEFAULT '{}', key text DEFAULT 'pk') RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text; h text; d text; s text;
BEGIN
  PERFORM pg_tviews_create('ref.tv_tried', query, options || jsonb_build_object('key', key));
  DROP TABLE ref.tv_tried;
  RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS s = RETURNED_SQLSTATE, m = MESSAGE_TEXT, h = PG_EXCEPTION_HINT, d = PG_EXCEPTION_DETAIL;
  RETURN format('%s: %s%s%s', s, m, E'\n  DETAIL: ' || nullif(d, ''), E'\n  HINT: ' || coalesce(nullif(h, ''), 'NONE!'));
END $$;
\set ECHO queries
-- Expressions.
SELECT e, said('SELECT pk_a AS pk, ' || e || ' AS x FROM tb_a') FROM unnest(ARRAY[
  'now()', 'CURRENT_DATE', 'CURRENT_TIMESTAMP(0)', 'LOCALTIME', 'LOCALTIMESTAMP', 'statement_timestamp()', 'transaction_timestamp()', 'age(ts)', 'age(tz)', 'ts::time::timetz',
  'clock_timestamp()', 'timeofday()', 'random()', 'gen_random_uuid()', 'nextval(''seq'')', 'lastval()', 'set_config(''a.b'', t, true)',
  'CURRENT_USER', 'SESSION_USER', 'CURRENT_SCHEMA', 'current_setting(''TimeZone'')', 'inet_client_addr()', 'pg_backend_pid()', 'txid_current()', 'has_table_privilege(''tb_a'', ''SELECT'')',
  't::regclass', 'obj_description(1)', 'version()', 'xmin::text', 'ctid::text', 'tableoid::text',
  'stable_one(pk_a)', 'volatile_one(pk_a)', 'pk_a ## pk_a', 'pk_a::pair', '(SELECT odd_sum(pk_b) FROM tb_b WHERE pk_b = fk_b)', '(SELECT sum(x) FROM rows_of(fk_b) x)', 'changes(pk_a)']) e;
-- Relations.
SELECT r, said('SELECT a.pk_a AS pk, r.* FROM tb_a a LEFT JOIN (SELECT * FROM ' || r || ') r ON r.pk_b = a.fk_b') FROM unnest(ARRAY[
  'mat', 'away', 'parts', 'parent', 'tb_b TABLESAMPLE SYSTEM (50)', 'pg_class c(pk_b)', '(SELECT table_name::text::int AS pk_b FROM information_schema.tables) s',
  'pg_tview_catalog c(pk_b)', '(SELECT last_value::int AS pk_b FROM seq) s', '(SELECT * FROM tb_b FOR UPDATE) s', '(SELECT x AS pk_b FROM rows_of(1) x) s', 'ONLY parent']) r;
SELECT said('WITH gone AS (DELETE FROM tb_b RETURNING pk_b) SELECT pk_a AS pk FROM tb_a JOIN gone ON pk_b = fk_b');
-- Wherever it stands.
SELECT q, said(q) FROM unnest(ARRAY[
  'SELECT pk_b AS pk, seen FROM v_now',
  'SELECT pk_a AS pk FROM tb_a WHERE tz > now()',
  'SELECT pk_a AS pk FROM tb_a WHERE EXISTS (SELECT FROM tb_b WHERE pk_b = fk_b AND random() > 0.5)',
  'SELECT pk_a AS pk, (SELECT max(x.t) FROM (SELECT t FROM tb_b WHERE pk_b = fk_b AND t = CURRENT_USER) x) FROM tb_a',
  'WITH x AS MATERIALIZED (SELECT pk_b, stable_one(pk_b) AS y FROM tb_b) SELECT pk_a AS pk, y FROM tb_a JOIN x ON pk_b = fk_b',
  'SELECT pk_a AS pk FROM tb_a UNION ALL SELECT pk_b + 1000 FROM tb_b WHERE t = session_user',
  'SELECT pk_a AS pk, count(*) OVER (PARTITION BY fk_b ORDER BY age(tz)) FROM tb_a',
  'SELECT fk_b AS pk, count(*) FILTER (WHERE tz < now()) FROM tb_a GROUP BY fk_b HAVING count(*) > 0 ORDER BY random()',
  'SELECT DISTINCT ON (fk_b) fk_b AS pk, t FROM tb_a ORDER BY fk_b, statement_timestamp() - tz']) q;
-- With a timer the clock is accepted, and nothing else.
SELECT q, said(q, '{"refresh_every": "1 day"}') FROM unnest(ARRAY[
  'SELECT pk_b AS pk, seen FROM v_now', 'SELECT pk_a AS pk, age(ts) AS a, age(tz) AS b, LOCALTIME, CURRENT_DATE, ts::time::timetz FROM tb_a WHERE tz > statement_timestamp()',
  'SELECT pk_a AS pk, clock_timestamp() FROM tb_a', 'SELECT pk_a AS pk, random() FROM tb_a', 'SELECT pk_a AS pk, now(), CURRENT_USER FROM tb_a']) q;
SELECT o, said('SELECT pk_a AS pk FROM tb_a', o::jsonb) FROM unnest(ARRAY['{"refresh_every": "0.5 s"}', '{"refresh_every": "-1 day"}', '{"refresh_every": 5}',
  '{"refresh_every": "200 years"}', '{"refresh_every": "soon"}', '{"notify": true}', '{"on_unkeyed": "full", "min_interval": "-1 s"}', '{"refresh": "1 s"}']) o;
-- Keys.
SELECT k, said('SELECT pk_a, fk_b + pk_a AS pk, j, ROW(pk_a, pk_a)::ref.pair2 AS r, ARRAY[pk_a] AS a, point(pk_a, 1) AS p, f.x FROM tb_a, generate_series(1, 2) f(x)', '{}', k)
FROM unnest(ARRAY['a', 'r', 'p', 'x', 'nobody']) k;
SELECT said('SELECT a.pk_a AS pk, (SELECT count(*) FROM tb_free f WHERE f.t > a.t) AS n FROM tb_a a');
SELECT said('SELECT a.pk_a AS pk, (SELECT count(*) FROM tb_free f WHERE f.t > a.t) AS n FROM tb_a a', '{"on_unkeyed": "full"}');
-- Row-level security: where it applies to the owner of the TVIEW.
CREATE ROLE ref_owner;
GRANT ALL ON SCHEMA ref TO ref_owner;
GRANT SELECT, TRIGGER ON ALL TABLES IN SCHEMA ref TO ref_owner;
CREATE TABLE tb_mine (pk_b int PRIMARY KEY, t text);
ALTER TABLE tb_mine OWNER TO ref_owner;
ALTER TABLE tb_mine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE tb_b ENABLE ROW LEVEL SECURITY;
SELECT said('SELECT pk_b AS pk, t FROM tb_b') AS as_superuser;
SET ROLE ref_owner;
SELECT said('SELECT a.pk_a AS pk, (SELECT t FROM tb_b b WHERE b.pk_b = a.fk_b) AS t FROM tb_a a') AS of_others, said('SELECT pk_b AS pk, t FROM tb_mine') AS of_mine;
RESET ROLE;
-- What comes later parks the keys; it does not empty the TVIEW.
CREATE TABLE tb_later (pk_later int PRIMARY KEY, t text);
INSERT INTO tb_later VALUES (1, 'one'), (2, 'two');
GRANT SELECT, TRIGGER ON tb_later TO ref_owner;
SET ROLE ref_owner;
CREATE TABLE tv_later AS SELECT pk_later, t FROM tb_later;
RESET ROLE;
ALTER TABLE tb_later ENABLE ROW LEVEL SECURITY;
UPDATE tb_later SET t = 'changed';
SELECT pg_tviews_wait();
SELECT state, (SELECT count(*) FROM tv_later) AS rows FROM pg_tview_meta WHERE entity = 'later';
SELECT DISTINCT sqlstate, message FROM pg_tview_parked_keys WHERE entity = 'later';
ALTER TABLE tb_later DISABLE ROW LEVEL SECURITY;
SELECT pg_tviews_retry_parked('later') > 0 AS retried;
SELECT pg_tviews_wait();
SELECT state, (SELECT count(*) FROM tv_later WHERE t = 'changed') AS rows FROM pg_tview_meta WHERE entity = 'later';
-- Settings are pinned: another session's do not matter.
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
INSERT INTO tb_a VALUES (1, 1, 'a', '2026-03-01 00:30+09', '2026-03-01 12:00', '2026-03-01');
CREATE TABLE tv_day AS SELECT pk_a AS pk_day, date_trunc('day', tz) AS day, to_char(tz, 'YYYY-MM-DD HH24 TZ') AS text, tz::text AS cast, d::text AS date, tz::date AS local,
  extract(hour FROM tz) AS hour, to_jsonb(tz) AS json, tz > '2026-03-01'::date AS later FROM tb_a;
SET TimeZone = 'America/New_York';
SET DateStyle = 'ISO';
INSERT INTO tb_a VALUES (2, 1, 'a', '2026-03-01 00:30+09', '2026-03-01 12:00', '2026-03-01');
UPDATE tb_a SET tz = tz + interval '0 s', d = d + 1;
SELECT pg_tviews_wait();
SELECT pk_day, text, "cast", date, local::text, hour, json, later FROM tv_day ORDER BY 1;
SELECT * FROM tviews_oracle();
\set ECHO none
RESET TimeZone;
RESET DateStyle;
DROP SCHEMA ref CASCADE;
DROP FOREIGN DATA WRAPPER nowhere CASCADE;
DROP OWNED BY ref_owner;
DROP ROLE ref_owner;
