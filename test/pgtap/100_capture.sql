-- What the trigger captures, read from the journal inside the writing transaction.
BEGIN;
SELECT plan(22);

CREATE SCHEMA capturing;
SET LOCAL search_path = capturing, public;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text NOT NULL, password text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int NOT NULL REFERENCES tb_user ON DELETE CASCADE, title text NOT NULL, unread text);
CREATE TABLE tb_comment (pk_comment int PRIMARY KEY, fk_post int, body text) PARTITION BY RANGE (pk_comment);
CREATE TABLE tb_comment_low (junk int, body text, fk_post int, pk_comment int NOT NULL PRIMARY KEY);
ALTER TABLE tb_comment_low DROP COLUMN junk;
ALTER TABLE tb_comment ATTACH PARTITION tb_comment_low FOR VALUES FROM (0) TO (1000);
CREATE TABLE tb_comment_high PARTITION OF tb_comment FOR VALUES FROM (1000) TO (1000000);
INSERT INTO tb_user VALUES (1, 'ann'), (2, 'bob');
INSERT INTO tb_post VALUES (7, 1, 'seven'), (9, 1, 'nine'), (11, 2, 'eleven');
CREATE TABLE tv_post AS
  SELECT p.pk_post, p.title, u.name, (SELECT count(*) FROM tb_comment c WHERE c.fk_post = p.pk_post) AS comments
    FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;

-- One varint of `bytes` at `at` (0-based): value and what follows it.
CREATE FUNCTION varint(bytes bytea, at int, OUT value int, OUT next int) LANGUAGE plpgsql AS $$
DECLARE
  shift int := 0;
BEGIN
  value := 0;
  next := at;
  LOOP
    value := value + ((get_byte(bytes, next) & 127) << shift);
    next := next + 1;
    EXIT WHEN get_byte(bytes, next - 1) < 128;
    shift := shift + 7;
  END LOOP;
END $$;

-- What this transaction captured on base tables since the last call, as 'tb_post(pk_post)=7'; int4 fields only.
CREATE FUNCTION captured() RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  row record;
  result text[] := '{}';
  at int;
  until int;
  number int;
  size int;
  field text;
BEGIN
  FOR row IN SELECT payload FROM pg_tview_journal_0 WHERE xid = pg_current_xact_id() UNION ALL
             SELECT payload FROM pg_tview_journal_1 WHERE xid = pg_current_xact_id() UNION ALL
             SELECT payload FROM pg_tview_journal_2 WHERE xid = pg_current_xact_id() UNION ALL
             SELECT payload FROM pg_tview_journal_3 WHERE xid = pg_current_xact_id()
  LOOP
    at := 0;
    WHILE at < length(row.payload) LOOP
      SELECT v.value, v.next INTO number, at FROM varint(row.payload, at) v;
      SELECT v.value, v.next INTO size, at FROM varint(row.payload, at) v;
      until := at + size;
      field := '';
      WHILE at < until LOOP
        SELECT v.value, v.next INTO size, at FROM varint(row.payload, at) v;
        field := field || ',' || CASE WHEN size = 0 THEN 'null' ELSE (get_byte(row.payload, at) + 256 * get_byte(row.payload, at + 1)
                 + 65536 * get_byte(row.payload, at + 2) + 16777216::bigint * get_byte(row.payload, at + 3))::text END;
        at := at + greatest(size - 1, 0);
      END LOOP;
      field := ltrim(field, ',');
      IF number = 0 THEN
        result := result || ('all of ' || (field::oid::regclass)::text);
      ELSE
        result := result || (SELECT p.relation::regclass || '(' || array_to_string(p.columns, ',') || ')=' || field
                               FROM pg_tview_capture_point p WHERE p.point = number AND p.relation::regclass::text LIKE 'tb%');
      END IF;
    END LOOP;
  END LOOP;
  DELETE FROM pg_tview_journal_0 WHERE xid = pg_current_xact_id();
  DELETE FROM pg_tview_journal_1 WHERE xid = pg_current_xact_id();
  DELETE FROM pg_tview_journal_2 WHERE xid = pg_current_xact_id();
  DELETE FROM pg_tview_journal_3 WHERE xid = pg_current_xact_id();
  RETURN ARRAY(SELECT DISTINCT x FROM unnest(result) x WHERE x IS NOT NULL ORDER BY 1);
END $$;

SET LOCAL pg_tviews.debug_transaction_keys = 0;

INSERT INTO tb_comment VALUES (1, 7, 'x'), (1001, 7, 'y'), (2, NULL, 'z');
SELECT is(captured(), ARRAY['tb_comment(fk_post)=7'], 'a comment captures its post, in any partition; a NULL leads nowhere');
UPDATE tb_comment SET fk_post = 9 WHERE pk_comment = 1;
SELECT is(captured(), ARRAY['tb_comment(fk_post)=7', 'tb_comment(fk_post)=9'], 'a moved comment captures both posts');
UPDATE tb_comment_low SET fk_post = 7 WHERE pk_comment = 1;
SELECT is(captured(), ARRAY['tb_comment(fk_post)=7', 'tb_comment(fk_post)=9'], 'also when the partition is written directly');
UPDATE tb_comment SET pk_comment = 1002 WHERE pk_comment = 1;
SELECT is(captured(), ARRAY['tb_comment(fk_post)=7'], 'a row that moves to another partition is captured');
UPDATE tb_comment SET body = 'unread';
SELECT is(captured(), '{}', 'a column that no TVIEW reads captures nothing');
UPDATE tb_post SET unread = 'x', title = title;
SELECT is(captured(), '{}', 'nor does an equal value');
UPDATE tb_user SET password = 'secret';
SELECT is(captured(), '{}', 'nor an unread column of a parent');
UPDATE tb_user SET name = upper(name) WHERE pk_user = 2;
SELECT is(array_length(captured(), 1), 1, 'a parent captures one key');
DELETE FROM tb_comment WHERE pk_comment = 1001;
SELECT is(captured(), ARRAY['tb_comment(fk_post)=7'], 'a deleted comment captures its post');

INSERT INTO tb_comment (pk_comment, fk_post) VALUES (3, 7);
SELECT is(captured(), ARRAY['tb_comment(fk_post)=7'], 'an inserted comment');
INSERT INTO tb_post VALUES (9, 1, 'excluded'), (13, 1, 'thirteen') ON CONFLICT (pk_post) DO UPDATE SET title = excluded.title;
SELECT is(captured(), ARRAY['tb_post(pk_post)=13', 'tb_post(pk_post)=9'], 'ON CONFLICT');
MERGE INTO tb_comment USING (VALUES (3, 9), (5, 11)) v(k, f) ON k = pk_comment
  WHEN MATCHED THEN UPDATE SET fk_post = f WHEN NOT MATCHED THEN INSERT (pk_comment, fk_post) VALUES (k, f);
SELECT is(captured(), ARRAY['tb_comment(fk_post)=11', 'tb_comment(fk_post)=7', 'tb_comment(fk_post)=9'], 'MERGE');
COPY tb_comment (pk_comment, fk_post) FROM stdin;
6	9
1006	11
\.
SELECT is(captured(), ARRAY['tb_comment(fk_post)=11', 'tb_comment(fk_post)=9'], 'COPY');
DELETE FROM tb_user WHERE pk_user = 2;
SELECT ok('tb_post(pk_post)=11' = ANY(captured()), 'a cascading foreign key');
SET LOCAL session_replication_role = replica;
UPDATE tb_post SET title = 'applied' WHERE pk_post = 7;
SET LOCAL session_replication_role = origin;
SELECT is(captured(), ARRAY['tb_post(pk_post)=7'], 'rows that replication applies are captured');

-- A savepoint's keys go with it; written early or not, the keys of the transaction around it stay.
UPDATE tb_post SET title = 'kept' WHERE pk_post = 7;
SAVEPOINT a;
UPDATE tb_post SET title = 'undone' WHERE pk_post = 9;
ROLLBACK TO a;
SELECT is(captured(), ARRAY['tb_post(pk_post)=7'], 'a savepoint that is rolled back takes its keys with it');
SET LOCAL pg_tviews.debug_transaction_keys = 1;
UPDATE tb_post SET title = 'kept too' WHERE pk_post = 7;
SAVEPOINT b;
UPDATE tb_post SET title = 'undone' WHERE pk_post = 9;
SAVEPOINT c;
UPDATE tb_comment SET fk_post = 7;
RELEASE c;
ROLLBACK TO b;
SELECT is(captured(), '{}', 'keys around a savepoint are not written early inside it');
RELEASE b;
SET LOCAL pg_tviews.debug_transaction_keys = 0;
UPDATE tb_post SET title = 'flushed' WHERE pk_post = 9;
SELECT is(captured(), ARRAY['tb_post(pk_post)=7', 'tb_post(pk_post)=9'], 'they are written with the next key outside');

TRUNCATE tb_comment_high;
SELECT is(captured(), ARRAY['all of tb_comment', 'all of tb_comment_high'], 'TRUNCATE of a partition counts for the table');
TRUNCATE tb_comment;
SELECT is(captured(), ARRAY['all of tb_comment', 'all of tb_comment_high', 'all of tb_comment_low'], 'TRUNCATE of the table');

INSERT INTO tb_post VALUES (12, 1, repeat('long ', 10000));
SELECT is(captured(), ARRAY['tb_post(pk_post)=12'], 'a value out of line does not matter');
UPDATE tb_post SET unread = 'y' WHERE pk_post = 12;
SELECT is(captured(), '{}', 'and is not taken for a change');

SELECT * FROM finish();
ROLLBACK;
