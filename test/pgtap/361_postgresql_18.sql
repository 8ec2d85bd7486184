-- What PostgreSQL 18 has besides: virtual generated columns, NOT NULL constraints that have names and may be NOT VALID.
\set QUIET 1
SET client_min_messages = error;
SELECT plan(9);
SELECT current_setting('server_version_num')::int >= 180000 AS is_18 \gset
\if :is_18
CREATE SCHEMA newer;
SET search_path = newer, public;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql SET search_path = newer, public AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle()) + (SELECT count(*) FROM pg_tview_deferred);
END $$;

CREATE TABLE tb_sum (pk_sum int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL);
INSERT INTO tb_sum (pk_sum, n) SELECT i, i FROM generate_series(1, 5) i;
SELECT throws_like('CREATE TABLE tv_sum AS SELECT pk_sum, twice FROM tb_sum', 'a TVIEW cannot read the virtual generated column "twice" of table "tb_sum"',
                   'a virtual column is refused');
CREATE TABLE tv_sum AS SELECT pk_sum, to_jsonb(s) AS whole, n * 2 AS twice FROM tb_sum s;
UPDATE tb_sum SET n = 50 WHERE pk_sum = 3;
SELECT is(differences(), 0::bigint, 'a whole row with one follows');
SELECT is((SELECT whole ->> 'twice' FROM tv_sum WHERE pk_sum = 3), '100', 'its virtual column, too');
ALTER TABLE tb_sum ALTER COLUMN twice SET EXPRESSION AS (n * 3);
SELECT is(differences(), 0::bigint, 'and another expression of it');
ALTER TABLE tv_sum ADD COLUMN half int GENERATED ALWAYS AS (twice / 2) VIRTUAL, ADD CHECK (half < 1000);
UPDATE tb_sum SET n = 60 WHERE pk_sum = 2;
INSERT INTO tb_sum (pk_sum, n) VALUES (6, 7);
SELECT is(differences(), 0::bigint, 'a TVIEW with a virtual column of the user''s is refreshed');
SELECT is((SELECT string_agg(half::text, ',' ORDER BY pk_sum) FROM tv_sum WHERE pk_sum IN (2, 6)), '60,7', 'and the column counts');

CREATE TABLE tb_a (pk_a int PRIMARY KEY, x int NOT NULL);
CREATE TABLE tb_b (pk_b int PRIMARY KEY, y int);
ALTER TABLE tb_b ADD CONSTRAINT has_y NOT NULL y NOT VALID;
INSERT INTO tb_a SELECT i, i FROM generate_series(1, 5) i;
INSERT INTO tb_b VALUES (1, 1);
SELECT throws_like('CREATE TABLE tv_a AS SELECT pk_a FROM tb_a WHERE x NOT IN (SELECT y FROM tb_b)', 'changes of table newer.tb_b do not lead to%',
                   'NOT NULL that is not valid proves nothing');
ALTER TABLE tb_b VALIDATE CONSTRAINT has_y;
SELECT pg_tviews_create('tv_a', 'SELECT pk_a FROM tb_a WHERE x NOT IN (SELECT y FROM tb_b)', '{"on_unkeyed": "full"}') \g /dev/null
UPDATE tb_b SET y = 2;
SELECT is(differences(), 0::bigint, 'one that is valid does');
ALTER TABLE tb_b DROP CONSTRAINT has_y;
INSERT INTO tb_b VALUES (2, NULL);
SELECT is(differences(), 0::bigint, 'until it is dropped by its name');
DROP SCHEMA newer CASCADE;
\else
SELECT skip('needs PostgreSQL 18', 9);
\endif
SELECT * FROM finish();
