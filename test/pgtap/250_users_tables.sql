-- Tables as users have them: what they put on a tv_ table goes on working, and only owned columns are written.
\set QUIET 1
SET client_min_messages = warning;
CREATE SCHEMA users;
SET search_path = users, public;
SELECT plan(43);
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE FUNCTION differing() RETURNS bigint LANGUAGE sql AS
  $$ SELECT coalesce(sum(missing + extra), 0)::bigint FROM tviews_oracle() o WHERE o.tview LIKE 'users.%' OR o.tview LIKE 'tv\_%' $$;
CREATE FUNCTION parked(what regclass) RETURNS text LANGUAGE sql AS
  $$ SELECT string_agg(key || ' ' || sqlstate, ', ' ORDER BY key) FROM public.pg_tview_parked_keys p WHERE p.tview = what $$;
-- Waits for retries that come by themselves.
CREATE PROCEDURE healed(what regclass) LANGUAGE plpgsql AS $$ BEGIN
  FOR i IN 1 .. 200 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM public.pg_tview_deferred d WHERE d.tview = what);
    PERFORM pg_sleep(0.05);
    COMMIT;
  END LOOP;
END $$;

CREATE TABLE tb_room (pk_room int PRIMARY KEY, id uuid, name text, at tstzrange, doc jsonb, size int);
INSERT INTO tb_room SELECT g, ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, 'room ' || g,
  tstzrange('2024-01-01'::timestamptz + g * interval '1 day', '2024-01-01'::timestamptz + (g + 1) * interval '1 day'),
  jsonb_build_object('tags', ARRAY['t' || g % 7], 'n', g), g FROM generate_series(1, 300) g;
CREATE TABLE tv_room AS SELECT pk_room, id, name, at, doc, size FROM tb_room;

-- Columns of the user's own.
ALTER TABLE tv_room ADD COLUMN kind text NOT NULL DEFAULT 'plain', ADD COLUMN serial int GENERATED ALWAYS AS IDENTITY,
  ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('english', name)) STORED, ADD COLUMN upper_name text GENERATED ALWAYS AS (upper(name)) STORED;
ALTER TABLE tv_room ALTER COLUMN size SET DEFAULT 77;
UPDATE tv_room SET kind = 'mine' WHERE pk_room = 1;
CREATE TABLE serials AS SELECT pk_room, serial FROM tv_room;
UPDATE tb_room SET name = 'blue suite' WHERE pk_room IN (1, 2);
INSERT INTO tb_room VALUES (1000, NULL, 'red suite', NULL, NULL, NULL);
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'equal beside columns of the user''s own');
SELECT is((SELECT kind || upper_name || words::text FROM tv_room WHERE pk_room = 1), 'mineBLUE SUITE''blue'':1 ''suit'':2', 'they keep their values, or follow');
SELECT is((SELECT count(*) FROM tv_room JOIN serials USING (pk_room, serial)), 300::bigint, 'an identity column is left alone');
SELECT is((SELECT kind || (serial > 300) || coalesce(size, -1) FROM tv_room WHERE pk_room = 1000), 'plaintrue-1', 'a new row gets their defaults; an owned column has the view''s value');

-- Indexes of every kind.
CREATE INDEX room_expression ON tv_room (lower(name));
CREATE INDEX room_partial ON tv_room (size) WHERE kind = 'plain';
CREATE INDEX room_gin ON tv_room USING gin (doc);
CREATE INDEX room_trigram ON tv_room USING gin (name gin_trgm_ops);
CREATE INDEX room_words ON tv_room USING gin (words);
CREATE INDEX room_brin ON tv_room USING brin (pk_room);
CREATE UNIQUE INDEX room_unique ON tv_room (size, kind) INCLUDE (name);
ALTER TABLE tv_room ADD CONSTRAINT room_exclude EXCLUDE USING gist (at WITH &&);
UPDATE tb_room SET name = 'green hall', doc = '{"tags": ["green"]}' WHERE pk_room IN (10, 11);
UPDATE tb_room a SET at = b.at, size = b.size FROM tb_room b WHERE (a.pk_room, b.pk_room) IN ((20, 21), (21, 20));
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'two rows swap values under EXCLUDE and a unique index');
SET enable_seqscan = off;
SELECT is((SELECT array_agg(pk_room ORDER BY 1) FROM tv_room WHERE lower(name) = 'green hall'), ARRAY[10, 11], 'an expression index follows');
SELECT is((SELECT array_agg(pk_room ORDER BY 1) FROM tv_room WHERE doc @> '{"tags": ["green"]}'), ARRAY[10, 11], 'GIN');
SELECT is((SELECT array_agg(pk_room ORDER BY 1) FROM tv_room WHERE name LIKE '%een ha%'), ARRAY[10, 11], 'trigrams');
SELECT is((SELECT array_agg(pk_room ORDER BY 1) FROM tv_room WHERE words @@ to_tsquery('english', 'halls')), ARRAY[10, 11], 'full text');
SELECT is((SELECT array_agg(pk_room ORDER BY 1) FROM tv_room WHERE size = 20 AND kind = 'plain'), ARRAY[21], 'a partial index');
RESET enable_seqscan;
UPDATE tb_room SET at = (SELECT at FROM tb_room WHERE pk_room = 31) WHERE pk_room = 30;
UPDATE tb_room SET name = 'beside' WHERE pk_room = 32;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_room'), '30 23P01', 'a row that EXCLUDE forbids is parked alone');
UPDATE tb_room SET at = NULL WHERE pk_room = 31;
CALL healed('tv_room');
SELECT is(differing(), 0::bigint, 'and comes when its rival is gone');
ALTER TABLE tv_room ADD CONSTRAINT room_check CHECK (size < 5000) NOT VALID;
UPDATE tb_room SET size = 6000 WHERE pk_room = 40;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_room'), '40 23514', 'a row that CHECK forbids is parked');
ALTER TABLE tv_room DROP CONSTRAINT room_check;
CALL healed('tv_room');
SELECT is(differing(), 0::bigint, 'and comes when the constraint is gone');

-- Storage: parameters, TOAST, statistics, CLUSTER, LOGGED and UNLOGGED.
ALTER TABLE tv_room SET (fillfactor = 50, autovacuum_enabled = off), ALTER COLUMN doc SET STORAGE EXTERNAL, ALTER COLUMN name SET STATISTICS 500;
CREATE STATISTICS room_statistics ON pk_room, size FROM tv_room;
UPDATE tb_room SET doc = jsonb_build_object('long', repeat('x', 100000)) WHERE pk_room IN (50, 51);
SELECT pg_tviews_wait('30 s');
CLUSTER tv_room USING tv_room_pkey;
UPDATE tb_room SET name = 'after CLUSTER' WHERE pk_room = 50;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'long values, CLUSTER');
ALTER TABLE tv_room SET UNLOGGED;
UPDATE tb_room SET name = 'unlogged' WHERE pk_room = 51;
SELECT pg_tviews_wait('30 s');
ALTER TABLE tv_room SET LOGGED;
UPDATE tb_room SET name = 'logged' WHERE pk_room = 52;
VACUUM FULL tv_room;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'UNLOGGED, LOGGED, VACUUM FULL');

-- Publication and REPLICA IDENTITY.
CREATE PUBLICATION users_rooms FOR TABLE tv_room;
SELECT current_setting('server_version_num')::int >= 180000 AS is_18 \gset
\if :is_18
ALTER PUBLICATION users_rooms SET (publish_generated_columns = stored);  -- else FULL refuses updates
\endif
ALTER TABLE tv_room REPLICA IDENTITY FULL;
UPDATE tb_room SET name = 'published' WHERE pk_room = 60;
DELETE FROM tb_room WHERE pk_room = 61;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'published');
ALTER TABLE tv_room REPLICA IDENTITY NOTHING;
UPDATE tb_room SET name = 'nobody knows which' WHERE pk_room = 62;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_room'), '62 55000', 'what cannot be published is parked, as a user''s UPDATE would be refused');
DROP PUBLICATION users_rooms;
SELECT pg_tviews_retry_parked('users.tv_room');
CALL healed('tv_room');
SELECT is(differing(), 0::bigint, 'and comes without the publication');
SELECT throws_ok($$CREATE TABLE child () INHERITS (tv_room)$$, '0A000', NULL, 'a TVIEW has no inheritance children');
CREATE TABLE child (LIKE tv_room);
SELECT throws_ok($$ALTER TABLE child INHERIT tv_room$$, '0A000', NULL, 'nor gets one later');

-- Foreign keys out of the table.
CREATE TABLE building (pk int PRIMARY KEY);
INSERT INTO building VALUES (1);
CREATE TABLE tb_desk (pk_desk int PRIMARY KEY, building int, name text);
INSERT INTO tb_desk VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 1, 'three'), (4, 1, 'four'), (5, 1, 'five');
CREATE TABLE tv_desk AS SELECT pk_desk, building, name FROM tb_desk;
ALTER TABLE tv_desk ADD FOREIGN KEY (building) REFERENCES building DEFERRABLE INITIALLY DEFERRED;
UPDATE tb_desk SET building = 2 WHERE pk_desk = 1;
INSERT INTO tb_desk VALUES (6, 2, 'six'), (7, 1, 'seven');
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_desk'), '1 23503, 6 23503', 'rows without their parent are parked');
SELECT is((SELECT count(*) FROM tv_desk), 6::bigint, 'the others go on');
INSERT INTO building VALUES (2);
CALL healed('tv_desk');
SELECT is(differing(), 0::bigint, 'and come with the parent');

-- Foreign keys into the table.
CREATE TABLE keeps (n int, desk int REFERENCES tv_desk);
CREATE TABLE cascades (desk int REFERENCES tv_desk ON DELETE CASCADE);
CREATE TABLE loses (desk int REFERENCES tv_desk ON DELETE SET NULL);
INSERT INTO keeps VALUES (1, 1);
INSERT INTO cascades VALUES (2), (3);
INSERT INTO loses VALUES (2), (4);
DELETE FROM tb_desk WHERE pk_desk IN (1, 2);
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_desk'), '1 23503', 'a delete that a foreign key blocks is parked');
SELECT matches((SELECT message FROM pg_tview_parked_keys WHERE tview = 'tv_desk'::regclass), 'still referenced from table "keeps"', 'and says which');
SELECT is((SELECT count(*) FROM cascades), 1::bigint, 'ON DELETE CASCADE fires');
SELECT is((SELECT count(*) FROM loses WHERE desk IS NULL), 1::bigint, 'ON DELETE SET NULL fires');
DELETE FROM keeps;
CALL healed('tv_desk');
SELECT is(differing(), 0::bigint, 'deleted when the referring row is gone');

-- Foreign keys between TVIEWs: in whatever order they are refreshed, the second batch has it.
CREATE TABLE tb_leg (pk_leg int PRIMARY KEY, fk_desk int);
INSERT INTO tb_leg VALUES (1, 3);
CREATE TABLE tv_leg AS SELECT pk_leg, fk_desk FROM tb_leg;
ALTER TABLE tv_leg ADD FOREIGN KEY (fk_desk) REFERENCES tv_desk;
ALTER TABLE tv_desk ADD COLUMN first_leg int REFERENCES tv_leg;
DO $$ BEGIN
  DELETE FROM users.tb_leg;
  DELETE FROM users.tb_desk WHERE pk_desk = 3;
  INSERT INTO users.tb_desk VALUES (3000, 1, 'new');
  INSERT INTO users.tb_leg VALUES (2, 3000);
END $$;
SELECT pg_tviews_wait('30 s');
CALL healed('tv_desk');
CALL healed('tv_leg');
SELECT is(differing(), 0::bigint, 'parents and children of one transaction, both ways');
ALTER TABLE tv_desk DROP COLUMN first_leg;
DROP TABLE tv_leg;
INSERT INTO tb_desk VALUES (3, 1, 'three'), (4, 1, 'four') ON CONFLICT DO NOTHING;
SELECT pg_tviews_wait('30 s');

-- A tablespace.
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE users_space LOCATION '';
ALTER TABLE tv_desk SET TABLESPACE users_space;
UPDATE tb_desk SET name = 'elsewhere' WHERE pk_desk = 5;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'moved to a tablespace');
ALTER TABLE tv_desk SET TABLESPACE pg_default;
DROP TABLESPACE users_space;

-- Triggers of the user's own: which fire, in which order.
CREATE TABLE log (n serial, what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO users.log (what) VALUES (lower(TG_WHEN || ' ' || TG_OP || ' ' || TG_LEVEL));
  RETURN CASE TG_OP WHEN 'DELETE' THEN old ELSE new END; END $$;
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON tv_desk FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON tv_desk FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER c BEFORE INSERT OR UPDATE OR DELETE ON tv_desk FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER d AFTER INSERT OR UPDATE OR DELETE ON tv_desk FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER e AFTER UPDATE OF name ON tv_desk FOR EACH ROW WHEN (old.name = 'x') EXECUTE FUNCTION note();
DO $$ BEGIN
  INSERT INTO users.tb_desk VALUES (8, 1, 'eight');
  UPDATE users.tb_desk SET name = 'thrice' WHERE pk_desk = 3;
  DELETE FROM users.tb_desk WHERE pk_desk = 4;
END $$;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT string_agg(what, ', ' ORDER BY n) FROM log),
  'before delete statement, before delete row, after delete row, after delete statement, '
  'before update statement, before update row, after update row, after update statement, '
  'before insert statement, before insert row, after insert row, after insert statement', 'deletes, updates, inserts: one statement each');
TRUNCATE log;
UPDATE tb_desk SET name = name;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT count(*) FROM log), 0::bigint, 'nothing fires where nothing differs');

-- Row-level security and privileges.
CREATE ROLE users_owner;
CREATE ROLE users_reader;
CREATE ROLE users_nobody;
GRANT USAGE, CREATE ON SCHEMA users TO users_owner;
GRANT USAGE ON SCHEMA users TO users_reader, users_nobody;
CREATE TABLE tb_note (pk_note int PRIMARY KEY, who text, body text, secret text);
INSERT INTO tb_note SELECT g, CASE WHEN g % 2 = 0 THEN 'users_reader' ELSE 'other' END, 'note ' || g, 'hidden' FROM generate_series(1, 20) g;
GRANT SELECT, TRIGGER ON tb_note TO users_owner;
SET ROLE users_owner;
CREATE TABLE tv_note AS SELECT pk_note, who, body, secret FROM tb_note;
ALTER TABLE tv_note ENABLE ROW LEVEL SECURITY;
ALTER TABLE tv_note FORCE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON tv_note FOR SELECT USING (who = current_user);
GRANT SELECT (pk_note, who, body) ON tv_note TO users_reader;
RESET ROLE;
UPDATE tb_note SET body = body || '!';
INSERT INTO tb_note VALUES (21, 'other', 'new', ''), (22, 'users_reader', 'new', '');
DELETE FROM tb_note WHERE pk_note <= 4;
SELECT pg_tviews_wait('30 s');
SELECT is(differing(), 0::bigint, 'a refresh writes past row-level security, forced for the owner too');
SET ROLE users_reader;
SELECT is((SELECT count(*) || min(body) FROM tv_note), '9new', 'a reader sees its rows');
SELECT throws_ok('SELECT secret FROM tv_note', '42501', NULL, 'and the columns granted');
SELECT throws_ok($$UPDATE tv_note SET body = 'x'$$, '42501', NULL, 'and cannot write');
SET ROLE users_nobody;
SELECT throws_ok('SELECT pk_note FROM tv_note', '42501', NULL, 'others see nothing');
RESET ROLE;
-- A view that fails as a whole is refreshed key by key: the stored keys are found behind the policies too.
CREATE FUNCTION touchy(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF $1 = 'bad' THEN RAISE EXCEPTION 'bad' USING ERRCODE = 'P0042'; END IF; RETURN $1; END $$;
SET ROLE users_owner;
CREATE TABLE tv_touchy AS SELECT pk_note AS pk_touchy, touchy(body) AS body FROM tb_note;
ALTER TABLE tv_touchy ENABLE ROW LEVEL SECURITY;
ALTER TABLE tv_touchy FORCE ROW LEVEL SECURITY;
RESET ROLE;
UPDATE tb_note SET body = 'bad' WHERE pk_note = 5;
SELECT pg_tviews_wait('30 s');
BEGIN;
INSERT INTO tv_touchy VALUES (5000, 'stray');
CREATE OR REPLACE FUNCTION touchy(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF $1 = 'bad' THEN RAISE EXCEPTION 'bad' USING ERRCODE = 'P0042'; END IF; RETURN upper($1); END $$;
COMMIT;
SELECT pg_tviews_wait('30 s');
SELECT is(parked('tv_touchy'), '5 P0042', 'only the failing row is parked');
SELECT is((SELECT count(*) FILTER (WHERE body = upper(body)) || ' ' || count(*) FILTER (WHERE pk_touchy = 5000) FROM tv_touchy WHERE pk_touchy <> 5), '17 0',
  'the others are compared, stored ones too');
UPDATE tb_note SET body = 'good' WHERE pk_note = 5;
CALL healed('tv_touchy');

-- Only owned columns are written.
CREATE TABLE tb_wide (pk_wide int PRIMARY KEY, a int, b int);
INSERT INTO tb_wide SELECT g, g, g FROM generate_series(1, 50) g;
CREATE TABLE tv_wide AS SELECT pk_wide, a, b FROM tb_wide;
ALTER TABLE tv_wide ADD COLUMN mine int;
UPDATE tv_wide SET mine = pk_wide;
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.mine := old.mine + 1; RETURN new; END $$;
CREATE TRIGGER keep BEFORE UPDATE OF a ON tv_wide FOR EACH ROW EXECUTE FUNCTION keep();
UPDATE tb_wide SET a = 0 WHERE pk_wide <= 10;
SELECT pg_tviews_wait('30 s');
SELECT is((SELECT count(*) FROM tv_wide WHERE mine = pk_wide + 1), 10::bigint, 'a BEFORE trigger may set the user''s own column');
SELECT is((SELECT count(*) FROM tv_wide WHERE mine = pk_wide), 40::bigint, 'other rows are not touched');
SELECT is(differing(), 0::bigint, 'equal');

DROP SCHEMA users CASCADE;
DROP OWNED BY users_owner, users_reader, users_nobody;
DROP ROLE users_owner, users_reader, users_nobody;
SELECT * FROM finish();
