-- DDL on what TVIEWs read: values follow, also those that change without a write.
CREATE SCHEMA d4;
SET search_path = d4, public;
CREATE TEMP VIEW orphans AS
  SELECT 'catalog' AS of, tview AS oid FROM pg_tview_catalog WHERE tview NOT IN (SELECT oid FROM pg_class)
  UNION ALL SELECT 'relation', tview FROM pg_tview_relation WHERE tview NOT IN (SELECT tview FROM pg_tview_catalog)
  UNION ALL SELECT 'mapping', tview FROM pg_tview_mapping WHERE tview NOT IN (SELECT tview FROM pg_tview_catalog)
  UNION ALL SELECT 'deferred', tview FROM pg_tview_deferred WHERE tview NOT IN (SELECT tview FROM pg_tview_catalog)
  UNION ALL SELECT 'point', relation FROM pg_tview_capture_point WHERE point NOT IN (SELECT point FROM pg_tview_mapping)
  UNION ALL SELECT 'trigger', tgrelid FROM pg_trigger WHERE tgname ~ '^pg_tviews_capture' AND NOT EXISTS (SELECT FROM pg_tview_relation) AND NOT EXISTS (SELECT FROM pg_tview_catalog);
CREATE COLLATION d4.c (locale = 'C');
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE tb_u (pk_u int PRIMARY KEY, name text COLLATE d4.c, m mood, extra int);
CREATE TABLE tb_p (pk_p int PRIMARY KEY, fk_u int REFERENCES tb_u, t text);
CREATE INDEX ON tb_p (fk_u);
INSERT INTO tb_u SELECT i, 'n' || i, 'ok' FROM generate_series(1, 5) i;
INSERT INTO tb_p SELECT i, 1 + i % 5, 't' FROM generate_series(1, 20) i;
CREATE TABLE tv_p AS SELECT p.pk_p, u.name, u.m, m::text AS mt, to_jsonb(u) AS j FROM tb_p p JOIN tb_u u ON u.pk_u = p.fk_u;
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, attcollation::regcollation AS collation FROM pg_attribute WHERE attrelid = 'tv_p'::regclass AND attnum > 0 ORDER BY attnum;
CREATE VIEW seen AS SELECT DISTINCT name, mt, j FROM tv_p WHERE (j->>'pk_u')::int = 1;
-- A value of an enum, columns of a whole row.
ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';
SELECT pg_tviews_wait('30 s');
SELECT * FROM seen;
ALTER TABLE tb_u ADD COLUMN extra2 int DEFAULT 7;
SELECT pg_tviews_wait('30 s');
SELECT * FROM seen;
ALTER TABLE tb_u RENAME COLUMN extra2 TO "Extra 3";
SELECT pg_tviews_wait('30 s');
SELECT * FROM seen;
ALTER TABLE tb_u DROP COLUMN extra;
SELECT pg_tviews_wait('30 s');
SELECT * FROM seen;
-- Names of columns, tables, schemas; a change that was captured under the old names.
BEGIN;
UPDATE tb_u SET name = 'old' WHERE pk_u = 1;
ALTER TABLE tb_u RENAME COLUMN pk_u TO pk;
COMMIT;
SELECT pg_tviews_wait('30 s');
SELECT name FROM seen;
SELECT DISTINCT name FROM tv_p WHERE j->>'pk' = '1';
ALTER TABLE tb_u RENAME COLUMN pk TO pk_u;
ALTER TABLE tb_u RENAME COLUMN name TO nom;
ALTER SCHEMA d4 RENAME TO "d 4";
SET search_path = "d 4", public;
UPDATE tb_u SET nom = 'new' WHERE pk_u = 1;
SELECT pg_tviews_wait('30 s');
SELECT name, j FROM seen;
SELECT convert_from(tgargs, 'UTF8') FROM (SELECT substr(tgargs, 1, position('\000' IN tgargs) - 1) AS tgargs FROM pg_trigger WHERE tgrelid = 'tv_p'::regclass AND tgname = 'pg_tviews_capture') t;
SELECT * FROM pg_tviews_explain('p');
-- Indexes come and go.
CREATE INDEX CONCURRENTLY ON tv_p (name);
DROP INDEX CONCURRENTLY tv_p_name_idx;
REINDEX TABLE CONCURRENTLY tv_p;
ALTER TABLE tv_p DROP CONSTRAINT tv_p_pkey, ADD PRIMARY KEY (pk_p);
UPDATE tb_u SET nom = 'index' WHERE pk_u = 1;
SELECT pg_tviews_wait('30 s');
SELECT name FROM seen;
-- A function.
CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE TABLE tv_q AS SELECT pk_p AS pk_q, f(pk_p) AS fv FROM tb_p;
CREATE OR REPLACE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 2';
SELECT pg_tviews_wait('30 s');
SELECT * FROM tv_q WHERE pk_q = 1;
CREATE OR REPLACE FUNCTION f(int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT $1 + 2';
-- Partitions bring and take rows.
CREATE TABLE tb_m (pk_m int PRIMARY KEY, v int) PARTITION BY RANGE (pk_m);
CREATE TABLE tb_m1 PARTITION OF tb_m FOR VALUES FROM (0) TO (10);
CREATE TABLE tb_m2 PARTITION OF tb_m FOR VALUES FROM (10) TO (20);
INSERT INTO tb_m SELECT i, i FROM generate_series(0, 19) i;
CREATE TABLE tv_m AS SELECT pk_m, v FROM tb_m;
ALTER TABLE tb_m DETACH PARTITION tb_m1 CONCURRENTLY;
SELECT pg_tviews_wait('30 s');
SELECT count(*) FROM tv_m;
ALTER TABLE tb_m ATTACH PARTITION tb_m1 FOR VALUES FROM (0) TO (10);
ALTER TABLE tb_m ATTACH PARTITION tb_m1 FOR VALUES FROM (0) TO (10);
SELECT pg_tviews_wait('30 s');
SELECT count(*) FROM tv_m;
DROP TABLE tb_m2;
SELECT pg_tviews_wait('30 s');
SELECT count(*) FROM tv_m;
TRUNCATE tb_m1;
SELECT pg_tviews_wait('30 s');
SELECT count(*) FROM tv_m;
INSERT INTO tb_m1 VALUES (1, 1);
CREATE TABLE tb_m3 PARTITION OF tb_m FOR VALUES FROM (20) TO (30);
INSERT INTO tb_m3 VALUES (21, 21);
SELECT pg_tviews_wait('30 s');
SELECT * FROM tv_m ORDER BY 1;
TRUNCATE tb_m3;
SELECT pg_tviews_wait('30 s');
SELECT * FROM tv_m ORDER BY 1;
-- Capture was off for a while.
ALTER TABLE tb_m DISABLE TRIGGER ALL;
INSERT INTO tb_m VALUES (2, 2);
ALTER TABLE tb_m ENABLE TRIGGER ALL;
SELECT pg_tviews_wait('30 s');
SELECT * FROM tv_m ORDER BY 1;
-- No data at first; background.
CREATE TABLE tv_n AS SELECT pk_p AS pk_n, t FROM tb_p WITH NO DATA;
SELECT pg_tviews_create('o', 'SELECT pk_p AS pk_o, t FROM tb_p', '{"build": "background"}');
SELECT pg_tviews_wait('30 s');
SELECT (SELECT count(*) FROM tv_n), (SELECT count(*) FROM tv_o);
-- In the transaction that creates it; a transaction that began before the one that dropped.
BEGIN;
CREATE TABLE tv_r AS SELECT pk_p AS pk_r, t FROM tb_p;
INSERT INTO tb_p VALUES (100, 1, 'hundred');
SAVEPOINT a;
UPDATE tb_p SET t = 'lost' WHERE pk_p = 100;
ROLLBACK TO a;
COMMIT;
SELECT pg_tviews_wait('30 s');
SELECT * FROM tv_r WHERE pk_r = 100;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM tb_m;
ALTER TABLE tb_m RENAME COLUMN v TO w;
DROP TABLE tv_q;
COMMIT;
SELECT entity, state FROM pg_tview_meta WHERE schema_name = 'd 4' ORDER BY 1;
SELECT * FROM tviews_oracle();
DROP SCHEMA "d 4" CASCADE;
TABLE orphans;

-- Lineage may rely on NOT NULL: dropping it derives the lineage again.
CREATE SCHEMA d5;
SET search_path = d5, public;
CREATE TABLE tb_x (pk_x int PRIMARY KEY, c int NOT NULL);
CREATE TABLE tb_y (pk_y int PRIMARY KEY, c int NOT NULL);
INSERT INTO tb_x SELECT g, g FROM generate_series(1, 5) g;
CREATE TABLE tv_x AS SELECT pk_x, c FROM tb_x WHERE c NOT IN (SELECT c FROM tb_y);
ALTER TABLE tb_y ALTER c DROP NOT NULL;
DROP TABLE tv_x;
SELECT pg_tviews_create('d5.tv_x', 'SELECT pk_x, c FROM d5.tb_x WHERE c NOT IN (SELECT c FROM d5.tb_y)', '{"on_unkeyed": "full"}');
ALTER TABLE tb_y ALTER c DROP NOT NULL;
INSERT INTO tb_y VALUES (1, NULL);
SELECT pg_tviews_wait('30 s');
SELECT count(*) FROM tv_x;
SELECT * FROM tviews_oracle();
DROP SCHEMA d5 CASCADE;
