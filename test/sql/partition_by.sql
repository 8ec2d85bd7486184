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
-- A partition of the user's beside the DEFAULT one; rows move as their columns change.
BEGIN;
ALTER TABLE tv_event DETACH PARTITION tv_event_default;
CREATE TABLE tv_event_2024_03 PARTITION OF tv_event FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
INSERT INTO tv_event SELECT * FROM tv_event_default WHERE at >= '2024-03-01' AND at < '2024-04-01';
DELETE FROM tv_event_default WHERE at >= '2024-03-01' AND at < '2024-04-01';
ALTER TABLE tv_event ATTACH PARTITION tv_event_default DEFAULT;
COMMIT;
UPDATE tb_event SET at = '2024-03-15' WHERE pk_event IN (1, 7);
UPDATE tb_event SET title = upper(title), at = NULL WHERE pk_event = 4;
INSERT INTO tb_event VALUES (8, '00000000-0000-0000-0000-000000000008', 2, '2024-03-02', 'new');
DELETE FROM tb_event WHERE pk_event = 3;
SELECT pg_tviews_wait();
SELECT tableoid::regclass, pk_event, at, title FROM tv_event ORDER BY 2;
SELECT * FROM tviews_oracle();
-- Another key and back: no second index on the first one.
SELECT pg_tviews_create('event', 'SELECT 1 AS pk_event');
SELECT pg_tviews_create_or_replace('event', 'SELECT pk_event, at, title FROM tb_event WHERE at IS NOT NULL', '{"key": ["pk_event", "at"]}');
SELECT pg_tviews_create_or_replace('event', 'SELECT pk_event, at, title FROM tb_event WHERE at IS NOT NULL');
SELECT indexdef FROM indexes WHERE indexdef LIKE '% ON ONLY %' ORDER BY 1;
UPDATE tb_event SET at = at + 30;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
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
