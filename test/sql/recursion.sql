-- Recursive CTEs correlated to the key's row: what moves in a tree refreshes the trails and subtrees that it leaves and enters.
SET client_min_messages = warning;
CREATE SCHEMA rec;
SET search_path = rec, public;
CREATE TABLE tb_category (pk_category int PRIMARY KEY, name text NOT NULL, fk_parent int REFERENCES tb_category);
CREATE INDEX ON tb_category (fk_parent);
INSERT INTO tb_category SELECT i, 'c' || i, nullif(i / 2, 0) FROM generate_series(1, 15) i;
CREATE TABLE tb_product (pk_product int PRIMARY KEY, fk_category int NOT NULL, price int NOT NULL);
CREATE INDEX ON tb_product (fk_category);
INSERT INTO tb_product SELECT i, 1 + i % 15, i FROM generate_series(1, 40) i;
CREATE TABLE tv_category AS
  SELECT c.pk_category, c.name,
    (WITH RECURSIVE up AS (SELECT c.name, c.fk_parent AS parent, 0 AS n UNION ALL SELECT x.name, x.fk_parent, up.n + 1 FROM tb_category x JOIN up ON x.pk_category = up.parent WHERE up.n < 20)
     SELECT string_agg(up.name, ' > ' ORDER BY up.n DESC) FROM up) AS trail,
    (WITH RECURSIVE down AS (SELECT c.pk_category AS pk UNION SELECT x.pk_category FROM tb_category x JOIN down ON x.fk_parent = down.pk) SELECT count(*) FROM down) AS size
  FROM tb_category c;
SELECT base_table, capture_columns, kind, mapping_query FROM pg_tviews_explain('category') ORDER BY 2, 4;
-- A rename deep down reaches those above by size and below by trail; a moved subtree, an inner row deleted, a cycle made and broken.
UPDATE tb_category SET name = 'renamed' WHERE pk_category = 2;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
UPDATE tb_category SET fk_parent = 7 WHERE pk_category = 2;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
SELECT * FROM tv_category ORDER BY 1;
INSERT INTO tb_category VALUES (16, 'leaf', 9);
DELETE FROM tb_category WHERE pk_category = 11;
UPDATE tb_category SET fk_parent = 8 WHERE pk_category = 1;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
UPDATE tb_category SET fk_parent = CASE pk_category WHEN 1 THEN NULL ELSE 1 END WHERE pk_category IN (1, 9, 4);
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
-- What cannot be followed is refused, or compared as a whole.
SELECT pg_tviews_create('tv_tree', 'WITH RECURSIVE t AS (SELECT pk_category, 0 AS depth FROM rec.tb_category WHERE fk_parent IS NULL UNION ALL SELECT c.pk_category, t.depth + 1 FROM rec.tb_category c JOIN t ON t.pk_category = c.fk_parent)
  SELECT pk_category AS pk_tree, depth FROM t');
SELECT pg_tviews_create('tv_cost', 'SELECT c.pk_category AS pk_cost, (WITH RECURSIVE d AS (SELECT c.pk_category AS pk UNION SELECT x.pk_category FROM rec.tb_category x JOIN d ON x.fk_parent > d.pk) SELECT count(*) FROM d) AS n FROM rec.tb_category c');
SELECT pg_tviews_create('tv_tree', 'WITH RECURSIVE t AS (SELECT pk_category, 0 AS depth FROM rec.tb_category WHERE fk_parent IS NULL UNION ALL SELECT c.pk_category, t.depth + 1 FROM rec.tb_category c JOIN t ON t.pk_category = c.fk_parent)
  SELECT pk_category AS pk_tree, depth FROM t', '{"on_unkeyed": "full"}');
UPDATE tb_category SET fk_parent = 3 WHERE pk_category = 9;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
DROP SCHEMA rec CASCADE;
