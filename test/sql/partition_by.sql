-- The option partition_by: TVIEWs whose table is partitioned.
CREATE SCHEMA pb;
SET search_path = pb, public;
CREATE TABLE tb_event (pk_event int PRIMARY KEY, id uuid NOT NULL, fk_user int, at date, title text);
INSERT INTO tb_event SELECT i, ('00000000-0000-0000-0000-00000000000' || i)::uuid, i % 3, date '2024-01-01' + i * 20, 'event ' || i FROM generate_series(1, 6) i;
INSERT INTO tb_event VALUES (7, '00000000-0000-0000-0000-000000000007', 1, NULL, 'never');
CREATE VIEW shape AS SELECT c.relname, c.relkind, c.relpersistence, pg_get_partkeydef(c.oid) AS by, pg_get_expr(c.relpartbound, c.oid) AS bound, c.reloptions
  FROM pg_class c WHERE relnamespace = 'pb'::regnamespace AND relname LIKE 'tv\_%' AND relkind IN ('r', 'p');
CREATE VIEW indexes AS SELECT indexdef FROM pg_indexes WHERE schemaname = 'pb' AND tablename LIKE 'tv\_%';

-- By range: the key cannot be unique, an index leads to it.
SELECT pg_tviews_create('event', 'SELECT pk_event, id, fk_user, at, title FROM tb_event', '{"partition_by": "RANGE (at)", "fillfactor": 70}');
SELECT * FROM shape ORDER BY 1;
SELECT * FROM indexes ORDER BY 1;
SELECT tableoid::regclass, count(*) FROM tv_event GROUP BY 1;
SELECT c.relname, tgname, tgenabled, tgnargs FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE relname LIKE 'tv\_event%' AND NOT tgisinternal ORDER BY 1, 2;
SELECT entity, state, options FROM pg_tview_meta WHERE schema_name = 'pb';
DROP TABLE tv_event;
SELECT count(*) FROM shape;
-- By list, on a column of the key: unique.  By hash.
SELECT pg_tviews_create('event', 'SELECT pk_event, fk_user, title FROM tb_event', '{"partition_by": "list(pk_event)", "unlogged": true, "indexes": false}');
SELECT * FROM shape ORDER BY 1;
SELECT * FROM indexes ORDER BY 1;
DROP TABLE tv_event;
SELECT pg_tviews_create('event', 'SELECT pk_event, title AS "T 1", fk_user FROM tb_event', '{"partition_by": "HASH (\"T 1\", pk_event)"}');
SELECT relname, by, bound FROM shape ORDER BY 1;
SELECT count(*) FROM tv_event;
DROP TABLE tv_event;

-- Two rows with one key in different partitions; a NULL in the key; columns that are not there; what is no partitioning.
\set VERBOSITY terse
SET client_min_messages = error;
SELECT pg_tviews_create('u', 'SELECT fk_user AS pk_u, at, title FROM tb_event', '{"partition_by": "RANGE (at)", "on_unkeyed": "full"}');
SELECT pg_tviews_create('u', 'SELECT title AS pk_u, at, title FROM (SELECT NULLIF(title, ''never'') AS title, at FROM tb_event) x', '{"partition_by": "RANGE (at)", "on_unkeyed": "full"}');
RESET client_min_messages;
\set VERBOSITY default
SELECT pg_tviews_create('event', 'SELECT pk_event, title FROM tb_event', '{"partition_by": "RANGE (at)"}');
SELECT pg_tviews_create('event', 'SELECT pk_event, title FROM tb_event', '{"partition_by": "LIST (pk_event, title)"}');
SELECT pg_tviews_create('event', 'SELECT pk_event, title FROM tb_event', '{"partition_by": "RANGE (pk_event); DROP TABLE tb_event"}');
SELECT pg_tviews_create('event', 'SELECT pk_event, title FROM tb_event', '{"partition_by": "RANGE (lower(title))"}');
SELECT pg_tviews_create('event', 'SELECT pk_event, title FROM tb_event', '{"partition_by": "TREE (title)"}');
SELECT pg_tviews_create('event', 'SELECT pk_event, title FROM tb_event', '{"partition_by": ""}');
SELECT pg_tviews_create('event', 'SELECT pk_event, title FROM tb_event', '{"partition_by": 5}');
SELECT count(*) FROM shape;
DROP SCHEMA pb CASCADE;
