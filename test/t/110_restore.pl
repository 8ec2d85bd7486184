# TVIEWs come back from a dump: registered, reconciled, captured again.  A registration does not make writers deadlock victims.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Utils;
use TviewsNode qw(start_node prepare_database oracle wait_applied test_dir);

my $node = start_node('restore', database => 'source');
$node->safe_psql('source', <<'SQL');
CREATE TABLE tb_a (pk_a int PRIMARY KEY, v int);
INSERT INTO tb_a SELECT i, i FROM generate_series(1, 10) i;
CREATE TABLE tv_a AS SELECT pk_a, v FROM tb_a;
CREATE TABLE tb_m (pk_m int PRIMARY KEY, v int) PARTITION BY RANGE (pk_m);
CREATE TABLE tb_m1 PARTITION OF tb_m FOR VALUES FROM (0) TO (10);
CREATE TABLE tv_m AS SELECT pk_m, v FROM tb_m;
CREATE SCHEMA "S 2";
CREATE VIEW "S 2".vv AS SELECT a.pk_a AS "pk_A b", a.v, m.v AS mv FROM tv_a a LEFT JOIN tb_m m ON m.pk_m = a.pk_a;
CREATE TABLE "S 2"."tv_A b" AS SELECT * FROM "S 2".vv;
SELECT pg_tviews_create('k', 'SELECT pk_a AS kk, v FROM tb_a', '{"key": "kk", "indexes": false}');
SELECT pg_tviews_create('pair', 'SELECT v AS "b"",", pk_a AS a, v + 1 AS c FROM tb_a', '{"key": ["a", "b\","]}');
ALTER TABLE tv_pair DISABLE TRIGGER ALL;
ALTER TABLE tv_pair ENABLE TRIGGER ALL;
ALTER TABLE tv_a ADD COLUMN note text DEFAULT 'user''s';
SELECT pg_tviews_create('f', $$SELECT 'a' AS kind, pk_a AS "P, k", v FROM tb_a UNION ALL SELECT 'm', pk_m, v FROM tb_m$$, '{"key": ["P, k", "kind"]}');
SELECT pg_tviews_create('p', 'SELECT pk_a AS pk_p, v FROM tb_a', '{"partition_by": "RANGE (v)"}');
CREATE TABLE tv_p_100 PARTITION OF tv_p FOR VALUES FROM (50) TO (150);
CREATE TABLE "Own" (note text DEFAULT 'mine', v bigint, id int UNIQUE);
INSERT INTO "Own" (id, v) VALUES (3, 3), (99, 99);
SELECT pg_tviews_adopt('"Own"', 'SELECT pk_a AS id, v FROM tb_a');
SQL

my $registered = <<'SQL';
SELECT entity, level, view_oid::regclass, key_columns, options - 'settings',
       adopted, (SELECT owns_view FROM pg_tview_catalog WHERE tview = table_oid),
       (SELECT settings FROM pg_tview_catalog WHERE tview = table_oid) FROM pg_tview_meta ORDER BY 1
SQL
my $expected = $node->safe_psql('source', $registered);
my $mappings = q{SELECT tview, base_table, capture_columns, kind, mapping_query FROM pg_tviews_lineage ORDER BY tview::text, base_table::text, kind};
my $lineage = $node->safe_psql('source', $mappings);
my $dump = "$PostgreSQL::Test::Utils::tmp_check/restore_dump";
my $script = "$PostgreSQL::Test::Utils::tmp_check/restore.sql";
$node->command_ok([ 'pg_dump', '-Fd', '-f', $dump, $node->connstr('source') ], 'dump into a folder');
$node->command_ok([ 'pg_dump', '-f', $script, $node->connstr('source') ], 'dump as a script');

my %roads = (
	script => [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $script ],
	parallel => [ 'pg_restore', '-j', '3', $dump ],
	single_transaction => [ 'pg_restore', '-1', $dump ]);
for my $road (sort keys %roads) {
	$node->safe_psql('postgres', "CREATE DATABASE $road TEMPLATE template0");
	$node->command_ok([ @{ $roads{$road} }, '-d', $node->connstr($road) ], "restored by $road");
	prepare_database($node, $road);
	wait_applied($node, $road);
	is($node->safe_psql($road, $registered), $expected, 'registered as before');
	is($node->safe_psql($road, $mappings), $lineage, 'with the same lineage');
	is($node->safe_psql($road, q{SELECT count(*) FROM pg_tview_meta WHERE state <> 'fresh'}), '0', 'reconciled');
	is($node->safe_psql($road, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg\_tviews\_cap%' AND tgenabled <> 'A'}), '0', 'every trigger fires always');
	$node->safe_psql($road, 'INSERT INTO tb_a VALUES (11, 11); INSERT INTO tb_m VALUES (3, 3); UPDATE tb_a SET v = 100 WHERE pk_a = 2; UPDATE tv_a SET v = 0 WHERE pk_a = 1');
	wait_applied($node, $road);
	oracle($node, $road);
	is($node->safe_psql($road, q{SELECT count(*) FROM "S 2"."tv_A b" WHERE mv = 3}), '1', 'a write after the restore reaches the upper TVIEW');
	is($node->safe_psql($road, q{SELECT string_agg(kind, ',' ORDER BY kind) FROM tv_f WHERE "P, k" = 3}), 'a,m', 'a key of two columns');
	is($node->safe_psql($road, q{SELECT tableoid::regclass FROM tv_p WHERE pk_p = 2}), 'tv_p_100', 'a row moves to another partition');
	is($node->safe_psql($road, q{SELECT note, v FROM "Own" WHERE id = 2}), 'mine|100', 'the adopted table is refreshed');
	$node->safe_psql($road, q{SELECT pg_tviews_drop('"Own"')});
	is($node->safe_psql($road, q{SELECT count(*) FROM "Own"}), '11', 'and given back');
	$node->safe_psql($road, 'DROP TABLE tb_a CASCADE; DROP TABLE tb_m CASCADE');
	is($node->safe_psql($road, q{SELECT count(*) FROM pg_tview_catalog}), '0', 'dropped as before');
	is($node->safe_psql($road, q{SELECT to_regclass('v_a')}), '', 'with the view that pg_tviews had made');
}

# A parallel restore may make the key index after the trigger: the TVIEW waits for it, and no longer.
$node->safe_psql('source', 'ALTER TABLE tv_k DROP CONSTRAINT tv_k_pkey; UPDATE tb_a SET v = -1 WHERE pk_a = 5');
ok(TviewsNode::wait_until($node, 'source', q{SELECT count(*) FROM pg_tview_parked_keys WHERE entity = 'k'}, '1', 30), 'without its key index a key is parked');
# So far from its next attempt that only the index can bring it forward.
$node->safe_psql('source', q{UPDATE pg_tview_deferred SET next_attempt = now() + interval '1 hour' WHERE tview = 'tv_k'::regclass});
$node->safe_psql('source', 'ALTER TABLE tv_k ADD PRIMARY KEY (kk)');
wait_applied($node, 'source');
is($node->safe_psql('source', 'SELECT count(*) FROM pg_tview_parked_keys'), '0', 'with it, it is tried at once');
oracle($node, 'source');

# Writers use the tables in the opposite order of their OIDs.
prepare_database($node, 'beside');
$node->safe_psql('beside', <<'SQL');
CREATE TABLE tb_u (pk_u int PRIMARY KEY, name text);
CREATE TABLE tb_p (pk_p int PRIMARY KEY, fk_u int REFERENCES tb_u, t int);
CREATE INDEX ON tb_p (fk_u);
INSERT INTO tb_u SELECT i, 'n' || i FROM generate_series(1, 50) i;
INSERT INTO tb_p SELECT i, 1 + i % 50, 0 FROM generate_series(1, 2000) i;
SQL
my $writer = "$PostgreSQL::Test::Utils::tmp_check/restore_writer.sql";
append_to_file($writer, <<'PGBENCH');
\set k random(1, 2000)
\set u random(1, 50)
BEGIN;
UPDATE tb_p SET t = t + 1, fk_u = :u WHERE pk_p = :k;
UPDATE tb_u SET name = 'n' || :k WHERE pk_u = :u;
END;
PGBENCH
my ($out, $err) = ('', '');
my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', '3', '-T', '6', '-f', $writer, $node->connstr('beside') ], '>', \$out, '2>', \$err);
for my $round (1 .. 6) {
	$node->safe_psql('beside', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE tv_p AS SELECT p.pk_p, p.fk_u, u.name, p.t FROM tb_p p JOIN tb_u u ON u.pk_u = p.fk_u;
CREATE TABLE tv_u AS SELECT u.pk_u, u.name, (SELECT sum(t) FROM tv_p p WHERE p.fk_u = u.pk_u) AS s FROM tb_u u;
CREATE OR REPLACE VIEW v_u AS SELECT u.pk_u, u.name, (SELECT sum(t) FROM tb_p p WHERE p.fk_u = u.pk_u) AS s FROM tb_u u;
SQL
	$node->safe_psql('beside', 'SET client_min_messages = warning; DROP TABLE tv_u; DROP TABLE tv_p') if $round < 6;
}
IPC::Run::finish($bench);
like($out, qr/number of failed transactions: 0 /, 'no writer failed while TVIEWs came and went');
wait_applied($node, 'beside');
oracle($node, 'beside', 'TVIEWs made beside writers equal their views');

$node->stop;
done_testing();
