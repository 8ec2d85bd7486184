-- A key that becomes NULL is parked, whatever way it comes, and forgotten when it goes.
\set QUIET 1
SET client_min_messages = error;  -- creation warns of such keys
CREATE SCHEMA null_keys;
SET search_path = null_keys, public;
SELECT plan(18);

CREATE TABLE tb_item (pk_item int PRIMARY KEY, code text, fk_group int, v int);
CREATE TABLE tb_label (fk_code text PRIMARY KEY, label text);
CREATE INDEX ON tb_item (fk_group);
CREATE INDEX ON tb_item (code);
INSERT INTO tb_item SELECT g, 'c' || g, g % 3, g FROM generate_series(1, 9) g;
INSERT INTO tb_label VALUES ('c1', 'one');
-- The key of the first is a nullable column of its own, that of the second a nullable group column.
SELECT pg_tviews_create('tv_code', 'SELECT i.code, i.v, l.label FROM tb_item i LEFT JOIN tb_label l ON l.fk_code = i.code', '{"key": "code"}');
SELECT pg_tviews_create('tv_group', 'SELECT fk_group, sum(v) AS total FROM tb_item GROUP BY fk_group', '{"key": "fk_group"}');

CREATE FUNCTION parked(what regclass) RETURNS text LANGUAGE sql AS
  $$ SELECT string_agg(key_text || ' ' || sqlstate, ', ') FROM pg_tview_deferred WHERE tview = what AND reason = 'failed' $$;
CREATE FUNCTION others() RETURNS bigint LANGUAGE sql AS $$
  SELECT (SELECT count(*) FROM ((SELECT * FROM v_code WHERE code IS NOT NULL EXCEPT ALL TABLE tv_code) UNION ALL (TABLE tv_code EXCEPT ALL TABLE v_code)) c)
       + (SELECT count(*) FROM ((SELECT * FROM v_group WHERE fk_group IS NOT NULL EXCEPT ALL TABLE tv_group) UNION ALL (TABLE tv_group EXCEPT ALL TABLE v_group)) g) $$;

INSERT INTO tb_item VALUES (20, NULL, NULL, 7);
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_code'), 'NULL 23502', 'an inserted row without a key is parked');
SELECT is(parked('tv_group'), 'NULL 23502', 'and so is a group without one');
SELECT is(others(), 0::bigint, 'everything else is exact');
SELECT is((SELECT message FROM pg_tview_parked_keys WHERE entity = 'code'), 'view "v_code" returned a row whose key is null', 'the reason is told');

UPDATE tb_item SET v = 8 WHERE pk_item = 20;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_code'), 'NULL 23502', 'it stays parked while it has no key');

UPDATE tb_item SET code = 'c20', fk_group = 2 WHERE pk_item = 20;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_code'), NULL, 'with a key it is parked no more');
SELECT is(parked('tv_group'), NULL, 'nor is the group');
SELECT is((SELECT v FROM tv_code WHERE code = 'c20'), 8, 'and it is there');
SELECT is(others(), 0::bigint, 'exactly');

UPDATE tb_item SET code = NULL, fk_group = NULL WHERE pk_item IN (1, 2);
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_code'), 'NULL 23502', 'a key that becomes NULL is parked');
SELECT is((SELECT count(*) FROM tv_code WHERE code IN ('c1', 'c2')), 0::bigint, 'its row goes');
SELECT is(others(), 0::bigint, 'the other rows are exact');
SELECT is((SELECT missing FROM pg_tviews_verify('code')), 2::bigint, 'verify counts the rows that cannot be kept');

DELETE FROM tb_item WHERE code IS NULL;
SELECT pg_tviews_wait('30 s');
SELECT is(concat(parked('tv_code'), parked('tv_group')), '', 'nothing is parked when they are gone');
SELECT is(others(), 0::bigint, 'and all is exact');

-- Of a key of several columns a base table gives only some: they may be the ones that are NULL.
SELECT pg_tviews_create('tv_pair', 'SELECT i.fk_group, l.label, count(*) AS n FROM tb_item i JOIN tb_label l ON l.fk_code = i.code GROUP BY i.fk_group, l.label',
  '{"key": ["fk_group", "label"]}');
INSERT INTO tb_item VALUES (30, 'c1', NULL, 1);
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_pair'), '[null, null] 23502', 'a NULL part of a key is parked');
UPDATE tb_label SET label = NULL;
UPDATE tb_item SET fk_group = 1 WHERE pk_item = 30;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_pair'), '[null, null] 23502', 'the other part, too');
UPDATE tb_label SET label = 'one';
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT count(*) FROM (TABLE v_pair EXCEPT ALL TABLE tv_pair) d) + (SELECT count(*) FROM pg_tview_deferred), 0::bigint, 'until it has a value again');

SELECT * FROM finish();
DROP SCHEMA null_keys CASCADE;
