-- Every definition of a list follows every other one on the same TVIEW, with writes before, between and after: the table equals its
-- view, place by place, and is the same table to the end.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA redefined;
SET search_path = redefined, public;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text NOT NULL);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(), fk_user int NOT NULL REFERENCES tb_user, title text NOT NULL, score int NOT NULL);
CREATE INDEX ON tb_post (fk_user);
INSERT INTO tb_user SELECT g, 'u' || g FROM generate_series(1, 4) g;
INSERT INTO tb_post (pk_post, fk_user, title, score) SELECT g, 1 + g % 4, 't' || g, g FROM generate_series(1, 20) g;

CREATE TABLE definitions (n int PRIMARY KEY, query text, options text);
INSERT INTO definitions VALUES
  (1, 'SELECT pk_post, id, fk_user, title FROM tb_post', '{}'),
  (2, 'SELECT title, score::numeric(12,2) AS score, fk_user, pk_post FROM tb_post WHERE score > 3', '{}'),
  (3, 'SELECT p.pk_post, p.score::bigint AS score, u.name, jsonb_build_object(''title'', p.title, ''user'', u.name) AS data FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user', '{"min_interval": "1 ms"}'),
  (4, 'SELECT u.name, u.pk_user AS fk_user, count(*) AS posts, sum(p.score) AS score FROM tb_user u JOIN tb_post p ON p.fk_user = u.pk_user GROUP BY u.pk_user', '{"key": "fk_user"}'),
  (5, 'SELECT id, upper(title) AS title, pk_post FROM tb_post', '{"key": "id"}'),
  (6, 'SELECT ''post''::text AS kind, pk_post, title FROM tb_post UNION ALL SELECT ''user'', pk_user, name FROM tb_user', '{"key": ["kind", "pk_post"]}'),
  (7, 'SELECT pk_post, array_agg(fk_user) AS users, (SELECT count(*) FROM tb_user) AS all_users FROM tb_post GROUP BY pk_post', '{"on_unkeyed": "full"}');
SELECT plan((SELECT 2 * count(*)::int FROM definitions a JOIN definitions b ON a.n <> b.n) + 1);

CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  n bigint;
BEGIN
  EXECUTE 'SELECT count(*) FROM ((TABLE v_post EXCEPT ALL TABLE tv_post) UNION ALL (TABLE tv_post EXCEPT ALL TABLE v_post)) d' INTO n;
  RETURN n;
END $$;
CREATE FUNCTION disturb() RETURNS void LANGUAGE sql AS $$
  UPDATE tb_user SET name = name || '.' WHERE pk_user = 2;
  UPDATE tb_post SET score = score + 1, fk_user = 1 + fk_user % 4 WHERE pk_post % 5 = 0;
  DELETE FROM tb_post WHERE pk_post = (SELECT min(pk_post) FROM tb_post);
  INSERT INTO tb_post (pk_post, fk_user, title, score) SELECT max(pk_post) + 1, 3, 'new', 5 FROM tb_post;
$$;
SELECT pg_tviews_create('post', 'SELECT pk_post FROM tb_post');
SELECT 'tv_post'::regclass::oid AS made \gset

SELECT format('SELECT pg_tviews_create_or_replace(''post'', %L, %L)', a.query, a.options) AS first, 'SELECT disturb()' AS before,
       format('SELECT pg_tviews_create_or_replace(''post'', %L, %L)', b.query, b.options) AS second,
       format('SELECT is(differences(), 0::bigint, ''%s to %s: exact at once'')', a.n, b.n) AS at_once,
       'SELECT disturb()' AS after, 'SELECT pg_tviews_wait(''30 s'')' AS wait,
       format('SELECT is(differences(), 0::bigint, ''%s to %s: exact after writes'')', a.n, b.n) AS later
FROM definitions a JOIN definitions b ON a.n <> b.n ORDER BY a.n, b.n
\gexec
SELECT is('tv_post'::regclass::oid, :made::oid, 'it is the same table');

SELECT * FROM finish();
DROP SCHEMA redefined CASCADE;
