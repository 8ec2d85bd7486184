-- Redefinition of every kind of TVIEW: keys of several columns, set operations, adopted and partitioned tables, timers, failing views.
CREATE SCHEMA rq; SET search_path = rq, public;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT '2020-01-01');
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int NOT NULL REFERENCES tb_user, title text NOT NULL);
CREATE INDEX ON tb_post (fk_user);
CREATE VIEW indexes AS SELECT indrelid::regclass AS tview, pg_get_indexdef(indexrelid) AS index FROM pg_index JOIN pg_class c ON c.oid = indrelid
  WHERE relnamespace = 'rq'::regnamespace AND relname ~ '^tv_' AND NOT relispartition ORDER BY 1::text, 2;
CREATE VIEW carried AS SELECT tgrelid::regclass::text AS tview, split_part(encode(tgargs, 'escape'), '\000', 2) AS key, split_part(encode(tgargs, 'escape'), '\000', 1) AS view
  FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'rq'::regnamespace AND relname ~ '^tv_' AND tgname ~ '^pg_tviews_capture(_root)?$' AND NOT relispartition ORDER BY 1;
INSERT INTO tb_user SELECT i, 'u' || i FROM generate_series(1, 3) i;
INSERT INTO tb_post SELECT i, 1 + i % 3, 't' || i FROM generate_series(1, 6) i;
CREATE TABLE tv_post AS SELECT pk_post, fk_user, title FROM tb_post;
ALTER TABLE tv_post ADD COLUMN stars int DEFAULT 7;
-- composite
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, fk_user, title FROM tb_post', '{"key": ["fk_user", "pk_post"]}');
SELECT index FROM indexes WHERE tview = 'tv_post'::regclass;
TABLE carried;
UPDATE tb_post SET fk_user = 3 WHERE pk_post = 1;
SELECT pg_tviews_wait('30 s'); SELECT * FROM tviews_oracle();
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, fk_user, title FROM tb_post', '{"key": ["pk_post", "fk_user"]}');
SELECT pg_tviews_create_or_replace('post', 'SELECT pk_post, fk_user, title FROM tb_post');
SELECT index FROM indexes WHERE tview = 'tv_post'::regclass;
TABLE carried;
-- feed with union, columns reordered and added
SELECT pg_tviews_create('feed', 'SELECT ''post''::text AS kind, pk_post AS pk, title FROM tb_post UNION ALL SELECT ''user'', pk_user, name FROM tb_user', '{"key": ["kind", "pk"]}');
SELECT pg_tviews_create_or_replace('feed', 'SELECT pk_post AS pk, upper(title) AS title, 1 AS extra, ''post''::text AS kind FROM tb_post UNION ALL SELECT pk_user, name, 2, ''user'' FROM tb_user ORDER BY 1', '{"key": ["kind", "pk"]}');
SELECT regexp_replace(pg_get_viewdef('v_feed'), '\m(query|tb_post|w)\.', '', 'g') AS definition; TABLE tv_feed ORDER BY 1, 2;
UPDATE tb_user SET name = name || '!'; SELECT pg_tviews_wait('30 s'); SELECT * FROM tviews_oracle();
SELECT pg_tviews_create_or_replace('feed', 'WITH w AS (SELECT * FROM tb_post) SELECT DISTINCT ON (fk_user) title, fk_user AS pk, ''x''::text AS kind FROM w ORDER BY fk_user, pk_post DESC', '{"key": "pk"}');
SELECT regexp_replace(pg_get_viewdef('v_feed'), '\m(query|tb_post|w)\.', '', 'g') AS definition; TABLE tv_feed ORDER BY 1, 2;
UPDATE tb_post SET pk_post = 100 + pk_post WHERE pk_post < 3; SELECT pg_tviews_wait('30 s'); SELECT * FROM tviews_oracle();
-- twice in a transaction, with own writes before
BEGIN;
UPDATE tb_user SET name = 'own' WHERE pk_user = 1;
SELECT pg_tviews_create_or_replace('u', 'SELECT pk_user AS pk_u, name FROM tb_user');
SELECT pg_tviews_create_or_replace('u', 'SELECT pk_user AS pk_u, name, at FROM tb_user');
INSERT INTO tb_user VALUES (4, 'in it');
SELECT pg_tviews_create_or_replace('u', 'SELECT pk_user AS pk_u, name AS nom FROM tb_user');
INSERT INTO tb_user VALUES (5, 'after it');
COMMIT;
SELECT pg_tviews_wait('30 s'); TABLE tv_u ORDER BY 1; SELECT * FROM tviews_oracle();
SELECT pg_tviews_create_or_replace('u', 'SELECT pk_user AS pk_u, name AS nom, at < now() AS old FROM tb_user', '{"refresh_every": "1 h"}');
TABLE tv_u ORDER BY 1;
SELECT pg_tviews_create_or_replace('u', 'SELECT pk_user AS pk_u, name AS nom FROM tb_user');
SELECT options FROM pg_tview_meta WHERE entity = 'u';
-- force RLS, new key that matches nothing
ALTER TABLE tv_u FORCE ROW LEVEL SECURITY; ALTER TABLE tv_u ENABLE ROW LEVEL SECURITY;
SELECT pg_tviews_create_or_replace('u', 'SELECT fk_user AS pk_u, pk_post AS n FROM tb_post', '{"key": "n"}');
TABLE tv_u ORDER BY 1;
-- adopted
CREATE TABLE tv_a (pk_a int PRIMARY KEY, name varchar(50), mine int DEFAULT 5, at timestamptz);
SELECT pg_tviews_adopt('tv_a', 'SELECT pk_user AS pk_a, name, at FROM tb_user');
TABLE tv_a ORDER BY 1;
SELECT pg_tviews_create_or_replace('a', 'SELECT pk_user AS pk_a, upper(name) AS name, 1 AS added FROM tb_user');
TABLE tv_a ORDER BY 1;
INSERT INTO tb_user VALUES (6, 'six'); SELECT pg_tviews_wait('30 s'); TABLE tv_a ORDER BY 1;
SELECT pg_tviews_create_or_replace('a', 'SELECT pk_user AS pk_a, 1 AS name, 1 AS added FROM tb_user');
SELECT pg_tviews_create_or_replace('a', 'SELECT pk_user AS pk_a, upper(name) AS name, pk_user AS added FROM tb_user', '{"key": "added"}');
SELECT index FROM indexes WHERE tview = 'tv_a'::regclass;
SELECT * FROM tviews_oracle();
-- partitioned
SELECT pg_tviews_create('part', 'SELECT pk_post AS pk_part, fk_user, title FROM tb_post', '{"partition_by": "LIST (fk_user)"}');
CREATE TABLE tv_part_1 PARTITION OF tv_part FOR VALUES IN (99);
SELECT pg_tviews_create_or_replace('part', 'SELECT pk_post AS pk_part, fk_user, 1 AS n, upper(title) AS up FROM tb_post');
SELECT pg_tviews_create_or_replace('part', 'SELECT pk_post AS pk_part, fk_user, 1 AS n, title AS up FROM tb_post', '{"partition_by": "LIST (fk_user)", "fillfactor": 55, "unlogged": true}');
SELECT relid, relpersistence, reloptions FROM pg_partition_tree('tv_part') JOIN pg_class ON oid = relid ORDER BY relid::text;
SELECT pg_tviews_create_or_replace('part', 'SELECT pk_post AS pk_part, fk_user, 1 AS n, title AS up FROM tb_post', '{"partition_by": "LIST (fk_user)", "unlogged": false}');
SELECT relid, relpersistence, reloptions FROM pg_partition_tree('tv_part') JOIN pg_class ON oid = relid ORDER BY relid::text;
SELECT pg_tviews_create_or_replace('part', 'SELECT pk_post AS pk_part, fk_user, 1 AS n, title AS up FROM tb_post', '{"partition_by": "LIST (n)"}');
SELECT pg_tviews_create_or_replace('part', 'SELECT pk_post AS pk_part, 1 AS n, title AS up FROM tb_post');
SELECT pg_tviews_create_or_replace('part', 'SELECT pk_post AS pk_part, fk_user, 1 AS n, title AS up FROM tb_post', '{"key": ["pk_part", "fk_user"]}');
SELECT index FROM indexes WHERE tview = 'tv_part'::regclass;
UPDATE tb_post SET fk_user = 1 WHERE pk_post = 4; SELECT pg_tviews_wait('30 s');
TABLE tv_part ORDER BY 1;
SELECT * FROM tviews_oracle();
TABLE carried;
SELECT entity, state FROM pg_tview_meta ORDER BY 1;
-- Keys that fail, mended by another definition: nothing stays parked.
CREATE TABLE tb_r (pk_r int PRIMARY KEY, a int, b int);
INSERT INTO tb_r VALUES (1, 1, 1), (2, 1, 1);
SELECT pg_tviews_create('r', 'SELECT pk_r, a / b AS q FROM tb_r');
UPDATE tb_r SET b = 0;
SET client_min_messages = error;
SELECT pg_tviews_wait('30 s');
RESET client_min_messages;
SELECT count(*) FROM pg_tview_parked_keys WHERE entity = 'r';
SELECT pg_tviews_create_or_replace('r', 'SELECT pk_r, a - b AS q FROM tb_r');
SELECT count(*) FROM pg_tview_parked_keys WHERE entity = 'r';
SELECT count(*) FROM pg_tview_deferred;
UPDATE tb_r SET b = pk_r;
SELECT pg_tviews_wait('30 s');
TABLE tv_r ORDER BY 1;
-- A type that another TVIEW uses.
SELECT pg_tviews_create('s', 'SELECT pk_r AS pk_s, q FROM tv_r');
SELECT pg_tviews_create_or_replace('r', 'SELECT pk_r, (a - b)::bigint AS q FROM tb_r');
SELECT pg_tviews_create_or_replace('r', 'SELECT pk_r FROM tb_r');
SELECT * FROM tviews_oracle();
SELECT count(*) FROM pg_tview_parked_keys;
DROP SCHEMA rq CASCADE;
