-- SQL functions that the planner inlines: lineage reads through them, and what they name is followed.
\set ON_ERROR_STOP off
SET client_min_messages = warning;
CREATE SCHEMA inl;
SET search_path = inl, public;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text NOT NULL, hidden boolean NOT NULL DEFAULT false);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, title text NOT NULL);
CREATE TABLE tb_like (fk_post int, fk_user int);
CREATE INDEX ON tb_post (fk_user);
CREATE INDEX ON tb_like (fk_post);
INSERT INTO tb_user VALUES (1, 'ann'), (2, 'bob');
INSERT INTO tb_post VALUES (10, 1, 'ten'), (11, 2, 'eleven');
INSERT INTO tb_like VALUES (10, 2), (11, 1), (11, 2);
CREATE VIEW shown_user AS SELECT * FROM tb_user WHERE NOT hidden;

-- The inner ones are named only in text: the server keeps no dependency on them.
CREATE FUNCTION loud(t text) RETURNS text STABLE LANGUAGE sql AS 'SELECT upper(t)';
CREATE FUNCTION label(t text) RETURNS text STABLE LANGUAGE sql AS 'SELECT inl.loud(t) || ''!''';
CREATE FUNCTION likes_of(post int) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT l.fk_user FROM inl.tb_like l WHERE l.fk_post = post';
CREATE FUNCTION likers(post int) RETURNS TABLE (pk_user int, name text) STABLE LANGUAGE sql AS
  'SELECT u.pk_user, u.name FROM inl.likes_of(post) l(fk) JOIN inl.shown_user u ON u.pk_user = l.fk';
CREATE FUNCTION same_key(a int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a';
CREATE TABLE tv_post AS
  SELECT p.pk_post, label(p.title) AS title, u.name AS author, (SELECT string_agg(l.name, ',' ORDER BY l.pk_user) FROM likers(p.pk_post) l) AS likers
    FROM tb_post p LEFT JOIN tb_user u ON u.pk_user = same_key(p.fk_user);
SELECT * FROM tv_post ORDER BY 1;
SELECT base_table, capture_columns, kind, used_columns, mapping_query FROM pg_tviews_derive('v_post', '{pk_post}') ORDER BY 1, 2, 5;

INSERT INTO tb_like VALUES (10, 1);
UPDATE tb_user SET name = 'bert' WHERE pk_user = 2;
UPDATE tb_like SET fk_post = 11 WHERE fk_post = 10 AND fk_user = 1;
SELECT pg_tviews_wait();
SELECT * FROM tv_post ORDER BY 1;

-- A function that only another one calls is replaced; a view that only a function reads; then one becomes what cannot be read through.
CREATE OR REPLACE FUNCTION loud(t text) RETURNS text STABLE LANGUAGE sql AS 'SELECT initcap(t)';
SELECT pg_tviews_wait();
SELECT * FROM tv_post ORDER BY 1;
CREATE OR REPLACE VIEW shown_user AS SELECT * FROM tb_user WHERE name <> 'ann';
SELECT pg_tviews_wait();
SELECT * FROM tv_post ORDER BY 1;
SELECT tviews_oracle();
ALTER FUNCTION loud(text) VOLATILE;
CREATE OR REPLACE FUNCTION likes_of(post int) RETURNS SETOF int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT fk_user FROM inl.tb_like WHERE fk_post = post; END';
SELECT pg_tviews_wait();
SELECT tviews_oracle();

-- What it names cannot go unnoticed.
DROP FUNCTION loud;
DROP TABLE tb_like;
ALTER TABLE tb_like DROP COLUMN fk_user;
ALTER TABLE tb_like ADD COLUMN at timestamptz;
INSERT INTO tb_like VALUES (10, 1, now());
SELECT pg_tviews_wait();
SELECT tviews_oracle();

-- Names are looked up as when the TVIEW was made, whoever derives it again.
CREATE FUNCTION by_path(post int) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM tb_like WHERE fk_post = post';
CREATE FUNCTION likers_of(post int) RETURNS TABLE (n int) STABLE LANGUAGE sql AS 'SELECT fk_user FROM tb_like WHERE fk_post = post';
CREATE TABLE tv_liked AS SELECT p.pk_post, (SELECT count(*) FROM likers_of(p.pk_post)) AS n FROM tb_post p;
SET search_path = public;
ALTER TABLE inl.tb_like ALTER COLUMN fk_user TYPE bigint;
ALTER TABLE inl.tb_like ALTER COLUMN fk_post DROP NOT NULL;
INSERT INTO inl.tb_like VALUES (11, 1);
SELECT pg_tviews_wait();
SELECT tviews_oracle();
SET search_path = inl, public;
SELECT pg_tviews_create('tv_by_path', 'SELECT pk_post AS pk_by_path, inl.by_path(pk_post) AS n FROM inl.tb_post');

-- What it names gets another name: nobody can follow that in a text.  The TVIEW says so, and is fresh again when the functions know the name.
CREATE FUNCTION state_of(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT m.state || coalesce(' ' || d.sqlstate || ' ' || d.message, '') FROM pg_tview_meta m LEFT JOIN pg_tview_deferred d ON d.tview = m.table_oid AND d.key IS NULL
    WHERE m.schema_name = 'inl' AND m.entity = what);
END $$;
CREATE OR REPLACE FUNCTION likes_of(post int) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT l.fk_user FROM inl.tb_like l WHERE l.fk_post = post';
SELECT state_of('post');
ALTER TABLE tb_like RENAME TO tb_liked;
INSERT INTO tb_liked VALUES (10, 2);
SELECT state_of('post');
CREATE OR REPLACE FUNCTION likes_of(post int) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT l.fk_user FROM inl.tb_liked l WHERE l.fk_post = post';
SELECT state_of('post');
ALTER TABLE tb_liked RENAME COLUMN fk_user TO fk_member;
INSERT INTO tb_liked VALUES (11, 2);
SELECT state_of('post');
SELECT tviews_orphans();
ALTER TABLE tb_liked RENAME COLUMN fk_member TO fk_user;
ALTER TABLE tb_liked RENAME TO tb_like;
CREATE OR REPLACE FUNCTION likes_of(post int) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT l.fk_user FROM inl.tb_like l WHERE l.fk_post = post';
SELECT state_of('post');
SELECT tviews_oracle();

-- A function gets another name: where only the query tree names it, it is followed.
CREATE FUNCTION next_key(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN a + 1; END';
CREATE TABLE tv_next AS SELECT p.pk_post AS pk_next, u.name FROM tb_post p LEFT JOIN tb_user u ON u.pk_user + 1 = next_key(p.fk_user);
CREATE OR REPLACE FUNCTION loud(t text) RETURNS text STABLE LANGUAGE sql AS 'SELECT upper(t)';
CREATE TABLE tv_loud AS SELECT pk_user AS pk_loud, label(name) AS name FROM tb_user;
CREATE SCHEMA inl_far;
ALTER FUNCTION next_key(int) RENAME TO following_key;
ALTER FUNCTION following_key(int) SET SCHEMA inl_far;
UPDATE tb_user SET name = name || '1';
SELECT state_of('next'), state_of('loud');
SELECT tviews_oracle();
ALTER FUNCTION loud(text) RENAME TO louder;
CREATE OR REPLACE FUNCTION label(t text) RETURNS text STABLE LANGUAGE sql AS 'SELECT inl.louder(t) || ''!''';
SELECT state_of('next'), state_of('loud');
SELECT tviews_oracle();
SELECT pg_tviews_drop('tv_next'), pg_tviews_drop('tv_loud');

-- With CASCADE the TVIEW goes too, and nothing of it stays.
DROP TABLE tb_like CASCADE;
SELECT entity FROM pg_tview_meta WHERE schema_name = 'inl';
SELECT tgname FROM pg_trigger WHERE tgrelid = 'inl.tb_user'::regclass;
DROP SCHEMA inl CASCADE;
DROP SCHEMA inl_far CASCADE;
