-- Users' event triggers beside the commands that TVIEWs are made of: what they see, what they may do, what is left when they raise.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA ev;
SET search_path = ev, public;
SELECT plan(25);
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql SET search_path = ev, public AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle());
END $$;
CREATE FUNCTION tidy(what text) RETURNS text LANGUAGE sql AS $$ SELECT is_empty('SELECT * FROM tviews_orphans()', what) $$;
CREATE FUNCTION made(name text) RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class WHERE relnamespace = 'ev'::regnamespace AND relname IN ('v_' || name, 'tv_' || name) $$;
CREATE ROLE ev_user;
GRANT ALL ON SCHEMA ev TO ev_user;
CREATE TABLE tb_item (pk_item int PRIMARY KEY, v int);
INSERT INTO tb_item VALUES (1, 1), (2, 2);
GRANT SELECT, TRIGGER ON tb_item TO ev_user;

-- One that logs; it names its table without a schema, as it does for the user's own commands.
CREATE TABLE ddl_log (n serial, who text, event text, command text, path text);
GRANT ALL ON ddl_log, ddl_log_n_seq TO ev_user;
CREATE FUNCTION log_it() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO ddl_log (who, event, command, path) VALUES (current_user, tg_event, tg_tag, current_setting('search_path'));
END $$;
CREATE FUNCTION seen() RETURNS text LANGUAGE plpgsql AS $$ DECLARE seen text := (SELECT string_agg(event || ' ' || command, ', ' ORDER BY n) FROM ddl_log); BEGIN
  DELETE FROM ddl_log;
  RETURN seen;
END $$;
CREATE EVENT TRIGGER ev_start ON ddl_command_start EXECUTE FUNCTION log_it();
CREATE EVENT TRIGGER ev_end ON ddl_command_end EXECUTE FUNCTION log_it();
CREATE EVENT TRIGGER ev_drop ON sql_drop EXECUTE FUNCTION log_it();
CREATE EVENT TRIGGER ev_rewrite ON table_rewrite EXECUTE FUNCTION log_it();
SET ROLE ev_user;
CREATE TABLE tv_log AS SELECT pk_item AS pk_log, v FROM tb_item;
RESET ROLE;
SELECT is((SELECT string_agg(DISTINCT path || ' ' || who, ', ') FROM ddl_log), 'ev, public ev_user', 'it runs as the user, with his search_path');
SELECT is(seen(), 'ddl_command_start CREATE VIEW, ddl_command_end CREATE VIEW, ddl_command_start COMMENT, ddl_command_end COMMENT, ddl_command_start CREATE TABLE, '
  'ddl_command_end CREATE TABLE, ddl_command_start COMMENT, ddl_command_end COMMENT, ddl_command_start ALTER TABLE, ddl_command_end ALTER TABLE',
  'creation is the commands that a user would give; capture triggers and catalog rows are not among them');
SELECT current_setting('search_path') AS path \gset
SELECT is(:'path'::text, 'ev, public', 'and leaves the search_path');
SELECT pg_tviews_create_or_replace('tv_log', 'SELECT pk_item AS pk_log, v::text AS v FROM tb_item');
SELECT alike(seen(), '%sql_drop DROP VIEW%table_rewrite ALTER TABLE%', 'redefinition');
ALTER VIEW v_log RENAME COLUMN v TO value;
SELECT is(seen(), 'ddl_command_start ALTER VIEW, ddl_command_end ALTER VIEW, ddl_command_start ALTER TABLE, ddl_command_end ALTER TABLE',
  'a rename that the table of another owner follows');
INSERT INTO tb_item VALUES (3, 3);
SELECT is(differences(), 0::bigint, 'refreshed');
SELECT is(seen(), NULL::text, 'the worker runs no command that fires one');
DROP TABLE tv_log;
SELECT alike(seen(), 'ddl_command_start DROP TABLE, sql_drop DROP TABLE%', 'drop');
DROP EVENT TRIGGER ev_start;
DROP EVENT TRIGGER ev_end;
DROP EVENT TRIGGER ev_drop;
DROP EVENT TRIGGER ev_rewrite;

-- One that raises.
CREATE TABLE tv_kept AS SELECT pk_item AS pk_kept, v FROM tb_item;
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not here'; END $$;
CREATE EVENT TRIGGER ev_refuse ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();
SELECT throws_ok('CREATE TABLE tv_refused AS SELECT pk_item AS pk_refused FROM tb_item', 'P0001', 'not here', 'creation is refused');
SELECT is(made('refused'), '', 'and nothing of it is there');
DROP EVENT TRIGGER ev_refuse;
CREATE EVENT TRIGGER ev_refuse ON sql_drop EXECUTE FUNCTION refuse();
SELECT throws_ok('DROP TABLE tv_kept', 'P0001', 'not here', 'drop is refused');
SELECT throws_ok($$SELECT pg_tviews_create_or_replace('tv_kept', 'SELECT pk_item AS pk_kept, v::text AS v FROM tb_item')$$, 'P0001', 'not here', 'so is a redefinition that drops the view');
DROP EVENT TRIGGER ev_refuse;
INSERT INTO tb_item VALUES (4, 4);
SELECT is(differences(), 0::bigint, 'the TVIEW is as it was');
SELECT tidy('nothing is left of what was refused');

-- One that makes a TVIEW of every new table, one that drops another TVIEW, one that gives tables away, adds to them, closes them.
CREATE FUNCTION make_tview() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF to_regclass('tb_auto') IS NOT NULL AND to_regclass('tv_auto') IS NULL AND to_regclass('v_auto') IS NULL THEN
    CREATE TABLE tv_auto AS SELECT * FROM tb_auto;
  END IF;
END $$;
CREATE EVENT TRIGGER ev_make ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION make_tview();
CREATE TABLE tb_auto (pk_auto int PRIMARY KEY, v int);
DROP EVENT TRIGGER ev_make;
INSERT INTO tb_auto VALUES (1, 1);
SELECT is(differences(), 0::bigint, 'a TVIEW made by an event trigger');
CREATE FUNCTION drop_tview() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE IF EXISTS tv_auto; END $$;
CREATE EVENT TRIGGER ev_drop ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION drop_tview();
CREATE TABLE tv_second AS SELECT pk_auto AS pk_second, v FROM tb_auto;
DROP EVENT TRIGGER ev_drop;
SELECT is(made('auto') || made('second'), 'tv_second v_second', 'another TVIEW dropped while one is made of the same table');
CREATE FUNCTION adorn() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF to_regclass('tv_adorned') IS NOT NULL THEN
    ALTER TABLE tv_adorned OWNER TO ev_user;
    ALTER TABLE tv_adorned ADD COLUMN made_at timestamptz DEFAULT now();
    ALTER TABLE tv_adorned ENABLE ROW LEVEL SECURITY;
  END IF;
END $$;
CREATE EVENT TRIGGER ev_adorn ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION adorn();
GRANT SELECT, TRIGGER ON tb_auto TO ev_user;
CREATE TABLE tv_adorned AS SELECT pk_auto AS pk_adorned, v FROM tb_auto;
DROP EVENT TRIGGER ev_adorn;
ALTER VIEW v_adorned OWNER TO ev_user;
INSERT INTO tb_auto VALUES (2, 2);
SELECT is(differences(), 0::bigint, 'a table that another owner, a column and row security came to while it was made');
SELECT tidy('catalog and triggers are right');

-- One that drops what is being made.
CREATE FUNCTION drop_base() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE tb_auto CASCADE; END $$;
CREATE EVENT TRIGGER ev_drop ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION drop_base();
SELECT throws_ok('CREATE TABLE tv_gone AS SELECT pk_auto AS pk_gone FROM tb_auto', '55000', 'the view of TVIEW "tv_gone" was dropped while it was made', 'its view');
DROP EVENT TRIGGER ev_drop;
CREATE FUNCTION drop_table() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE tv_gone; END $$;
CREATE EVENT TRIGGER ev_drop ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION drop_table();
SELECT throws_ok('CREATE TABLE tv_gone AS SELECT pk_auto AS pk_gone FROM tb_auto', '55000', 'the table of TVIEW "tv_gone" was dropped while it was made', 'its table');
DROP EVENT TRIGGER ev_drop;
SELECT is(made('gone'), '', 'nothing is left');
SELECT tidy('and nothing of it in the catalog');

-- An error that the user catches: the search_path is the user's again.
CREATE EVENT TRIGGER ev_refuse ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();
CREATE FUNCTION caught() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
  CREATE TABLE tv_caught AS SELECT pk_auto AS pk_caught FROM tb_auto;
EXCEPTION WHEN raise_exception THEN
  RETURN current_setting('search_path') || current_setting('pg_tviews.callers_search_path');
END $$;
SELECT is(caught(), 'ev, public', 'a caught error leaves the search_path');
DROP EVENT TRIGGER ev_refuse;
SELECT is(differences(), 0::bigint, 'every TVIEW equals its view');
SELECT throws_ok('SET pg_tviews.callers_search_path = ''=ev''', '55P02', NULL, 'by which path an event trigger runs is not for users to set');

SELECT * FROM finish();
DROP SCHEMA ev CASCADE;
DROP ROLE ev_user;
