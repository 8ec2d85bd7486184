-- pg_tviews_affected(): which rows of which TVIEWs a change of a row would touch.
\set QUIET 1
SET client_min_messages = warning;
CREATE SCHEMA affected;
SET search_path = affected, public;
SELECT plan(13);

CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, title text);
CREATE TABLE tb_vote (fk_post int, voter text, PRIMARY KEY (fk_post, voter));
CREATE TABLE tb_loose (fk_user int);
INSERT INTO tb_user VALUES (1, 'a'), (2, 'b');
INSERT INTO tb_post VALUES (10, 1, 'x'), (11, 1, 'y'), (12, 2, 'z');
INSERT INTO tb_vote VALUES (10, 'it''s "me"'), (11, 'b');
CREATE TABLE tv_user AS SELECT pk_user, name FROM tb_user;
CREATE TABLE tv_post AS SELECT p.pk_post, p.fk_user, p.title, u.name, (SELECT count(*) FROM tb_vote v WHERE v.fk_post = p.pk_post) AS votes
  FROM tb_post p JOIN tv_user u ON u.pk_user = p.fk_user;
CREATE TABLE tv_author AS SELECT u.pk_user AS pk_author, (SELECT string_agg(p.title, ',' ORDER BY p.pk_post) FROM tv_post p WHERE p.fk_user = u.pk_user) AS titles FROM tb_user u;
SELECT pg_tviews_create('tv_total', 'SELECT count(*) - count(*) + 1 AS pk_total, count(*) AS n FROM affected.tv_author', '{"on_unkeyed": "full"}');

CREATE FUNCTION touched(what regclass, row_key text) RETURNS text LANGUAGE sql AS
  $$ SELECT string_agg(concat_ws(' ', entity, coalesce(key, 'whole')), ', ' ORDER BY entity, key) FROM pg_tviews_affected(what, row_key) $$;
SELECT is(touched('tb_user', '1'), 'author 1, post 10, post 11, total whole, user 1', 'through TVIEWs over TVIEWs');
SELECT is(touched('tb_post', '12'), 'author 2, post 12, total whole', 'a post and its author');
SELECT is(touched('tb_vote', '["10", "it''s \"me\""]'), 'author 1, post 10, total whole', 'a primary key of two columns');
SELECT is(touched('tb_vote', '[11, "b"]'), 'author 1, post 11, total whole', 'numbers need no quotes');
SELECT is(touched('tv_user', '2'), 'author 2, post 12, total whole, user 2', 'the row of a TVIEW');
SELECT is(touched('tb_user', '3'), NULL, 'a row that is not there touches nothing');
SELECT throws_ok($$SELECT * FROM pg_tviews_affected('affected.tb_vote', '10')$$, '22023', '"10" is not a key of 2 columns', 'a key of two columns is an array');
SELECT throws_ok($$SELECT * FROM pg_tviews_affected('affected.tb_vote', '["10", null]')$$, '22023', NULL, 'without nulls');
SELECT throws_ok($$SELECT * FROM pg_tviews_affected('affected.tb_user', 'x')$$, '22P02', NULL, 'of its type');
SELECT throws_ok($$SELECT * FROM pg_tviews_affected('affected.tb_loose', '1')$$, '55000', '"tb_loose" has no primary key', 'a table without primary key has no names for its rows');

CREATE ROLE tviews_reader;
GRANT USAGE ON SCHEMA affected TO tviews_reader;
GRANT SELECT ON tb_user, tv_author TO tviews_reader;
SET ROLE tviews_reader;
SELECT is(affected.touched('tb_user', '1'), 'author 1', 'only TVIEWs that the caller may read are named');
SELECT throws_ok($$SELECT * FROM pg_tviews_affected('affected.tb_post', '10')$$, '42501', NULL, 'and the row must be his to read');
RESET ROLE;

CREATE TABLE tb_part (pk_part int, region text, v int, PRIMARY KEY (region, pk_part)) PARTITION BY LIST (region);
CREATE TABLE tb_part_eu (v int, junk int, region text NOT NULL, pk_part int NOT NULL);
ALTER TABLE tb_part_eu DROP COLUMN junk;
ALTER TABLE tb_part ATTACH PARTITION tb_part_eu FOR VALUES IN ('eu');
INSERT INTO tb_part VALUES (5, 'eu', 50);
CREATE TABLE tv_part AS SELECT pk_part, sum(v) AS v FROM tb_part GROUP BY pk_part;
SELECT is(touched('tb_part', '["eu", 5]'), 'part 5', 'a row of a partition whose columns are ordered differently');

SELECT * FROM finish();
DROP SCHEMA affected CASCADE;
DROP ROLE tviews_reader;
