-- Redefinition: pg_tviews_create_or_replace keeps the table and what users made on it; DDL that changes a definition by another road.
CREATE SCHEMA rp;
SET search_path = rp, public;
SET client_min_messages = notice;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text NOT NULL, email text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, id uuid NOT NULL UNIQUE, fk_user int REFERENCES tb_user, title text, price numeric(10,2));
CREATE INDEX ON tb_post (fk_user);
INSERT INTO tb_user SELECT i, 'u' || i, 'm' || i || '@x' FROM generate_series(1, 3) i;
INSERT INTO tb_post SELECT i, ('00000000-0000-0000-0000-00000000000' || i)::uuid, 1 + i % 3, 't' || i, i FROM generate_series(1, 6) i;
CREATE VIEW shape AS SELECT attnum, attname, format_type(atttypid, atttypmod) AS type, attnotnull AS nn FROM pg_attribute
  WHERE attrelid = to_regclass('rp.tv_post') AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
CREATE VIEW meta AS SELECT entity, table_oid::regclass AS tview, view_oid::regclass AS view, key_columns, level, state, options,
  ARRAY(SELECT d::regclass::text FROM unnest(dependencies) d ORDER BY 1) AS reads FROM pg_tview_meta WHERE schema_name = 'rp' ORDER BY 1;
-- What every error must leave alone, and who wrote rows of the table.
CREATE FUNCTION state_of(tview text) RETURNS text LANGUAGE sql AS $$
  SELECT md5(string_agg(x, '; ' ORDER BY x)) FROM (
    SELECT a::text FROM pg_attribute a WHERE attrelid IN (to_regclass('tv_' || tview), to_regclass('v_' || tview))
    UNION ALL SELECT i::text FROM pg_index i WHERE indrelid = to_regclass('tv_' || tview)
    UNION ALL SELECT c::text FROM pg_constraint c WHERE conrelid = to_regclass('tv_' || tview)
    UNION ALL SELECT pg_get_viewdef(to_regclass('v_' || tview)) UNION ALL SELECT t::text FROM pg_trigger t WHERE tgrelid::regclass::text ~ 't[bv]_'
    UNION ALL SELECT c::text FROM pg_tview_catalog c UNION ALL SELECT m::text FROM pg_tview_mapping m UNION ALL SELECT p::text FROM pg_tview_capture_point p
    UNION ALL SELECT d::text FROM pg_depend d WHERE objid IN (to_regclass('tv_' || tview), to_regclass('v_' || tview)) OR refobjid IN (to_regclass('tv_' || tview), to_regclass('v_' || tview))
    UNION ALL SELECT c::text FROM pg_tview_deferred c) s(x) $$;

-- Not there: as pg_tviews_create; the options are checked as there.
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name, p.title FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', '{"settings": {"TimeZone": "UTC"}}');
SELECT pg_tviews_create_or_replace('post', 'SELECT 1 AS pk_post', '{"what": 1}');
SELECT oid AS t FROM pg_class WHERE oid = 'tv_post'::regclass \gset
SELECT oid AS v FROM pg_class WHERE oid = 'v_post'::regclass \gset

-- What users make on it.
CREATE ROLE rp_reader;
CREATE ROLE rp_owner;
ALTER TABLE tv_post ADD COLUMN stars int DEFAULT 0, ADD COLUMN length int GENERATED ALWAYS AS (length(title)) STORED;
UPDATE tv_post SET stars = pk_post;
CREATE INDEX mine ON tv_post (upper(name));
CREATE UNIQUE INDEX mine_too ON tv_post (pk_post) WHERE title IS NOT NULL;
GRANT SELECT ON tv_post TO rp_reader;
GRANT SELECT ON v_post TO rp_reader WITH GRANT OPTION;
GRANT SELECT (title), UPDATE (stars) ON tv_post TO PUBLIC;
GRANT SELECT (title) ON v_post TO rp_owner;
ALTER TABLE tv_post ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON tv_post FOR SELECT TO rp_reader USING (stars > 1);
COMMENT ON TABLE tv_post IS 'my table';
COMMENT ON COLUMN tv_post.title IS 'my title';
COMMENT ON VIEW v_post IS 'my view';
COMMENT ON COLUMN v_post.title IS 'my title of the view';
ALTER TABLE tv_post SET (fillfactor = 77, autovacuum_enabled = off);
ALTER VIEW v_post SET (security_barrier = true);
CREATE STATISTICS mine_stat ON name, title FROM tv_post;
SET client_min_messages = error;
CREATE PUBLICATION rp_pub FOR TABLE tv_post;
SET client_min_messages = notice;
CREATE TABLE follows (fk int REFERENCES tv_post);
INSERT INTO follows VALUES (1);
CREATE VIEW over AS SELECT title, stars FROM tv_post;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE INFO '% of row %', TG_OP, coalesce(NEW.pk_post, OLD.pk_post); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON tv_post FOR EACH ROW EXECUTE FUNCTION note();
CREATE VIEW belongings AS
  SELECT 'index' AS kind, indexrelid::regclass::text AS what, pg_get_indexdef(indexrelid) AS detail FROM pg_index WHERE indrelid = to_regclass('rp.tv_post')
  UNION ALL SELECT 'rights', relname, relacl::text FROM pg_class WHERE oid IN (to_regclass('rp.tv_post'), to_regclass('rp.v_post'))
  UNION ALL SELECT 'column rights', attrelid::regclass || '.' || attname, attacl::text FROM pg_attribute WHERE attrelid IN (to_regclass('rp.tv_post'), to_regclass('rp.v_post')) AND attacl IS NOT NULL
  UNION ALL SELECT 'options', relname, reloptions::text FROM pg_class WHERE oid IN (to_regclass('rp.tv_post'), to_regclass('rp.v_post'))
  UNION ALL SELECT 'comment', objoid::regclass || '.' || objsubid, description FROM pg_description WHERE objoid IN (to_regclass('rp.tv_post'), to_regclass('rp.v_post')) AND classoid = 'pg_class'::regclass
  UNION ALL SELECT 'policy', polname, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = to_regclass('rp.tv_post')
  UNION ALL SELECT 'rls', relname, relrowsecurity::text FROM pg_class WHERE oid = to_regclass('rp.tv_post')
  UNION ALL SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = to_regclass('rp.tv_post')
  UNION ALL SELECT 'publication', pubname, tablename FROM pg_publication_tables WHERE pubname = 'rp_pub'
  UNION ALL SELECT 'foreign key', conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE confrelid = to_regclass('rp.tv_post')
  UNION ALL SELECT 'trigger', tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = to_regclass('rp.tv_post') AND NOT tgisinternal;
CREATE TEMP TABLE kept AS SELECT * FROM belongings;

-- Same columns, in another order: only rows that differ are written; view and table keep their places and their identity.
SELECT pg_tviews_create_or_replace('post', 'SELECT CASE WHEN p.pk_post = 2 THEN upper(p.title) ELSE p.title END AS title, u.name, p.fk_user, p.id, p.pk_post
  FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user WHERE p.pk_post <> 3');
SELECT 'tv_post'::regclass::oid = :t AS same_table, 'v_post'::regclass::oid = :v AS same_view;
SELECT * FROM tv_post ORDER BY 1;
SELECT * FROM tviews_oracle();
TABLE kept EXCEPT TABLE belongings;
TABLE belongings EXCEPT TABLE kept;
-- Without a change nothing is written.
SELECT pg_tviews_create_or_replace('rp.tv_post', 'SELECT CASE WHEN p.pk_post = 2 THEN upper(p.title) ELSE p.title END AS title, u.name, p.fk_user, p.id, p.pk_post
  FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user WHERE p.pk_post <> 3');
UPDATE tb_user SET name = 'new' WHERE pk_user = 1;
SELECT pg_tviews_wait('30 s');
SELECT * FROM tviews_oracle();

-- Columns come, in the middle of the query and with their index; a set operation.
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.price, p.id, p.fk_user, u.name, p.title, p.fk_user + 1 AS fk_next FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
TABLE shape;
SELECT 'v_post'::regclass::oid = :v AS same_view;
TABLE kept EXCEPT TABLE belongings;
SELECT kind, what FROM (TABLE belongings EXCEPT TABLE kept) x;
SELECT * FROM tv_post ORDER BY 1;
SELECT * FROM tviews_oracle();

-- Columns go and change their type: the view is made anew, with all that was on it.
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name::varchar(20) AS name, p.title, p.price::float8 AS price FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
TABLE shape;
SELECT 'tv_post'::regclass::oid = :t AS same_table, 'v_post'::regclass::oid = :v AS same_view;
TABLE kept EXCEPT TABLE belongings;
TABLE belongings EXCEPT TABLE kept;
SELECT * FROM tv_post ORDER BY 1;
SELECT * FROM tviews_oracle();
TABLE meta;
UPDATE tb_post SET price = price + 1 WHERE pk_post = 5;
SELECT pg_tviews_wait('30 s');
SELECT price FROM tv_post WHERE pk_post = 5;

-- What is used cannot go, what cannot follow is refused; everything is as before.
SELECT state_of('post') AS state \gset
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, id, title FROM tb_post');
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name, 1 AS title FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, 1 AS name, p.price FROM tb_post p');
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, u.name, ''x'' AS stars FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, u.name, p.price, 1 AS length FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
\set VERBOSITY sqlstate
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, u.name, p.price, now() AS at FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
\set VERBOSITY default
\set VERBOSITY sqlstate
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, p.price, u.name FROM tb_post p JOIN tb_user u ON u.pk_user <> p.fk_user');
\set VERBOSITY default
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, u.name, p.price FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user UNION ALL SELECT pk_post, id, fk_user, title, title, price FROM tb_post');
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, id, fk_user, title, name, price FROM tv_post');
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, id, fk_user, title, name, price FROM v_post WHERE pk_post > 1');
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, u.name, (1 / (p.price - 2))::float8 AS price FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
CREATE VIEW over_view AS SELECT title FROM v_post;
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, u.name FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
DROP VIEW over_view;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, title FROM tb_post');
ROLLBACK;
GRANT USAGE, CREATE ON SCHEMA rp TO rp_owner;
SET ROLE rp_owner;
SELECT pg_tviews_create_or_replace('post', 'SELECT 1 AS pk_post');
RESET ROLE;
REVOKE ALL ON SCHEMA rp FROM rp_owner;
-- In a savepoint, and what follows works.
BEGIN;
SAVEPOINT a;
\set VERBOSITY sqlstate
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, p.title, u.name, p.price FROM tb_post p, tb_user u');
\set VERBOSITY default
ROLLBACK TO a;
ALTER TABLE tv_post DROP COLUMN name;
ROLLBACK;
SELECT state_of('post') = :'state' AS all_as_before;
DROP TRIGGER note ON tv_post;

-- A column of the user's becomes the view's.
ALTER TABLE tv_post ADD COLUMN email text;
UPDATE tv_post SET email = 'mine';
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name, p.title, p.price, u.email FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user');
SELECT pk_post, email FROM tv_post ORDER BY 1;
UPDATE tv_post SET email = 'mine' WHERE pk_post = 1;
SELECT pg_tviews_wait('30 s');
SELECT * FROM tviews_oracle();

-- In the background: registered at once.
BEGIN;
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name, lower(p.title) AS title, p.price, u.email FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', '{"build": "background", "min_interval": "1 ms"}');
TABLE meta;
COMMIT;
SELECT pg_tviews_wait('30 s');
TABLE meta;
SELECT * FROM tviews_oracle();

-- Options: those left out are the defaults, storage that is left out stays.
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name, p.title, p.price, u.email FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', '{"fillfactor": 66, "settings": {"TimeZone": "Asia/Tokyo"}}');
SELECT meta.options, (SELECT reloptions FROM pg_class WHERE oid = 'tv_post'::regclass), c.settings[array_position(c.settings, 'TimeZone') + 1] FROM meta JOIN pg_tview_catalog c ON c.tview = 'tv_post'::regclass WHERE meta.entity = 'post';
SELECT operation, details #- '{after,definition}' #- '{before,definition}' AS details FROM pg_tview_audit WHERE entity = 'post' ORDER BY log_id DESC LIMIT 1;
DROP TABLE follows;
DROP PUBLICATION rp_pub;
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name, p.title, p.price, u.email FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', '{"unlogged": true}');
SELECT relpersistence, reloptions FROM pg_class WHERE oid = 'tv_post'::regclass;
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name, p.title, p.price, u.email FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', '{"unlogged": false}');
SELECT relpersistence, reloptions FROM pg_class WHERE oid = 'tv_post'::regclass;
SELECT * FROM tviews_oracle();

-- Another key: rows are matched by the old one, the user's values stay.
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.id, p.fk_user, u.name, p.title, p.price, u.email FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', '{"key": "id"}');
SELECT key_columns FROM meta;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'tv_post'::regclass AND contype <> 'n';
SELECT pk_post, stars FROM tv_post ORDER BY 1;
UPDATE tb_post SET title = 'by id' WHERE pk_post = 4;
DELETE FROM tb_post WHERE pk_post = 6;
INSERT INTO tb_post VALUES (7, '00000000-0000-0000-0000-000000000007', 1, 'seven', 7);
SELECT pg_tviews_wait('30 s');
SELECT * FROM tviews_oracle();
-- The old key does not tell the rows apart: refused while the user has columns.
SELECT pg_tviews_create_or_replace('post', 'SELECT fk_user, count(*) AS n FROM tb_post WHERE fk_user > 0 GROUP BY fk_user', '{"key": "fk_user"}');
DROP VIEW over;
DROP POLICY p ON tv_post;
DROP INDEX mine, mine_too;
DROP STATISTICS mine_stat;
ALTER TABLE tv_post DROP COLUMN stars, DROP COLUMN length;
SELECT pg_tviews_create_or_replace('post', 'SELECT fk_user, count(*) AS n FROM tb_post WHERE fk_user > 0 GROUP BY fk_user', '{"key": "fk_user"}');
TABLE shape;
SELECT * FROM tv_post ORDER BY 1;
UPDATE tb_post SET fk_user = 2 WHERE pk_post = 1;
SELECT pg_tviews_wait('30 s');
SELECT * FROM tviews_oracle();
SELECT state_of('post') AS state \gset
SELECT pg_tviews_create_or_replace('post', 'SELECT fk_user, title FROM tb_post WHERE fk_user > 0', '{"key": "fk_user"}');
CREATE TABLE refers (fk int REFERENCES tv_post (fk_user));
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, title FROM tb_post');
DROP TABLE refers;
SELECT state_of('post') = :'state' AS all_as_before;
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, title FROM tb_post');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'tv_post'::regclass AND contype <> 'n';
SELECT state_of('post') AS state \gset
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, title, fk_user FROM tb_post WHERE fk_user > 0', '{"key": "fk_user"}');
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, title, id FROM tb_post', '{"key": "id", "build": "background"}');
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, title, id FROM tb_post', '{"key": "nothing"}');
SELECT state_of('post') = :'state' AS all_as_before;
SELECT * FROM tviews_oracle();

-- TVIEWs over it: whole rows follow, levels are computed again, a cycle is refused.
SELECT pg_tviews_create('wide', 'SELECT pk_post AS pk_wide, to_jsonb(p) AS data FROM tv_post p');
SELECT pg_tviews_create('top', 'SELECT pk_wide AS pk_top, data FROM tv_wide');
SELECT pg_tviews_create('names', 'SELECT pk_user AS pk_names, name FROM tb_user');
SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, p.title, n.name FROM tb_post p JOIN tv_names n ON n.pk_names = p.fk_user');
SELECT entity, level, reads FROM meta;
SELECT pg_tviews_wait('30 s');
SELECT data FROM tv_top WHERE pk_top = 1;
UPDATE tb_user SET name = 'through' WHERE pk_user = 2;
SELECT pg_tviews_wait('30 s');
SELECT data FROM tv_top WHERE pk_top = 1;
SELECT * FROM tviews_oracle();
SELECT pg_tviews_create_or_replace('names', 'SELECT pk_top AS pk_names, data::text AS name FROM tv_top');
SELECT entity, level, reads FROM meta;
-- Tables that are not read any more lose their trigger.
SELECT pg_tviews_create_or_replace('names', 'SELECT pk_post AS pk_names, title AS name FROM tb_post');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname ~ '^pg_tviews_capture' AND tgrelid = 'tb_user'::regclass;
SELECT pg_tviews_wait('30 s');
SELECT * FROM tviews_oracle();

-- Views of the user's own.
CREATE VIEW w AS SELECT pk_user AS pk_own, name FROM tb_user;
SELECT pg_tviews_create('own', 'SELECT * FROM w');
CREATE OR REPLACE VIEW w AS SELECT pk_user AS pk_own, upper(name) AS name, email FROM tb_user;
SELECT pg_tviews_wait('30 s');
TABLE tv_own ORDER BY 1;
SELECT pg_tviews_create_or_replace('own', 'SELECT * FROM w');
CREATE VIEW w2 AS SELECT pk_user AS pk_own, name FROM tb_user WHERE pk_user > 1;
SELECT pg_tviews_create_or_replace('own', 'SELECT * FROM w2');
TABLE tv_own ORDER BY 1;
DROP VIEW w;
DROP VIEW w2;
SELECT pg_tviews_create_or_replace('own', 'SELECT pk_own, name || ''!'' AS name FROM w2');
SELECT view, reads FROM meta WHERE entity = 'own';
SELECT pg_tviews_create_or_replace('own', 'SELECT * FROM w2');
SELECT to_regclass('v_own');
CREATE VIEW v_own AS SELECT 1 AS one;
SELECT pg_tviews_create_or_replace('own', 'SELECT pk_own, name || ''!'' AS name FROM w2');
DROP VIEW v_own;
SELECT * FROM tviews_oracle();

-- DDL by other roads on owned and own columns.
ALTER TABLE tv_own ADD COLUMN mine int, ADD COLUMN email int;
ALTER TABLE tv_own DROP COLUMN name;
ALTER TABLE tv_own RENAME COLUMN name TO nom;
ALTER TABLE tv_own ALTER COLUMN name TYPE varchar(3);
ALTER TABLE tv_own ALTER COLUMN name TYPE text COLLATE "C";
ALTER TABLE tv_own ALTER COLUMN mine TYPE bigint;
ALTER TABLE tv_own RENAME COLUMN mine TO yours;
CREATE OR REPLACE VIEW w2 AS SELECT pk_user AS pk_own, name, email FROM tb_user WHERE pk_user > 1;
CREATE OR REPLACE VIEW w2 AS SELECT pk_user AS pk_own, name, 5::bigint AS yours FROM tb_user WHERE pk_user > 1;
SELECT pg_tviews_wait('30 s');
TABLE tv_own ORDER BY 1;
ALTER TABLE tv_own DROP COLUMN email;
SELECT * FROM tviews_oracle();

-- Of somebody else, as superuser: view and table stay theirs.
GRANT ALL ON SCHEMA rp TO rp_owner;
GRANT SELECT, TRIGGER ON tb_user TO rp_owner;
SET ROLE rp_owner;
SELECT pg_tviews_create('theirs', 'SELECT pk_user AS pk_theirs, name FROM rp.tb_user');
RESET ROLE;
SELECT pg_tviews_create_or_replace('theirs', 'SELECT pk_user AS pk_theirs, email FROM rp.tb_user');
SELECT relname, relowner::regrole FROM pg_class WHERE relname ~ '^t?v_theirs' AND relkind IN ('r', 'v') ORDER BY 1;
SELECT pg_tviews_create_or_replace('theirs', 'SELECT pk_post AS pk_theirs, title FROM rp.tb_post');
SELECT * FROM tviews_oracle();
-- Another schema's TVIEW is not meant by an unqualified name; a table that is no TVIEW is left alone.
CREATE SCHEMA rp2;
SET search_path = rp2, rp, public;
SELECT pg_tviews_create_or_replace('theirs', 'SELECT pk_user AS pk_theirs, name FROM rp.tb_user');
CREATE TABLE tv_plain (pk_plain int);
SELECT pg_tviews_create_or_replace('plain', 'SELECT pk_user AS pk_plain FROM rp.tb_user');
SET search_path = rp, public;
DROP SCHEMA rp2 CASCADE;
DROP SCHEMA rp CASCADE;
DROP ROLE rp_reader, rp_owner;
SELECT count(*) FROM pg_tview_mapping;
