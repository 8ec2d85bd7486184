-- pg_tviews_adopt: an existing table becomes a TVIEW.
SET client_min_messages = notice;
CREATE SCHEMA ad;
SET search_path = ad, public;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text NOT NULL);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int REFERENCES tb_user, title text, score numeric);
INSERT INTO tb_user VALUES (1, 'ann'), (2, 'bob');
INSERT INTO tb_post VALUES (1, 1, 'one', 1.25), (2, 2, 'two', 2), (3, 1, 'three', 3);

-- A table of the user's: columns in another order and of other types, rows that are right, wrong, extra and missing.
CREATE TABLE tv_post (
  note text DEFAULT 'mine', title varchar(20), author text, pk_post int PRIMARY KEY, fk_user bigint,
  score numeric(5, 1), made int GENERATED ALWAYS AS IDENTITY, shout text GENERATED ALWAYS AS (upper(title)) STORED,
  CHECK (title <> 'forbidden'));
CREATE INDEX tv_post_shout ON tv_post (shout);
INSERT INTO tv_post (pk_post, title, author, fk_user, score, note)
  VALUES (1, 'one', 'ann', 1, 1.3, 'right'), (2, 'wrong', 'bob', 2, 2, 'changed'), (9, 'extra', 'x', 1, 0, 'goes');
SELECT pg_tviews_create('tv_post', 'SELECT pk_post FROM tb_post');
CREATE TABLE before AS SELECT ctid AS place, * FROM tv_post;
SELECT pg_tviews_adopt('tv_post', 'SELECT p.pk_post, p.fk_user, p.title, p.score, u.name AS author FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
SELECT pk_post, title, author, fk_user, score, note, made, shout FROM tv_post ORDER BY 1;
SELECT t.pk_post AS untouched FROM tv_post t JOIN before b ON t.pk_post = b.pk_post AND t.ctid = b.place;
SELECT entity, key_columns, adopted, state, view_oid::regclass FROM pg_tview_meta WHERE schema_name = 'ad';
SELECT indexdef FROM pg_indexes WHERE schemaname = 'ad' AND tablename = 'tv_post' ORDER BY 1;
UPDATE tb_user SET name = 'Ann' WHERE pk_user = 1;
INSERT INTO tb_post VALUES (4, 2, 'four', 4.44);
DELETE FROM tb_post WHERE pk_post = 3;
SELECT pg_tviews_wait();
SELECT pk_post, title, author, fk_user, score, note, shout FROM tv_post ORDER BY 1;
-- A direct write to an owned column heals, one to the user's own stays.
UPDATE tv_post SET title = 'vandal', note = 'kept' WHERE pk_post = 1;
SELECT pg_tviews_wait();
SELECT pk_post, title, note FROM tv_post WHERE pk_post = 1;
-- Values are cast as by an assignment: what does not fit is parked, not cut.
UPDATE tb_post SET title = 'a title much longer than twenty characters' WHERE pk_post = 2;
SELECT pg_tviews_wait();
SELECT key, sqlstate, message FROM pg_tview_parked_keys WHERE tview = 'tv_post'::regclass;
UPDATE tb_post SET title = 'two' WHERE pk_post = 2;
SELECT pg_tviews_wait();
SELECT key FROM pg_tview_parked_keys WHERE tview = 'tv_post'::regclass;
-- The table's own columns can be altered; the owned ones only to what holds them.
ALTER TABLE tv_post DROP COLUMN author;
ALTER TABLE tv_post DROP COLUMN shout, ALTER COLUMN title TYPE varchar(30), ALTER COLUMN note SET DEFAULT 'new', ADD COLUMN extra int;
ALTER TABLE tv_post ALTER COLUMN fk_user TYPE jsonb USING to_jsonb(fk_user);
CREATE OR REPLACE VIEW v_post AS SELECT p.pk_post, p.fk_user, p.title, p.score, u.name AS author, p.title AS extra_title FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;
SELECT pg_tviews_wait();
SELECT pk_post, title, extra_title, extra FROM tv_post ORDER BY 1;

-- Dropping gives the table back: rows stay, the view that pg_tviews made and the triggers go.
SELECT pg_tviews_drop('post');
SELECT to_regclass('v_post'), count(*) FROM tv_post;
SELECT tgrelid::regclass, tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'ad'::regnamespace AND NOT tgisinternal;
UPDATE tb_user SET name = 'nobody sees';
UPDATE tv_post SET title = 'free';
-- Adopted again, by a view of the user's.
CREATE VIEW v_post AS SELECT pk_post, fk_user, title FROM tb_post;
SELECT pg_tviews_convert_existing_table('post');
SELECT pk_post, title, author, note FROM tv_post ORDER BY 1;
SELECT pg_tviews_convert_existing_table('tv_post');
SELECT pg_tviews_drop('tv_post');
SELECT to_regclass('v_post'), count(*) FROM tv_post;
SELECT pg_tviews_adopt('tv_post', 'SELECT pk_post, title FROM tb_post');
DROP VIEW v_post;
-- DROP TABLE drops an adopted table like any other.
SELECT pg_tviews_adopt('tv_post', 'SELECT pk_post, title FROM tb_post');
DROP TABLE tv_post;
SELECT to_regclass('v_post'), count(*) FROM pg_tview_catalog WHERE entity = 'post';
SELECT pg_tviews_convert_existing_table('tv_post');
SELECT pg_tviews_convert_existing_table('tb_post');

-- Any name; the key is pk_<entity>, id, or the primary key.  The index that the key needs is made, or asked for.
CREATE TABLE "Feed 1" (kind text, pk int, title text);
INSERT INTO "Feed 1" VALUES ('post', 1, 'old'), (NULL, 2, 'no key');
SELECT pg_tviews_adopt('"Feed 1"', 'SELECT pk_post AS pk, title FROM tb_post');
SELECT pg_tviews_adopt('"Feed 1"', 'SELECT pk_post AS pk, title FROM tb_post', '{"key": "pk", "indexes": false}');
SELECT pg_tviews_adopt('"Feed 1"', 'SELECT pk_post AS pk, title FROM tb_post', '{"key": "pk"}');
SELECT * FROM "Feed 1" ORDER BY pk;
SELECT entity, view_oid::regclass, pg_tviews_resolve('"Feed 1"') FROM pg_tview_meta WHERE schema_name = 'ad';
UPDATE tb_post SET title = 'ONE' WHERE pk_post = 1;
SELECT pg_tviews_wait();
SELECT * FROM "Feed 1" WHERE pk = 1;
CREATE TABLE "tv_Feed 1" (pk int PRIMARY KEY);
CREATE VIEW feed AS SELECT pk_post AS pk FROM tb_post;
SELECT pg_tviews_adopt('"tv_Feed 1"', 'SELECT * FROM feed');
SELECT pg_tviews_drop('"Feed 1"');
SELECT pg_tviews_adopt('"tv_Feed 1"', 'SELECT * FROM feed');
SELECT key_columns FROM pg_tview_meta WHERE schema_name = 'ad';
SELECT pg_tviews_drop('"tv_Feed 1"');
DROP TABLE "Feed 1", "tv_Feed 1";

-- A partial, invalid or deferrable unique index is none.
CREATE TABLE tv_k (pk_k int, title text);
CREATE UNIQUE INDEX ON tv_k (pk_k) WHERE pk_k > 0;
ALTER TABLE tv_k ADD UNIQUE (pk_k) DEFERRABLE;
SELECT pg_tviews_adopt('tv_k', 'SELECT pk_post AS pk_k, title FROM tb_post', '{"indexes": false}');
-- Two stored rows with one key.
ALTER TABLE tv_k DROP CONSTRAINT tv_k_pk_k_key;
DROP INDEX tv_k_pk_k_idx;
INSERT INTO tv_k VALUES (1, 'a'), (1, 'b');
SELECT pg_tviews_adopt('tv_k', 'SELECT pk_post AS pk_k, title FROM tb_post');
TRUNCATE tv_k;
-- Rows of the query without a key, or with the same.
SET client_min_messages = error;
SELECT pg_tviews_adopt('tv_k', 'SELECT p.fk_user AS pk_k FROM tb_post p', '{"on_unkeyed": "full"}');
INSERT INTO tb_post VALUES (10, NULL, 'x', 0);
SELECT pg_tviews_adopt('tv_k', 'SELECT p.fk_user AS pk_k FROM tb_post p WHERE fk_user IS NULL', '{"on_unkeyed": "full"}');
DELETE FROM tb_post WHERE pk_post = 10;
RESET client_min_messages;
-- A row that breaks a constraint of the table: nothing is adopted.
ALTER TABLE tv_k ADD CHECK (pk_k < 4);
SELECT pg_tviews_adopt('tv_k', 'SELECT pk_post AS pk_k, title FROM tb_post');
SELECT count(*), to_regclass('v_k') FROM tv_k;
DROP TABLE tv_k;

-- Columns that do not fit.
CREATE TABLE tv_c (pk_c int PRIMARY KEY, title text, g int GENERATED ALWAYS AS (1) STORED, i int GENERATED ALWAYS AS IDENTITY, d date, n int NOT NULL);
SELECT pg_tviews_adopt('tv_c', 'SELECT pk_post AS pk_c, title, fk_user, score AS "S 1" FROM tb_post');
SELECT pg_tviews_adopt('tv_c', 'SELECT pk_post AS pk_c, fk_user AS g FROM tb_post');
SELECT pg_tviews_adopt('tv_c', 'SELECT pk_post AS pk_c, fk_user AS i FROM tb_post');
SELECT pg_tviews_adopt('tv_c', 'SELECT pk_post AS pk_c, fk_user AS d FROM tb_post');
SELECT pg_tviews_adopt('tv_c', 'SELECT pk_post::bigint AS pk_c, title FROM tb_post');
SELECT pg_tviews_adopt('tv_c', 'SELECT pk_post AS pk_c, title FROM tb_post');
SELECT pg_tviews_adopt('tv_c', 'SELECT pk_post AS pk_c, title FROM tb_post', '{"fillfactor": 50}');
SELECT pg_tviews_adopt('tv_c', 'SELECT pk_post AS pk_c, title FROM tb_post', '{"unlogged": false}');
DROP TABLE tv_c;

-- Domains, and types whose length an explicit cast would cut: the same as an assignment.
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TABLE tv_d (pk_d positive PRIMARY KEY, a short, b char(4), c bit varying(2), n numeric(4, 1), at timestamptz(0), l text);
SELECT pg_tviews_adopt('tv_d', $$SELECT pk_post AS pk_d, 'abc' AS a, 'b' AS b, B'10' AS c, 1.25 AS n, '2024-01-01 10:00:00.7+00'::timestamptz AS at, ARRAY[pk_post]::text AS l FROM tb_post$$);
SELECT pk_d, a, b, c, n, at AT TIME ZONE 'UTC' AS at, l FROM tv_d ORDER BY 1;
INSERT INTO tb_post VALUES (5, 1, 'five', 5);
SELECT pg_tviews_wait();
SELECT pk_d, a, l FROM tv_d WHERE pk_d > 4;
DELETE FROM tb_post WHERE pk_post = 5;
SELECT pg_tviews_wait();
SELECT pg_tviews_refresh('d'), count(*) FROM tv_d;
SELECT pg_tviews_drop('d');
SELECT pg_tviews_adopt('tv_d', $$SELECT pk_post AS pk_d, 'abcd' AS a FROM tb_post$$);
SELECT pg_tviews_adopt('tv_d', $$SELECT pk_post AS pk_d, B'101' AS c FROM tb_post$$);
SELECT pg_tviews_adopt('tv_d', $$SELECT pk_post AS pk_d, 99999 AS n FROM tb_post$$);
DROP TABLE tv_d;

-- What cannot be adopted.
CREATE VIEW w AS SELECT 1 AS id;
CREATE MATERIALIZED VIEW mw AS SELECT 1 AS id;
CREATE TEMP TABLE tmp (id int PRIMARY KEY);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE part PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT pg_tviews_adopt('w', 'SELECT pk_post AS id FROM tb_post');
SELECT pg_tviews_adopt('mw', 'SELECT pk_post AS id FROM tb_post');
SELECT pg_tviews_adopt('tmp', 'SELECT pk_post AS id FROM tb_post');
SELECT pg_tviews_adopt('parent', 'SELECT pk_post AS id FROM tb_post');
SELECT pg_tviews_adopt('child', 'SELECT pk_post AS id FROM tb_post');
SELECT pg_tviews_adopt('part', 'SELECT pk_post AS id FROM tb_post');
SELECT pg_tviews_adopt('pg_class', 'SELECT pk_post AS oid FROM tb_post');
SELECT pg_tviews_adopt('pg_tview_deferred', 'SELECT pk_post AS id FROM tb_post');
SELECT pg_tviews_adopt('tb_post', 'SELECT pk_post, title FROM tb_post');
SELECT pg_tviews_adopt(4000000000::oid, 'SELECT pk_post AS id FROM tb_post');
DROP TABLE parts, child, parent;

-- Rights: the table's owner; SELECT and TRIGGER on what is read.  A superuser adopts for the owner.
CREATE ROLE regress_adopter;
GRANT USAGE, CREATE ON SCHEMA ad TO regress_adopter;
CREATE TABLE tv_mine (pk_mine int PRIMARY KEY, title text);
SET ROLE regress_adopter;
SELECT pg_tviews_adopt('tv_mine', 'SELECT pk_post AS pk_mine, title FROM tb_post');
RESET ROLE;
ALTER TABLE tv_mine OWNER TO regress_adopter;
SELECT pg_tviews_adopt('tv_mine', 'SELECT pk_post AS pk_mine, title FROM tb_post');
GRANT SELECT ON tb_post TO regress_adopter;
SET ROLE regress_adopter;
SELECT pg_tviews_adopt('tv_mine', 'SELECT pk_post AS pk_mine, title FROM tb_post');
RESET ROLE;
GRANT TRIGGER ON tb_post TO regress_adopter;
SELECT pg_tviews_adopt('tv_mine', 'SELECT pk_post AS pk_mine, title FROM tb_post');
SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('tv_mine', 'v_mine') ORDER BY 1;
UPDATE tb_post SET title = 'for the owner' WHERE pk_post = 1;
SELECT pg_tviews_wait();
SELECT title FROM tv_mine WHERE pk_mine = 1;
DROP TABLE tv_mine;

-- A base table of another TVIEW becomes a TVIEW itself: levels follow; it may not read its reader.
CREATE TABLE doc (id int PRIMARY KEY, title text, n int DEFAULT 0);
INSERT INTO doc VALUES (1, 'by hand');
CREATE TABLE tv_top AS SELECT id AS pk_top, upper(title) AS t FROM doc;
SELECT pg_tviews_adopt('doc', 'SELECT pk_top AS id, t AS title FROM tv_top');
SELECT pg_tviews_adopt('doc', 'SELECT pk_post AS id, title FROM tb_post');
SELECT entity, level FROM pg_tview_meta WHERE schema_name = 'ad' ORDER BY 1;
SELECT pg_tviews_wait();
UPDATE tb_post SET title = 'both' WHERE pk_post = 2;
SELECT pg_tviews_wait();
SELECT * FROM tv_top ORDER BY 1;
SELECT pg_tviews_drop('doc');
SELECT entity, level FROM pg_tview_meta WHERE schema_name = 'ad' ORDER BY 1;
UPDATE doc SET title = 'by hand again' WHERE id = 2;
SELECT pg_tviews_wait();
SELECT * FROM tv_top ORDER BY 1;
SELECT tgrelid::regclass, tgname, tgnargs FROM pg_trigger WHERE tgrelid = 'doc'::regclass AND NOT tgisinternal ORDER BY 2;
DROP TABLE doc CASCADE;
DROP VIEW feed;

-- Partitioned tables.  The key is not that of the partitions: an index that begins with it will do, and is made if it is missing.
CREATE TABLE tv_part (at date, pk_part int, title text, note text DEFAULT 'mine', PRIMARY KEY (at, pk_part)) PARTITION BY RANGE (at);
CREATE TABLE tv_part_1 PARTITION OF tv_part FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE tv_part_2 (note text DEFAULT 'two', title text, at date NOT NULL, gone int, pk_part int NOT NULL);
ALTER TABLE tv_part_2 DROP COLUMN gone;
ALTER TABLE tv_part ATTACH PARTITION tv_part_2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE tb_day (pk_day int PRIMARY KEY, at date, title text);
INSERT INTO tb_day VALUES (1, '2024-01-05', 'one'), (2, '2024-01-06', 'two'), (3, '2024-02-07', 'three');
INSERT INTO tv_part (at, pk_part, title, note) VALUES ('2024-01-05', 1, 'one', 'right'), ('2024-02-01', 2, 'two', 'moves'), ('2024-02-09', 9, 'extra', 'goes');
SELECT pg_tviews_adopt('tv_part', 'SELECT at, pk_day AS pk_part, title FROM tb_day', '{"indexes": false}');
SELECT pg_tviews_adopt('tv_part', 'SELECT at, pk_day AS pk_part, title FROM tb_day');
SELECT tableoid::regclass, * FROM tv_part ORDER BY pk_part;
SELECT key_columns FROM pg_tview_meta WHERE entity = 'part';
UPDATE tb_day SET at = at + 30 WHERE pk_day = 1;
INSERT INTO tb_day VALUES (4, '2024-03-01', 'no place');
SELECT pg_tviews_wait();
SELECT tableoid::regclass, * FROM tv_part ORDER BY pk_part;
SELECT key, sqlstate FROM pg_tview_parked_keys WHERE entity = 'part';
CREATE TABLE tv_part_3 PARTITION OF tv_part DEFAULT;
UPDATE tb_day SET title = 'a place' WHERE pk_day = 4;  -- a change is waited for, a retry is not
SELECT pg_tviews_wait();
SELECT tableoid::regclass, * FROM tv_part WHERE pk_part = 4;
SELECT pg_tviews_drop('part');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'tv\_part%';
-- With the partition column in front the key itself is the primary key.
SELECT pg_tviews_adopt('tv_part', 'SELECT at, pk_day AS pk_part, title FROM tb_day', '{"key": ["pk_part", "at"], "indexes": false}');
UPDATE tb_day SET at = at - 30, title = 'back' WHERE pk_day = 1;
SELECT pg_tviews_wait();
SELECT tableoid::regclass, * FROM tv_part ORDER BY pk_part;
SELECT * FROM tviews_oracle();
DROP TABLE tv_part;

-- In the background; options; audit.
CREATE TABLE tv_later (pk_later int PRIMARY KEY, title text);
INSERT INTO tv_later VALUES (77, 'extra');
SELECT pg_tviews_adopt('tv_later', 'SELECT pk_post AS pk_later, title FROM tb_post', '{"build": "background", "min_interval": "10 ms"}');
SELECT pg_tviews_wait();
SELECT * FROM tv_later ORDER BY 1;
SELECT operation, entity, details - 'options' AS details FROM pg_tview_audit_log WHERE operation = 'ADOPT' AND entity IN ('later', 'mine') ORDER BY log_id;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_tviews_adopt('tv_later', 'SELECT pk_post AS pk_later, title FROM tb_post');
ROLLBACK;
-- Rolled back: the table is as it was.
CREATE TABLE tv_back (pk_back int PRIMARY KEY, title text);
INSERT INTO tv_back VALUES (77, 'mine');
BEGIN;
SELECT pg_tviews_adopt('tv_back', 'SELECT pk_post AS pk_back, title FROM tb_post');
ROLLBACK;
SELECT *, to_regclass('v_back') FROM tv_back;
SELECT * FROM tviews_oracle();
DROP SCHEMA ad CASCADE;
SELECT count(*) FROM pg_tview_catalog;
DROP ROLE regress_adopter;
