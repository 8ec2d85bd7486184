-- A search path in which the user's own functions and operators stand before those of pg_catalog: SQL that is worded here means the latter.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA shadow;
SELECT plan(6);
CREATE FUNCTION shadow.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'shadowed' $$;
CREATE FUNCTION shadow.differs(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT false $$;
CREATE OPERATOR shadow.# (LEFTARG = int, RIGHTARG = int, FUNCTION = int4mi);
CREATE OPERATOR shadow.> (LEFTARG = int, RIGHTARG = int, FUNCTION = shadow.differs);
-- A function of the user's whose body needs the path.
CREATE FUNCTION shadow.helper(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 + 1000; END $$;
CREATE FUNCTION shadow.calls_helper(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN helper($1); END $$;
CREATE TABLE shadow.tb_mail (pk_mail int PRIMARY KEY, address text, n int);
CREATE TABLE shadow.tb_name (pk_name int PRIMARY KEY, mail text, n int, code int);
INSERT INTO shadow.tb_mail SELECT i, 'Mail' || i, i FROM generate_series(1, 20) i;
INSERT INTO shadow.tb_name SELECT i, 'mail' || i, i, pg_catalog.int4pl(i, 1000) FROM generate_series(1, 120) i;
SET search_path = shadow, pg_catalog, public;
SELECT lives_ok($$ SELECT pg_tviews_create('tv_name', 'SELECT b.pk_name, a.n FROM shadow.tb_name b LEFT JOIN shadow.tb_mail a ON pg_catalog.lower(a.address) = b.mail') $$, 'a function');
SELECT lives_ok($$ SELECT pg_tviews_create('tv_next', 'SELECT b.pk_name AS pk_next, a.address FROM shadow.tb_name b LEFT JOIN shadow.tb_mail a ON a.n OPERATOR(pg_catalog.#) 1 = b.n') $$, 'an operator');
SELECT lives_ok($$ SELECT pg_tviews_create('tv_rank', 'SELECT pk_mail AS pk_rank, count(*) FILTER (WHERE n OPERATOR(pg_catalog.>) 5) OVER (PARTITION BY pg_catalog.lower(address)) AS rank,
  calls_helper(n) AS helped FROM shadow.tb_mail') $$, 'a query that is narrowed');
SELECT lives_ok($$ SELECT pg_tviews_create('tv_helped', 'SELECT b.pk_name AS pk_helped, a.address FROM shadow.tb_name b LEFT JOIN shadow.tb_mail a ON calls_helper(a.n) = b.code') $$, 'a function that needs the path');
UPDATE shadow.tb_mail SET n = 100, address = 'MAIL101' WHERE pk_mail = 1;
UPDATE shadow.tb_mail SET address = 'mAiL102', n = 102 WHERE pk_mail = 4;
SELECT pg_tviews_wait('30 s') \g /dev/null
SELECT is((SELECT count(*) FROM tviews_oracle()), 0::bigint, 'all are exact');
SELECT is((SELECT count(*) FROM pg_tview_deferred), 0::bigint, 'nothing is parked');
SELECT * FROM finish();
RESET search_path;
DROP SCHEMA shadow CASCADE;
