-- The shapes of views, over :n items in schema :schema; load once per size.
CREATE SCHEMA :schema;
SET search_path = :schema, public;
CREATE TABLE tb_group (pk_group int PRIMARY KEY, name text NOT NULL, fk_parent int);
CREATE TABLE tb_tag (pk_tag int PRIMARY KEY, name text NOT NULL);
CREATE TABLE tb_item (pk_item int PRIMARY KEY, fk_group int NOT NULL, name text NOT NULL, price int NOT NULL, tags int[] NOT NULL);
CREATE TABLE tb_note (pk_note int PRIMARY KEY, fk_item int NOT NULL, at timestamptz NOT NULL, body text NOT NULL, doc jsonb NOT NULL);
INSERT INTO tb_group SELECT g, 'Group ' || g, CASE WHEN g > 1 THEN g / 2 END FROM generate_series(1, :n / 100) g;
INSERT INTO tb_tag SELECT g, 'Tag ' || g FROM generate_series(1, :n / 20) g;
INSERT INTO tb_item SELECT g, 1 + g * 7919::bigint % (:n / 100), 'Item ' || g, g * 31::bigint % 1000, ARRAY[1 + g % (:n / 20), 1 + g * 13::bigint % (:n / 20)]::int[]
  FROM generate_series(1, :n) g;
INSERT INTO tb_note SELECT g, 1 + g * 104729::bigint % :n, timestamptz '2026-01-01' + g * interval '1 second', 'Note ' || g,
    jsonb_build_object('item', (1 + g * 104729::bigint % :n)::text, 'body', repeat('text ', 20)) FROM generate_series(1, 2 * :n) g;
CREATE INDEX ON tb_group (fk_parent);
CREATE INDEX ON tb_item (fk_group);
CREATE INDEX ON tb_item USING gin (tags);
CREATE INDEX ON tb_note (fk_item, at);
CREATE INDEX ON tb_note ((doc->>'item'));
CREATE INDEX ON tb_note (at);
VACUUM ANALYZE;

CREATE TABLE shape (entity text PRIMARY KEY, key text[] NOT NULL, query text NOT NULL, change text NOT NULL);
INSERT INTO shape VALUES
  ('flat', '{pk_item}', 'SELECT pk_item, jsonb_build_object(''name'', name) AS data FROM tb_item', 'item'),
  ('joined', '{pk_item}', 'SELECT i.pk_item, jsonb_build_object(''name'', i.name, ''group'', g.name) AS data FROM tb_item i JOIN tb_group g ON g.pk_group = i.fk_group', 'item'),
  ('sub_select', '{pk_item}', 'SELECT i.pk_item, jsonb_build_object(''name'', i.name, ''notes'',
     (SELECT jsonb_agg(n.body ORDER BY n.at) FROM tb_note n WHERE n.fk_item = i.pk_item)) AS data FROM tb_item i', 'note'),
  ('grouped', '{pk_item}', 'SELECT i.pk_item, jsonb_build_object(''name'', i.name, ''notes'', count(n.pk_note)) AS data
     FROM tb_item i LEFT JOIN tb_note n ON n.fk_item = i.pk_item GROUP BY i.pk_item', 'note'),
  ('grouped_sub_select', '{pk_item}', 'SELECT i.pk_item, jsonb_build_object(''name'', i.name, ''notes'', n.notes) AS data
     FROM tb_item i LEFT JOIN (SELECT fk_item, count(*) AS notes FROM tb_note GROUP BY fk_item) n ON n.fk_item = i.pk_item', 'note'),
  ('latest', '{pk_item}', 'SELECT i.pk_item, jsonb_build_object(''name'', i.name, ''last'', n.body) AS data
     FROM tb_item i LEFT JOIN (SELECT DISTINCT ON (fk_item) fk_item, body FROM tb_note ORDER BY fk_item, at DESC) n ON n.fk_item = i.pk_item', 'note'),
  ('top', '{pk_item}', 'SELECT i.pk_item, jsonb_build_object(''name'', i.name, ''top'',
     ARRAY(SELECT n.body FROM tb_note n WHERE n.fk_item = i.pk_item ORDER BY n.at DESC LIMIT 3)) AS data FROM tb_item i', 'note'),
  ('rank', '{pk_item}', 'SELECT pk_item, jsonb_build_object(''name'', name, ''rank'', rank() OVER (PARTITION BY fk_group ORDER BY price)) AS data FROM tb_item', 'item'),
  ('document', '{pk_item}', 'SELECT i.pk_item, jsonb_agg(n.doc->''body'' ORDER BY n.pk_note) AS data
     FROM tb_item i LEFT JOIN tb_note n ON n.doc->>''item'' = i.pk_item::text GROUP BY i.pk_item', 'note'),
  ('tagged', '{pk_item}', 'SELECT i.pk_item, (SELECT jsonb_agg(t.name ORDER BY t.pk_tag) FROM tb_tag t WHERE t.pk_tag = ANY (i.tags)) AS data FROM tb_item i', 'tag'),
  ('feed', '{kind,pk}', 'SELECT ''item'' AS kind, pk_item AS pk, jsonb_build_object(''name'', name) AS data FROM tb_item
     UNION ALL SELECT ''note'', pk_note, jsonb_build_object(''body'', body) FROM tb_note', 'note'),
  ('per_day', '{fk_item,day}', 'SELECT fk_item, date_trunc(''day'', at) AS day, count(*) AS notes FROM tb_note GROUP BY fk_item, date_trunc(''day'', at)', 'note'),
  ('breadcrumb', '{pk_group}', 'SELECT g.pk_group, (WITH RECURSIVE up(name, parent) AS (SELECT g.name, g.fk_parent
     UNION ALL SELECT p.name, p.fk_parent FROM tb_group p JOIN up ON p.pk_group = up.parent) SELECT jsonb_agg(up.name) FROM up) AS data FROM tb_group g', 'group');

-- The statement that changes every row of the shape's table whose number is in $1.
CREATE FUNCTION change(kind text) RETURNS text LANGUAGE sql AS $$
  SELECT CASE kind WHEN 'item' THEN 'UPDATE tb_item SET price = (price + 7) % 1000, name = name || ''.'' WHERE pk_item = ANY ($1)'
    WHEN 'note' THEN 'UPDATE tb_note SET body = body || ''.'', at = at + interval ''1 microsecond'', doc = doc || jsonb_build_object(''body'', clock_timestamp()::text) WHERE pk_note = ANY ($1)'
    WHEN 'tag' THEN 'UPDATE tb_tag SET name = name || ''.'' WHERE pk_tag = ANY ($1)'
    WHEN 'group' THEN 'UPDATE tb_group SET name = name || ''.'' WHERE pk_group = ANY ($1)' END $$;
