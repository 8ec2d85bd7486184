-- What servers after 15 have besides: SQL/JSON, ANY_VALUE, SYSTEM_USER, generated columns that get another expression.
\set QUIET 1
SET client_min_messages = error;
SELECT plan(8);
SELECT current_setting('server_version_num')::int >= 170000 AS is_17 \gset
\if :is_17
CREATE SCHEMA newer;
SET search_path = newer, public;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql SET search_path = newer, public AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle()) + (SELECT count(*) FROM pg_tview_deferred);
END $$;

CREATE TABLE tb_doc (pk_doc int PRIMARY KEY, data jsonb, txt text, n int NOT NULL, g int GENERATED ALWAYS AS (n + 1) STORED) PARTITION BY RANGE (pk_doc);
CREATE TABLE tb_doc_low PARTITION OF tb_doc FOR VALUES FROM (0) TO (10);
CREATE TABLE tb_doc_high PARTITION OF tb_doc FOR VALUES FROM (10) TO (100);
CREATE TABLE tb_line (pk_line int PRIMARY KEY, fk_doc int, body text);
INSERT INTO tb_doc SELECT i, jsonb_build_object('a', jsonb_build_array(i, i + 1), 'b', 'x' || i, 'user', jsonb_build_object('id', i % 3)), '{"k": ' || i || '}', i
  FROM generate_series(1, 20) i;
INSERT INTO tb_line SELECT i, i % 20 + 1, 'b' || i FROM generate_series(1, 60) i;
SELECT pg_tviews_create('tv_row', $$SELECT d.pk_doc, j.nr, j.v FROM tb_doc d, JSON_TABLE(d.data, '$.a[*]' COLUMNS (nr FOR ORDINALITY, v int PATH '$')) j$$,
                        '{"key": ["pk_doc", "nr"]}') \g /dev/null
CREATE TABLE tv_value AS SELECT pk_doc AS pk_value, JSON_VALUE(data, '$.b') AS b, JSON_QUERY(data, '$.a' WITH WRAPPER) AS a, JSON_EXISTS(data, '$.c') AS c,
  txt IS JSON OBJECT AS o, JSON_VALUE(data, '$.a[0]' RETURNING int DEFAULT -1 ON EMPTY) AS first, JSON(txt) ->> 'k' AS k FROM tb_doc;
CREATE TABLE tv_doc AS SELECT d.pk_doc, JSON_OBJECT('n': d.n, 'g': d.g RETURNING jsonb) AS o,
  (SELECT JSON_ARRAYAGG(l.body ORDER BY l.pk_line RETURNING jsonb) FROM tb_line l WHERE l.fk_doc = d.pk_doc) AS lines,
  JSON_ARRAY(SELECT l.pk_line FROM tb_line l WHERE l.fk_doc = d.pk_doc ORDER BY 1 RETURNING jsonb) AS numbers,
  (SELECT JSON_OBJECTAGG(l.pk_line: l.body RETURNING jsonb) FROM tb_line l WHERE l.fk_doc = d.pk_doc) AS by_number FROM tb_doc d;
CREATE TABLE tv_any AS SELECT d.n AS pk_any, ANY_VALUE(d.txt) AS t, count(*) FROM tb_doc d JOIN tb_line l ON l.fk_doc = d.pk_doc GROUP BY d.n;
CREATE TABLE tv_user AS SELECT JSON_VALUE(data, '$.user.id' RETURNING int) AS pk_user, count(*) FROM tb_doc
  WHERE JSON_VALUE(data, '$.user.id' RETURNING int) IS NOT NULL GROUP BY 1;
CREATE TABLE tv_low AS SELECT pk_doc AS pk_low, g FROM tb_doc_low;
SELECT is((SELECT count(*) FROM pg_tview_meta WHERE schema_name = 'newer'), 6::bigint, 'SQL/JSON and ANY_VALUE are accepted');
UPDATE tb_doc SET data = data || '{"b": "changed", "c": 1, "a": [7, 8, 9]}', n = n + 100 WHERE pk_doc < 4;
UPDATE tb_doc SET data = jsonb_set(data, '{user,id}', '9') WHERE pk_doc = 6;
DELETE FROM tb_line WHERE pk_line < 7;
UPDATE tb_line SET fk_doc = 2, body = 'moved' WHERE pk_line IN (20, 21);
SELECT is(differences(), 0::bigint, 'and follow');
SELECT is((SELECT string_agg(v::text, ',' ORDER BY nr) FROM tv_row WHERE pk_doc = 2), '7,8,9', 'rows of JSON_TABLE');
SELECT is((SELECT count FROM tv_user WHERE pk_user = 9), 1::bigint, 'groups of JSON_VALUE');

ALTER TABLE tb_doc_high ALTER COLUMN g SET EXPRESSION AS (n + 2);
SELECT is(differences(), 0::bigint, 'a generated column of a partition gets another expression');
ALTER TABLE tb_doc ALTER COLUMN g SET EXPRESSION AS (n + 3);
SELECT is(differences(), 0::bigint, 'and one of all partitions');
SELECT is((SELECT g FROM tv_low WHERE pk_low = 5), 8, 'which a reader of a partition follows');
SELECT throws_like('CREATE TABLE tv_who AS SELECT pk_doc AS pk_who, SYSTEM_USER AS who FROM tb_doc', 'a TVIEW cannot call "system_user"()', 'SYSTEM_USER is refused');
DROP SCHEMA newer CASCADE;
\else
SELECT skip('needs PostgreSQL 17', 8);
\endif
SELECT * FROM finish();
