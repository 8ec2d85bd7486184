-- A key that is a column under a cast nobody wrote: USING and = make the types of both sides alike.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA unwritten;
SET search_path = unwritten, public;
SELECT plan(6);
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle()) + (SELECT count(*) FROM pg_tview_deferred);
END $$;

CREATE TABLE tb_small (pk_small int PRIMARY KEY, x smallint, code char(4));
CREATE TABLE tb_wide (pk_wide int PRIMARY KEY, x int, code text);
SELECT pg_tviews_create('tv_using', 'SELECT x, count(*) AS n FROM tb_small s LEFT JOIN tb_wide w USING (x) WHERE x IS NOT NULL GROUP BY x', '{"key": "x"}');
SELECT pg_tviews_create('tv_right', 'SELECT x, count(*) AS n, max(w.code) AS code FROM tb_wide w RIGHT JOIN tb_small s USING (x) WHERE x IS NOT NULL GROUP BY x', '{"key": "x"}');
SELECT pg_tviews_create('tv_code', 'SELECT DISTINCT ON (w.code) w.code, s.pk_small FROM tb_wide w LEFT JOIN tb_small s ON w.code = s.code
  WHERE w.code IS NOT NULL ORDER BY w.code, s.pk_small', '{"key": "code"}');

INSERT INTO tb_small VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'b');
SELECT is(differences(), 0::bigint, 'a narrow column under the type of a wide one');
INSERT INTO tb_wide VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 100000, 'c');
SELECT is(differences(), 0::bigint, 'from the wide side');
UPDATE tb_small SET code = 'c', x = 3 WHERE pk_small = 3;
SELECT is(differences(), 0::bigint, 'a char(n) under the type text');
UPDATE tb_wide SET code = 'a', x = 3 WHERE pk_wide = 3;
SELECT is(differences(), 0::bigint, 'a moved text');

-- A partition that is a column under another type: groups by the equality of citext, not that of text.
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
SELECT pg_tviews_create('tv_rank', 'SELECT pk_wide, code, rank() OVER (PARTITION BY code::citext ORDER BY pk_wide) AS r FROM tb_wide', '{"key": "pk_wide"}');
INSERT INTO tb_wide VALUES (4, 4, 'A'), (5, 5, 'a'), (6, 6, 'C');
UPDATE tb_wide SET code = 'x' WHERE pk_wide = 1;
DELETE FROM tb_wide WHERE pk_wide = 4;
SELECT is(differences(), 0::bigint, 'a partition of citext over a column of text');

SELECT is((SELECT array_agg((x, n)::text ORDER BY x) FROM tv_using), ARRAY['(1,2)', '(3,1)'], 'the rows are there');

SELECT * FROM finish();
DROP SCHEMA unwritten CASCADE;
