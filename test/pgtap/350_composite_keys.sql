-- Keys of several columns, end to end: types, TVIEWs over TVIEWs, direct writes, keys as text, what cannot be applied.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA composite;
SET search_path = composite, public;
SELECT plan(38);
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle()) + (SELECT count(*) FROM pg_tview_deferred);
END $$;
CREATE FUNCTION exact(what text) RETURNS text LANGUAGE sql AS $$ SELECT is(differences(), 0::bigint, what) $$;
CREATE FUNCTION last_keys(what text) RETURNS bigint LANGUAGE sql AS $$ SELECT keys FROM pg_tview_performance_log WHERE entity = what LIMIT 1 $$;

-- text, bigint
CREATE TABLE tb_doc (kind text, nr bigint, fk_user int, v text, PRIMARY KEY (kind, nr));
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_line (pk_line int PRIMARY KEY, kind text, nr bigint, amount int);
INSERT INTO tb_user SELECT g, 'u' || g FROM generate_series(1, 20) g;
INSERT INTO tb_doc SELECT 'k' || g % 3, g, g % 20 + 1, 'v' || g FROM generate_series(1, 300) g;
INSERT INTO tb_line SELECT g, 'k' || (g % 300 + 1) % 3, g % 300 + 1, g FROM generate_series(1, 600) g;
SELECT pg_tviews_create('composite.tv_doc', $$ SELECT a.kind, a.nr, a.v, u.name, (SELECT sum(amount) FROM composite.tb_line d WHERE d.kind = a.kind AND d.nr = a.nr) AS amount
  FROM composite.tb_doc a LEFT JOIN composite.tb_user u ON u.pk_user = a.fk_user $$, '{"key": ["kind", "nr"]}');
UPDATE tb_doc SET v = 'x' WHERE nr = 7;
SELECT exact('a row itself');
SELECT is(last_keys('doc'), 1::bigint, 'is one key');
UPDATE tb_user SET name = 'n' WHERE pk_user = 3;
SELECT exact('a parent');
SELECT is(last_keys('doc'), 15::bigint, 'of fifteen');
UPDATE tb_line SET amount = -1 WHERE pk_line < 5;
SELECT exact('children by both columns');
SELECT is(last_keys('doc'), 4::bigint, 'of four');
UPDATE tb_line SET kind = 'k1', nr = 1 WHERE pk_line = 9;
UPDATE tb_doc SET kind = 'new' WHERE nr = 10;
DELETE FROM tb_doc WHERE nr = 11;
INSERT INTO tb_doc VALUES ('z"[,', 1, 1, 'q'), ('', 2, 1, 'empty');
SELECT exact('rows that move, go and come');
UPDATE tv_doc SET v = 'user' WHERE nr = 20;
DELETE FROM tv_doc WHERE nr = 21;
INSERT INTO tv_doc VALUES ('fake', 1);
UPDATE tv_doc SET kind = 'moved' WHERE nr = 22;
SELECT exact('direct writes heal');
TRUNCATE tv_doc;
SELECT exact('TRUNCATE of the TVIEW heals');
SELECT results_eq($$SELECT key FROM pg_tviews_affected('tb_line', '9')$$, $$VALUES ('["k1", "1"]')$$, 'keys as text');
SELECT results_eq($$SELECT key FROM pg_tviews_affected('tb_doc', '["z\"[,", 1]')$$, $$VALUES ('["z\"[,", "1"]')$$, 'with quotes in them');
SELECT results_eq($$SELECT entity || key FROM pg_tviews_affected('tv_doc', '["k1", "1"]')$$, $$VALUES ('doc["k1", "1"]')$$, 'of the TVIEW itself');

-- other types
CREATE TABLE tb_day (id uuid NOT NULL, day date NOT NULL, v int);
INSERT INTO tb_day SELECT ('00000000-0000-0000-0000-' || lpad((g % 10)::text, 12, '0'))::uuid, date '2020-01-01' + g % 30, g FROM generate_series(1, 500) g;
SELECT pg_tviews_create('composite.tv_day', 'SELECT id AS owner, day, sum(v) AS v, count(*) AS n FROM composite.tb_day GROUP BY id, day', '{"key": ["owner", "day"]}');
UPDATE tb_day SET day = '2021-01-01' WHERE v < 4;
DELETE FROM tb_day WHERE v = 100;
INSERT INTO tb_day VALUES ('00000000-0000-0000-0000-ffffffffffff', '2022-02-02', 1);
SELECT exact('uuid, date');
SELECT ok('["00000000-0000-0000-0000-ffffffffffff", "2022-02-02"]' IN (SELECT key FROM pg_tviews_affected('tv_day', '["00000000-0000-0000-0000-ffffffffffff", "2022-02-02"]')), 'as text');
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE tb_mood (m mood, n int, v text, PRIMARY KEY (m, n));
INSERT INTO tb_mood SELECT CASE WHEN g % 2 = 0 THEN 'sad' ELSE 'glad' END::mood, g, 'v' FROM generate_series(1, 50) g;
SELECT pg_tviews_create('composite.tv_mood', 'SELECT n, m, v FROM composite.tb_mood', '{"key": ["m", "n"]}');
UPDATE tb_mood SET m = 'glad' WHERE n = 2;
DELETE FROM tb_mood WHERE n = 5;
SELECT exact('enum, integer');
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT exact('an enum value of a key is renamed');
CREATE DOMAIN code AS text CHECK (value ~ '^[a-z]');
CREATE TABLE tb_code (c code, n numeric, v text, PRIMARY KEY (c, n));
INSERT INTO tb_code SELECT 'c' || g, g / 10.0, 'v' FROM generate_series(1, 50) g;
SELECT pg_tviews_create('composite.tv_code', 'SELECT c, n, v FROM composite.tb_code', '{"key": ["c", "n"]}');
UPDATE tb_code SET n = 1.00 WHERE c = 'c10';
UPDATE tb_code SET n = 3.500, v = 'y' WHERE c = 'c35';
UPDATE tb_code SET c = 'd' WHERE n = 2.0;
SELECT exact('domain, numeric: 1.0 becomes 1.00');
SELECT is((SELECT n::text FROM tv_code WHERE c = 'c35'), '3.500', 'as it is written');
CREATE TABLE tb_sample (at timestamptz NOT NULL, host text NOT NULL, v int);
INSERT INTO tb_sample SELECT timestamptz '2020-01-01 00:00+00' + g * interval '1 hour', 'h' || g % 3, g FROM generate_series(1, 50) g;
SELECT pg_tviews_create('composite.tv_sample', 'SELECT at, host, max(v) AS v FROM composite.tb_sample GROUP BY at, host', '{"key": ["at", "host"]}');
SET TimeZone = 'Asia/Tokyo';
UPDATE tb_sample SET at = at + interval '1 s' WHERE v = 3;
INSERT INTO tb_sample VALUES ('2020-01-01 05:00+00', 'h1', 99);
SELECT exact('timestamptz, text');
RESET TimeZone;

-- many keys
UPDATE tb_day SET v = v + 1;
SELECT exact('all keys of a grouped view');
UPDATE tb_doc SET v = v || '!' WHERE nr <= 100;
SELECT exact('a hundred keys');

-- TVIEWs over TVIEWs
SELECT pg_tviews_create('composite.tv_card', $$ SELECT a.kind, a.nr, a.v || coalesce(u.name, '-') AS t, a.amount FROM composite.tv_doc a LEFT JOIN composite.tb_user u ON u.pk_user = a.nr $$,
  '{"key": ["kind", "nr"]}');
SELECT pg_tviews_create('composite.tv_kind', 'SELECT kind, count(*) AS n, sum(amount) AS amount FROM composite.tv_card GROUP BY kind', '{"key": "kind"}');
CREATE TABLE tv_user AS SELECT u.pk_user, (SELECT jsonb_agg(g.t ORDER BY g.kind) FROM tv_card g WHERE g.nr = u.pk_user) AS cards FROM tb_user u;
UPDATE tb_doc SET v = 'deep' WHERE nr IN (5, 6);
UPDATE tb_line SET amount = amount + 1 WHERE nr = 5;
DELETE FROM tb_doc WHERE nr = 12;
UPDATE tb_user SET name = 'deep' WHERE pk_user = 6;
SELECT exact('through two and three levels');
UPDATE tb_doc SET kind = 'k9' WHERE nr = 14;
UPDATE tv_card SET t = 'user' WHERE nr = 15;
SELECT exact('a row that moves, a direct write in the middle');
SELECT is((SELECT string_agg(entity || ' ' || key, ', ' ORDER BY entity) FROM pg_tviews_affected('tb_line', '5')), 'card ["k0", "6"], doc ["k0", "6"], kind k0, user 6', 'affected, level by level');

-- NULL in a key; two rows with one key
CREATE TABLE tb_loose (a int, b text, v int);
INSERT INTO tb_loose VALUES (1, 'x', 1), (2, 'y', 2);
SELECT pg_tviews_create('composite.tv_loose', 'SELECT a, b, v FROM composite.tb_loose', '{"key": ["a", "b"]}');
INSERT INTO tb_loose VALUES (1, NULL, 2), (3, 'z', 3);
SELECT pg_tviews_wait('30 s');
SELECT results_eq($$SELECT key, sqlstate FROM pg_tview_parked_keys$$, $$VALUES ('["1", null]', '23502')$$, 'a NULL in one column of a key is parked');
SELECT results_eq($$SELECT a FROM tv_loose ORDER BY a$$, $$VALUES (1), (2), (3)$$, 'and the others go on');
SELECT is((SELECT missing FROM pg_tviews_verify('composite.tv_loose')), 1::bigint, 'verifying counts it');
DELETE FROM tb_loose WHERE b IS NULL;
SELECT exact('gone with its row');
INSERT INTO tb_loose VALUES (1, 'x', 2);
UPDATE tb_loose SET v = 9 WHERE a = 2;
SELECT pg_tviews_wait('30 s');
SELECT results_eq($$SELECT key, sqlstate FROM pg_tview_parked_keys$$, $$VALUES ('["1", "x"]', '21000')$$, 'two rows with one key are parked');
SELECT is((SELECT v FROM tv_loose WHERE a = 2), 9, 'and the others go on');
SELECT is((SELECT different FROM pg_tviews_verify('composite.tv_loose')), 1::bigint, 'verifying counts them');
SELECT is(pg_tviews_retry_parked('composite.tv_loose'), 1::bigint, 'retrying');
DELETE FROM tb_loose WHERE v = 2;
SELECT exact('mended');
ALTER TABLE tv_loose DISABLE TRIGGER ALL;
UPDATE tv_loose SET v = 77 WHERE a = 3;
ALTER TABLE tv_loose ENABLE TRIGGER ALL;
SELECT pg_tviews_wait('30 s');
SELECT exact('capture off on the TVIEW itself');
SELECT is((SELECT string_agg(DISTINCT array_to_string(key_columns, '+'), ' ' ORDER BY array_to_string(key_columns, '+')) FROM pg_tview_meta WHERE entity IN ('doc', 'mood')), 'kind+nr m+n', 'shown in pg_tview_meta');
ALTER TABLE tb_doc RENAME COLUMN nr TO number;
UPDATE tb_doc SET v = 'renamed' WHERE number = 30;
SELECT exact('a key column of the base table is renamed');
ALTER VIEW v_mood RENAME COLUMN m TO feeling;
UPDATE tb_mood SET v = 'renamed' WHERE n = 30;
SELECT exact('a key column of the TVIEW is renamed');
SELECT is((SELECT count(*) FROM pg_tview_meta WHERE state <> 'fresh'), 0::bigint, 'all are fresh');

SELECT * FROM finish();
DROP SCHEMA composite CASCADE;
