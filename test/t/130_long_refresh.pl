# Long work in a second process: other TVIEWs stay fresh meanwhile, changes of the long one are not lost, it gives way to DDL.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('long_refresh', database => 'app',
	conf => "pg_tviews.debug_waitpoints = on\npg_tviews.long_refresh_threshold = 0\nlog_min_messages = log\nrestart_after_crash = on\n");
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_big (pk_big int PRIMARY KEY, n int);
INSERT INTO tb_big SELECT g, g FROM generate_series(1, 2000) g;
CREATE TABLE tb_rank (pk_rank int PRIMARY KEY, factor int);
INSERT INTO tb_rank SELECT g, g FROM generate_series(1, 3) g;
CREATE TABLE tb_small (pk_small int PRIMARY KEY, x int);
INSERT INTO tb_small SELECT g, g FROM generate_series(1, 10) g;
CREATE TABLE tv_small AS SELECT pk_small, x FROM tb_small;
SELECT pg_tviews_create('big', 'SELECT b.pk_big, b.n, (SELECT max(factor) FROM tb_rank) AS top FROM tb_big b', '{"on_unkeyed": "full"}');
CREATE TABLE tv_sum AS SELECT s.pk_small AS pk_sum, (SELECT t.n FROM tv_big t WHERE t.pk_big = s.pk_small) AS n FROM tb_small s;
SQL
wait_applied($node, 'app');
my $holder = $node->background_psql('app');
my $long = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews long refresh' AND datname = 'app'";
my $stopped = "$long AND wait_event_type = 'Lock'";
my $n = 10;
my $state = "SELECT state FROM pg_tview_meta WHERE entity = 'big'";

# The long refresh of tv_big, which finds no difference, has come to `point`, where it stays.
sub stop_at {
	my ($point) = @_;
	$holder->query_safe("SELECT pg_tviews_debug_hold('$point')");
	$n++;
	$node->safe_psql('app', "INSERT INTO tb_rank VALUES (1, $n % 3) ON CONFLICT (pk_rank) DO UPDATE SET factor = $n % 3");
	ok(wait_until($node, 'app', $stopped, '1', 30), "the long refresh stops at $point");
	return;
}

sub go_on {
	my ($point, $what) = @_;
	$holder->query_safe("SELECT pg_tviews_debug_release('$point')");
	wait_applied($node, 'app', 60, "$what: all is applied");
	oracle($node, 'app', $what);
	is($node->safe_psql('app', $state), 'fresh', "$what: fresh again");
	return;
}

sub other_is_fresh {
	my ($what) = @_;
	my $started = time();
	$node->safe_psql('app', "UPDATE tb_small SET x = x + 100 WHERE pk_small = 5");
	ok(wait_until($node, 'app', "SELECT t.x = b.x FROM tv_small t JOIN tb_small b USING (pk_small) WHERE pk_small = 5", 't', 10), "$what: another TVIEW goes on");
	note sprintf '%.2f s', time() - $started;
	return;
}

my $changes = "UPDATE tb_big SET n = n + 1000000 WHERE pk_big IN (1, 7, 1999); DELETE FROM tb_big WHERE pk_big = 20 + $n; INSERT INTO tb_big VALUES (5000 + $n, 1)";

for my $point (qw(long_before_snapshot long_snapshot_taken long_compared long_attaching long_before_commit)) {
	stop_at($point);
	is($node->safe_psql('app', $state), 'refreshing', 'the state says so');
	my $in_batch = $point eq 'long_attaching' || $point eq 'long_before_commit';    # it holds what a batch needs to defer a key
	other_is_fresh($point);
	$node->safe_psql('app', $changes =~ s/10/$n/gr);
	if (!$in_batch) {    # at its end it holds what the batch needs to defer a key
		ok(wait_until($node, 'app', "SELECT count(*) >= 4 FROM pg_tviews_deferred_keys WHERE entity = 'big' AND reason = 'refreshing'", 't', 20),
			"$point: the keys are deferred");
		other_is_fresh("$point, with keys deferred");
	}
	is($node->safe_psql('app', "SELECT pg_tviews_wait('300 ms')"), 'f', 'pg_tviews_wait() waits for a TVIEW that is refreshing');
	go_on($point, "changes at $point");
}

# ---- another reason to compare it as a whole arrives meanwhile
stop_at('long_snapshot_taken');
$node->safe_psql('app', "UPDATE tb_rank SET factor = factor + 50 WHERE pk_rank = 3");
sleep 0.5;
go_on('long_snapshot_taken', 'another change of everything');
$n += 100;

# ---- synchronous commit does not wait for it
stop_at('long_snapshot_taken');
my $started = time();
my ($rc, $out, $err) = $node->psql('app', "SET pg_tviews.synchronous = on; UPDATE tb_small SET x = x + 1 WHERE pk_small = 3; SELECT t.x = b.x FROM tv_small t JOIN tb_small b USING (pk_small) WHERE pk_small = 3");
is("$out$err", 't', 'a synchronous commit of another table finds its change applied');
cmp_ok(time() - $started, '<', 5, 'and does not wait for the long refresh');
is($node->safe_psql('app', "SELECT kind || ' ' || state FROM pg_tviews_workers WHERE database = 'app' AND kind = 'long refresh'"), 'long refresh working', 'pg_tviews_workers shows it');
go_on('long_snapshot_taken', 'after the synchronous commit');

# ---- DDL does not wait for it
for my $ddl ('ALTER TABLE tb_rank ADD COLUMN extra int', 'VACUUM FULL tb_big', "SELECT pg_tviews_refresh('big')", 'TRUNCATE tb_rank') {
	stop_at('long_compared');
	$started = time();
	$node->safe_psql('app', $ddl, timeout => 30);
	cmp_ok(time() - $started, '<', 8, "$ddl: it gives way");
	go_on('long_compared', $ddl);
}
like(TestLib_log($node), qr/gives way/, 'the log says that it gave way');

# ---- it is terminated, the server is killed, in the middle
stop_at('long_compared');
$node->safe_psql('app', $changes =~ s/10/$n/gr);
$node->safe_psql('app', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tviews long refresh'");
go_on('long_compared', 'after it was terminated');
for my $point (qw(long_before_snapshot long_snapshot_taken long_attaching long_before_commit)) {
	stop_at($point);
	$node->safe_psql('app', $changes =~ s/10/$n/gr);
	my $pid = $node->safe_psql('app', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_tviews long refresh'");
	kill 'KILL', $pid;
	eval { $holder->quit };
	ok(wait_until($node, 'app', 'SELECT true', 't', 60), "$point: the server is there again");
	$holder = $node->background_psql('app');
	wait_applied($node, 'app', 60, "kill -9 at $point: all is applied");
	oracle($node, 'app', "kill -9 at $point");
}

# ---- its capture is off
$node->safe_psql('app', 'ALTER TABLE tb_rank DISABLE TRIGGER ALL');
$node->safe_psql('app', 'UPDATE tb_big SET n = n + 1 WHERE pk_big = 1');
ok(wait_until($node, 'app', "SELECT count(*) FROM tviews_oracle()", '0', 30), 'compared while its capture is off');
is($node->safe_psql('app', $state), 'degraded', 'that does not make it fresh');
$node->safe_psql('app', 'ALTER TABLE tb_rank ENABLE TRIGGER ALL');
wait_applied($node, 'app', 60, 'capture is on again: all is applied');
is($node->safe_psql('app', $state), 'fresh', 'and it is fresh');

# ---- dropped meanwhile
stop_at('long_compared');
$started = time();
$node->safe_psql('app', "SELECT pg_tviews_drop('big', cascade => true)", timeout => 30);
cmp_ok(time() - $started, '<', 8, 'it gives way to DROP');
$holder->query_safe("SELECT pg_tviews_debug_release('long_compared')");
wait_applied($node, 'app');
oracle($node, 'app', 'after the drop');
is($node->safe_psql('app', "SELECT count(*) FROM pg_tview_deferred"), '0', 'nothing of it is left');
$holder->quit;
$node->stop;
done_testing();

sub TestLib_log {
	my ($server) = @_;
	return PostgreSQL::Test::Utils::slurp_file($server->logfile);
}
