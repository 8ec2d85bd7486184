-- Keys that come from no table: constants, series, VALUES, elements of arrays and documents.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA nowhere;
SET search_path = nowhere, public;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle()) + (SELECT count(*) FROM pg_tview_deferred);
END $$;
CREATE FUNCTION exact(what text) RETURNS text LANGUAGE sql AS $$ SELECT is(differences(), 0::bigint, what) $$;
CREATE FUNCTION last_keys(what text) RETURNS bigint LANGUAGE sql AS $$ SELECT keys FROM pg_tview_performance_log WHERE entity = what LIMIT 1 $$;

CREATE TABLE tb_a (pk_a int PRIMARY KEY, x int, kind text, tags text[], doc jsonb, at timestamptz);
CREATE TABLE tb_b (pk_b int PRIMARY KEY, fk_a int, y int);
CREATE TABLE tb_tag (pk_tag int PRIMARY KEY, tag text, label text);
INSERT INTO tb_a SELECT i, i * 2, CASE i % 2 WHEN 0 THEN 'open' ELSE 'paid' END, ARRAY['t' || i % 3, 't' || i % 5],
  jsonb_build_object('items', jsonb_build_array(jsonb_build_object('sku', 's' || i % 4, 'quantity', i))), '2024-01-01'::timestamptz + i * interval '6 hours' FROM generate_series(1, 20) i;
INSERT INTO tb_b SELECT i, i, i FROM generate_series(1, 20) i;
INSERT INTO tb_tag SELECT i, 't' || i, 'l' || i FROM generate_series(1, 6) i;

CREATE TEMP TABLE made (entity text, key text, query text);
INSERT INTO made VALUES
  ('total', '"id"', 'SELECT 1 AS id, count(*) AS n, sum(x) AS x FROM nowhere.tb_a'),
  ('totals', '"id"', 'SELECT 1 AS id, (SELECT count(*) FROM nowhere.tb_a) AS a, (SELECT count(*) FROM nowhere.tb_b) AS b'),
  ('kind', '"kind"', $$SELECT 'total' AS kind, count(*) AS n FROM nowhere.tb_a UNION ALL SELECT 'open', count(*) FROM nowhere.tb_a WHERE kind = 'open' UNION ALL SELECT 'b', sum(y) FROM nowhere.tb_b$$),
  ('kind_nr', '["kind", "nr"]', $$SELECT 'a' AS kind, 1 AS nr, count(*) AS n FROM nowhere.tb_a UNION ALL SELECT 'b', 2, sum(y) FROM nowhere.tb_b$$),
  ('status', '"status"', $$SELECT s.status, count(a.pk_a) AS n FROM (VALUES ('open'), ('paid'), ('none')) s(status) LEFT JOIN nowhere.tb_a a ON a.kind = s.status GROUP BY s.status$$),
  ('status_b', '"status"', $$SELECT s.status, count(a.pk_a) AS n, sum(b.y) AS y FROM unnest(ARRAY['open', 'paid', 'none']) s(status)
     LEFT JOIN (nowhere.tb_a a JOIN nowhere.tb_b b ON b.fk_a = a.pk_a) ON a.kind = s.status GROUP BY s.status$$),
  ('day', '"day"', $$SELECT d::date AS day, count(a.pk_a) AS n FROM generate_series('2024-01-01'::timestamptz, '2024-01-10', '1 day') d LEFT JOIN nowhere.tb_a a ON a.at::date = d::date GROUP BY d::date$$),
  ('day_of_timestamp', '"day"', $$SELECT d::date AS day, count(a.pk_a) AS n FROM generate_series('2024-01-01'::timestamptz, '2024-01-10', '1 day') d LEFT JOIN nowhere.tb_a a ON a.at::date = d GROUP BY 1$$),
  ('day_as_text', '"day"', $$SELECT to_char(d, 'YYYY-MM-DD') AS day, count(a.pk_a) AS n FROM generate_series('2024-01-01'::timestamptz, '2024-01-10', '1 day') d LEFT JOIN nowhere.tb_a a ON date_trunc('day', a.at) = d GROUP BY d$$),
  ('day_cte', '"day"', $$WITH days AS (SELECT generate_series('2024-01-01'::timestamptz, '2024-01-10', '1 day')::date AS day) SELECT d.day, (SELECT count(*) FROM nowhere.tb_a a WHERE a.at::date = d.day) AS n FROM days d$$),
  ('day_b', '["day", "pk_b"]', $$SELECT d AS day, b.pk_b, count(a.pk_a) AS n FROM generate_series('2024-01-01'::timestamptz, '2024-01-10', '1 day') d CROSS JOIN nowhere.tb_b b
     LEFT JOIN nowhere.tb_a a ON date_trunc('day', a.at) = d AND a.pk_a = b.fk_a GROUP BY d, b.pk_b$$),
  ('tag', '"tag"', 'SELECT t.tag, count(*) AS n, sum(a.x) AS x FROM nowhere.tb_a a, unnest(a.tags) t(tag) GROUP BY t.tag'),
  ('tag_sub', '"tag"', 'SELECT tag, count(*) AS n, sum(y) AS y FROM (SELECT unnest(a.tags) AS tag, b.y FROM nowhere.tb_a a JOIN nowhere.tb_b b ON b.fk_a = a.pk_a) s GROUP BY tag'),
  ('tag_of', '"pk_tag"', 'SELECT t.pk_tag, count(s.pk_a) AS n FROM nowhere.tb_tag t LEFT JOIN (SELECT unnest(tags) AS tag, pk_a FROM nowhere.tb_a) s ON s.tag = t.tag GROUP BY t.pk_tag'),
  ('of_tag', '"pk_a"', $$SELECT s.pk_a, string_agg(t.label, ',' ORDER BY t.label) AS labels FROM nowhere.tb_tag t JOIN (SELECT unnest(tags) AS tag, pk_a FROM nowhere.tb_a) s ON s.tag = t.tag GROUP BY s.pk_a$$),
  ('tag_in', '"pk_tag"', $$SELECT pk_tag, label FROM nowhere.tb_tag WHERE tag IN (SELECT unnest(tags) FROM nowhere.tb_a WHERE kind = 'open')$$),
  ('tag_kind', '["kind", "tag"]', 'SELECT a.kind, t.tag, sum(a.x) AS x FROM nowhere.tb_a a, unnest(a.tags) t(tag) GROUP BY 1, 2'),
  ('item', '"sku"', $$SELECT e ->> 'sku' AS sku, sum((e ->> 'quantity')::int) AS n FROM nowhere.tb_a a, jsonb_array_elements(a.doc -> 'items') e GROUP BY 1$$);
SELECT plan(7 + (SELECT count(*)::int FROM made));
SELECT lives_ok(format('SELECT pg_tviews_create(%L, %L, %L)', 'nowhere.tv_' || entity, query, format('{"key": %s}', key)), entity || ' is made') FROM made;
SELECT is((SELECT count(*) FROM made m, pg_tviews_explain(m.entity) e WHERE e.kind = 'full'), 0::bigint, 'every change leads to keys');

INSERT INTO tb_a VALUES (100, 7, 'open', ARRAY['t1', 'zz'], '{"items": [{"sku": "new", "quantity": 3}, {"sku": "s1", "quantity": 4}]}', '2024-01-03');
DELETE FROM tb_b WHERE pk_b < 4;
UPDATE tb_a SET x = x + 1, kind = 'paid', at = at + interval '1 day', tags = ARRAY['t2', 't7'] WHERE pk_a = 2;
SELECT exact('rows that come, go and move');
SELECT is(last_keys('total'), 1::bigint, 'a constant key is one key');
UPDATE tb_tag SET tag = 't7' WHERE pk_tag = 2;
DELETE FROM tb_tag WHERE pk_tag = 1;
UPDATE tb_b SET y = y + 100 WHERE pk_b IN (5, 6);
UPDATE tb_a SET doc = '{"items": [{"sku": "only", "quantity": 1}]}', tags = NULL WHERE pk_a IN (7, 100);
SELECT exact('sets that lose their elements');
UPDATE tb_a SET at = '2024-01-09' WHERE pk_a = 10;
SELECT differences() \g /dev/null
SELECT is(last_keys('day'), 2::bigint, 'the old and the new day');
DELETE FROM tb_a WHERE pk_a IN (1, 2, 3, 100);
SELECT exact('no row is left of some');
TRUNCATE tb_b;
SELECT exact('an empty table is counted, too');

SELECT * FROM finish();
DROP SCHEMA nowhere CASCADE;
