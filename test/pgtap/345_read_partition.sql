-- TVIEWs that read a partition, or a child, by its own name follow what ALTER TABLE of its parent does to it.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA part;
SET search_path = part, public;
SELECT plan(8);
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql SET search_path = part, public AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle()) + (SELECT count(*) FROM pg_tview_deferred);
END $$;

CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_post (pk_post int NOT NULL, fk_user int NOT NULL, title text) PARTITION BY RANGE (pk_post);
CREATE TABLE tb_post_some PARTITION OF tb_post FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (pk_post);
CREATE TABLE tb_post_low PARTITION OF tb_post_some FOR VALUES FROM (0) TO (50);
CREATE TABLE tb_post_high PARTITION OF tb_post FOR VALUES FROM (100) TO (200);
CREATE TABLE tb_child () INHERITS (tb_user);
INSERT INTO tb_user SELECT g, 'u' || g FROM generate_series(1, 5) g;
INSERT INTO tb_child SELECT g, 'c' || g FROM generate_series(6, 7) g;
INSERT INTO tb_post SELECT g, g % 5 + 1, 't' || g FROM generate_series(1, 40) g;
CREATE TABLE tv_low AS SELECT p.pk_post AS pk_low, p.title, u.name FROM tb_post_low p JOIN tb_user u ON u.pk_user = p.fk_user;
CREATE TABLE tv_json AS SELECT p.pk_post AS pk_json, to_jsonb(p) AS row FROM tb_post_low p;
CREATE TABLE tv_child AS SELECT c.pk_user AS pk_child, to_jsonb(c) AS row FROM tb_child c;
ALTER TABLE tb_post RENAME COLUMN fk_user TO author;
UPDATE tb_user SET name = 'new' WHERE pk_user = 1;
SELECT is(differences(), 0::bigint, 'a column renamed by way of the root: lineage and documents follow');
ALTER TABLE tb_post ADD COLUMN extra int DEFAULT 5;
SELECT is(differences(), 0::bigint, 'a column added');
SELECT is((SELECT row->>'extra' FROM tv_json WHERE pk_json = 1), '5', 'and shown');
ALTER TABLE tb_user ADD COLUMN extra int DEFAULT 6;
ALTER TABLE tb_user RENAME COLUMN name TO called;
SELECT is(differences(), 0::bigint, 'columns added and renamed by way of a parent');
SELECT is((SELECT row - 'pk_user' FROM tv_child WHERE pk_child = 6), '{"called": "c6", "extra": 6}', 'and shown');

-- Triggers of the parent are those of its partitions.
CREATE TABLE tv_post AS SELECT pk_post, title FROM tb_post;
ALTER TABLE tb_post DISABLE TRIGGER USER;
SELECT is((SELECT string_agg(entity, ',' ORDER BY entity) FROM pg_tview_meta WHERE schema_name = 'part' AND state = 'degraded'), 'json,low,post',
          'capture disabled on the root degrades the readers of its partitions');
UPDATE tb_post SET title = 'not captured' WHERE pk_post < 10;
ALTER TABLE tb_post ENABLE TRIGGER USER;
SELECT is(differences(), 0::bigint, 'enabled, they are reconciled');
SELECT is((SELECT count(*) FROM pg_tview_meta WHERE schema_name = 'part' AND state <> 'fresh'), 0::bigint, 'and fresh');
DROP SCHEMA part CASCADE;
SELECT * FROM finish();
