-- DDL that reaches TVIEWs by other roads than their names: nothing is left behind, and what cannot be captured is not called fresh.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA ddl;
SET search_path = ddl, public;
SELECT plan(24);
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql SET search_path = ddl, public AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle());
END $$;
CREATE FUNCTION states() RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(entity || ' ' || state, ', ' ORDER BY entity) FROM pg_tview_meta WHERE schema_name = 'ddl' $$;
CREATE FUNCTION tidy(what text) RETURNS text LANGUAGE sql AS $$ SELECT is_empty('SELECT * FROM tviews_orphans()', what) $$;

-- The only partition that is read goes: its root carries the trigger for it.
CREATE TABLE tb_part (pk_part int PRIMARY KEY, v text) PARTITION BY RANGE (pk_part);
CREATE TABLE tb_part_low PARTITION OF tb_part FOR VALUES FROM (0) TO (10);
CREATE TABLE tb_part_high PARTITION OF tb_part FOR VALUES FROM (10) TO (20);
CREATE TABLE tv_low AS SELECT pk_part AS pk_low, v FROM tb_part_low;
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tb_part'::regclass AND tgname = 'pg_tviews_capture_root'), 1::bigint, 'the root carries the row trigger');
DROP TABLE tb_part_low CASCADE;
SELECT tidy('a read partition is dropped with its TVIEW: the root loses its trigger');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgfoid = 'pg_tviews_capture'::regproc AND tgrelid IN ('tb_part'::regclass, 'tb_part_high'::regclass)), 0::bigint, 'and so do the others');

-- A column goes with its type: no ALTER TABLE says so.
CREATE DOMAIN small AS int;
CREATE TABLE tb_doc (pk_doc int PRIMARY KEY, s small, t text);
INSERT INTO tb_doc VALUES (1, 1, 'one');
CREATE TABLE tv_doc AS SELECT pk_doc, to_jsonb(d) AS doc FROM tb_doc d;
DROP DOMAIN small CASCADE;
SELECT is(differences(), 0::bigint, 'a column dropped with its domain leaves the documents');
SELECT is((SELECT doc FROM tv_doc), '{"t": "one", "pk_doc": 1}', 'as the view has it');
CREATE ROLE ddl_owner;
CREATE DOMAIN owned AS int;
ALTER DOMAIN owned OWNER TO ddl_owner;
ALTER TABLE tb_doc ADD COLUMN o owned DEFAULT 5;
SELECT is(differences(), 0::bigint, 'a column comes');
DROP OWNED BY ddl_owner CASCADE;
SELECT is(differences(), 0::bigint, 'and goes with DROP OWNED');
DROP ROLE ddl_owner;

-- Capture that somebody disabled: degraded until it is on again, however often the TVIEW is compared meanwhile.
CREATE TABLE tb_off (pk_off int PRIMARY KEY, v text) PARTITION BY RANGE (pk_off);
CREATE TABLE tb_off_low PARTITION OF tb_off FOR VALUES FROM (0) TO (10);
CREATE TABLE tv_off AS SELECT pk_off, v FROM tb_off_low;
CREATE TABLE tv_above AS SELECT pk_off AS pk_above, v FROM tv_off;
SELECT is(differences(), 0::bigint, 'as made');
ALTER TABLE tb_off DISABLE TRIGGER ALL;
SELECT is(states(), 'above fresh, doc fresh, off degraded', 'disabled on the root of a partition that is read: degraded');
INSERT INTO tb_off VALUES (1, 'not captured');
SELECT pg_tviews_refresh('ddl.tv_off');
SELECT is(states(), 'above fresh, doc fresh, off degraded', 'comparing it once does not make it fresh');
ALTER TABLE tb_off ENABLE TRIGGER ALL;
SELECT is(differences(), 0::bigint, 'enabled: compared');
SELECT is(states(), 'above fresh, doc fresh, off fresh', 'and fresh');
SELECT tidy('with its triggers as they were');
SELECT pg_tviews_pause('ddl.tv_off');
ALTER TABLE tb_off DISABLE TRIGGER ALL;
SELECT is(states(), 'above fresh, doc fresh, off paused', 'a paused TVIEW stays paused');
SELECT pg_tviews_resume('ddl.tv_off');
INSERT INTO tb_off VALUES (2, 'not captured');
SELECT is(states(), 'above fresh, doc fresh, off degraded', 'resumed with its capture off it is degraded');
ALTER TABLE tb_off ENABLE TRIGGER ALL;
SELECT is(differences(), 0::bigint, 'enabled: compared');
SELECT is(states(), 'above fresh, doc fresh, off fresh', 'and fresh');
ALTER TABLE tv_doc DISABLE TRIGGER USER;
UPDATE tb_doc SET t = 'two';
SELECT is(differences(), 0::bigint, 'a TVIEW whose own capture is off goes on');
SELECT is(states(), 'above fresh, doc degraded, off fresh', 'degraded, for its users'' writes are not seen');
ALTER TABLE tv_doc ENABLE TRIGGER USER;
SELECT is(differences(), 0::bigint, 'enabled');
SELECT is(states(), 'above fresh, doc fresh, off fresh', 'fresh again');
SELECT tidy('nothing is left behind');

SELECT throws_ok('DROP TABLE tv_off', '2BP01', NULL, 'a TVIEW that another reads is not dropped without CASCADE');
DROP SCHEMA ddl CASCADE;
SELECT is_empty('SELECT * FROM public.tviews_orphans()', 'nor by DROP SCHEMA');
SELECT * FROM finish();
