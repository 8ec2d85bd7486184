-- Making and dropping TVIEWs: every form of the statement, refusals, rights, dependencies, DDL on what they read.
\set VERBOSITY default
CREATE SCHEMA d1; CREATE SCHEMA "D 2";
SET search_path = d1, public;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, id uuid UNIQUE NOT NULL DEFAULT gen_random_uuid(), name varchar(40) COLLATE "C", dropped int);
ALTER TABLE tb_user DROP COLUMN dropped;
CREATE TABLE tb_post (pk_post bigint PRIMARY KEY, id uuid UNIQUE NOT NULL DEFAULT gen_random_uuid(), fk_user int REFERENCES tb_user, title text, price numeric(10,2));
CREATE INDEX ON tb_post (fk_user);
INSERT INTO tb_user (pk_user, name) SELECT i, 'u' || i FROM generate_series(1, 3) i;
INSERT INTO tb_post (pk_post, fk_user, title, price) SELECT i, 1 + i % 3, 't' || i, i FROM generate_series(1, 9) i;

-- What is registered, by name; what should not be there.
CREATE TEMP VIEW orphans AS
  SELECT 'catalog' AS of, tview AS oid FROM pg_tview_catalog WHERE tview NOT IN (SELECT oid FROM pg_class)
  UNION ALL SELECT 'relation', tview FROM pg_tview_relation WHERE tview NOT IN (SELECT tview FROM pg_tview_catalog)
  UNION ALL SELECT 'mapping', tview FROM pg_tview_mapping WHERE tview NOT IN (SELECT tview FROM pg_tview_catalog)
  UNION ALL SELECT 'deferred', tview FROM pg_tview_deferred WHERE tview NOT IN (SELECT tview FROM pg_tview_catalog)
  UNION ALL SELECT 'point', relation FROM pg_tview_capture_point WHERE point NOT IN (SELECT point FROM pg_tview_mapping)
  UNION ALL SELECT 'trigger', tgrelid FROM pg_trigger WHERE tgname ~ '^pg_tviews_capture' AND NOT EXISTS (SELECT FROM pg_tview_relation) AND NOT EXISTS (SELECT FROM pg_tview_catalog);
CREATE VIEW registered AS SELECT schema_name, entity, table_oid::regclass AS tview, view_oid::regclass AS view, key_columns, level, state,
  ARRAY(SELECT d::regclass::text FROM unnest(dependencies) d ORDER BY 1) AS reads FROM pg_tview_meta WHERE schema_name IN ('d1', 'D 2') ORDER BY 1, 2;
CREATE VIEW triggers AS SELECT tgrelid::regclass AS relation, tgname, tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
  WHERE tgname LIKE 'pg\_tviews\_cap%' AND relnamespace IN ('d1'::regnamespace, '"D 2"'::regnamespace) ORDER BY tgrelid::regclass::text, tgname;

-- The statement; its tag counts the rows.
CREATE TABLE tv_post AS SELECT p.pk_post, p.id, p.fk_user, u.id AS user_id, u.name, p.price, jsonb_build_object('title', p.title, 'user', u.name) AS data
  FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;
\echo :ROW_COUNT
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, attcollation::regcollation AS collation FROM pg_attribute WHERE attrelid = 'tv_post'::regclass AND attnum > 0 ORDER BY attnum;
SELECT indexdef FROM pg_indexes WHERE tablename = 'tv_post' AND schemaname = 'd1' ORDER BY 1;
SELECT obj_description('tv_post'::regclass), obj_description('v_post'::regclass);
SELECT * FROM registered;
SELECT * FROM triggers;
SELECT * FROM pg_tviews_explain('post');
SELECT fk_columns, uuid_fk_columns, dependency_types, array_match_keys, options FROM pg_tview_meta WHERE entity = 'post';
SELECT operation, entity, performed_by = current_user AS me, details - 'options' FROM pg_tview_audit WHERE entity = 'post' ORDER BY log_id DESC LIMIT 1;

-- It exists now.
CREATE TABLE tv_post AS SELECT 1 AS pk_post;
CREATE TABLE IF NOT EXISTS tv_post AS SELECT 1 AS pk_post;
SELECT pg_tviews_create('tv_post', 'SELECT 1 AS pk_post');

-- Dependencies: nothing that is used goes without CASCADE.
ALTER TABLE tb_post DROP COLUMN title;
DROP VIEW v_post;
DROP TABLE tb_user;
DROP TRIGGER pg_tviews_capture ON tb_post;
ALTER TRIGGER pg_tviews_capture ON tb_post RENAME TO mine;
ALTER TABLE tv_post DROP COLUMN name;
ALTER TABLE tv_post ALTER COLUMN price TYPE float8;
ALTER TABLE tv_post RENAME COLUMN name TO nom;
ALTER TABLE tv_post ADD COLUMN note text;
ALTER TABLE tv_post RENAME COLUMN note TO remark;
ALTER TABLE tv_post DROP COLUMN remark;

-- A TVIEW over a TVIEW, in another schema, adopting a view; quoted names.
CREATE VIEW "D 2"."v x" AS SELECT u.pk_user AS "pk_My User", u.name, count(t.pk_post) AS n FROM tb_user u LEFT JOIN tv_post t ON t.fk_user = u.pk_user GROUP BY u.pk_user;
CREATE TABLE "D 2"."tv_My User" AS SELECT * FROM "D 2"."v x";
SELECT * FROM registered;
SELECT * FROM "D 2"."tv_My User" ORDER BY 1;
SELECT pg_tviews_resolve('"My User"'), pg_tviews_resolve('"tv_My User"'), pg_tviews_resolve('"D 2"."tv_My User"'), pg_tviews_resolve('My User'), pg_tviews_resolve('d1.post');
SELECT pg_tviews_resolve('nobody');
-- The lower one is held by the upper one.
DROP TABLE tv_post;
SELECT pg_tviews_drop('post');
SELECT pg_tviews_drop('"My User"');
SELECT to_regclass('"D 2"."v x"') IS NOT NULL AS adopted_view_stays;
SELECT * FROM registered;
CREATE TABLE "D 2"."tv_My User" AS TABLE "D 2"."v x";
DROP TABLE tv_post CASCADE;
SELECT * FROM registered;
SELECT * FROM triggers;
SELECT to_regclass('v_post') IS NULL AS view_gone, to_regclass('"D 2"."tv_My User"') IS NULL AS reader_gone;
TABLE orphans;

-- Forms: columns named, storage, tablespace, unlogged, no data, SELECT INTO, EXECUTE, several in one string.
CREATE UNLOGGED TABLE tv_a (pk_a, "Title") WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off) TABLESPACE pg_default
  AS SELECT pk_post, title FROM tb_post WHERE title <> 'it''s';
SELECT relpersistence, reloptions FROM pg_class WHERE oid = 'tv_a'::regclass;
CREATE TABLE tv_b AS SELECT pk_post AS pk_b FROM tb_post WITH NO DATA;
SELECT count(*) FROM pg_tview_meta WHERE entity = 'b';
SELECT pk_post AS pk_c, title INTO tv_c FROM tb_post;
PREPARE q AS SELECT pk_post AS pk_e, title FROM tb_post;
CREATE TABLE tv_e AS EXECUTE q;
DO $$ BEGIN
  CREATE TABLE tv_f AS SELECT pk_post AS pk_f FROM tb_post;
  CREATE TABLE tv_g AS SELECT pk_post AS pk_g FROM tb_post;
END $$;
CREATE TABLE tv_h AS SELECT pk_post AS pk_h FROM tb_post\; CREATE TABLE tv_i AS SELECT pk_post AS pk_i FROM tb_post;
SELECT entity, replace(pg_get_viewdef(view_oid), 'tb_post.', '') AS definition FROM pg_tview_meta WHERE schema_name = 'd1' ORDER BY 1;
-- Parameters are refused.
PREPARE p(int) AS SELECT pk_post AS pk_p FROM tb_post WHERE fk_user = $1;
CREATE TABLE tv_p AS EXECUTE p(1);
DO $$ DECLARE x int := 1; BEGIN CREATE TABLE tv_p AS SELECT pk_post AS pk_p FROM tb_post WHERE fk_user = x; END $$;
-- What is no TVIEW.
CREATE TABLE tv_plain AS SELECT title FROM tb_post;
CREATE TEMP TABLE tv_temp AS SELECT pk_post AS pk_temp FROM tb_post;
CREATE TABLE other AS SELECT pk_post AS pk_other FROM tb_post;
CREATE MATERIALIZED VIEW tv_m AS SELECT pk_post AS pk_m FROM tb_post;
SET pg_tviews.intercept_create_table_as = off;
CREATE TABLE tv_off AS SELECT pk_post AS pk_off FROM tb_post;
RESET pg_tviews.intercept_create_table_as;
EXPLAIN (COSTS OFF) CREATE TABLE tv_x AS SELECT pk_post AS pk_x FROM tb_post;
CREATE TABLE tv_t AS SELECT pk_temp AS pk_t FROM tv_temp;
SELECT entity FROM pg_tview_meta WHERE schema_name = 'd1' ORDER BY 1;
DROP MATERIALIZED VIEW tv_m;
DROP TABLE tv_plain, tv_temp, other, tv_off, tv_a, tv_b, tv_c, tv_e, tv_f, tv_g;
SELECT pg_tviews_drop('h'), pg_tviews_drop('i');
SELECT * FROM registered;
SELECT * FROM triggers;

-- By function; options.
SELECT pg_tviews_create('d1.post', 'SELECT p.pk_post AS k, p.title, p.fk_user FROM tb_post p', '{"key": "k", "indexes": false, "fillfactor": 50, "min_interval": "200 ms", "settings": {"TimeZone": "Asia/Tokyo"}}');
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, attcollation::regcollation AS collation FROM pg_attribute WHERE attrelid = 'tv_post'::regclass AND attnum > 0 ORDER BY attnum;
SELECT indexdef FROM pg_indexes WHERE tablename = 'tv_post' AND schemaname = 'd1' ORDER BY 1;
SELECT key_columns, options FROM pg_tview_meta WHERE entity = 'post';
SELECT 'TimeZone: ' || settings[array_position(settings, 'TimeZone') + 1] FROM pg_tview_catalog WHERE entity = 'post';
SELECT pg_tviews_drop('post');
SELECT pg_tviews_drop('post');
SELECT pg_tviews_drop('post', if_exists => true);
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"kye": "k"}');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '[]');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"fillfactor": 5}');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"on_unkeyed": "maybe"}');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"settings": {"TimeZone": "Nowhere"}}');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"key": "nix"}');
SELECT pg_tviews_create('post', 'SELECT pk_post, title AS "T 1" FROM tb_post', '{"key": ["pk_post", "nix"]}');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"key": ["pk_post", "pk_post"]}');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"key": []}');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"key": [1]}');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post', '{"min_interval": "soon"}');
-- A NULL is not a silent nothing.
SELECT pg_tviews_create('post', NULL);
SELECT pg_tviews_create_or_replace(NULL, 'SELECT pk_post FROM tb_post');
SELECT pg_tviews_adopt(NULL, 'SELECT pk_post FROM tb_post');
SELECT pg_tviews_create('post', 'SELECT pk_post AS nokey FROM tb_post', NULL);
SELECT pg_tviews_create('my post', 'SELECT pk_post FROM tb_post');
SELECT pg_tviews_create('post', 'SELECT title FROM tb_post');
SELECT pg_tviews_create('post', 'SELECT 1; SELECT 2');
SELECT pg_tviews_create('post', 'DELETE FROM tb_post');
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post WHERE pk_post = $1');
SELECT pg_tviews_create('nowhere.post', 'SELECT pk_post FROM tb_post');
-- No row without a key, no two with the same.  (The DETAIL names one of them.)
\set VERBOSITY terse
CREATE TABLE tv_user AS SELECT p.fk_user AS pk_user, p.pk_post FROM tb_post p;
CREATE TABLE tv_user AS SELECT p.pk_post AS pk_user, u.id FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;
INSERT INTO tb_post (pk_post, title) VALUES (10, NULL);
SELECT pg_tviews_create('user', 'SELECT fk_user AS pk_user FROM tb_post WHERE fk_user IS NULL OR pk_post < 0');
\set VERBOSITY default
DELETE FROM tb_post WHERE pk_post = 10;
-- The view of the default name is in the way.
CREATE VIEW v_user AS SELECT pk_user, name FROM tb_user;
CREATE TABLE tv_user AS SELECT pk_user FROM tb_user;
SELECT * FROM registered;

-- Isolation.
BEGIN ISOLATION LEVEL REPEATABLE READ;
CREATE TABLE tv_user AS SELECT * FROM v_user;
ROLLBACK;
BEGIN;
CREATE TABLE tv_user AS SELECT * FROM v_user;
PREPARE TRANSACTION 'no';
-- Rolled back: nothing stays.  Savepoints too.
BEGIN;
SAVEPOINT a;
CREATE TABLE tv_user AS SELECT * FROM v_user;
ROLLBACK TO a;
SELECT * FROM triggers;
CREATE TABLE tv_user AS SELECT * FROM v_user;
SAVEPOINT b;
DROP TABLE tv_user;
ROLLBACK TO b;
CREATE TABLE other (a int);
DROP TABLE other;
COMMIT;
SELECT * FROM registered;
SELECT * FROM triggers;

-- Renames are followed.
ALTER TABLE tb_user RENAME COLUMN pk_user TO pk;
ALTER TABLE tb_user RENAME TO "tb User";
ALTER VIEW v_user RENAME COLUMN name TO "Name";
SELECT * FROM pg_tviews_explain('user');
SELECT columns FROM pg_tview_catalog WHERE entity = 'user';
SELECT attname FROM pg_attribute WHERE attrelid = 'tv_user'::regclass AND attnum > 0 ORDER BY attnum;
ALTER TABLE "tb User" SET SCHEMA "D 2";
ALTER TABLE tv_user RENAME TO tv_person;
SELECT * FROM registered;
ALTER TABLE "D 2"."tb User" SET SCHEMA d1;
ALTER TABLE "tb User" RENAME TO tb_user;
ALTER TABLE tb_user RENAME COLUMN pk TO pk_user;
ALTER TABLE tv_person RENAME TO tv_user;
-- Another definition: new column, other tables.
CREATE OR REPLACE VIEW v_user AS SELECT u.pk_user, u.name AS "Name", (SELECT count(*) FROM tb_post p WHERE p.fk_user = u.pk_user) AS posts FROM tb_user u;
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'tv_user'::regclass AND attnum > 0 ORDER BY attnum;
SELECT base_table, capture_columns, kind FROM pg_tviews_explain('user');
SELECT * FROM registered;
SELECT * FROM triggers;
-- A cycle is refused.
CREATE OR REPLACE VIEW v_user AS SELECT u.pk_user, u.name AS "Name", (SELECT count(*) FROM tv_user p WHERE p.pk_user = u.pk_user) AS posts FROM tb_user u;
-- DROP by all roads.
DROP VIEW v_user CASCADE;
SELECT * FROM registered;
CREATE TABLE tv_user AS SELECT pk_user, name FROM tb_user;
DROP TABLE tb_user CASCADE;
SELECT * FROM registered;
SELECT to_regclass('v_user') IS NULL AS view_gone;
SELECT * FROM triggers;
CREATE SCHEMA d3;
CREATE TABLE d3.tv_post AS SELECT pk_post FROM tb_post;
CREATE TABLE tv_post AS SELECT pk_post FROM tb_post;
SELECT pg_tviews_drop('post');
DROP SCHEMA d3 CASCADE;
SELECT * FROM registered;
SELECT * FROM triggers;
DROP TABLE tv_post;
SELECT * FROM triggers;

-- A view that somebody else uses stays unless CASCADE.
CREATE TABLE tv_post AS SELECT pk_post FROM tb_post;
CREATE VIEW over_it AS SELECT * FROM v_post;
DROP TABLE tv_post;
DROP TABLE tv_post CASCADE;
SELECT to_regclass('over_it') IS NULL AS gone;

-- Partitions: rows are captured from the root, TRUNCATE on each; later ones too.
CREATE TABLE tb_m (pk_m int, v int, PRIMARY KEY (pk_m)) PARTITION BY RANGE (pk_m);
CREATE TABLE tb_m1 PARTITION OF tb_m FOR VALUES FROM (0) TO (10);
CREATE TABLE tb_m2 (v int, pk_m int NOT NULL);
CREATE TABLE tv_m AS SELECT pk_m, v FROM tb_m;
SELECT * FROM triggers;
CREATE TABLE tb_m3 PARTITION OF tb_m FOR VALUES FROM (20) TO (30) PARTITION BY RANGE (pk_m);
CREATE TABLE tb_m31 PARTITION OF tb_m3 FOR VALUES FROM (20) TO (25);
ALTER TABLE tb_m ATTACH PARTITION tb_m2 FOR VALUES FROM (10) TO (20);
SELECT * FROM triggers;
CREATE TABLE tv_m1 AS SELECT pk_m AS pk_m1, v FROM tb_m1;
ALTER TABLE tb_m DETACH PARTITION tb_m1;
SELECT * FROM triggers;
ALTER TABLE tb_m ATTACH PARTITION tb_m1 FOR VALUES FROM (0) TO (10);
SELECT * FROM triggers;
DROP TABLE tv_m;
SELECT * FROM triggers;
DROP TABLE tv_m1;
SELECT * FROM triggers;
-- Inheritance.
CREATE TABLE tb_p (pk_p int PRIMARY KEY);
CREATE TABLE tb_c () INHERITS (tb_p);
CREATE TABLE tv_p AS SELECT pk_p FROM tb_p;
CREATE TABLE tb_c2 () INHERITS (tb_p);
CREATE TABLE tb_c3 (pk_p int NOT NULL);
ALTER TABLE tb_c3 INHERIT tb_p;
SELECT * FROM triggers;
ALTER TABLE tb_c3 NO INHERIT tb_p;
SELECT * FROM triggers WHERE relation = 'tb_c3'::regclass;
DROP TABLE tv_p;
SELECT * FROM triggers;

-- Triggers that were disabled and enabled: armed again.
CREATE TABLE tv_p AS SELECT pk_p FROM tb_p;
ALTER TABLE tb_p DISABLE TRIGGER ALL;
SELECT state FROM pg_tview_meta WHERE entity = 'p' AND schema_name = 'd1';
ALTER TABLE tb_p ENABLE TRIGGER ALL;
SELECT * FROM triggers WHERE relation = 'tb_p'::regclass;
SELECT pg_tviews_wait('10 s');
SELECT state FROM pg_tview_meta WHERE entity = 'p' AND schema_name = 'd1';
SELECT * FROM tviews_oracle();

-- ORDER BY a column of the table, not the output column of the same name.
CREATE TABLE d1.tb_seen (id int PRIMARY KEY, fk_post int NOT NULL);
INSERT INTO d1.tb_seen VALUES (1, 20), (2, 20), (3, 10);
CREATE TABLE d1.tv_seen AS SELECT DISTINCT ON (s.fk_post) s.fk_post AS pk_seen, -s.id AS id FROM d1.tb_seen s ORDER BY s.fk_post, s.id;
TABLE d1.tv_seen ORDER BY 1;
SELECT regexp_replace(pg_get_viewdef('d1.v_seen'), '\ms\.(?=fk_post|id\))', '', 'g') AS definition;
DROP TABLE d1.tv_seen;
DROP TABLE d1.tb_seen;

-- Rights.
CREATE ROLE regress_tviews_plain;
GRANT USAGE, CREATE ON SCHEMA d1 TO regress_tviews_plain;
SET ROLE regress_tviews_plain;
CREATE TABLE tv_post AS SELECT pk_post, title FROM tb_post;
RESET ROLE; GRANT SELECT ON tb_post TO regress_tviews_plain; SET ROLE regress_tviews_plain;
CREATE TABLE tv_post AS SELECT pk_post, title FROM tb_post;
RESET ROLE; GRANT TRIGGER ON tb_post TO regress_tviews_plain; SET ROLE regress_tviews_plain;
CREATE TABLE tv_post AS SELECT pk_post, title FROM tb_post;
SELECT entity, tableowner FROM pg_tview_meta JOIN pg_tables ON tablename = 'tv_' || entity AND schemaname = schema_name ORDER BY 1;
SELECT count(*) FROM pg_tview_catalog;
SELECT pg_tviews_capture();
SELECT pg_tviews_drop('p');
RESET ROLE;
SELECT owner FROM (SELECT relowner::regrole AS owner FROM pg_class WHERE oid = 'tv_post'::regclass) x;
DROP OWNED BY regress_tviews_plain CASCADE;
SELECT * FROM registered;
SELECT * FROM triggers;
DROP ROLE regress_tviews_plain;

DROP SCHEMA d1, "D 2" CASCADE;
TABLE orphans;
