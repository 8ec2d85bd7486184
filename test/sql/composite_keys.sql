-- Keys of several columns: creation, indexes, errors.
CREATE SCHEMA ck;
SET search_path = ck, public;
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, title text, at timestamptz);
CREATE TABLE tb_page (pk_page int PRIMARY KEY, fk_user int, title text);
INSERT INTO tb_post SELECT i, i % 2, 'post ' || i, timestamptz '2024-01-01 10:00+00' + i * interval '10 hours' FROM generate_series(1, 4) i;
INSERT INTO tb_page VALUES (1, 1, 'page 1');
CREATE VIEW v_feed AS SELECT 'post' AS kind, pk_post AS "P k", fk_user, title FROM tb_post UNION ALL SELECT 'page', pk_page, fk_user, title FROM tb_page;
CREATE VIEW indexes AS SELECT indexdef FROM pg_indexes WHERE schemaname = 'ck' AND tablename LIKE 'tv\_%';

-- In the order of the option, not of the view; quoted names.
SELECT pg_tviews_create('feed', 'SELECT * FROM v_feed', '{"key": ["P k", "kind"]}');
SELECT * FROM indexes ORDER BY 1;
SELECT key_columns, options FROM pg_tview_meta WHERE schema_name = 'ck';
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'tv_feed'::regclass AND attnum > 0 ORDER BY attnum;
SELECT encode(tgargs, 'escape') ~ '"P k", kind' AS carried FROM pg_trigger WHERE tgrelid = 'tv_feed'::regclass AND tgname = 'pg_tviews_capture';
SELECT base_table, capture_columns, kind FROM pg_tviews_explain('feed') ORDER BY 1, 2;
INSERT INTO tb_page VALUES (2, 1, 'page 2');
UPDATE tb_post SET title = 'POST 1' WHERE pk_post = 1;
DELETE FROM tb_post WHERE pk_post = 2;
SELECT pg_tviews_wait();
SELECT * FROM tv_feed ORDER BY 1, 2;
SELECT * FROM tviews_oracle();

-- A key column that is an expression.
SELECT pg_tviews_create('day', 'SELECT date_trunc(''day'', at) AS day, fk_user, count(*) AS n FROM tb_post GROUP BY 1, 2', '{"key": ["day", "fk_user"], "settings": {"TimeZone": "UTC"}}');
SELECT * FROM tv_day ORDER BY 1, 2;
INSERT INTO tb_post VALUES (5, 1, 'five', '2024-01-02 23:00+00');
UPDATE tb_post SET at = at + interval '1 day' WHERE pk_post = 1;
SELECT pg_tviews_wait();
SELECT * FROM tv_day ORDER BY 1, 2;

-- NULL in one of the columns; two rows with one key; the id of a key is not unique alone.
\set VERBOSITY terse
SET client_min_messages = error;
SELECT pg_tviews_create('null', 'SELECT pk_post AS a, NULLIF(fk_user, 0) AS b FROM tb_post', '{"key": ["a", "b"], "on_unkeyed": "full"}');
\set VERBOSITY default
SELECT pg_tviews_create('twice', 'SELECT fk_user, ''x'' AS kind FROM tb_post WHERE fk_user = 1', '{"key": ["kind", "fk_user"], "on_unkeyed": "full"}');
RESET client_min_messages;
CREATE TABLE tb_tag (id uuid, tag text, PRIMARY KEY (id, tag));
INSERT INTO tb_tag VALUES ('00000000-0000-0000-0000-000000000001', 'a'), ('00000000-0000-0000-0000-000000000001', 'b');
SELECT pg_tviews_create('tag', 'SELECT tag, id FROM tb_tag', '{"key": ["tag", "id"]}');
SELECT * FROM indexes WHERE indexdef LIKE '%tv\_tag%' ORDER BY 1;
SELECT pg_tviews_create('feed2', 'SELECT * FROM v_feed', '{"key": ["kind", "pk"]}');

-- Adopted: the primary key of the table is the key, in whatever order.
CREATE TABLE tv_old (title text, kind text, pk int, likes int DEFAULT 0, PRIMARY KEY (kind, pk));
INSERT INTO tv_old VALUES ('POST 1', 'post', 1, 7), ('wrong', 'post', 3, 8), ('gone', 'page', 9, 9);
SELECT pg_tviews_adopt('tv_old', 'SELECT kind, "P k" AS pk, title FROM v_feed');
SELECT * FROM tv_old ORDER BY kind, pk;
SELECT key_columns FROM pg_tview_meta WHERE entity = 'old';
UPDATE tb_post SET title = 'once more' WHERE pk_post = 3;
SELECT pg_tviews_wait();
SELECT * FROM tv_old WHERE pk = 3;
SELECT * FROM tviews_oracle();
DROP SCHEMA ck CASCADE;
