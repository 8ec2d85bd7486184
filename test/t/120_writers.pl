# Writers other than a session's statements, and tables that lose their rows by themselves: logical-replication apply, unlogged tables.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $publisher = start_node('publisher', database => 'app', init => [ allows_streaming => 'logical' ]);
my $node = start_node('subscriber', database => 'app', init => [ allows_streaming => 'logical' ]);

my $tables = <<SQL;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, title text);
CREATE TABLE tb_part (pk_part int, r int, v int, PRIMARY KEY (pk_part, r)) PARTITION BY LIST (r);
CREATE TABLE tb_part_1 PARTITION OF tb_part FOR VALUES IN (1);
CREATE TABLE tb_part_2 PARTITION OF tb_part FOR VALUES IN (2);
SQL
$_->safe_psql('app', $tables) for ($publisher, $node);
$publisher->safe_psql('app', <<SQL);
INSERT INTO tb_user SELECT g, 'u' || g FROM generate_series(1, 20) g;
INSERT INTO tb_post SELECT g, g % 20 + 1, 't' || g FROM generate_series(1, 200) g;
INSERT INTO tb_part SELECT g, g % 2 + 1, g FROM generate_series(1, 20) g;
CREATE PUBLICATION p FOR TABLE tb_user, tb_post, tb_part;
SQL
$node->safe_psql('app', <<SQL);
CREATE TABLE tv_post AS SELECT p.pk_post, p.fk_user, p.title, u.name FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;
CREATE TABLE tv_user AS SELECT u.pk_user, u.name, (SELECT count(*) FROM tb_post p WHERE p.fk_user = u.pk_user) AS posts FROM tb_user u;
CREATE TABLE tv_part AS SELECT pk_part, sum(v) AS v FROM tb_part GROUP BY pk_part;
SQL
my $from = $publisher->connstr . ' dbname=app user=postgres';
$node->safe_psql('app', "CREATE SUBSCRIPTION s CONNECTION '$from' PUBLICATION p");
$node->wait_for_subscription_sync($publisher, 's', 'app');
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT (SELECT count(*) FROM tv_post), (SELECT sum(posts) FROM tv_user), (SELECT count(*) FROM tv_part)'), '200|200|20',
	'the first copy of a subscription is captured');
oracle($node, 'app');

$publisher->safe_psql('app', <<SQL);
UPDATE tb_user SET name = 'changed' WHERE pk_user <= 3;
UPDATE tb_post SET fk_user = 5 WHERE pk_post <= 7;
DELETE FROM tb_post WHERE pk_post BETWEEN 100 AND 120;
BEGIN; INSERT INTO tb_post VALUES (1000, 1, 'kept'); SAVEPOINT a; INSERT INTO tb_post VALUES (1001, 1, 'gone'); ROLLBACK TO a; COMMIT;
UPDATE tb_part SET v = -1 WHERE pk_part = 2;
UPDATE tb_part SET r = 1, v = 5 WHERE pk_part = 3;
SQL
$publisher->wait_for_catchup('s');
wait_applied($node, 'app');
oracle($node, 'app', 'what apply writes reaches the TVIEWs');
is($node->safe_psql('app', "SELECT (SELECT name FROM tv_user WHERE pk_user = 3), (SELECT count(*) FROM tv_post WHERE pk_post >= 1000)"), 'changed|1', 'and they have it');
$publisher->safe_psql('app', 'TRUNCATE tb_post');
$publisher->wait_for_catchup('s');
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT (SELECT count(*) FROM tv_post), (SELECT sum(posts) FROM tv_user)'), '0|0', 'a replicated TRUNCATE too');
oracle($node, 'app');
$node->safe_psql('app', 'DROP SUBSCRIPTION s');

$publisher->stop;

# Unlogged: the crash empties the base table without a trigger.
$node->safe_psql('app', <<SQL);
CREATE UNLOGGED TABLE tb_cache (pk_cache int PRIMARY KEY, fk_user int, v text);
CREATE TABLE tb_rows (pk_rows int, r int, v int, PRIMARY KEY (pk_rows, r)) PARTITION BY LIST (r);
CREATE UNLOGGED TABLE tb_rows_1 PARTITION OF tb_rows FOR VALUES IN (1);
CREATE TABLE tb_rows_2 PARTITION OF tb_rows FOR VALUES IN (2);
INSERT INTO tb_cache SELECT g, g % 20 + 1, 'v' || g FROM generate_series(1, 50) g;
INSERT INTO tb_rows SELECT g, g % 2 + 1, g FROM generate_series(1, 10) g;
CREATE TABLE tv_cache AS SELECT u.pk_user AS pk_cache, (SELECT string_agg(c.v, ',' ORDER BY c.pk_cache) FROM tb_cache c WHERE c.fk_user = u.pk_user) AS vs FROM tb_user u;
CREATE TABLE tv_rows AS SELECT pk_rows, sum(v) AS v FROM tb_rows GROUP BY pk_rows;
SELECT pg_tviews_create('tv_quick', 'SELECT pk_user AS pk_quick, name FROM tb_user', '{"unlogged": true}');
CREATE TABLE tv_half (pk_half int PRIMARY KEY, name text) PARTITION BY HASH (pk_half);
CREATE UNLOGGED TABLE tv_half_0 PARTITION OF tv_half FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tv_half_1 PARTITION OF tv_half FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT pg_tviews_adopt('tv_half', 'SELECT pk_user AS pk_half, name FROM tb_user');
UPDATE tb_cache SET v = 'changed' WHERE pk_cache = 1;
SQL
wait_applied($node, 'app');
oracle($node, 'app');
$node->stop('immediate');
$node->start;
is($node->safe_psql('app', 'SELECT count(*) FROM tb_cache'), '0', 'the crash emptied an unlogged base table');
ok(wait_until($node, 'app', "SELECT count(*) FROM tv_cache WHERE vs IS NOT NULL", '0'), 'its TVIEW follows');
ok(wait_until($node, 'app', "SELECT count(*) FROM tv_rows", '5'), 'so does that of a table with an unlogged partition');
ok(wait_until($node, 'app', "SELECT count(*) FROM tv_quick", '20'), 'and an unlogged TVIEW is filled again');
ok(wait_until($node, 'app', "SELECT count(*) FROM tv_half", '20'), 'so is one with an unlogged partition');
wait_applied($node, 'app');
oracle($node, 'app', 'exact after the crash');
$node->safe_psql('app', "INSERT INTO tb_cache VALUES (1, 1, 'new'); UPDATE tb_rows SET v = v + 1");
wait_applied($node, 'app');
oracle($node, 'app');
$node->stop;
done_testing();
