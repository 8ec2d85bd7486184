# Commands that need a database or a table for themselves, while the worker is in the middle of a batch and the second process in the middle of a long
# refresh: each takes less than two seconds of waiting.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use TviewsNode qw(start_node prepare_database oracle no_orphans wait_applied wait_until);

my $node = start_node('busy', database => 'app', conf => "pg_tviews.long_refresh_threshold = 0\npg_tviews.refresh_timeout = 0\n");
my $fast = PostgreSQL::Test::Utils::tempdir() . '/fast';    # while it exists, slow() is not

sub hurry { PostgreSQL::Test::Utils::append_to_file($fast, 'x'); return; }
sub dawdle { unlink $fast; return; }

sub quickly {
	my ($database, $statement, @more) = @_;
	my $start = time();
	my ($rc, $out, $err) = $node->psql($database, $statement, timeout => 30, @more);
	my $took = time() - $start;
	my $what = $statement =~ s/\s+/ /gr;
	is($rc, 0, "$what works") or diag $err;
	# Two seconds of waiting, and what a loaded machine needs for the rest.
	cmp_ok($took, '<', 4, sprintf '%s took %.2f s', $what, $took);
	return;
}

sub busy {
	my ($database, $type) = @_;
	ok(wait_until($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = '$database' AND backend_type = '$type' AND wait_event = 'PgSleep'", '1', 15),
		"the $type of $database is in the middle of its work")
		or diag $node->safe_psql($database, 'SELECT kind, state, waiting_for, last_error FROM pg_tviews_workers; SELECT entity, state FROM pg_tview_meta; TABLE pg_tviews_deferred_keys;'
			. ' SELECT backend_type, state, wait_event, query FROM pg_stat_activity');
	return;
}

# tv_slow is refreshed by keys, tv_total as a whole; 1500 rows, 20 ms each.
sub make_tviews {
	my ($database) = @_;
	hurry();
	$node->safe_psql($database, <<SQL);
CREATE TABLE tb_top (pk_top int PRIMARY KEY, v int);
CREATE TABLE tb_slow (pk_slow int PRIMARY KEY, v int);
CREATE FUNCTION slow(v int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS \$\$ BEGIN
  IF (pg_stat_file('$fast', true)).size IS NULL THEN
    PERFORM pg_sleep(0.02);
  END IF;
  RETURN v;
END \$\$;
CREATE TABLE tv_slow AS SELECT pk_slow, slow(v) AS v FROM tb_slow;
SELECT pg_tviews_create('tv_total', 'SELECT pk_slow AS pk_total, slow(v) + (SELECT max(v) FROM tb_top) AS v FROM tb_slow', '{"on_unkeyed": "full"}');
INSERT INTO tb_slow SELECT g, g FROM generate_series(1, 1500) g;
INSERT INTO tb_top VALUES (1, 1);
SQL
	wait_applied($node, $database, 60, "$database: as made");
	return;
}

sub long_refresh {
	my ($database) = @_;
	dawdle();
	$node->safe_psql($database, 'UPDATE tb_top SET v = v + 1');
	busy($database, 'pg_tviews long refresh');
	return;
}

sub both {
	my ($database) = @_;
	long_refresh($database);
	$node->safe_psql($database, 'UPDATE tb_slow SET v = v + 1');
	busy($database, 'pg_tviews refresh worker');
	return;
}

sub check {
	my ($database, $what) = @_;
	hurry();
	wait_applied($node, $database, 60, "$what: applied");
	oracle($node, $database, "$what: equal");
	no_orphans($node, $database, "$what: nothing left behind");
	return;
}

make_tviews('app');

# DDL beside a long refresh.
long_refresh('app');
quickly('app', 'ALTER TABLE tb_slow ADD COLUMN extra int');
check('app', 'a new column');
long_refresh('app');
my $source = $node->safe_psql('app', "SELECT pg_get_functiondef('slow'::regproc)");
quickly('app', $source =~ s/RETURN v;/RETURN v + 1;/r);
check('app', 'its function replaced');
long_refresh('app');
quickly('app', 'ALTER TABLE tb_slow RENAME COLUMN v TO w');
check('app', 'a column renamed');
long_refresh('app');
quickly('app', 'ALTER TABLE tb_slow RENAME COLUMN w TO v');
quickly('app', 'TRUNCATE tb_top');
check('app', 'TRUNCATE of what it reads');
$node->safe_psql('app', 'INSERT INTO tb_top VALUES (1, 1)');
long_refresh('app');
quickly('app', 'DROP TABLE tb_top CASCADE');
check('app', 'a base table dropped with CASCADE');
is($node->safe_psql('app', "SELECT string_agg(entity, ' ') FROM pg_tview_meta"), 'slow', 'the TVIEW went with it');

# Commands on databases.
prepare_database($node, 'first');
make_tviews('first');
both('first');
quickly('postgres', 'CREATE DATABASE copied TEMPLATE first STRATEGY file_copy');
both('first');
quickly('postgres', 'CREATE DATABASE logged TEMPLATE first STRATEGY wal_log');
check($_, "$_, copied in the middle of a batch") for qw(copied logged);
my $place = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$place'");
both('first');
quickly('postgres', 'ALTER DATABASE first SET TABLESPACE elsewhere');
check('first', 'moved');
both('first');
quickly('postgres', 'ALTER DATABASE first RENAME TO renamed');
check('renamed', 'renamed');
both('renamed');
quickly('postgres', 'DROP DATABASE renamed WITH (FORCE)');
both('logged');
quickly('postgres', 'DROP DATABASE logged');
$node->safe_psql('postgres', 'CREATE ROLE landlord LOGIN CREATEDB; ALTER DATABASE copied OWNER TO landlord');
both('copied');
quickly('postgres', 'ALTER DATABASE copied RENAME TO owned', extra_params => [ '-U', 'landlord' ]);
check('owned', 'renamed by its owner');
check('app', 'the other database');

hurry();
$node->stop;
done_testing();
