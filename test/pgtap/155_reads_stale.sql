-- TVIEWs above one that is paused, degraded or has parked keys are shown as such.
\set QUIET 1
SET client_min_messages = warning;
CREATE SCHEMA below;
SET search_path = below, public;
SELECT plan(10);

CREATE TABLE tb_leaf (pk_leaf int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_leaf SELECT g, 1 FROM generate_series(1, 50) g;
CREATE TABLE tb_alone (pk_alone int PRIMARY KEY, v int NOT NULL);
CREATE TABLE tv_leaf AS SELECT pk_leaf, 10 / v AS share FROM tb_leaf;
CREATE TABLE tv_alone AS SELECT pk_alone, v FROM tb_alone;
CREATE TABLE tv_stem AS SELECT l.pk_leaf AS pk_stem, l.share, (SELECT count(*) FROM tv_alone a WHERE a.pk_alone = l.pk_leaf) AS n FROM tv_leaf l;
CREATE TABLE tv_top AS SELECT pk_stem AS pk_top, share + 1 AS share FROM tv_stem;
CREATE FUNCTION stale() RETURNS text LANGUAGE sql AS
  $$ SELECT string_agg(entity || ':' || reads_stale::text, ' ' ORDER BY entity) FROM pg_tviews_freshness WHERE schema_name = 'below' AND reads_stale IS NOT NULL $$;
SELECT pg_tviews_wait('30 s');
SELECT is(stale(), NULL, 'all are fresh');

UPDATE tb_leaf SET v = 0 WHERE pk_leaf = 3;
SELECT pg_tviews_wait('30 s');
SELECT is(stale(), 'stem:{leaf} top:{leaf}', 'a parked key is shown above, through others too');
SELECT is((SELECT state FROM pg_tviews_freshness WHERE entity = 'top' AND schema_name = 'below'), 'fresh', 'the state is the TVIEW''s own');
UPDATE tb_leaf SET v = 2 WHERE pk_leaf = 3;
SELECT pg_tviews_wait('30 s');
SELECT is(stale(), NULL, 'applied, and nothing is shown');

SELECT pg_tviews_pause('alone');
SELECT is(stale(), 'stem:{alone} top:{alone}', 'a paused one');
SELECT pg_tviews_pause('stem');
SELECT is(stale(), 'stem:{alone} top:{alone,stem}', 'and another, not of itself');
SELECT pg_tviews_resume('alone'), pg_tviews_resume('stem');
SELECT pg_tviews_wait('30 s');
SELECT is(stale(), NULL, 'resumed');

UPDATE tb_leaf SET v = 0;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT state FROM pg_tviews_freshness WHERE entity = 'leaf' AND schema_name = 'below'), 'degraded', 'every key fails');
SELECT is(stale(), 'stem:{leaf} top:{leaf}', 'a degraded one');
UPDATE tb_leaf SET v = 5;
SELECT pg_tviews_retry_parked('leaf');
SELECT pg_tviews_wait('30 s');
DROP TABLE tv_top;
SELECT pg_tviews_wait('30 s');
SELECT is_empty($$SELECT * FROM tviews_oracle()$$, 'every TVIEW equals its view');

SELECT * FROM finish();
DROP SCHEMA below CASCADE;
