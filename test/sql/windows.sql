-- Windows and DISTINCT ON that the key's condition cannot be pushed below: a change refreshes its own row and its partition.
SET client_min_messages = warning;
CREATE SCHEMA win;
SET search_path = win, public;
CREATE TABLE tb_category (pk_category int PRIMARY KEY, name text NOT NULL, grp int);
CREATE TABLE tb_product (pk_product int PRIMARY KEY, fk_category int, name text NOT NULL, price numeric NOT NULL, active boolean NOT NULL DEFAULT true);
CREATE INDEX ON tb_product (fk_category);
INSERT INTO tb_category SELECT i, 'c' || i, i % 2 FROM generate_series(1, 4) i;
INSERT INTO tb_product SELECT i, nullif(i % 5, 0), 'p' || i, 10 * (i % 7) FROM generate_series(1, 25) i;
CREATE TABLE tv_product AS
  SELECT p.pk_product, p.fk_category, p.name, row_number() OVER (PARTITION BY p.fk_category ORDER BY p.price, p.pk_product) AS place FROM tb_product p WHERE p.active;
SELECT pg_tviews_create('tv_cheapest', 'SELECT DISTINCT ON (c.grp) p.pk_product AS pk_cheapest, c.grp, p.name FROM win.tb_product p JOIN win.tb_category c ON c.pk_category = p.fk_category
  ORDER BY c.grp, p.price, p.pk_product');
SELECT pg_tviews_create('tv_level', 'SELECT c.pk_category AS pk_level, c.name, (SELECT max(r.place) FROM
  (SELECT p.fk_category AS fk, row_number() OVER (PARTITION BY p.active ORDER BY p.price, p.pk_product) AS place FROM win.tb_product p) r WHERE r.fk = c.pk_category) AS place FROM win.tb_category c');
SELECT base_table, capture_columns, kind, mapping_query FROM pg_tviews_explain('cheapest');

-- What a change of a row touches.
SELECT a.entity, count(DISTINCT a.key) FROM pg_tviews_affected('win.tb_product', '1') a GROUP BY 1 ORDER BY 1;
UPDATE tb_product SET name = name || '!' WHERE pk_product = 1;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
UPDATE tb_product SET price = 0 WHERE pk_product = 21;
UPDATE tb_product SET fk_category = 2 WHERE pk_product IN (1, 5);
UPDATE tb_product SET fk_category = NULL WHERE pk_product = 2;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
UPDATE tb_product SET active = false WHERE pk_product = 7;
DELETE FROM tb_product WHERE pk_product = 3;
INSERT INTO tb_product VALUES (100, NULL, 'new', 5), (101, 3, 'newer', 1);
UPDATE tb_category SET grp = 1 - grp WHERE pk_category = 2;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
SELECT * FROM tv_product WHERE fk_category IS NULL ORDER BY place;
SELECT * FROM tv_cheapest ORDER BY 1;
TRUNCATE tb_product;
INSERT INTO tb_product SELECT i, 1 + i % 3, 'q' || i, i % 4 FROM generate_series(1, 9) i;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
-- Without a partition that all its windows share there is no way but to compare all.
SELECT pg_tviews_create('tv_all', 'SELECT pk_product AS pk_all, rank() OVER (ORDER BY price) FROM win.tb_product');
SELECT pg_tviews_create('tv_two', 'SELECT pk_product AS pk_two, rank() OVER (PARTITION BY fk_category ORDER BY price), count(*) OVER (PARTITION BY active) FROM win.tb_product');
SELECT pg_tviews_create('tv_all', 'SELECT pk_product AS pk_all, rank() OVER (ORDER BY price) FROM win.tb_product', '{"on_unkeyed": "full"}');
UPDATE tb_product SET price = 9 WHERE pk_product = 2;
SELECT pg_tviews_wait();
SELECT * FROM tviews_oracle();
DROP SCHEMA win CASCADE;
