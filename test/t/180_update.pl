# ALTER EXTENSION UPDATE from every released version: the catalog is as a fresh one, and TVIEWs stay fresh before, during and after.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use TviewsNode qw(start_node prepare_database oracle wait_applied test_dir);

my $node = start_node('update', database => 'fresh');

# Everything that belongs to the extension, with all that a script decides about it.
my $inventory = <<'SQL';
SET search_path = pg_catalog;
WITH members AS (
	SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'pg_tviews'),
relations AS (SELECT c.* FROM members m JOIN pg_class c ON c.oid = m.objid WHERE m.classid = 'pg_class'::regclass)
SELECT 'member', pg_describe_object(classid, objid, 0), obj_description(objid, classid::regclass::name) FROM members
UNION ALL SELECT 'relation', oid::regclass::text, concat_ws(' ', relkind, relpersistence, relreplident, relrowsecurity, reloptions, relacl::text, reltoastrelid <> 0) FROM relations
UNION ALL SELECT 'column', r.oid::regclass || '.' || attnum, concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attstorage, attacl::text, pg_get_expr(d.adbin, d.adrelid), attisdropped, col_description(r.oid, attnum))
	FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND attnum > 0 LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
UNION ALL SELECT 'view', oid::regclass::text, pg_get_viewdef(oid) FROM relations WHERE relkind = 'v'
UNION ALL SELECT 'sequence', oid::regclass::text, (SELECT concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle) FROM pg_sequence WHERE seqrelid = oid) FROM relations WHERE relkind = 'S'
UNION ALL SELECT 'index', pg_get_indexdef(indexrelid), concat_ws(' ', indisprimary, indisunique, indisvalid) FROM relations r JOIN pg_index ON indrelid = r.oid
UNION ALL SELECT 'constraint', r.oid::regclass || '.' || conname, pg_get_constraintdef(n.oid) FROM relations r JOIN pg_constraint n ON conrelid = r.oid
UNION ALL SELECT 'trigger', r.oid::regclass || '.' || tgname, concat_ws(' ', tgenabled, pg_get_triggerdef(t.oid)) FROM relations r JOIN pg_trigger t ON tgrelid = r.oid
UNION ALL SELECT 'function', p.oid::regprocedure::text, concat_ws(' ', pg_get_functiondef(p.oid), proacl::text, probin, prosecdef, proleakproof) FROM members m JOIN pg_proc p ON p.oid = m.objid WHERE m.classid = 'pg_proc'::regclass
UNION ALL SELECT 'extension', extversion, concat_ws(' ', extnamespace::regnamespace, extrelocatable, (SELECT array_agg(c::regclass ORDER BY 1) FROM unnest(extconfig) c), extcondition) FROM pg_extension WHERE extname = 'pg_tviews'
ORDER BY 1, 2, 3
SQL
my $fresh = $node->safe_psql('fresh', $inventory);
my ($current) = $node->safe_psql('fresh', 'SELECT pg_tviews_version()');

my @released = grep { $_ ne $current } split /\n/, $node->safe_psql('postgres', q{SELECT version FROM pg_available_extension_versions WHERE name = 'pg_tviews' ORDER BY 1});
ok((grep { $_ eq '0.1.0' } @released), 'the released scripts are installed');

for my $version (@released) {
	(my $database = "from_$version") =~ tr/./_/;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION pg_tviews VERSION '$version'");
	prepare_database($node, $database);
	$node->safe_psql($database, <<'SQL');
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, title text);
CREATE INDEX ON tb_post (fk_user);
INSERT INTO tb_user SELECT i, 'n' || i FROM generate_series(1, 10) i;
INSERT INTO tb_post SELECT i, 1 + i % 10, 't' FROM generate_series(1, 100) i;
CREATE TABLE tv_post AS SELECT p.pk_post, p.fk_user, u.name, p.title FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;
CREATE TABLE tv_user AS SELECT u.pk_user, (SELECT count(*) FROM tv_post p WHERE p.fk_user = u.pk_user) AS posts FROM tb_user u;
SELECT pg_tviews_create('ratio', 'SELECT pk_post AS pk_ratio, 1 / (pk_post - 1 + length(title) - 1) AS r FROM tb_post WHERE pk_post > 1');
UPDATE tb_post SET title = '' WHERE pk_post = 2;
SELECT pg_tviews_wait();
UPDATE tb_user SET name = 'before';
SQL
	is($node->safe_psql($database, q{SELECT string_agg(key, ',') FROM pg_tview_parked_keys}), '2', "$version: a key is parked");
	my $session = $node->background_psql($database);
	$session->query_safe('BEGIN');
	$session->query_safe(q{UPDATE tb_user SET name = 'open' WHERE pk_user = 3});
	$node->safe_psql($database, "ALTER EXTENSION pg_tviews UPDATE TO '$current'");
	$session->query_safe(q{UPDATE tb_user SET name = 'during' WHERE pk_user = 4});
	$session->query_safe('COMMIT');
	$session->quit;
	is($node->safe_psql($database, $inventory), $fresh, "$version: every object is as in a fresh database");
	wait_applied($node, $database);
	is($node->safe_psql($database, q{SELECT string_agg(DISTINCT name, ',' ORDER BY name) FROM tv_post}), 'before,during,open', 'what was written around the update is there');
	is($node->safe_psql($database, q{SELECT string_agg(key, ',') FROM pg_tview_parked_keys}), '2', 'the parked key still is');
	$node->safe_psql($database, q{UPDATE tb_post SET title = 'longer', fk_user = 5 WHERE pk_post IN (2, 3); INSERT INTO tb_post VALUES (200, 1, 'x'); DELETE FROM tb_post WHERE pk_post = 7});
	wait_applied($node, $database);
	oracle($node, $database, "$version: TVIEWs are fresh after the update");
	is($node->safe_psql($database, 'SELECT pg_tviews_version()'), $current, "$version: updated");
}

# The rest of ALTER EXTENSION and CREATE EXTENSION says clearly what it will not do, and breaks nothing.
my $error;
isnt($node->psql('fresh', 'CREATE SCHEMA elsewhere; ALTER EXTENSION pg_tviews SET SCHEMA elsewhere', stderr => \$error), 0, 'the extension stays in its schema');
like($error, qr/does not support SET SCHEMA/, '... and says so');
isnt($node->psql('postgres', q{CREATE EXTENSION pg_tviews VERSION '0.0.9'}, stderr => \$error), 0, 'there is no version 0.0.9');
isnt($node->psql('fresh', q{ALTER EXTENSION pg_tviews UPDATE TO '0.1.0'}, stderr => \$error), 0, 'there is no way back');
like($error, qr/no update path/, '... and PostgreSQL says so');
$node->safe_psql('fresh', 'CREATE TABLE tb_a (pk_a int PRIMARY KEY, v int); CREATE TABLE tv_a AS SELECT * FROM tb_a; INSERT INTO tb_a VALUES (1, 1)');
wait_applied($node, 'fresh');
oracle($node, 'fresh', 'TVIEWs go on after all that');

$node->stop;
done_testing();
