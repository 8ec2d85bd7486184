-- The narrowed query gives, for any keys asked for, the rows that the view gives: every key alone, and every pair of keys.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA narrowed;
SET search_path = narrowed, public;
SELECT plan(18);

CREATE DOMAIN money_amount AS int;
CREATE TABLE tb_group (pk_group int PRIMARY KEY, name text);
CREATE TABLE tb_item (pk_item int PRIMARY KEY, fk_group int, kind text NOT NULL, fk_other bigint, price int NOT NULL, amount money_amount, "Odd name" int);
CREATE TABLE tb_note (pk_note int PRIMARY KEY, fk_item bigint, body text, at int NOT NULL);
SELECT setseed(0.3);
INSERT INTO tb_group SELECT g, 'g' || g FROM generate_series(1, 4) g;
INSERT INTO tb_item SELECT g, nullif((random() * 4)::int, 0), chr(97 + (random() * 2)::int), nullif((random() * 4)::int, 0), (random() * 9)::int, (random() * 3)::int, nullif(g % 4, 0)
  FROM generate_series(1, 18) g;
INSERT INTO tb_note SELECT g, nullif((random() * 20)::int, 0), 'n' || g, (random() * 9)::int FROM generate_series(1, 50) g;

-- Creates the TVIEW, and compares for all single keys and pairs of them.
CREATE FUNCTION narrows(query text, key text[], what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  text text;
  counts record;
  columns text := (SELECT string_agg(format('v.%I', k), ', ') FROM unnest(key) k);
BEGIN
  PERFORM pg_tviews_create('tv_narrow', query, jsonb_build_object('key', key, 'on_unkeyed', 'full'));
  SELECT c.narrowed INTO text FROM pg_tview_catalog c WHERE tview = 'tv_narrow'::regclass;
  IF text IS NULL THEN
    PERFORM pg_tviews_drop('tv_narrow');
    RETURN is(NULL, 'narrowed', what);
  END IF;
  EXECUTE format('CREATE FUNCTION asked(%s) RETURNS SETOF v_narrow LANGUAGE sql STABLE AS %L',
    (SELECT string_agg(pg_typeof_array, ', ') FROM (SELECT format_type(t.typarray, NULL) AS pg_typeof_array FROM unnest(key) WITH ORDINALITY k(name, n)
       JOIN pg_attribute a ON a.attrelid = 'v_narrow'::regclass AND a.attname = k.name JOIN pg_type t ON t.oid = a.atttypid ORDER BY n) types),
    format('SELECT * FROM (%s) v WHERE %s', text, (SELECT string_agg(format('v.%I = ANY ($%s)', k.name, n), ' AND ') FROM unnest(key) WITH ORDINALITY k(name, n))));
  EXECUTE format($q$
    WITH keys AS (SELECT DISTINCT %1$s FROM v_narrow v), pairs AS (SELECT a AS one, b AS two FROM keys a, keys b)
    SELECT count(*) AS asked, count(*) FILTER (WHERE EXISTS (
      (SELECT v::text FROM asked(%2$s) v EXCEPT ALL SELECT v::text FROM v_narrow v WHERE %3$s)
      UNION ALL (SELECT v::text FROM v_narrow v WHERE %3$s EXCEPT ALL SELECT v::text FROM asked(%2$s) v))) AS wrong FROM pairs p $q$,
    columns, (SELECT string_agg(format('ARRAY[(p.one).%1$I, (p.two).%1$I]', k), ', ') FROM unnest(key) k),
    (SELECT string_agg(format('v.%1$I IN ((p.one).%1$I, (p.two).%1$I)', k), ' AND ') FROM unnest(key) k)) INTO counts;
  EXECUTE 'DROP FUNCTION asked';
  PERFORM pg_tviews_drop('tv_narrow');
  RETURN is(counts.asked > 9 AND counts.wrong = 0, true, what);
END $$;

SELECT narrows('SELECT pk_item, fk_group, rank() OVER (PARTITION BY fk_group ORDER BY price) AS r FROM tb_item', '{pk_item}', 'a window; a group of NULLs');
SELECT narrows('SELECT pk_item, rank() OVER (PARTITION BY kind ORDER BY price) AS r FROM tb_item WHERE price > 2', '{pk_item}', 'a partition that is not shown');
SELECT narrows('SELECT pk_item, rank() OVER (PARTITION BY kind, fk_group ORDER BY price) AS r, max(price) OVER (PARTITION BY fk_group) AS m FROM tb_item', '{pk_item}',
               'two windows: what they share');
SELECT narrows('SELECT DISTINCT ON (fk_group) pk_item, fk_group, price FROM tb_item ORDER BY fk_group, price DESC, pk_item', '{pk_item}', 'DISTINCT ON another column');
SELECT narrows('SELECT i.pk_item, rank() OVER (PARTITION BY i."Odd name" ORDER BY i.price) AS r, g.name FROM tb_item i LEFT JOIN tb_group g ON g.pk_group = i.fk_group', '{pk_item}',
               'a window over a join; an odd name');
SELECT narrows('SELECT i.pk_item, n.notes, n.last FROM tb_item i LEFT JOIN (SELECT fk_item, count(*) AS notes, max(at) AS last FROM tb_note GROUP BY fk_item) n ON n.fk_item = i.pk_item',
               '{pk_item}', 'a grouped sub-select on the nullable side, of another integer type');
SELECT narrows('SELECT i.pk_item, n.body FROM tb_item i JOIN (SELECT DISTINCT ON (fk_item) fk_item, body FROM tb_note ORDER BY fk_item, at DESC, pk_note) n ON n.fk_item = i.pk_item',
               '{pk_item}', 'DISTINCT ON the join column');
SELECT narrows('SELECT i.pk_item, s.r FROM tb_item i LEFT JOIN (SELECT pk_item, rank() OVER (PARTITION BY kind ORDER BY price) AS r FROM tb_item WHERE price < 6) s ON s.pk_item = i.pk_item',
               '{pk_item}', 'a window in a joined sub-select');
SELECT narrows('SELECT s.pk_item, s.r, n.notes FROM (SELECT pk_item, rank() OVER (PARTITION BY fk_group ORDER BY price) AS r FROM tb_item) s
                LEFT JOIN (SELECT fk_item, count(*) AS notes FROM tb_note GROUP BY fk_item) n ON n.fk_item = s.pk_item', '{pk_item}', 'both');
SELECT narrows('SELECT i.pk_item, n.notes, m.last FROM tb_item i LEFT JOIN (SELECT fk_item, count(*) AS notes FROM tb_note GROUP BY fk_item) n ON n.fk_item = i.pk_item
                LEFT JOIN (SELECT fk_item, max(at) AS last FROM tb_note GROUP BY fk_item) m ON m.fk_item = n.fk_item', '{pk_item}', 'equal by way of another sub-select');
SELECT narrows('SELECT i.pk_item, n.notes FROM (SELECT fk_item, count(*) AS notes FROM tb_note GROUP BY fk_item) n RIGHT JOIN tb_item i ON i.pk_item = n.fk_item AND n.notes > 1', '{pk_item}', 'RIGHT JOIN');
SELECT narrows('SELECT o.pk_item, o.r2 FROM (SELECT s.pk_item, rank() OVER (PARTITION BY s.pk_item ORDER BY s.r) AS r2 FROM
                (SELECT pk_item, rank() OVER (PARTITION BY kind ORDER BY price) AS r FROM tb_item) s) o', '{pk_item}', 'a window by the key above one that is not');
SELECT narrows('SELECT i.pk_item, n.total FROM tb_item i FULL JOIN (SELECT fk_item, sum(at) AS total FROM tb_note WHERE fk_item <= 18 GROUP BY fk_item) n ON n.fk_item = i.pk_item', '{pk_item}', 'FULL JOIN');

-- What the ON of an outer join says of one of its sides alone does not hold of that side's rows.
SELECT narrows('SELECT g.pk_group, s.pk_item, s.r, n.body FROM (tb_group g CROSS JOIN (SELECT pk_item, rank() OVER (PARTITION BY kind ORDER BY price) AS r FROM tb_item) s)
                LEFT JOIN tb_note n ON n.pk_note = g.pk_group AND s.pk_item = g.pk_group', '{pk_group,pk_item}', 'an equality within the preserved side');
SELECT narrows('SELECT s.pk_item, s.q, s.r, n.body FROM tb_note n RIGHT JOIN (SELECT pk_item, fk_group AS q, rank() OVER (PARTITION BY kind ORDER BY price) AS r FROM tb_item) s
                ON n.pk_note = s.pk_item AND s.q = s.pk_item', '{pk_item}', 'and within one item');
-- The keys' equality must be that of the column: citext is not text, nor is a collation another.
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE COLLATION IF NOT EXISTS any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE tb_word (word text PRIMARY KEY, cased text COLLATE any_case NOT NULL UNIQUE, ci citext NOT NULL, kind int);
INSERT INTO tb_word SELECT chr(97 + g), chr(65 + g), chr(CASE WHEN g % 2 = 0 THEN 97 ELSE 65 END + g), g % 3 FROM generate_series(0, 9) g;
CREATE FUNCTION is_left_alone(query text, key text, what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  text text;
BEGIN
  PERFORM pg_tviews_create('tv_narrow', query, jsonb_build_object('key', key, 'on_unkeyed', 'full'));
  SELECT c.narrowed INTO text FROM pg_tview_catalog c WHERE tview = 'tv_narrow'::regclass;
  PERFORM pg_tviews_drop('tv_narrow');
  RETURN is(text, NULL, what);
END $$;
SELECT is_left_alone('SELECT w.word, s.r FROM tb_word w LEFT JOIN (SELECT ci, rank() OVER (PARTITION BY kind ORDER BY word) AS r FROM tb_word) s ON s.ci::text = w.word', 'word', 'citext compared as text');
SELECT is_left_alone('SELECT w.ci, s.r FROM tb_word w LEFT JOIN (SELECT word, rank() OVER (PARTITION BY kind ORDER BY word) AS r FROM tb_word) s ON s.word::citext = w.ci', 'ci', 'text compared as citext');
SELECT is_left_alone('SELECT w.cased, s.r FROM tb_word w LEFT JOIN (SELECT word, rank() OVER (PARTITION BY kind ORDER BY word) AS r FROM tb_word) s ON s.word = w.cased', 'cased', 'a nondeterministic collation');

SELECT * FROM finish();
DROP SCHEMA narrowed CASCADE;
