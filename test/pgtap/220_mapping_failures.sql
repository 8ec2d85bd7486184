-- Mapping queries that raise for some values; captured json paths; values whose type has no array type.
\set QUIET 1
SET client_min_messages = warning;
CREATE SCHEMA mapping;
SET search_path = mapping, public;
SELECT plan(20);

CREATE FUNCTION oracle() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM tviews_oracle() o $$;
CREATE FUNCTION parked(what regclass) RETURNS SETOF text LANGUAGE sql AS
  $$ SELECT concat_ws(' ', coalesce(key, 'all'), sqlstate, message) FROM pg_tview_parked_keys WHERE tview = what ORDER BY 1 $$;
CREATE PROCEDURE wait_until(condition text) LANGUAGE plpgsql AS $$ DECLARE met bool; BEGIN
  FOR i IN 1 .. 300 LOOP
    EXECUTE 'SELECT ' || condition INTO met;
    EXIT WHEN met;
    COMMIT;
    PERFORM pg_sleep(0.05);
  END LOOP;
END $$;
-- Replaces the registered lineage of a base table by one that is written here.
CREATE PROCEDURE map(what regclass, base regclass, columns text[], paths text[], query text) LANGUAGE plpgsql AS $$ BEGIN
  WITH gone AS (DELETE FROM pg_tview_mapping m USING pg_tview_capture_point p WHERE p.point = m.point AND m.tview = what AND p.relation = base RETURNING m.point)
  DELETE FROM pg_tview_capture_point p USING gone WHERE p.point = gone.point AND NOT EXISTS (SELECT FROM pg_tview_mapping m WHERE m.point = p.point AND m.tview <> what);
  WITH made AS (INSERT INTO pg_tview_capture_point (relation, columns, fans_out, paths) VALUES (base, columns, true, paths)
    ON CONFLICT ON CONSTRAINT pg_tview_capture_point_key DO UPDATE SET relation = base RETURNING point)
  INSERT INTO pg_tview_mapping (point, tview, ordinal, kind, query, used, nulls) SELECT point, what, 100, 'm', query, NULL, false FROM made;
  -- makes everybody read the graph again
  PERFORM pg_tviews_create('mapping.tv_again', format('SELECT pk_%1$s AS pk_again FROM mapping.tb_%1$s', substr(base::text, 4)));
  PERFORM pg_tviews_drop('mapping.tv_again');
END $$;

CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_note (pk_note int PRIMARY KEY, data jsonb);
INSERT INTO tb_user SELECT g, 'u' || g FROM generate_series(1, 50) g;
INSERT INTO tb_note SELECT g, jsonb_build_object('kind', 'note', 'user', jsonb_build_object('id', g % 50 + 1)) FROM generate_series(1, 200) g;
CREATE INDEX ON tb_note ((data #>> '{user,id}'));

-- The view looks at the value only where the kind is right; the mapping casts whatever it gets.
SELECT pg_tviews_create('tv_user', $$
  SELECT u.pk_user, u.name, (SELECT count(*) FROM mapping.tb_note n
    WHERE CASE WHEN n.data ->> 'kind' = 'note' THEN (n.data #>> '{user,id}')::int END = u.pk_user) AS notes
  FROM mapping.tb_user u $$, '{"on_unkeyed": "full"}');
CALL map('tv_user', 'tb_note', '{data}', '{"{user,id}"}', 'SELECT u.pk_user FROM pg_catalog.unnest($1) v JOIN mapping.tb_user u ON u.pk_user = v::int');
SELECT is((SELECT capture_columns FROM pg_tviews_explain('mapping.tv_user') WHERE base_table = 'tb_note'::regclass), ARRAY['data #>> ''{user,id}'''],
  'a captured json path is shown as an expression');

CREATE FUNCTION last_keys() RETURNS bigint LANGUAGE sql AS $$ SELECT keys FROM pg_tview_performance_log WHERE entity = 'user' LIMIT 1 $$;
UPDATE tb_note SET data = jsonb_set(data, '{user,id}', '7') WHERE pk_note = 2;
SELECT pg_tviews_wait('30 s');
SELECT is(last_keys(), 2::bigint, 'the old and the new value are captured');
SELECT is(oracle(), 0::bigint, 'exact');
UPDATE tb_note SET data = data || '{"other": 1}' WHERE pk_note = 2;
SELECT pg_tviews_wait('30 s');
SELECT is(last_keys(), 1::bigint, 'a change elsewhere in the document captures the value once');
UPDATE tb_note SET data = data - 'user' WHERE pk_note = 2;
INSERT INTO tb_note VALUES (201, NULL), (202, '[1, 2]'), (203, '"text"'), (204, 'null'), (205, '{"user": {"id": null}}'), (206, '{"user": 5}');
SELECT pg_tviews_wait('30 s');
SELECT is(last_keys(), 1::bigint, 'where there is nothing at the path, nothing is captured');
UPDATE tb_note SET data = jsonb_build_object('kind', 'note', 'user', jsonb_build_object('id', 9), 'long', (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 3000) g)) WHERE pk_note = 3;
UPDATE tb_note SET data = jsonb_set(data, '{user,id}', '"10"') WHERE pk_note = 3;
DELETE FROM tb_note WHERE pk_note = 4;
SELECT pg_tviews_wait('30 s');
SELECT is(oracle(), 0::bigint, 'documents out of line');

CREATE TABLE tv_note AS SELECT pk_note, data FROM tb_note;
BEGIN;
UPDATE tb_note SET data = '{"kind": "other", "user": {"id": "junk"}}' WHERE pk_note = 20;
UPDATE tb_note SET data = jsonb_set(data, '{user,id}', '31') WHERE pk_note = 30;
UPDATE tb_user SET name = 'changed' WHERE pk_user = 44;
COMMIT;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT notes::text FROM tv_user WHERE pk_user = 31) || (SELECT name FROM tv_user WHERE pk_user = 44), '4changed', 'beside a value that raises the others are mapped');
SELECT is((SELECT data #>> '{user,id}' FROM tv_note WHERE pk_note = 20), 'junk', 'and other TVIEWs go on');
SELECT results_eq($$SELECT parked('tv_user')$$, $$VALUES ('all 22P02 invalid input syntax for type integer: "junk"')$$, 'the failure is visible');
SELECT is((SELECT state FROM pg_tview_meta WHERE table_oid = 'tv_user'::regclass), 'fresh', 'the TVIEW goes on');
CALL wait_until($$NOT EXISTS (SELECT mapping.parked('mapping.tv_user'))$$);
SELECT is_empty($$SELECT parked('tv_user')$$, 'it is compared as a whole, which needs no mapping');
SELECT is(oracle(), 0::bigint, 'and exact');

-- Here the view raises, too.
SELECT pg_tviews_create('tv_strict', $$
  SELECT u.pk_user, (SELECT count(*) FROM mapping.tb_note n WHERE (n.data #>> '{user,id}')::int = u.pk_user) AS notes FROM mapping.tb_user u $$,
  '{"on_unkeyed": "full", "key": "pk_user", "build": "background"}');
CALL map('tv_strict', 'tb_note', '{data}', '{"{user,id}"}', 'SELECT u.pk_user FROM pg_catalog.unnest($1) v JOIN mapping.tb_user u ON u.pk_user = v::int');
CALL wait_until($$(SELECT state = 'degraded' FROM pg_tview_meta WHERE table_oid = 'mapping.tv_strict'::regclass)$$);
SELECT is((SELECT state FROM pg_tview_meta WHERE table_oid = 'tv_strict'::regclass), 'degraded', 'a view that raises as a whole degrades its TVIEW');
UPDATE pg_tview_deferred SET next_attempt = now() + interval '1 hour', attempts = 2 WHERE tview = 'tv_strict'::regclass;
UPDATE tb_note SET data = '{"kind": "note", "user": {"id": 1}}' WHERE pk_note = 20;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT count(*) FROM tv_user t JOIN v_user v USING (pk_user) WHERE t IS DISTINCT FROM v), 0::bigint, 'the others do not wait for it');
CALL wait_until($$(SELECT state = 'fresh' FROM pg_tview_meta WHERE table_oid = 'mapping.tv_strict'::regclass)$$);
SELECT is((SELECT state FROM pg_tview_meta WHERE table_oid = 'tv_strict'::regclass), 'fresh', 'and it is back soon after the data is mended');
SELECT is(oracle(), 0::bigint, 'exact');

-- Arrays, domains over arrays and composites as captured values.
CREATE DOMAIN tags AS int[];
CREATE TYPE pair AS (a int, b text);
CREATE TABLE tb_tag (pk_tag int PRIMARY KEY, n int);
CREATE TABLE tb_item (pk_item int PRIMARY KEY, tags tags, pair pair);
INSERT INTO tb_tag SELECT g, 0 FROM generate_series(1, 20) g;
INSERT INTO tb_item SELECT g, ARRAY[g, g + 1], ROW(g, 'it''s "' || g)::pair FROM generate_series(1, 15) g;
SELECT pg_tviews_create('tv_tag', $$ SELECT t.pk_tag, (SELECT count(*) FROM mapping.tb_item i WHERE t.pk_tag = ANY (i.tags) OR (i.pair).a = t.pk_tag) AS n FROM mapping.tb_tag t $$,
  '{"on_unkeyed": "full"}');
CALL map('tv_tag', 'tb_item', '{tags,pair}', NULL, 'SELECT t.pk_tag FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) v(tags, a, b) JOIN mapping.tb_tag t ON t.pk_tag = ANY (tags::int4[]) OR a = t.pk_tag');
UPDATE tb_item SET tags = '{19,20}', pair = ROW(18, NULL)::pair WHERE pk_item = 3;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT keys FROM pg_tview_performance_log WHERE entity = 'tag' LIMIT 1), 5::bigint, 'an array travels as text, a composite as itself');
UPDATE tb_item SET tags = NULL WHERE pk_item = 4;
UPDATE tb_item SET tags = '{}' WHERE pk_item = 5;
SELECT pg_tviews_wait('30 s');
SELECT is(oracle(), 0::bigint, 'exact');

-- A mapping that raises whatever it is given.
CALL map('tv_tag', 'tb_item', '{tags,pair}', NULL, 'SELECT nowhere FROM pg_catalog.unnest($1) t, pg_catalog.unnest($2) v');
UPDATE tb_item SET tags = '{1}' WHERE pk_item = 6;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT state || ' ' || (SELECT parked('tv_tag')) FROM pg_tview_meta WHERE table_oid = 'tv_tag'::regclass),
  'degraded all 42703 column "nowhere" does not exist', 'a mapping that never works degrades its TVIEW');
CALL wait_until($$(SELECT state = 'fresh' FROM pg_tview_meta WHERE table_oid = 'mapping.tv_tag'::regclass)$$);
SELECT is(oracle(), 0::bigint, 'which is then compared as a whole');

SELECT * FROM finish();
DROP SCHEMA mapping CASCADE;
