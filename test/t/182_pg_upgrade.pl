# pg_upgrade from an older major, copied and linked: journal, parked keys and TVIEWs come over, and are derived again in the new server.
# `make check-pg` runs it where both majors are (TVIEWS_OLD_POSTGRES: the folder of the old one, with pg_tviews installed).
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use TviewsNode qw(prepare_database oracle wait_applied wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

my $old_postgres = $ENV{TVIEWS_OLD_POSTGRES};
plan skip_all => 'no older major of PostgreSQL here: make check-pg brings one' unless defined $old_postgres && -x "$old_postgres/bin/postgres";

my $settings = "shared_preload_libraries = 'pg_tviews'\nmax_worker_processes = 32\nmax_prepared_transactions = 5\njit = off\n";

sub make_node {
	my ($name, @path) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, @path);
	$node->init(extra => [ '--username=postgres', '--encoding=UTF8', '--locale=C.UTF-8', @path ? () : checksums() ]);
	$node->append_conf('postgresql.conf', $settings);
	return $node;
}

# Since 18 a cluster has checksums unless told otherwise; the old one has none.
sub checksums { my ($help) = run_command([ 'initdb', '--help' ]); return $help =~ /--no-data-checksums/ ? ('--no-data-checksums') : (); }

chdir($PostgreSQL::Test::Utils::tmp_check) or die;  # pg_upgrade wants to write where it is
for my $mode ('copy', 'link') {
	my $old = make_node("old_$mode", install_path => $old_postgres);
	$old->start;
	prepare_database($old, 'app');
	$old->safe_psql('app', <<'SQL');
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, title text) PARTITION BY RANGE (pk_post);
CREATE TABLE tb_post_1 PARTITION OF tb_post FOR VALUES FROM (0) TO (50);
CREATE TABLE tb_post_2 PARTITION OF tb_post FOR VALUES FROM (50) TO (1000);
CREATE INDEX ON tb_post (fk_user);
INSERT INTO tb_user SELECT i, 'n' || i FROM generate_series(1, 10) i;
INSERT INTO tb_post SELECT i, 1 + i % 10, 't' FROM generate_series(1, 100) i;
CREATE TABLE tv_post AS SELECT p.pk_post, p.fk_user, u.name, p.title FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;
CREATE TABLE tv_user AS SELECT u.pk_user, (SELECT count(*) FROM tv_post p WHERE p.fk_user = u.pk_user) AS posts FROM tb_user u;
CREATE FUNCTION label(int) RETURNS text LANGUAGE sql STABLE AS $$SELECT 'n' || $1$$;
SELECT pg_tviews_create('labelled', 'SELECT pk_post AS pk_labelled, label(fk_user) AS label FROM tb_post');
SELECT pg_tviews_create('ratio', 'SELECT pk_post AS pk_ratio, 1 / length(title) AS r FROM tb_post');
SELECT pg_tviews_create('split', 'SELECT pk_post AS pk_split, title FROM tb_post', '{"partition_by": "RANGE (pk_split)"}');
CREATE TABLE tv_split_1 PARTITION OF tv_split FOR VALUES FROM (2000) TO (3000);
CREATE TABLE mine (pk_post int PRIMARY KEY, title text, note text DEFAULT 'mine');
SELECT pg_tviews_adopt('mine', 'SELECT pk_post, title FROM tb_post', '{"key": "pk_post"}');
UPDATE tb_post SET title = '' WHERE pk_post = 3;
SQL
	wait_applied($old, 'app', 60, "$mode: made in the old server");
	my $registered = q{SELECT entity, view_oid::regclass, table_oid::regclass, key_columns, level, options, adopted, state FROM pg_tview_meta ORDER BY entity};
	my $dependencies = q{SELECT pg_describe_object(d.classid, d.objid, 0), pg_describe_object(d.refclassid, d.refobjid, 0), d.deptype FROM pg_depend d JOIN pg_tview_catalog c ON d.objid = c.tview AND d.classid = 'pg_class'::regclass AND d.objsubid = 0 WHERE d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass) ORDER BY 1, 2};
	my ($was, $depended) = map { $old->safe_psql('app', $_) } $registered, $dependencies;
	# The worker rests: what is written now is in the journal when the server stops.
	$old->safe_psql('postgres', 'ALTER SYSTEM SET pg_tviews.enabled = off');
	$old->safe_psql('postgres', 'SELECT pg_reload_conf()');
	$old->safe_psql('app', q{SELECT pg_sleep(0.5); UPDATE tb_user SET name = 'journal' WHERE pk_user = 2; DELETE FROM tb_post WHERE pk_post = 7});
	is($old->safe_psql('app', q{SELECT count(*) FROM tv_post WHERE name = 'journal'}), '0', "$mode: a change waits in the journal");
	$old->stop;

	my $new = make_node("new_$mode");
	my ($out, $err) = run_command([ 'pg_upgrade', '--no-sync', '-U', 'postgres', '-d', $old->data_dir, '-D', $new->data_dir, '-b', "$old_postgres/bin", '-B', $new->config_data('--bindir'),
		'-s', $old->host, '-p', $old->port, '-P', $new->port, $mode eq 'link' ? '--link' : '--copy' ]);
	like($out, qr/Upgrade Complete/, "$mode: pg_upgrade") or BAIL_OUT("pg_upgrade: $out $err");
	$new->start;
	wait_applied($new, 'app', 60, "$mode: the new server applies what the old one left in the journal");
	is($new->safe_psql('app', q{SELECT count(*) FROM tv_post WHERE name = 'journal'}), '10', '... the change is there');
	ok(wait_until($new, 'app', $registered, $was, 30), 'the TVIEWs are registered as before');
	is($new->safe_psql('app', $dependencies), $depended, 'PostgreSQL knows again on what they depend');
	is($new->safe_psql('app', 'SELECT entity, key, sqlstate FROM pg_tview_parked_keys'), 'ratio|3|22012', 'the parked key is parked');
	is($new->safe_psql('app', q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg\_tviews\_cap%' AND tgenabled <> 'A'}), '0', 'every trigger fires always');
	$new->safe_psql('app', q{UPDATE tb_post SET title = 'long', fk_user = 5 WHERE pk_post = 3; UPDATE tb_user SET name = 'new' WHERE pk_user = 1; INSERT INTO tb_post VALUES (500, 1, 'x'); DELETE FROM tb_post WHERE pk_post = 60});
	wait_applied($new, 'app');
	oracle($new, 'app', "$mode: fresh in the new server");
	isnt($new->psql('app', 'DROP TABLE tb_user', stderr => \$err), 0, 'a base table cannot be dropped');
	$new->safe_psql('app', 'DROP TABLE tb_user CASCADE');
	is($new->safe_psql('app', q{SELECT string_agg(entity, ',' ORDER BY entity) FROM pg_tview_meta}), 'labelled,mine,ratio,split', '... and takes its TVIEWs along with CASCADE');
	unlike(slurp_file($new->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
	$new->stop;
}
done_testing();
