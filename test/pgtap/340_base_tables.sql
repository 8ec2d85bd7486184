-- Base tables as users have them: names, schemas, partitions that come and go, tables without keys.
\set QUIET 1
SET client_min_messages = error;
CREATE SCHEMA base;
SET search_path = base, public;
SELECT plan(37);
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql SET search_path = base, public AS $$ BEGIN
  PERFORM pg_tviews_wait('30 s');
  RETURN (SELECT coalesce(sum(missing + extra), 0) FROM tviews_oracle()) + (SELECT count(*) FROM pg_tview_deferred);
END $$;
CREATE FUNCTION exact(what text) RETURNS text LANGUAGE sql AS $$ SELECT is(base.differences(), 0::bigint, what) $$;

-- Names: quoted, mixed case, at 63 bytes.  What is made for one must not clash with what is made for the other.
CREATE SCHEMA "Shop ""x""";
CREATE TABLE "Shop ""x"""."tb_Order Line" ("pk_Order" int PRIMARY KEY, "fk_User's" int, "Größe" text, "select" text);
CREATE TABLE "Shop ""x"""."tb_Ünser" ("pk_Ünser" int PRIMARY KEY, "Na""me" text);
INSERT INTO "Shop ""x"""."tb_Ünser" VALUES (1, 'a'), (2, 'b');
INSERT INTO "Shop ""x"""."tb_Order Line" SELECT g, g % 2 + 1, 's' || g, 't' FROM generate_series(1, 6) g;
CREATE TABLE "Shop ""x"""."tv_Order" AS
  SELECT o."pk_Order", o."fk_User's", o."Größe", o."select", u."Na""me" FROM "Shop ""x"""."tb_Order Line" o JOIN "Shop ""x"""."tb_Ünser" u ON u."pk_Ünser" = o."fk_User's";
SELECT is((SELECT count(*) FROM "Shop ""x"""."tv_Order"), 6::bigint, 'quoted and mixed-case names');
UPDATE "Shop ""x"""."tb_Ünser" SET "Na""me" = 'changed' WHERE "pk_Ünser" = 1;
UPDATE "Shop ""x"""."tb_Order Line" SET "fk_User's" = 1, "select" = 'x' WHERE "pk_Order" = 1;
SELECT exact('follow');
ALTER TABLE "Shop ""x"""."tb_Ünser" RENAME COLUMN "Na""me" TO "Other; Name";
ALTER TABLE "Shop ""x"""."tb_Order Line" RENAME COLUMN "fk_User's" TO "FK";
ALTER SCHEMA "Shop ""x""" RENAME TO "Shop;y";
UPDATE "Shop;y"."tb_Ünser" SET "Other; Name" = 'again' WHERE "pk_Ünser" = 1;
UPDATE "Shop;y"."tb_Order Line" SET "FK" = 2 WHERE "pk_Order" = 1;
SELECT exact('and follow when they are renamed');
SELECT is((SELECT string_agg(key, ',' ORDER BY key) FROM pg_tviews_affected('"Shop;y"."tb_Ünser"', '1')), '2,4,6', 'and are named');

SELECT format('CREATE SCHEMA %I', repeat('s', 62) || n), format('CREATE SCHEMA %I', repeat('é', 30) || 'ab' || n) FROM unnest(ARRAY['1', '2']) n \gexec
-- 63 bytes that differ at their end, in table, view, columns and index names
SELECT format($$CREATE TABLE %1$I.%2$I (%3$I int PRIMARY KEY, %4$I int, %5$I int)$$, repeat('s', 62) || s, 'tb_' || repeat('t', 59) || t, 'pk_' || repeat('t', 59) || t,
              'fk_' || repeat('f', 59) || 'a', 'fk_' || repeat('f', 59) || 'b')
  FROM unnest(ARRAY['1', '2']) s, unnest(ARRAY['a', 'b']) t \gexec
SELECT format('INSERT INTO %1$I.%2$I SELECT g, g %% 3, g %% 2 FROM generate_series(1, 10) g', repeat('s', 62) || s, 'tb_' || repeat('t', 59) || t)
  FROM unnest(ARRAY['1', '2']) s, unnest(ARRAY['a', 'b']) t \gexec
SELECT format($$CREATE TABLE %1$I.%2$I AS SELECT * FROM %1$I.%3$I$$, repeat('s', 62) || s, 'tv_' || repeat('t', 59) || t, 'tb_' || repeat('t', 59) || t)
  FROM unnest(ARRAY['1', '2']) s, unnest(ARRAY['a', 'b']) t \gexec
SELECT is((SELECT count(*) FROM pg_tview_meta WHERE length(schema_name) = 63), 4::bigint, 'names of 63 bytes');
SELECT is((SELECT count(*) FROM pg_tview_meta m JOIN pg_index i ON i.indrelid = m.table_oid WHERE length(schema_name) = 63), 12::bigint, 'with all their indexes');
SELECT format('UPDATE %1$I.%2$I SET %3$I = 7', repeat('s', 62) || s, 'tb_' || repeat('t', 59) || t, 'fk_' || repeat('f', 59) || 'b')
  FROM unnest(ARRAY['1', '2']) s, unnest(ARRAY['a', 'b']) t \gexec
SELECT exact('follow');
SELECT format('SELECT pg_tviews_create(%L, %L)', format('%I.%I', repeat('é', 30) || 'ab' || s, 'tv_' || repeat('é', 30)),
              format('SELECT %I AS %I, 1 AS %I FROM %I.%I', 'pk_' || repeat('t', 59) || 'a', 'pk_' || repeat('é', 30), repeat('ü', 31), repeat('s', 62) || s, 'tb_' || repeat('t', 59) || 'a'))
  FROM unnest(ARRAY['1', '2']) s \gexec
SELECT format('DELETE FROM %1$I.%2$I WHERE %3$I = 1', repeat('s', 62) || s, 'tb_' || repeat('t', 59) || 'a', 'pk_' || repeat('t', 59) || 'a') FROM unnest(ARRAY['1', '2']) s \gexec
SELECT exact('63 bytes of two-byte letters');
SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE octet_length(nspname) = 63 \gexec

-- Several schemas with equal table names.
CREATE SCHEMA base_a;
CREATE SCHEMA base_b;
SELECT format('CREATE TABLE %1$s.tb_same (pk_same int PRIMARY KEY, v text); INSERT INTO %1$s.tb_same VALUES (1, %1$L), (2, %1$L)', s) FROM unnest(ARRAY['base_a', 'base_b']) s \gexec
CREATE TABLE base_a.tv_same AS SELECT * FROM base_a.tb_same;
CREATE TABLE base_b.tv_same AS SELECT b.pk_same, b.v, a.v AS other FROM base_b.tb_same b LEFT JOIN base_a.tb_same a USING (pk_same);
UPDATE base_a.tb_same SET v = 'changed' WHERE pk_same = 1;
DELETE FROM base_b.tb_same WHERE pk_same = 2;
SELECT exact('equal names in several schemas');
SELECT is((SELECT string_agg(other, ',') FROM base_b.tv_same), 'changed', 'are told apart');
ALTER TABLE base_a.tb_same SET SCHEMA base;
UPDATE base.tb_same SET v = 'moved';
SELECT exact('and followed into another schema');

-- Partitions of partitions whose columns are ordered differently, dropped columns in between.
CREATE TABLE tb_event (pk_event int, region text, at date, fk_kind int, v int) PARTITION BY LIST (region);
CREATE TABLE event_eu (junk text, v int, at date, region text, fk_kind int, gone int, pk_event int) PARTITION BY RANGE (at);
ALTER TABLE event_eu DROP COLUMN junk, DROP COLUMN gone;
CREATE TABLE event_eu_20 (fk_kind int, x int, pk_event int, region text, at date, v int);
ALTER TABLE event_eu_20 DROP COLUMN x;
ALTER TABLE event_eu ATTACH PARTITION event_eu_20 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE event_eu_21 PARTITION OF event_eu FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
ALTER TABLE tb_event ATTACH PARTITION event_eu FOR VALUES IN ('eu');
CREATE TABLE event_rest PARTITION OF tb_event DEFAULT;
CREATE TABLE tb_kind (pk_kind int PRIMARY KEY, name text);
INSERT INTO tb_kind VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO tb_event SELECT g, CASE WHEN g % 3 = 0 THEN 'us' ELSE 'eu' END, date '2020-01-01' + g * 60, g % 3 + 1, g FROM generate_series(1, 12) g;
CREATE TABLE tv_kind AS SELECT k.pk_kind, k.name, (SELECT jsonb_agg(e.v ORDER BY e.pk_event) FROM tb_event e WHERE e.fk_kind = k.pk_kind) AS vs FROM tb_kind k;
UPDATE tb_event SET v = -v WHERE pk_event = 1;
UPDATE event_eu_20 SET fk_kind = 3 WHERE pk_event = 2;
INSERT INTO event_eu VALUES (100, '2021-05-05', 'eu', 1, 50);
SELECT exact('through root, branch and leaf');
UPDATE tb_event SET at = '2021-06-01', fk_kind = 1 WHERE pk_event = 2;
UPDATE tb_event SET region = 'us' WHERE pk_event = 4;
SELECT exact('rows that move between partitions');
TRUNCATE event_eu_20;
SELECT exact('TRUNCATE of a leaf');
SELECT cmp_ok((SELECT count(*) FROM tb_event), '<', 13::bigint, 'took rows');
ALTER TABLE event_eu DETACH PARTITION event_eu_21;
SELECT exact('DETACH of a leaf');
INSERT INTO event_eu_21 VALUES (999, '2021-05-05', 'eu', 1, 51);
ALTER TABLE event_eu ATTACH PARTITION event_eu_21 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
SELECT exact('ATTACH of a leaf');
INSERT INTO event_eu_21 (pk_event, at, region, fk_kind, v) VALUES (52, '2021-05-06', 'eu', 2, 7);
SELECT exact('its changes are captured again');
ALTER TABLE tb_event DETACH PARTITION event_eu;
SELECT exact('DETACH of a branch');
ALTER TABLE tb_event ATTACH PARTITION event_eu FOR VALUES IN ('eu');
UPDATE event_eu_21 SET v = 8 WHERE pk_event = 52;
SELECT exact('ATTACH of a branch');
DROP TABLE event_eu_21;
SELECT exact('DROP of a leaf');
DROP TABLE event_eu;
SELECT exact('DROP of a branch');
CREATE TABLE event_new PARTITION OF tb_event FOR VALUES IN ('new') PARTITION BY HASH (pk_event);
CREATE TABLE event_new_0 PARTITION OF event_new FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO event_new_0 (pk_event, region, at, fk_kind, v) VALUES (60, 'new', '2020-01-01', 2, 60);
SELECT exact('a new branch with a leaf');
TRUNCATE tb_event;
SELECT exact('TRUNCATE of the root');

-- Texts of a document that partitions keep in a column of another number.
CREATE TABLE tb_person (pk_person int PRIMARY KEY, id uuid NOT NULL);
CREATE TABLE tb_note (pk_note int, r int, data jsonb, PRIMARY KEY (pk_note, r)) PARTITION BY LIST (r);
CREATE TABLE note_1 (junk int, data jsonb, r int NOT NULL, pk_note int NOT NULL);
ALTER TABLE note_1 DROP COLUMN junk;
ALTER TABLE tb_note ATTACH PARTITION note_1 FOR VALUES IN (1);
CREATE TABLE note_2 PARTITION OF tb_note FOR VALUES IN (2);
INSERT INTO tb_person SELECT g, ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid FROM generate_series(1, 9) g;
INSERT INTO tb_note SELECT g, g % 2 + 1, jsonb_build_object('user', jsonb_build_object('id', ('00000000-0000-0000-0000-' || lpad((g % 9 + 1)::text, 12, '0')))) FROM generate_series(1, 40) g;
CREATE TABLE tv_person AS SELECT p.pk_person, (SELECT count(*) FROM tb_note n WHERE n.data #>> '{user,id}' = p.id::text) AS notes FROM tb_person p;
UPDATE tb_note SET data = jsonb_set(data, '{user,id}', '"00000000-0000-0000-0000-000000000007"') WHERE pk_note IN (1, 2);
UPDATE note_1 SET data = jsonb_set(data, '{user,id}', '"nobody"') WHERE pk_note = 4;
UPDATE tb_note SET r = 2, data = data - 'user' WHERE pk_note = 6;
DELETE FROM note_1 WHERE pk_note = 8;
ALTER TABLE tb_note RENAME COLUMN data TO document;
UPDATE note_2 SET document = jsonb_set(document, '{user,id}', '"00000000-0000-0000-0000-000000000001"') WHERE pk_note = 3;
SELECT exact('texts of a document in partitions, the column renamed');
SELECT is((SELECT string_agg(DISTINCT capture_columns::text, ' ') FROM pg_tviews_explain('base.tv_person') WHERE base_table = 'tb_note'::regclass), '{"document #>> ''{user,id}''"}', 'only they are captured');

-- Changes on their way while names move.
BEGIN;
UPDATE tb_note SET document = jsonb_set(document, '{user,id}', '"00000000-0000-0000-0000-000000000009"') WHERE pk_note IN (11, 12);
UPDATE tb_kind SET name = 'on its way';
UPDATE tv_kind SET name = 'user''s' WHERE pk_kind = 1;
ALTER TABLE tb_note RENAME COLUMN document TO data;
ALTER TABLE tb_kind RENAME COLUMN pk_kind TO pk;
ALTER VIEW v_kind RENAME COLUMN pk_kind TO kind;
ALTER TABLE tb_kind RENAME TO kinds;
COMMIT;
SELECT exact('changes on their way while names move are not lost');

-- Inheritance.
CREATE TABLE tb_animal (pk_animal int NOT NULL, name text);
CREATE TABLE dog (bark text, PRIMARY KEY (pk_animal)) INHERITS (tb_animal);
CREATE TABLE cat (meow text, name text, pk_animal int NOT NULL);
ALTER TABLE cat INHERIT tb_animal;
INSERT INTO tb_animal VALUES (1, 'some');
INSERT INTO dog VALUES (2, 'rex', 'wuff');
CREATE TABLE tv_animal AS SELECT pk_animal, name FROM tb_animal;
INSERT INTO cat VALUES ('miau', 'mia', 3);
UPDATE dog SET name = 'max';
UPDATE tb_animal SET name = name || '!';
SELECT exact('children of a table, with columns in another order');
TRUNCATE ONLY tb_animal;
SELECT exact('TRUNCATE ONLY');
ALTER TABLE cat NO INHERIT tb_animal;
DROP TABLE dog;
SELECT exact('children that leave');
INSERT INTO cat VALUES ('miau', 'mo', 4);
SELECT is((SELECT count(*) FROM tv_animal), 0::bigint, 'are left');

-- Tables without primary key, identity columns, generated columns, replica identity.
CREATE TABLE tb_thing (pk_thing int GENERATED ALWAYS AS IDENTITY, dropped int, fk_owner int, twice int GENERATED ALWAYS AS (fk_owner * 2) STORED);
ALTER TABLE tb_thing DROP COLUMN dropped;
CREATE TABLE tb_log (fk_thing int, line text);
INSERT INTO tb_thing (fk_owner) SELECT g FROM generate_series(1, 5) g;
CREATE TABLE tv_thing AS SELECT t.pk_thing, t.fk_owner, t.twice, (SELECT count(*) FROM tb_log l WHERE l.fk_thing = t.pk_thing) AS lines FROM tb_thing t;
INSERT INTO tb_log VALUES (1, 'a'), (1, 'a'), (2, 'b'), (NULL, 'c');
DELETE FROM tb_log WHERE ctid = (SELECT min(ctid) FROM tb_log);
UPDATE tb_thing SET fk_owner = 50 WHERE pk_thing = 2;
INSERT INTO tb_thing (fk_owner) VALUES (6);
SELECT exact('without primary key, with identity, generated and dropped columns');
ALTER TABLE tb_thing REPLICA IDENTITY NOTHING;
ALTER TABLE tb_log REPLICA IDENTITY FULL;
UPDATE tb_thing SET fk_owner = 60 WHERE pk_thing = 3;
DELETE FROM tb_log WHERE fk_thing = 1;
SELECT exact('whatever the replica identity');
INSERT INTO tb_thing (pk_thing, fk_owner) OVERRIDING SYSTEM VALUE VALUES (1, 9);
SELECT pg_tviews_wait('30 s');
SELECT results_eq($$SELECT key, sqlstate FROM pg_tview_parked_keys WHERE tview = 'tv_thing'::regclass$$, $$VALUES ('1', '21000')$$, 'two rows with one key are parked');
DELETE FROM tb_thing WHERE pk_thing = 1 AND fk_owner = 9;
SELECT exact('and come back');
ALTER TABLE tb_thing SET LOGGED;
UPDATE tb_thing SET fk_owner = 70 WHERE pk_thing = 4;
ALTER TABLE tb_thing SET UNLOGGED;
UPDATE tb_thing SET fk_owner = 71 WHERE pk_thing = 5;
SELECT exact('SET UNLOGGED');
SELECT is((SELECT count(*) FROM pg_tview_meta WHERE state <> 'fresh'), 0::bigint, 'all are fresh');

SELECT * FROM finish();
DROP SCHEMA "Shop;y", base_a, base_b, base CASCADE;
