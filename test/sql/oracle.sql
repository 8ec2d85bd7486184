-- The oracle itself: it sees a difference in every kind of column, and none where there is none.
CREATE SCHEMA oracle_test;
SET search_path = oracle_test, public;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (a int, b json);
CREATE DOMAIN note AS json;
CREATE DOMAIN word AS varchar(10);
CREATE TABLE tb_thing (pk_thing int PRIMARY KEY, plain text, doc json, docs json[], place point, mark xml, feeling mood, span int4range,
  spans int4multirange, two pair, remark note, term word, words word[], bits bit varying, at timestamptz);
INSERT INTO tb_thing SELECT g, 'x', '{"a": 1}', ARRAY['{}'::json], '(1,2)', '<a/>', 'sad', '[1,3)', '{[1,3)}', (1, '{}')::pair, '{}', 'w', '{w}', '101', '2026-01-01 00:00+00'
  FROM generate_series(1, 3) g;
INSERT INTO tb_thing (pk_thing) VALUES (4);
CREATE TABLE tv_thing AS SELECT * FROM tb_thing;
CREATE TABLE "tv_Odd name" AS SELECT pk_thing AS "pk_Odd name", plain AS "a ""column""" FROM tb_thing;
SELECT * FROM tviews_oracle();

-- Within a transaction the views are ahead of the tables.
CREATE FUNCTION difference(change text) RETURNS TABLE (change_ text, tview text, missing bigint, extra bigint) LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    EXECUTE change;
    CREATE TEMP TABLE found AS SELECT * FROM tviews_oracle();
    RAISE EXCEPTION USING errcode = 'TV001', message = (SELECT coalesce(json_agg(f), '[]') FROM found f)::text;
  EXCEPTION WHEN SQLSTATE 'TV001' THEN
    RETURN QUERY SELECT change, r.tview, r.missing, r.extra FROM json_to_recordset(SQLERRM::json) AS r(tview text, missing bigint, extra bigint);
  END;
END $$;
SELECT d.* FROM unnest(ARRAY[
  $$UPDATE tb_thing SET plain = 'y' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET doc = '{"a": 2}' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET docs = ARRAY['[]'::json] WHERE pk_thing < 3$$,
  $$UPDATE tb_thing SET place = '(1,3)' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET mark = '<b/>' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET feeling = 'happy' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET span = '[1,4)', spans = '{[1,4)}' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET two = (1, '[]')::pair WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET remark = '[]' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET term = 'v', words = '{v}' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET bits = '1011' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET at = at + interval '1 microsecond' WHERE pk_thing = 1$$,
  $$UPDATE tb_thing SET plain = NULL WHERE pk_thing = 4$$,
  $$DELETE FROM tb_thing WHERE pk_thing = 2$$,
  $$INSERT INTO tb_thing (pk_thing) VALUES (5), (6)$$]) change, difference(change) d;

SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
SET client_min_messages = warning;
DROP SCHEMA oracle_test CASCADE;
