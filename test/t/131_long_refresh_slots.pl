# The second process when there is no slot for it, with two TVIEWs at once, on a timer, and in a database that is dropped.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid prepare_database);

# One database: the launcher, its worker and the logical replication launcher take the three slots.
my $node = start_node('long_slots', database => 'app', conf => "pg_tviews.debug_waitpoints = on\npg_tviews.long_refresh_threshold = 0\nmax_worker_processes = 3\nlog_min_messages = log\n");
my $tables = <<'SQL';
CREATE TABLE tb_rank (pk_rank int PRIMARY KEY, factor int);
INSERT INTO tb_rank SELECT g, g FROM generate_series(1, 3) g;
CREATE TABLE tb_a (pk_a int PRIMARY KEY, n int);
INSERT INTO tb_a SELECT g, g FROM generate_series(1, 100) g;
SELECT pg_tviews_create('a', 'SELECT pk_a, n, (SELECT max(factor) FROM tb_rank) AS top FROM tb_a', '{"on_unkeyed": "full"}');
SELECT pg_tviews_create('b', 'SELECT pk_a AS pk_b, n, (SELECT max(factor) FROM tb_rank) AS top FROM tb_a', '{"on_unkeyed": "full"}');
SELECT pg_tviews_create('c', 'SELECT pk_a AS pk_c, n, top + 1 AS next FROM tv_a', '{"on_unkeyed": "full"}');
SQL
$node->safe_psql('app', $tables);
$node->safe_psql('app', 'UPDATE tb_rank SET factor = factor + 10; UPDATE tb_a SET n = n + 1 WHERE pk_a < 10');
wait_applied($node, 'app', 60, 'without a free slot the refresh worker does the long work');
oracle($node, 'app', 'without a free slot');
my $said = () = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /no free background worker slot for long refreshes/g;
is($said, 1, 'the log says so once');
$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$node->restart;

# ---- two at once, and a TVIEW above one of them
my $holder = $node->background_psql('app');
$holder->query_safe("SELECT pg_tviews_debug_hold('long_compared')");
$node->safe_psql('app', 'UPDATE tb_rank SET factor = factor + 10');
ok(wait_until($node, 'app', "SELECT string_agg(entity, ',' ORDER BY entity) FROM pg_tview_meta WHERE state = 'refreshing'", 'a,b', 30), 'two are detached');
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews long refresh' AND wait_event_type = 'Lock'", '1'), 'one is compared');
$node->safe_psql('app', 'UPDATE tb_a SET n = n + 1 WHERE pk_a < 20; DELETE FROM tb_a WHERE pk_a = 50');
$holder->query_safe("SELECT pg_tviews_debug_release('long_compared')");
wait_applied($node, 'app');
oracle($node, 'app', 'two at once');

# ---- by timer
$node->safe_psql('app', q{SELECT pg_tviews_create('clock', 'SELECT pk_a AS pk_clock, n, date_trunc(''second'', now()) AS at FROM tb_a', '{"refresh_every": "1 s"}')});
my $at = $node->safe_psql('app', 'SELECT max(at) FROM tv_clock');
ok(wait_until($node, 'app', "SELECT min(at) > '$at' AND min(at) = max(at) FROM tv_clock", 't', 30), 'a timer runs there, too');
ok(wait_until($node, 'app', "SELECT refreshes > 3 FROM pg_tviews_long_data()", 't', 30), 'again and again');
$node->safe_psql('app', "SELECT pg_tviews_drop('clock')");

# ---- paused meanwhile
$holder->query_safe("SELECT pg_tviews_debug_hold('long_compared')");
$node->safe_psql('app', 'UPDATE tb_rank SET factor = factor + 10');
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews long refresh' AND wait_event_type = 'Lock'", '1'), 'one is compared');
$node->safe_psql('app', 'SELECT pg_tviews_pause()', timeout => 30);
$node->safe_psql('app', 'UPDATE tb_a SET n = n + 1 WHERE pk_a < 30; DELETE FROM tb_a WHERE pk_a = 51');
$holder->query_safe("SELECT pg_tviews_debug_release('long_compared')");
$node->safe_psql('app', 'SELECT pg_tviews_resume()', timeout => 30);
wait_applied($node, 'app');
oracle($node, 'app', 'paused and resumed meanwhile');

# ---- the extension, the database are dropped meanwhile
for my $drop ('DROP EXTENSION pg_tviews CASCADE', 'DROP DATABASE other') {
	prepare_database($node, 'other');
	$node->safe_psql('other', $drop =~ /EXTENSION/ ? $tables : "DROP TABLE tb_a, tb_rank, tv_a, tv_b, tv_c CASCADE; DROP VIEW IF EXISTS v_a, v_b, v_c; $tables");
	my $other = $node->background_psql('other');
	$other->query_safe("SELECT pg_tviews_debug_hold('long_compared')");
	$node->safe_psql('other', 'UPDATE tb_rank SET factor = factor + 10');
	ok(wait_until($node, 'other', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews long refresh' AND datname = 'other' AND wait_event_type = 'Lock'", '1'), "before $drop");
	$other->quit if $drop =~ /DATABASE/;
	my $started = time();
	$node->safe_psql($drop =~ /DATABASE/ ? 'postgres' : 'other', $drop, timeout => 30);
	cmp_ok(time() - $started, '<', $drop =~ /DATABASE/ ? 4 : 15, "$drop beside a long refresh");
	$other->quit if $drop !~ /DATABASE/;
}
wait_applied($node, 'app');
oracle($node, 'app', 'at the end');
$holder->quit;
$node->stop;
done_testing();
