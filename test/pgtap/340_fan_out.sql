-- How many rows are refreshed for a change of one row: as many as it fans out to, however many there are.
-- A mapping that answers too much is exact and slow, so nothing else would notice.
\set QUIET 1
SET client_min_messages = warning;
CREATE SCHEMA fan;
SET search_path = fan, public;

-- 400 users with 3 posts each, 2 tags a post, a tag on 6 posts; 20 organizations of 20 users; chains of 4 users below one another.
CREATE TABLE tb_org (pk_org int PRIMARY KEY, name text);
CREATE TABLE tb_user (pk_user int PRIMARY KEY, fk_org int, fk_boss int, email text, name text, at timestamptz);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, refs int[], doc jsonb, title text, n int, at timestamptz);
CREATE TABLE tb_tag (pk_tag int PRIMARY KEY, name text);
CREATE TABLE tb_post_tag (fk_post int, fk_tag int, PRIMARY KEY (fk_post, fk_tag));
INSERT INTO tb_org SELECT g, 'org ' || g FROM generate_series(1, 20) g;
INSERT INTO tb_user SELECT g, g % 20 + 1, CASE WHEN g % 4 <> 1 THEN g - 1 END, 'User' || g, 'user ' || g, '2026-01-01Z'::timestamptz + g * interval '1 day'
  FROM generate_series(1, 400) g;
INSERT INTO tb_post SELECT g, g % 400 + 1, ARRAY[g % 400 + 1, NULL], jsonb_build_object('user', (g % 400 + 1)::text), 'post ' || g, g, '2026-01-01Z'::timestamptz + g % 400 * interval '1 day'
  FROM generate_series(1, 1200) g;
INSERT INTO tb_tag SELECT g, 'tag ' || g FROM generate_series(1, 400) g;
INSERT INTO tb_post_tag SELECT p, (p + t * 7) % 400 + 1 FROM generate_series(1, 1200) p, generate_series(0, 1) t;
CREATE INDEX ON tb_user (fk_org);
CREATE INDEX ON tb_user (fk_boss);
CREATE INDEX ON tb_post (fk_user);
CREATE INDEX ON tb_post_tag (fk_tag);
CREATE VIEW per_user AS SELECT fk_user, count(*) AS n, max(title) AS last FROM tb_post GROUP BY fk_user;

-- `most`: the keys that may be refreshed.  `change` is undone by nothing: each shape starts from what the last one left.
CREATE TABLE shape (number int GENERATED ALWAYS AS IDENTITY, name text, key text, query text, change text, most int);
INSERT INTO shape (name, key, query, change, most) VALUES
  ('the row itself', '"k"', 'SELECT pk_user AS k, name FROM tb_user', $$UPDATE tb_user SET name = 'x' WHERE pk_user = 7$$, 1),
  ('a parent', '"k"', 'SELECT p.pk_post AS k, u.name FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', $$UPDATE tb_user SET name = 'y' WHERE pk_user = 7$$, 3),
  ('a parent of the parent', '"k"', 'SELECT p.pk_post AS k, o.name FROM tb_post p LEFT JOIN tb_user u ON u.pk_user = p.fk_user LEFT JOIN tb_org o ON o.pk_org = u.fk_org', $$UPDATE tb_org SET name = 'y' WHERE pk_org = 7$$, 60),
  ('a child, grouped', '"k"', 'SELECT u.pk_user AS k, count(p.n), max(p.title) FROM tb_user u LEFT JOIN tb_post p ON p.fk_user = u.pk_user GROUP BY u.pk_user', $$UPDATE tb_post SET title = 'x' WHERE pk_post = 7$$, 1),
  ('a child that moves', '"k"', 'SELECT u.pk_user AS k, (SELECT max(p.title) FROM tb_post p WHERE p.fk_user = u.pk_user) FROM tb_user u', $$UPDATE tb_post SET fk_user = 20 WHERE pk_post = 7$$, 2),
  ('a new child', '"k"', 'SELECT u.pk_user AS k, ARRAY(SELECT p.title FROM tb_post p WHERE p.fk_user = u.pk_user ORDER BY 1) FROM tb_user u', $$INSERT INTO tb_post (pk_post, fk_user) VALUES (2000, 7)$$, 1),
  ('beyond a junction', '"k"', 'SELECT p.pk_post AS k, string_agg(t.name, '','' ORDER BY t.name) FROM tb_post p LEFT JOIN tb_post_tag j ON j.fk_post = p.pk_post LEFT JOIN tb_tag t ON t.pk_tag = j.fk_tag GROUP BY p.pk_post', $$UPDATE tb_tag SET name = 'x' WHERE pk_tag = 7$$, 6),
  ('a row of the junction', '"k"', 'SELECT t.pk_tag AS k, (SELECT count(*) FROM tb_post_tag j JOIN tb_post p ON p.pk_post = j.fk_post WHERE j.fk_tag = t.pk_tag) FROM tb_tag t', $$DELETE FROM tb_post_tag WHERE (fk_post, fk_tag) = (7, 8)$$, 1),
  ('a join by two columns', '"k"', 'SELECT u.pk_user AS k, (SELECT max(v.name) FROM tb_user v WHERE v.fk_org = u.fk_org AND v.fk_boss = u.fk_boss) FROM tb_user u', $$UPDATE tb_user SET name = 'two' WHERE pk_user = 26$$, 1),
  ('EXISTS', '"k"', 'SELECT u.pk_user AS k FROM tb_user u WHERE EXISTS (SELECT FROM tb_post p WHERE p.fk_user = u.pk_user AND p.n > 3)', $$UPDATE tb_post SET n = 1 WHERE pk_post = 9$$, 1),
  ('NOT EXISTS', '"k"', 'SELECT u.pk_user AS k FROM tb_user u WHERE NOT EXISTS (SELECT FROM tb_post p WHERE p.fk_user = u.pk_user AND p.n > 1000)', $$UPDATE tb_post SET n = 1 WHERE pk_post = 1100$$, 1),
  ('IN', '"k"', 'SELECT u.pk_user AS k FROM tb_user u WHERE u.pk_user IN (SELECT p.fk_user FROM tb_post p WHERE p.n > 3)', $$UPDATE tb_post SET n = 1 WHERE pk_post = 10$$, 1),
  ('LATERAL with LIMIT', '"k"', 'SELECT u.pk_user AS k, l.title FROM tb_user u LEFT JOIN LATERAL (SELECT p.title FROM tb_post p WHERE p.fk_user = u.pk_user ORDER BY p.n DESC LIMIT 1) l ON true', $$UPDATE tb_post SET n = 5000 WHERE pk_post = 11$$, 1),
  ('a grouped sub-select', '"k"', 'SELECT u.pk_user AS k, s.n FROM tb_user u LEFT JOIN (SELECT fk_user, sum(n) AS n FROM tb_post GROUP BY 1) s ON s.fk_user = u.pk_user', $$UPDATE tb_post SET n = 12 WHERE pk_post = 13$$, 1),
  ('a view', '"k"', 'SELECT u.pk_user AS k, v.n, v.last FROM tb_user u JOIN per_user v ON v.fk_user = u.pk_user', $$UPDATE tb_post SET title = 'z' WHERE pk_post = 14$$, 1),
  ('a CTE', '"k"', 'WITH s AS MATERIALIZED (SELECT fk_user, max(n) AS n FROM tb_post GROUP BY 1) SELECT u.pk_user AS k, s.n FROM tb_user u LEFT JOIN s ON s.fk_user = u.pk_user', $$UPDATE tb_post SET n = 9000 WHERE pk_post = 15$$, 1),
  ('DISTINCT ON by its partition', '"k"', 'SELECT DISTINCT ON (fk_user) fk_user AS k, title FROM tb_post WHERE fk_user IS NOT NULL ORDER BY fk_user, n DESC', $$UPDATE tb_post SET n = 7000 WHERE pk_post = 16$$, 1),
  ('DISTINCT ON by its row', '"k"', 'SELECT DISTINCT ON (fk_user) pk_post AS k, title FROM tb_post ORDER BY fk_user, n DESC, pk_post', $$UPDATE tb_post SET n = 7001 WHERE pk_post = 17$$, 4),
  ('a window', '"k"', 'SELECT pk_post AS k, rank() OVER (PARTITION BY fk_user ORDER BY n) FROM tb_post', $$UPDATE tb_post SET n = 7002 WHERE pk_post = 18$$, 4),
  ('a row that changes its window', '"k"', 'SELECT pk_post AS k, rank() OVER (PARTITION BY fk_user ORDER BY n) FROM tb_post', $$UPDATE tb_post SET fk_user = 40 WHERE pk_post = 19$$, 8),
  ('a window by two columns', '"k"', 'SELECT pk_user AS k, rank() OVER (PARTITION BY fk_org, fk_boss ORDER BY name) FROM tb_user', $$UPDATE tb_user SET name = 'w' WHERE pk_user = 6$$, 1),
  ('a window by two columns, one of them NULL', '"k"', 'SELECT pk_user AS k, rank() OVER (PARTITION BY fk_org, fk_boss ORDER BY name) FROM tb_user', $$UPDATE tb_user SET name = 'w' WHERE pk_user = 41$$, 20),
  ('DISTINCT ON two columns, by its row', '"k"', 'SELECT DISTINCT ON (fk_user, title) pk_post AS k, n FROM tb_post ORDER BY fk_user, title, n DESC, pk_post', $$UPDATE tb_post SET n = 7003 WHERE pk_post = 23$$, 1),
  ('a window over a join, by two columns of a parent', '"k"', 'SELECT p.pk_post AS k, rank() OVER (PARTITION BY u.fk_org, u.pk_user ORDER BY p.n) FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', $$UPDATE tb_post SET n = 7004 WHERE pk_post = 24$$, 3),
  ('UNION ALL', '["kind", "k"]', 'SELECT ''user'' AS kind, pk_user AS k, name FROM tb_user UNION ALL SELECT ''post'', p.pk_post, u.name FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', $$UPDATE tb_user SET name = 'z' WHERE pk_user = 50$$, 4),
  ('EXCEPT', '"k"', 'SELECT pk_user AS k FROM tb_user EXCEPT SELECT fk_user FROM tb_post WHERE n < 5', $$UPDATE tb_post SET n = 1 WHERE pk_post = 20$$, 1),
  ('FULL JOIN', '"k"', 'SELECT coalesce(u.pk_user, t.pk_tag) AS k, u.name, t.name AS tag FROM tb_user u FULL JOIN tb_tag t ON t.pk_tag = u.pk_user', $$UPDATE tb_tag SET name = 'y' WHERE pk_tag = 21$$, 1),
  ('a key of two tables', '["k", "k2"]', 'SELECT u.pk_user AS k, p.pk_post AS k2, u.name, p.title FROM tb_user u JOIN tb_post p ON p.fk_user = u.pk_user', $$UPDATE tb_user SET name = 'x' WHERE pk_user = 60$$, 4),
  ('an expression as key', '["k", "day"]', 'SELECT fk_user AS k, date_trunc(''day'', at) AS day, count(*), max(title) FROM tb_post WHERE fk_user IS NOT NULL AND at IS NOT NULL GROUP BY 1, 2', $$UPDATE tb_post SET title = 'y' WHERE pk_post = 22$$, 1),
  ('a join of expressions', '"k"', 'SELECT u.pk_user AS k, count(v.pk_user) FROM tb_user u LEFT JOIN tb_user v ON lower(v.email) = lower(u.email) GROUP BY u.pk_user', $$UPDATE tb_user SET email = 'USER23' WHERE pk_user = 24$$, 3),
  ('a document', '"k"', 'SELECT u.pk_user AS k, (SELECT max(p.title) FROM tb_post p WHERE p.doc ->> ''user'' = u.pk_user::text) FROM tb_user u', $$UPDATE tb_post SET title = 'z' WHERE pk_post = 25$$, 1),
  ('IS NOT DISTINCT FROM', '"k"', 'SELECT u.pk_user AS k, (SELECT max(p.title) FROM tb_post p WHERE p.fk_user IS NOT DISTINCT FROM u.pk_user) FROM tb_user u', $$UPDATE tb_post SET title = 'zz' WHERE pk_post = 26$$, 1),
  ('the parent of itself', '"k"', 'SELECT u.pk_user AS k, b.name, (SELECT count(c.name) FROM tb_user c WHERE c.fk_boss = u.pk_user) FROM tb_user u LEFT JOIN tb_user b ON b.pk_user = u.fk_boss', $$UPDATE tb_user SET name = 'w' WHERE pk_user = 102$$, 3);

SELECT plan((3 * count(*))::int) FROM shape;
CREATE TABLE begun (log_id bigint);
CREATE FUNCTION refreshed() RETURNS bigint LANGUAGE sql AS
  $$ SELECT coalesce(sum(l.keys), 0)::bigint FROM pg_tview_performance_log l WHERE l.entity = 'fan' AND l.log_id > (SELECT b.log_id FROM fan.begun b) $$;
SELECT format('SELECT pg_tviews_create(%L, %L, %L)', 'fan.tv_fan', query, format('{"key": %s}', key)),
       'SELECT pg_tviews_wait()',
       'TRUNCATE begun; INSERT INTO begun SELECT coalesce(max(l.log_id), 0) FROM pg_tview_performance_log l',
       change,
       'SELECT pg_tviews_wait()',
       format('SELECT cmp_ok(refreshed(), ''<='', %s::bigint, %L)', most, name || ': no more than it fans out to'),
       format('SELECT cmp_ok(refreshed(), ''>'', 0::bigint, %L)', name || ': something is refreshed'),
       format('SELECT is((SELECT count(*) FROM tviews_oracle()), 0::bigint, %L)', name || ': the TVIEW equals its view'),
       'SELECT pg_tviews_drop(''fan.tv_fan'')'
  FROM shape ORDER BY number \gexec
SELECT * FROM finish();
DROP SCHEMA fan CASCADE;
