-- pg_tviews_suggest_indexes: statements that run as they are, and after which it is silent.
\set ECHO none
SET client_min_messages = warning;
CREATE SCHEMA adv;
SET search_path = adv, public;
\pset format unaligned
\set ECHO all
CREATE TABLE tb_author (pk_author int PRIMARY KEY, email text NOT NULL, pad text DEFAULT repeat('x', 500));
CREATE TABLE tb_post (pk_post int PRIMARY KEY, id uuid DEFAULT gen_random_uuid(), fk_author int, pad text DEFAULT repeat('x', 500));
CREATE TABLE tb_comment (pk_comment int PRIMARY KEY, fk_post int, written_by text, data jsonb, pad text DEFAULT repeat('x', 500));
CREATE TABLE tb_small (fk_post int, word text);
INSERT INTO tb_author SELECT g, 'A' || g || '@b.c' FROM generate_series(1, 300) g;
INSERT INTO tb_post SELECT g, gen_random_uuid(), g FROM generate_series(1, 300) g;
INSERT INTO tb_comment SELECT g, g, 'a' || g || '@b.c', jsonb_build_object('author', g) FROM generate_series(1, 300) g;
SELECT pg_tviews_create('tv_post', $$SELECT p.pk_post, p.id, p.fk_author, a.email,
  (SELECT count(*) FROM tb_comment c WHERE c.fk_post = p.pk_post) AS comments,
  (SELECT count(*) FROM tb_comment c WHERE (c.data->>'author')::int = a.pk_author) AS mentions,
  (SELECT count(*) FROM tb_comment c WHERE c.written_by = lower(a.email)) AS written,
  (SELECT count(*) FROM tb_small s WHERE s.fk_post = p.pk_post) AS words
  FROM tb_post p JOIN tb_author a ON a.pk_author = p.fk_author$$, '{"indexes": false}');
SELECT * FROM pg_tviews_suggest_indexes('post') ORDER BY 1;
-- An index that is partial does not count, nor one led by another column; one that is led by the column does.
CREATE INDEX ON tv_post (fk_author) WHERE fk_author > 0;
CREATE INDEX ON tb_comment (pad, fk_post);
SELECT count(*) FROM pg_tviews_suggest_indexes('post');
CREATE INDEX ON tv_post (id, fk_author);
CREATE INDEX ON tb_comment (fk_post, pad);
SELECT count(*) FROM pg_tviews_suggest_indexes('post');
DO $$ DECLARE s text; BEGIN FOR s IN SELECT index_suggestion FROM pg_tviews_suggest_indexes('post') LOOP EXECUTE s; END LOOP; END $$;
SELECT * FROM pg_tviews_suggest_indexes('post');
-- They are used.
SELECT mapping_query FROM pg_tviews_explain('post') WHERE mapping_query LIKE '%lower%';
SET enable_seqscan = off;
SET enable_bitmapscan = off;
PREPARE mapping(text[]) AS SELECT DISTINCT h2.pk_post FROM tb_author h1 JOIN tb_post h2 ON h2.fk_author = h1.pk_author WHERE lower(h1.email) = ANY ($1);
EXPLAIN (COSTS off) EXECUTE mapping('{a1@b.c}');
RESET enable_seqscan;
RESET enable_bitmapscan;
-- Long names are cut without clash, odd ones quoted; what another TVIEW looks up is found too.
CREATE TABLE "tb_Order" (pk_order int PRIMARY KEY, "fk_Customer_with_a_name_that_is_much_longer_than_it_should_be" int,
  "fk_Customer_with_a_name_that_is_much_longer_than_it_should_b2" int);
SELECT pg_tviews_create('adv."tv_Order with a long name"', 'SELECT * FROM "tb_Order"', '{"key": "pk_order", "indexes": false}');
SELECT * FROM pg_tviews_suggest_indexes('adv."tv_Order with a long name"') ORDER BY 1;
DO $$ DECLARE s text; BEGIN FOR s IN SELECT index_suggestion FROM pg_tviews_suggest_indexes('adv."tv_Order with a long name"') LOOP EXECUTE s; END LOOP; END $$;
SELECT count(*) FROM pg_tviews_suggest_indexes('adv."tv_Order with a long name"');
SELECT pg_tviews_create('tv_author', 'SELECT a.pk_author, (SELECT max(comments) FROM tv_post p WHERE p.email = a.email) AS most FROM tb_author a');
SELECT * FROM pg_tviews_suggest_indexes('author') ORDER BY 1;
-- A part of a key is completed from the stored rows.
CREATE TABLE tb_member (fk_team int, fk_user int, pad text DEFAULT repeat('x', 500), PRIMARY KEY (fk_team, fk_user));
INSERT INTO tb_member SELECT g, g FROM generate_series(1, 300) g;
SELECT pg_tviews_create('tv_member', $$SELECT m.fk_team, m.fk_user AS member, a.email FROM tb_member m JOIN tb_author a ON a.pk_author = m.fk_user$$, '{"key": ["fk_team", "member"]}');
SELECT * FROM pg_tviews_suggest_indexes('member') ORDER BY 1;
-- An array is looked into by a GIN index.
CREATE TABLE tb_page (pk_page int PRIMARY KEY, authors int[], pad text DEFAULT repeat('x', 500));
INSERT INTO tb_page SELECT g, ARRAY[g, g + 1] FROM generate_series(1, 300) g;
SELECT pg_tviews_create('tv_page', 'SELECT p.pk_page, (SELECT count(*) FROM tb_author a WHERE a.pk_author = ANY (p.authors)) AS authors FROM tb_page p');
SELECT * FROM pg_tviews_suggest_indexes('page') ORDER BY 1;
DO $$ DECLARE s text; BEGIN FOR s IN SELECT index_suggestion FROM pg_tviews_suggest_indexes('page') LOOP EXECUTE s; END LOOP; END $$;
SELECT count(*) FROM pg_tviews_suggest_indexes('page');
-- Compared as text: the index is on the text.
CREATE TABLE tb_doc (id uuid PRIMARY KEY);
CREATE TABLE tb_note (id uuid PRIMARY KEY, data jsonb, pad text DEFAULT repeat('x', 500));
INSERT INTO tb_note SELECT gen_random_uuid(), jsonb_build_object('doc', gen_random_uuid()) FROM generate_series(1, 300);
SELECT pg_tviews_create('tv_doc', $$SELECT d.id, (SELECT count(*) FROM tb_note n WHERE n.data->>'doc' = d.id::text) AS notes FROM tb_doc d$$);
SELECT * FROM pg_tviews_suggest_indexes('doc');
CREATE INDEX ON tb_note ((data->>'doc'));
SELECT count(*) FROM pg_tviews_suggest_indexes('doc');
-- The rows of a partition, of a recursion.
CREATE TABLE tb_part (pk_part int PRIMARY KEY, kind int, above int, pad text DEFAULT repeat('x', 500));
INSERT INTO tb_part SELECT g, g % 10, nullif(g - 1, 0) FROM generate_series(1, 300) g;
SELECT pg_tviews_create('tv_rank', 'SELECT pk_part AS pk_rank, row_number() OVER (PARTITION BY kind ORDER BY pk_part) AS n FROM tb_part');
SELECT * FROM pg_tviews_suggest_indexes('rank');
SELECT pg_tviews_create('tv_path', 'SELECT p.pk_part AS pk_path, (WITH RECURSIVE up AS (SELECT p.pk_part AS pk, p.above
  UNION ALL SELECT x.pk_part, x.above FROM tb_part x JOIN up ON x.pk_part = up.above) SELECT count(*) FROM up) AS n FROM tb_part p');
SELECT * FROM pg_tviews_suggest_indexes('path');
-- Whoever may read the TVIEW may ask.
CREATE ROLE advised;
GRANT USAGE ON SCHEMA adv TO advised;
SET ROLE advised;
SELECT count(*) FROM pg_tviews_suggest_indexes('adv.tv_author');
RESET ROLE;
GRANT SELECT ON tv_author TO advised;
SET ROLE advised;
SELECT count(*) FROM pg_tviews_suggest_indexes('adv.tv_author');
RESET ROLE;
SELECT pg_tviews_suggest_indexes('nobody');
\set ECHO none
DROP SCHEMA adv CASCADE;
DROP ROLE advised;
