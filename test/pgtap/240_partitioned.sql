-- Partitioned tv_ tables: rows are found, moved and routed; partitions come and go.
\set QUIET 1
SET client_min_messages = warning;
CREATE SCHEMA parted;
SET search_path = parted, public;
SELECT plan(37);

CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, region text, at date, title text);
INSERT INTO tb_user SELECT g, 'user ' || g FROM generate_series(1, 10) g;
INSERT INTO tb_post SELECT g, g % 10 + 1, (ARRAY['eu', 'us', 'as'])[g % 3 + 1], '2024-01-01'::date + g % 300, 'title ' || g FROM generate_series(1, 600) g;
CREATE VIEW v_post AS SELECT p.pk_post, p.region, p.at, p.title, u.name FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;

-- A key that no index can make unique; leaves whose columns are ordered differently, with dropped columns in between.
CREATE TABLE tv_post (junk int, pk_post int NOT NULL, region text NOT NULL, at date NOT NULL, title text, name text, stars int DEFAULT 5,
  shout text GENERATED ALWAYS AS (upper(title)) STORED) PARTITION BY LIST (region);
ALTER TABLE tv_post DROP COLUMN junk;
CREATE TABLE tv_post_eu PARTITION OF tv_post FOR VALUES IN ('eu');
CREATE TABLE tv_post_us (name text, x int, title text, at date NOT NULL, region text NOT NULL, stars int,
  shout text GENERATED ALWAYS AS (upper(title)) STORED, pk_post int NOT NULL) PARTITION BY RANGE (at);
ALTER TABLE tv_post_us DROP COLUMN x;
ALTER TABLE tv_post ATTACH PARTITION tv_post_us FOR VALUES IN ('us');
CREATE TABLE tv_post_us1 PARTITION OF tv_post_us FOR VALUES FROM ('2024-01-01') TO ('2024-06-01');
CREATE TABLE tv_post_us2 PARTITION OF tv_post_us FOR VALUES FROM ('2024-06-01') TO ('2025-01-01');
CREATE TABLE tv_post_rest PARTITION OF tv_post DEFAULT;
ALTER TABLE tv_post ADD PRIMARY KEY (pk_post, region, at);
CREATE TRIGGER pg_tviews_capture_root AFTER INSERT OR UPDATE OR DELETE ON tv_post FOR EACH ROW
  EXECUTE FUNCTION pg_tviews_capture('parted.v_post', 'pk_post', '{}', 'adopted');
SELECT pg_tviews_wait('30 s');

CREATE FUNCTION differing() RETURNS bigint LANGUAGE sql AS
  $$ SELECT coalesce(sum(missing + extra), 0)::bigint FROM tviews_oracle() o WHERE o.tview::regclass::text LIKE 'parted.%' OR o.tview LIKE 'tv\_%' $$;
CREATE FUNCTION leaf(key int) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(tableoid::regclass::text, ',') FROM parted.tv_post WHERE pk_post = key $$;
SELECT is(differing(), 0::bigint, 'a partitioned table is filled');
SELECT is((SELECT count(DISTINCT tableoid) FROM tv_post), 4::bigint, 'each row in its leaf');
SELECT is((SELECT min(stars) || min(shout) FROM tv_post), '5TITLE 1', 'with defaults and generated columns');

-- Updates in place, moves, inserts, deletes.
UPDATE tv_post SET stars = pk_post;
UPDATE tb_post SET title = 'changed' WHERE pk_post = 3;
UPDATE tb_post SET region = 'us' WHERE pk_post = 6;
UPDATE tb_post SET at = '2024-12-01' WHERE pk_post IN (1, 4);
DELETE FROM tb_post WHERE pk_post = 8;
INSERT INTO tb_post VALUES (1001, 1, 'us', '2024-06-30', 'new'), (1002, 1, 'moon', '2024-06-30', 'new');
UPDATE tb_user SET name = 'renamed' WHERE pk_user = 3;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'changes arrive');
SELECT is(leaf(6) || ' ' || leaf(1) || ' ' || leaf(1002), 'tv_post_us1 tv_post_us2 tv_post_rest', 'rows move to the leaf where they belong');
SELECT is((SELECT stars || shout FROM tv_post WHERE pk_post = 6), '6TITLE 6', 'with the columns that are the user''s own');
SELECT is((SELECT count(*) FROM tv_post WHERE stars <> pk_post), 2::bigint, 'none of which was touched elsewhere');
SELECT is(pg_tviews_refresh('parted.tv_post'), 0::bigint, 'a whole refresh finds nothing to do');

-- What a user does to the table heals.
INSERT INTO tv_post (pk_post, region, at, title) SELECT pk_post, 'zz', at, title FROM tv_post WHERE pk_post <= 5;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'a key stored in a second leaf is removed there');
SELECT is((SELECT stars FROM tv_post WHERE pk_post = 5), 5, 'and the right row stays');
UPDATE tv_post_us1 SET title = 'wrong' WHERE pk_post = 7;
DELETE FROM tv_post_eu WHERE pk_post = 9;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'direct writes to a leaf heal');
TRUNCATE tv_post_us2;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'so does TRUNCATE of a leaf');
BEGIN;
INSERT INTO tv_post (pk_post, region, at, title) SELECT pk_post, 'zz', at, title FROM tv_post WHERE pk_post <= 5;
INSERT INTO tv_post (pk_post, region, at, title) VALUES (5000, 'zz', '2024-01-01', 'nobody');
SELECT is((SELECT extra FROM pg_tviews_verify('parted.tv_post')), 6::bigint, 'verify counts strays');
SELECT is(pg_tviews_refresh('parted.tv_post'), 6::bigint, 'a refresh removes them');
COMMIT;
SELECT is(differing(), 0::bigint, 'and all is well');

-- No partition for a row.
UPDATE tb_post SET region = 'us', at = '2030-01-01' WHERE pk_post IN (10, 11);
UPDATE tb_post SET title = 'beside' WHERE pk_post = 12;
SELECT pg_tviews_wait('30 s');
SELECT results_eq($$SELECT key, sqlstate FROM pg_tview_parked_keys WHERE tview = 'tv_post'::regclass ORDER BY 1$$, $$VALUES ('10', '23514'), ('11', '23514')$$,
  'rows without a partition are parked');
SELECT is((SELECT title FROM tv_post WHERE pk_post = 12), 'beside', 'the others go on');
CREATE TABLE tv_post_us3 PARTITION OF tv_post_us FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
DO $$ BEGIN
  FOR i IN 1 .. 100 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM pg_tview_deferred WHERE tview = 'parted.tv_post'::regclass);
    PERFORM pg_sleep(0.05);
    COMMIT;
  END LOOP;
END $$;
SELECT is(differing(), 0::bigint, 'and come with the partition');

-- Partitions come and go.
ALTER TABLE tv_post_us DETACH PARTITION tv_post_us1;
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tv_post_us1'::regclass), 0::bigint, 'a partition that leaves loses its triggers');
UPDATE tv_post_us1 SET title = 'old';
ALTER TABLE tv_post_us ATTACH PARTITION tv_post_us1 FOR VALUES FROM ('2024-01-01') TO ('2024-06-01');
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'rows that come with a partition are compared');
DROP TABLE tv_post_eu;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'rows that go with one come back elsewhere');

-- Triggers, as PostgreSQL fires them for a row that moves.
CREATE TABLE log (n serial, what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO parted.log (what) VALUES (lower(TG_WHEN || ' ' || TG_OP || ' ' || TG_LEVEL || ' ' || TG_TABLE_NAME));
  RETURN CASE TG_OP WHEN 'DELETE' THEN old ELSE new END; END $$;
CREATE FUNCTION note_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO parted.log (what) SELECT 'moved ' || o.region || ' to ' || n.region FROM gone o, come n; RETURN NULL; END $$;
CREATE TRIGGER before BEFORE INSERT OR UPDATE OR DELETE ON tv_post FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER after AFTER INSERT OR UPDATE OR DELETE ON tv_post FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER statement BEFORE INSERT OR UPDATE OR DELETE ON tv_post FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER rows AFTER UPDATE ON tv_post REFERENCING OLD TABLE AS gone NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION note_rows();
UPDATE tb_post SET region = 'us', at = '2024-12-31' WHERE pk_post = 20;
SELECT pg_tviews_wait('30 s');
CREATE TABLE by_refresh AS SELECT what FROM log ORDER BY n;
TRUNCATE log RESTART IDENTITY;
BEGIN;
UPDATE tv_post SET region = 'mars' WHERE pk_post = 20;
TRUNCATE log RESTART IDENTITY;
UPDATE tv_post SET region = 'us' WHERE pk_post = 20;
CREATE TABLE by_user AS SELECT what FROM log ORDER BY n;
ROLLBACK;
SELECT is((SELECT array_agg(what) FROM by_refresh), ARRAY['before update statement tv_post', 'before update row tv_post_rest', 'before delete row tv_post_rest',
  'before insert row tv_post_us2', 'after delete row tv_post_rest', 'after insert row tv_post_us2', 'moved as to us'], 'triggers fire as for a user''s UPDATE');
DROP TRIGGER before ON tv_post;
DROP TRIGGER after ON tv_post;
DROP TRIGGER statement ON tv_post;
DROP TRIGGER rows ON tv_post;

-- Foreign keys into the table follow a row that moves.
CREATE TABLE tv_hash (pk_hash int NOT NULL, bucket int NOT NULL, v text, mark text) PARTITION BY HASH (pk_hash);
CREATE TABLE tv_hash_0 PARTITION OF tv_hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE tv_hash_1 PARTITION OF tv_hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE tv_hash_2 PARTITION OF tv_hash FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY RANGE (bucket);
CREATE TABLE tv_hash_2a PARTITION OF tv_hash_2 FOR VALUES FROM (0) TO (10);
CREATE TABLE tv_hash_2b PARTITION OF tv_hash_2 FOR VALUES FROM (10) TO (20);
ALTER TABLE tv_hash ADD PRIMARY KEY (pk_hash, bucket);
CREATE TABLE tb_hash (pk_hash int PRIMARY KEY, bucket int, v text);
INSERT INTO tb_hash SELECT g, g % 10, 'v' FROM generate_series(1, 60) g;
CREATE VIEW v_hash AS SELECT pk_hash, bucket, v FROM tb_hash;
CREATE TRIGGER pg_tviews_capture_root AFTER INSERT OR UPDATE OR DELETE ON tv_hash FOR EACH ROW
  EXECUTE FUNCTION pg_tviews_capture('parted.v_hash', 'pk_hash', '{}', 'adopted');
SELECT pg_tviews_wait('30 s');
CREATE TABLE refers (pk_hash int, bucket int, FOREIGN KEY (pk_hash, bucket) REFERENCES tv_hash ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE holds (pk_hash int, bucket int, FOREIGN KEY (pk_hash, bucket) REFERENCES tv_hash);
INSERT INTO refers SELECT pk_hash, bucket FROM tv_hash;
INSERT INTO holds SELECT pk_hash, bucket FROM tv_hash WHERE tableoid = 'tv_hash_2a'::regclass ORDER BY 1 LIMIT 1;
UPDATE tb_hash SET bucket = bucket + 10 WHERE pk_hash IN (SELECT pk_hash FROM tv_hash_2a);
SELECT pg_tviews_wait('30 s');
SELECT results_eq($$SELECT key, sqlstate FROM pg_tview_parked_keys WHERE tview = 'tv_hash'::regclass$$, $$SELECT pk_hash::text, '23503' FROM holds$$,
  'a row that is referenced does not move: its key is parked');
SELECT is((SELECT count(*) FROM tv_hash_2a), 1::bigint, 'the others do');
SELECT is((SELECT count(*) FROM refers r JOIN tv_hash USING (pk_hash, bucket)), 60::bigint, 'ON UPDATE CASCADE sees an UPDATE');
DELETE FROM holds;
SELECT pg_tviews_retry_parked('parted.tv_hash');
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'healed when nothing refers to it');
DELETE FROM tb_hash WHERE pk_hash <= 30;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT count(*) FROM refers), 30::bigint, 'ON DELETE CASCADE fires');
SELECT is(differing(), 0::bigint, 'equal');

-- A TVIEW over a partitioned one.
DROP TABLE refers, holds;
CREATE TABLE tv_top AS SELECT h.pk_hash AS pk_top, h.v, h.bucket FROM tv_hash h;
UPDATE tb_hash SET bucket = (bucket + 10) % 20, v = v || '!' WHERE pk_hash BETWEEN 40 AND 50 AND pk_hash IN (SELECT pk_hash FROM tv_hash_2);
INSERT INTO tb_hash VALUES (1000, 1, 'new');
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'readers above see moves and inserts');
TRUNCATE tv_hash_1;
SELECT pg_tviews_wait('30 s');
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'and a leaf that was emptied');
DROP TABLE tv_top;
UPDATE tb_hash SET v = 'last' WHERE pk_hash = 1000;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'dropping the reader leaves the triggers of the partitions');

-- Two rows of the view for one key.
CREATE TABLE tb_twice (pk_twice int, region text, n int);
INSERT INTO tb_twice VALUES (1, 'a', 1), (2, 'a', 1), (2, 'b', 2), (3, 'b', 3);
CREATE VIEW v_twice AS SELECT pk_twice, region, n FROM tb_twice;
CREATE TABLE tv_twice (pk_twice int, region text, n int) PARTITION BY LIST (region);
CREATE TABLE tv_twice_a PARTITION OF tv_twice FOR VALUES IN ('a');
CREATE TABLE tv_twice_b PARTITION OF tv_twice FOR VALUES IN ('b');
CREATE TRIGGER pg_tviews_capture_root AFTER INSERT OR UPDATE OR DELETE ON tv_twice FOR EACH ROW
  EXECUTE FUNCTION pg_tviews_capture('parted.v_twice', 'pk_twice', '{}', 'adopted');
SELECT pg_tviews_wait('30 s');
SELECT matches((SELECT message FROM pg_tview_deferred WHERE tview = 'tv_twice'::regclass AND reason = 'failed'), 'has no index on the key', 'a leaf without an index on the key is named');
SELECT throws_ok($$CREATE FOREIGN TABLE tv_twice_far PARTITION OF tv_twice FOR VALUES IN ('far') SERVER nowhere$$, '0A000', NULL, 'a foreign partition is refused');
CREATE INDEX ON tv_twice (pk_twice);
DO $$ BEGIN
  FOR i IN 1 .. 100 LOOP
    EXIT WHEN (SELECT state FROM pg_tview_catalog WHERE tview = 'parted.tv_twice'::regclass) = 'f';
    PERFORM pg_sleep(0.05);
    COMMIT;
  END LOOP;
END $$;
UPDATE tb_twice SET n = n + 10;
SELECT pg_tviews_wait('30 s');
SELECT results_eq($$SELECT key, sqlstate FROM pg_tview_parked_keys WHERE tview = 'tv_twice'::regclass$$, $$VALUES ('2', '21000')$$, 'a key the view gives twice is parked');
SELECT is((SELECT array_agg(n ORDER BY pk_twice) FROM tv_twice WHERE pk_twice <> 2), ARRAY[11, 13], 'the others are applied');

-- Random statements over four ways to partition.
CREATE TABLE tb_r (pk_r int PRIMARY KEY, a int, b text, at date);
CREATE VIEW v_list AS SELECT pk_r, a, b, at FROM tb_r;
CREATE TABLE tv_list (pk_r int, a int, b text, at date, own int DEFAULT 1) PARTITION BY LIST (b);
CREATE TABLE tv_list_1 PARTITION OF tv_list FOR VALUES IN ('x', 'y', NULL);
CREATE TABLE tv_list_2 PARTITION OF tv_list DEFAULT PARTITION BY RANGE ((a % 7), at);
CREATE TABLE tv_list_2a PARTITION OF tv_list_2 FOR VALUES FROM (0, MINVALUE) TO (3, '2024-02-01');
CREATE TABLE tv_list_2b (own int, at date, b text, a int, pk_r int);
ALTER TABLE tv_list_2 ATTACH PARTITION tv_list_2b FOR VALUES FROM (3, '2024-02-01') TO (7, MAXVALUE);
CREATE TABLE tv_list_2c PARTITION OF tv_list_2 DEFAULT;
CREATE VIEW v_range AS SELECT pk_r, a, b, at FROM tb_r WHERE a IS NOT NULL;
CREATE TABLE tv_range (own int, pk_r int, a int, b text, at date) PARTITION BY RANGE (pk_r);
CREATE TABLE tv_range_1 PARTITION OF tv_range FOR VALUES FROM (MINVALUE) TO (50);
CREATE TABLE tv_range_2 PARTITION OF tv_range FOR VALUES FROM (50) TO (MAXVALUE) PARTITION BY HASH (a, b);
CREATE TABLE tv_range_2a PARTITION OF tv_range_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tv_range_2b PARTITION OF tv_range_2 FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE tv_range_2c PARTITION OF tv_range_2 FOR VALUES WITH (MODULUS 4, REMAINDER 3);
CREATE INDEX ON tv_list (pk_r);
CREATE INDEX ON tv_range (pk_r, a);
SELECT FROM pg_tviews_adopt('tv_list', 'SELECT * FROM parted.v_list', '{"key": "pk_r"}');
SELECT FROM pg_tviews_adopt('tv_range', 'SELECT * FROM parted.v_range', '{"key": "pk_r"}');
SELECT setseed(0.42);
CREATE FUNCTION random_step() RETURNS void LANGUAGE plpgsql AS $$
DECLARE k int := (random() * 100)::int; n int := (random() * 10)::int;
BEGIN
  CASE (random() * 9)::int
    WHEN 0, 1 THEN INSERT INTO parted.tb_r SELECT g, g % 11, chr(115 + g % 8), '2024-01-01'::date + g FROM generate_series(k, k + n) g ON CONFLICT DO NOTHING;
    WHEN 2 THEN DELETE FROM parted.tb_r WHERE pk_r BETWEEN k AND k + n / 2;
    WHEN 3 THEN UPDATE parted.tb_r SET b = chr(115 + (random() * 8)::int) WHERE pk_r BETWEEN k AND k + n;
    WHEN 4 THEN UPDATE parted.tb_r SET a = (random() * 20)::int, at = at + 20 WHERE pk_r BETWEEN k AND k + n;
    WHEN 5 THEN UPDATE parted.tb_r SET a = NULL, b = NULL WHERE pk_r = k;
    WHEN 6 THEN UPDATE parted.tv_list SET a = k, b = chr(115 + n) WHERE pk_r BETWEEN k AND k + 3;
    WHEN 7 THEN INSERT INTO parted.tv_list (pk_r, a, b) VALUES (k, n, 'x'), (k, n, 'z');
    WHEN 8 THEN INSERT INTO parted.tv_range (pk_r, a, b) SELECT pk_r, a + 1, b FROM parted.tv_range WHERE pk_r BETWEEN k AND k + 2;
    ELSE UPDATE parted.tv_range SET pk_r = pk_r + 30 WHERE pk_r = k;
  END CASE;
END $$;
CREATE TABLE wrong (round int, tview text, missing bigint, extra bigint);
CREATE PROCEDURE random_rounds() LANGUAGE plpgsql AS $$ BEGIN
  FOR round IN 1 .. 60 LOOP
    PERFORM parted.random_step() FROM generate_series(1, 1 + round % 5);
    COMMIT;
    PERFORM public.pg_tviews_wait('30 s');
    INSERT INTO parted.wrong SELECT round, o.* FROM public.tviews_oracle() o WHERE o.tview ~ 'tv_(list|range)';
    COMMIT;
  END LOOP;
END $$;
CALL random_rounds();
SELECT is_empty('SELECT * FROM wrong', 'after each of 60 rounds of random statements');
SELECT cmp_ok((SELECT count(DISTINCT tableoid) FROM (SELECT tableoid FROM tv_list UNION ALL SELECT tableoid FROM tv_range) x), '>=', 7::bigint, 'that filled the partitions');

DROP SCHEMA parted CASCADE;
SELECT * FROM finish();
