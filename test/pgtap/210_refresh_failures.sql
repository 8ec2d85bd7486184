-- Views that fail, hang or try to get more than their owner may.
\set QUIET 1
SET client_min_messages = warning;
CREATE SCHEMA failing;
SET search_path = failing, public;
SELECT plan(29);

CREATE TABLE tb_parent (pk_parent int PRIMARY KEY, divisor int NOT NULL);
CREATE TABLE tb_child (pk_child int PRIMARY KEY, fk_parent int, v int);
INSERT INTO tb_parent SELECT g, 1 FROM generate_series(1, 5) g;
INSERT INTO tb_child SELECT g, g % 5 + 1, g FROM generate_series(1, 2000) g;
CREATE INDEX ON tb_child (fk_parent);
CREATE TABLE tv_child AS SELECT c.pk_child, c.v / p.divisor AS share FROM tb_child c JOIN tb_parent p ON p.pk_parent = c.fk_parent;

CREATE FUNCTION state(what regclass) RETURNS text LANGUAGE sql AS $$ SELECT state::text FROM pg_tview_catalog WHERE tview = what $$;
CREATE FUNCTION parked(what regclass) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM pg_tview_deferred WHERE tview = what AND reason = 'failed' $$;
CREATE FUNCTION oracle() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM tviews_oracle() o WHERE o.tview LIKE '%failing.%' OR o.tview LIKE 'tv\_%' $$;

-- One bad parent of many rows.
UPDATE tb_parent SET divisor = 0 WHERE pk_parent = 2;
UPDATE tb_child SET v = -1 WHERE pk_child = 3;
SELECT pg_tviews_wait('30 s');
SELECT is(state('tv_child'), 'f', 'a parent whose 400 rows all fail does not degrade the TVIEW');
SELECT is(parked('tv_child'), 400::bigint, 'its rows are parked');
SELECT is((SELECT share FROM tv_child WHERE pk_child = 3), -1, 'other rows go on');
UPDATE tb_parent SET divisor = 2 WHERE pk_parent = 2;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_child'), 0::bigint, 'mended: unparked');
SELECT is(oracle(), 0::bigint, 'and exact');

-- Everything fails.
CREATE TABLE tb_all (pk_all int PRIMARY KEY, v int);
INSERT INTO tb_all SELECT g, g FROM generate_series(1, 100) g;
CREATE TABLE switch (broken bool);
INSERT INTO switch VALUES (false);
-- IMMUTABLE is a lie here and below: TVIEWs refuse other functions.
CREATE FUNCTION checked(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF (SELECT broken FROM failing.switch) THEN RAISE EXCEPTION 'broken' USING ERRCODE = 'P0042'; END IF;
  RETURN v; END $$;
CREATE TABLE tv_all AS SELECT pk_all, checked(v) AS v FROM tb_all;
UPDATE switch SET broken = true;
UPDATE tb_all SET v = v + 1000;
SELECT pg_tviews_wait('30 s');
SELECT is(state('tv_all'), 'd', 'a view that fails for every key degrades its TVIEW');
SELECT results_eq($$SELECT key_text, sqlstate, message FROM pg_tview_deferred WHERE tview = 'tv_all'::regclass$$, $$VALUES (NULL::text, 'P0042', 'broken')$$, 'one row says why');
SELECT is((SELECT count(*) FROM tv_all WHERE v > 1000), 0::bigint, 'its rows stay');
UPDATE tb_child SET v = -2 WHERE pk_child = 4;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT share FROM tv_child WHERE pk_child = 4), -2, 'other TVIEWs go on');
UPDATE switch SET broken = false;
SELECT cmp_ok(pg_tviews_retry_parked(), '>=', 1::bigint, 'retrying is counted');
DO $$ BEGIN
  FOR i IN 1 .. 200 LOOP
    EXIT WHEN (SELECT state FROM pg_tview_catalog WHERE tview = 'failing.tv_all'::regclass) = 'f';
    PERFORM pg_sleep(0.1);
    COMMIT;
  END LOOP;
END $$;
SELECT is(state('tv_all'), 'f', 'it comes back by itself');
SELECT is(oracle(), 0::bigint, 'and is exact');

-- A view that hangs.
ALTER SYSTEM SET pg_tviews.refresh_timeout = '200 ms';
SELECT pg_reload_conf();
CREATE TABLE tb_slow (pk_slow int PRIMARY KEY, nap float);
INSERT INTO tb_slow VALUES (1, 0), (2, 0), (3, 0);
CREATE FUNCTION nap(float) RETURNS float LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF $1 > 0 THEN PERFORM pg_sleep($1); END IF; RETURN $1; END $$;
CREATE TABLE tv_slow AS SELECT pk_slow, nap(nap) AS nap FROM tb_slow;
UPDATE tb_slow SET nap = CASE pk_slow WHEN 2 THEN 5 ELSE 0.001 END;
SELECT pg_tviews_wait('30 s');
SELECT results_eq($$SELECT key_text, sqlstate FROM pg_tview_deferred WHERE tview = 'tv_slow'::regclass$$, $$VALUES ('2', '57014')$$, 'refresh_timeout parks the key that hangs');
SELECT is((SELECT count(*) FROM tv_slow WHERE nap > 0), 2::bigint, 'the others are applied');
ALTER SYSTEM RESET pg_tviews.refresh_timeout;
SELECT pg_reload_conf();
DELETE FROM tb_slow;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_slow'), 0::bigint, 'gone with its row');

-- Who runs the view, and how.
CREATE ROLE tviews_owner;
GRANT ALL ON SCHEMA failing TO tviews_owner;
CREATE TABLE tb_who (pk_who int PRIMARY KEY, v text);
INSERT INTO tb_who VALUES (1, 'a');
CREATE TABLE secret (v text);
GRANT SELECT, TRIGGER ON tb_who TO tviews_owner;
SET ROLE tviews_owner;
CREATE FUNCTION who() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN
  BEGIN PERFORM pg_advisory_lock(4242); EXCEPTION WHEN insufficient_privilege THEN END;
  RETURN current_user || ' ' || current_setting('search_path');
END $$;
CREATE FUNCTION escape() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN
  BEGIN EXECUTE 'RESET ROLE'; RETURN 'escaped by RESET ROLE'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
  BEGIN EXECUTE 'SET SESSION AUTHORIZATION DEFAULT'; RETURN 'escaped'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
  BEGIN EXECUTE 'CREATE TEMP TABLE trap (x int)'; RETURN 'made a temp table'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
  BEGIN INSERT INTO failing.secret VALUES ('stolen'); RETURN 'wrote'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
  RETURN 'held';
END $$;
CREATE FUNCTION calls_who(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN failing.who(); END $$;
CREATE FUNCTION calls_escape(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN failing.escape(); END $$;
CREATE TABLE tv_who AS SELECT pk_who, v, calls_who(pk_who) AS who, calls_escape(pk_who) AS escape FROM tb_who;
RESET ROLE;
-- This session holds the advisory lock that the view wants.
UPDATE tb_who SET v = 'held';
UPDATE tb_child SET v = -5 WHERE pk_child = 5;
DO $$ BEGIN
  FOR i IN 1 .. 100 LOOP
    EXIT WHEN EXISTS (SELECT FROM pg_tview_deferred WHERE tview = 'failing.tv_who'::regclass);
    PERFORM pg_sleep(0.1);
    COMMIT;
  END LOOP;
END $$;
SELECT results_eq($$SELECT key_text, reason FROM pg_tview_deferred WHERE tview = 'tv_who'::regclass$$, $$VALUES ('1', 'locked')$$, 'a view that waits for a lock is deferred');
SELECT pg_tviews_wait('2 s');
SELECT is((SELECT share FROM tv_child WHERE pk_child = 5), -5, 'and does not stop the others');
SELECT pg_advisory_unlock_all();
UPDATE tb_who SET v = 'b';
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT v || ' ' || who FROM tv_who), 'b tviews_owner failing, public, pg_temp', 'the view runs as the owner of the TVIEW under its search_path');
SELECT is((SELECT escape FROM tv_who), 'held', 'and cannot get out of it');
SELECT is((SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242 AND pid <> pg_backend_pid()), 0::bigint, 'its advisory locks are released');
UPDATE tv_who SET v = 'wrong';
SELECT pg_tviews_refresh('failing.tv_who');
SELECT is((SELECT escape || ' ' || v FROM tv_who), 'held b', 'in a superuser''s session too');
SELECT is(current_setting('search_path') || ' ' || current_user, 'failing, public postgres', 'whose settings and user come back');
SET ROLE tviews_owner;
SELECT throws_ok($$SELECT pg_tviews_refresh('failing.tv_child')$$, '42501', NULL, 'refreshing takes the right to write');
SELECT throws_ok($$SELECT * FROM pg_tviews_verify('failing.tv_child')$$, '42501', NULL, 'verifying takes the right to read');
SELECT lives_ok($$SELECT pg_tviews_refresh('failing.tv_who')$$, 'the owner may');
RESET ROLE;
REVOKE SELECT ON tb_who FROM tviews_owner;
UPDATE tb_who SET v = 'hidden';
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT count(*) FROM tv_who WHERE v = 'hidden'), 0::bigint, 'revoking SELECT stops the flow of data');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT throws_ok($$SELECT pg_tviews_refresh('failing.tv_child')$$, '25001', NULL, 'no refresh under an old snapshot');
COMMIT;

-- A trigger of the user's own that swallows rows.
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER swallow BEFORE INSERT OR UPDATE OR DELETE ON tv_child FOR EACH ROW EXECUTE FUNCTION swallow();
UPDATE tb_child SET v = -6 WHERE pk_child = 6;
DELETE FROM tb_child WHERE pk_child = 7;
INSERT INTO tb_child VALUES (3000, 1, 1);
SELECT pg_tviews_wait('30 s');
SELECT results_eq($$SELECT key, sqlstate FROM pg_tview_parked_keys WHERE tview = 'tv_child'::regclass AND key IN ('6', '7', '3000') ORDER BY key$$,
  $$VALUES ('3000', '09000'), ('6', '09000'), ('7', '09000')$$, 'rows that a BEFORE trigger suppresses are parked');
DROP TRIGGER swallow ON tv_child;
SELECT pg_tviews_retry_parked('failing.tv_child');
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT count(*) FROM (TABLE v_child EXCEPT ALL TABLE tv_child) d), 0::bigint, 'and come when the trigger is gone');

SELECT * FROM finish();
SELECT pg_advisory_unlock_all();
DROP SCHEMA failing CASCADE;
DROP ROLE tviews_owner;
