-- One mapping query for an int and for a bigint column shared a cached statement (seeds 9 and 17 of `views`).
CREATE TABLE tb_b (pk_b int PRIMARY KEY, x int);
CREATE TABLE tb_a (pk_a int PRIMARY KEY, k int, t text);
CREATE TABLE tb_c (pk_c int PRIMARY KEY, k bigint, t text);
INSERT INTO tb_b SELECT i, i % 3 FROM generate_series(1, 6) i;
INSERT INTO tb_a SELECT i, i, 'a' FROM generate_series(0, 2) i;
INSERT INTO tb_c SELECT i, i, 'c' FROM generate_series(0, 2) i;
CREATE TABLE tv_b AS SELECT b.pk_b, a.t AS at, c.t AS ct FROM tb_b b LEFT JOIN tb_a a ON a.k = b.x LEFT JOIN tb_c c ON c.k = b.x;
UPDATE tb_a SET t = 'a2' WHERE pk_a = 1;
SELECT pg_tviews_wait('30 s') \g /dev/null
UPDATE tb_c SET t = 'c2' WHERE pk_c = 2;
SELECT pg_tviews_wait('30 s') \g /dev/null
UPDATE tb_a SET t = 'a3' WHERE pk_a = 2;
SELECT pg_tviews_wait('30 s') \g /dev/null
SELECT 'tv_b' AS differs, d.* FROM ((TABLE v_b EXCEPT ALL TABLE tv_b) UNION ALL (TABLE tv_b EXCEPT ALL TABLE v_b)) d;
SELECT entity, key, sqlstate, message FROM pg_tview_parked_keys;
