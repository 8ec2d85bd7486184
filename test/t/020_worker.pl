# The worker: idle it costs nothing; waiting functions tell the truth; out of order, prepared and long transactions; overflow.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use PostgreSQL::Test::Utils;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);
use TviewsLoad qw(make_tviews start_writers finish_writers);

my $node = start_node('worker', database => 'app', conf => "log_min_messages = warning\n");
make_tviews($node, 'app');
wait_applied($node, 'app');
my $pid = worker_pid($node, 'app');

# CPU of a process in clock ticks.
sub cpu {
	my @stat = split ' ', slurp_file("/proc/$_[0]/stat") =~ s/^.*\) //r;
	return $stat[11] + $stat[12];
}
sub switches {
	my ($n) = slurp_file("/proc/$_[0]/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
	return $n;
}

SKIP: {
	skip 'needs /proc', 2 unless -r "/proc/$pid/stat";
	sleep 11;    # its last statistics go out ten seconds after the last batch
	my ($before, $wakes) = (cpu($pid), switches($pid));
	sleep 3;
	is(cpu($pid) - $before, 0, 'an idle worker costs no CPU');
	cmp_ok(switches($pid) - $wakes, '<=', 1, 'an idle worker does not wake up');
}

# Looked for by sessions that do not wait (pg_tviews_wait() wakes the worker too).
$node->safe_psql('app', "UPDATE tb_post SET title = 'woken' WHERE pk_post = 5");
ok(wait_until($node, 'app', "SELECT title FROM tv_post WHERE pk_post = 5", 'woken', 5), 'the commit itself wakes an idle worker');

# ---- waiting
is($node->safe_psql('app', "UPDATE tb_post SET title = 'waited' WHERE pk_post = 1; SELECT pg_tviews_wait(); SELECT title FROM tv_post WHERE pk_post = 1"),
	"t\nwaited", 'after pg_tviews_wait the change is there');
my $xid = $node->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'by xid' WHERE pk_post = 2; SELECT pg_current_xact_id(); COMMIT");
is($node->safe_psql('app', "SELECT pg_tviews_wait_for('$xid'); SELECT title FROM tv_post WHERE pk_post = 2"), "t\nby xid",
	'after pg_tviews_wait_for the change is there');
$xid = $node->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'never' WHERE pk_post = 2; SELECT pg_current_xact_id(); ROLLBACK");
is($node->safe_psql('app', "SELECT pg_tviews_wait_for('$xid')"), 't', 'an aborted transaction is not waited for');
my ($rc, $out, $err) = $node->psql('app', "SELECT pg_tviews_wait_for('999999999')");
like($err, qr/in the future/, 'a transaction of the future is an error');
($rc, $out, $err) = $node->psql('app', "BEGIN; UPDATE tb_post SET title = 'own' WHERE pk_post = 3; SELECT pg_tviews_wait_for(pg_current_xact_id())");
like($err, qr/cannot wait for the current transaction/, 'nor can a transaction wait for itself');
($rc, $out, $err) = $node->psql('app', "BEGIN; UPDATE tb_post SET title = 'own' WHERE pk_post = 3; SELECT pg_tviews_wait()");
like($err, qr/changes of the current transaction are not waited for/, 'the own changes are named in a NOTICE');

my $holder = $node->background_psql('app', on_error_stop => 0);
$holder->query_safe("BEGIN; LOCK TABLE tb_author IN ACCESS EXCLUSIVE MODE");
$node->safe_psql('app', "UPDATE tb_post SET title = 'blocked' WHERE pk_post = 4");
is($node->safe_psql('app', "SELECT pg_tviews_wait('200 ms')"), 'f', 'a wait that runs out of time says so');
ok(wait_until($node, 'app', "SELECT waiting_for ~ '^relation public.tb_author, held by process' FROM pg_tviews_workers WHERE kind = 'refresh' AND database = 'app'"),
	'what the worker waits for is named');
$holder->query("SELECT pg_tviews_wait('20 s')");
like($holder->{stderr}, qr/waits for a lock that this session holds/, 'who holds the lock that the worker waits for cannot wait');
$holder->quit;
wait_applied($node, 'app');
oracle($node, 'app', 'after a table was locked for long');

# ---- a table locked for long holds up only the TVIEWs that read it
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_other (pk_other int PRIMARY KEY, x int);
INSERT INTO tb_other VALUES (1, 1);
CREATE TABLE tv_other AS SELECT pk_other, x FROM tb_other;
SQL
$holder = $node->background_psql('app');
$holder->query_safe("BEGIN; LOCK TABLE tb_author IN ACCESS EXCLUSIVE MODE");
$node->safe_psql('app', "UPDATE tb_post SET title = 'blocked again' WHERE pk_post = 4; UPDATE tb_other SET x = 2");
ok(wait_until($node, 'app', "SELECT x = 2 FROM tv_other", 't', 20), 'a TVIEW that does not read the locked table goes on');
$holder->query_safe("ROLLBACK");
$holder->quit;
wait_applied($node, 'app');
oracle($node, 'app', 'after one table was locked for long');

# ---- a TVIEW that a session works on and does not let go of holds up only itself
for my $end ('ROLLBACK', 'COMMIT') {
	$holder = $node->background_psql('app');
	$holder->query_safe("BEGIN; SELECT pg_tviews_pause('post')");
	$node->safe_psql('app', "UPDATE tb_post SET title = 'paused by a $end' WHERE pk_post = 4; UPDATE tb_other SET x = x + 1");
	ok(wait_until($node, 'app', "SELECT t.x = b.x FROM tv_other t, tb_other b", 't', 20), "$end: another TVIEW goes on");
	$holder->query_safe($end);
	$holder->quit;
	wait_applied($node, 'app', 30, "$end: nobody waits for what is paused");
	$node->safe_psql('app', "SELECT pg_tviews_resume()");
	wait_applied($node, 'app');
	oracle($node, 'app', "after a pause that ended with $end");
}

# ---- nor does one whose capture a session has switched off, when its state is to be written
$node->append_conf('postgresql.conf', 'pg_tviews.long_refresh_threshold = 0');
$node->reload;
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_left (pk_left int PRIMARY KEY);
CREATE TABLE tb_right (fk_left int);
CREATE TABLE tv_left AS SELECT pk_left, (SELECT count(*) FROM tb_right WHERE fk_left = pk_left) AS rights FROM tb_left;
SQL
$holder = $node->background_psql('app');
$holder->query_safe("SET client_min_messages = error; BEGIN; ALTER TABLE tb_left DISABLE TRIGGER ALL");
$node->safe_psql('app', "TRUNCATE tb_right; UPDATE tb_other SET x = x + 1");
ok(wait_until($node, 'app', "SELECT t.x = b.x FROM tv_other t, tb_other b", 't', 20), 'another TVIEW goes on beside DISABLE TRIGGER');
$holder->query_safe("ROLLBACK");
$holder->quit;
$node->append_conf('postgresql.conf', 'pg_tviews.long_refresh_threshold = 1s');
$node->reload;
wait_applied($node, 'app');
oracle($node, 'app', 'after it');

# ---- out of order and long
my $long = $node->background_psql('app');
$long->query_safe("BEGIN; UPDATE tb_post SET title = 'long' WHERE pk_post = 10");
for my $i (1 .. 20) {
	$node->safe_psql('app', "UPDATE tb_post SET title = 'short $i' WHERE pk_post = 11");
}
wait_applied($node, 'app', 10, 'a running transaction is not waited for');
oracle($node, 'app', 'beside a running transaction');
$long->query_safe("COMMIT");
$long->quit;
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT title FROM tv_post WHERE pk_post = 10'), 'long', 'a long transaction that commits last is applied');

# ---- prepared, across a restart
$node->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'prepared' WHERE pk_post = 20; PREPARE TRANSACTION 'one'");
$node->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'prepared too' WHERE pk_post = 21; PREPARE TRANSACTION 'two'");
wait_applied($node, 'app', 10, 'a prepared transaction is not waited for');
oracle($node, 'app', 'beside a prepared transaction');
SKIP: {
	my $waiting = worker_pid($node, 'app');
	skip 'needs /proc', 1 unless -r "/proc/$waiting/stat";
	my $before = cpu($waiting);
	sleep 3;
	cmp_ok(cpu($waiting) - $before, '<', 30, 'a worker that waits for a prepared transaction costs next to no CPU');
}
$node->safe_psql('app', "COMMIT PREPARED 'one'");
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT title FROM tv_post WHERE pk_post = 20'), 'prepared', 'COMMIT PREPARED is applied');
$node->restart;
worker_pid($node, 'app');
oracle($node, 'app', 'the other one still waits');
$node->safe_psql('app', "COMMIT PREPARED 'two'");
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT title FROM tv_post WHERE pk_post = 21'), 'prepared too', 'COMMIT PREPARED after a restart is applied');

# ---- synchronous
$node->append_conf('postgresql.conf', "pg_tviews.synchronous = on\n");
$node->reload;
wait_until($node, 'app', 'SHOW pg_tviews.synchronous', 'on');
my $missed = 0;
for my $i (1 .. 50) {
	my $seen = $node->safe_psql('app', "UPDATE tb_post SET title = 'sync $i' WHERE pk_post = 30; SELECT title FROM tv_post WHERE pk_post = 30");
	$missed++ if $seen ne "sync $i";
}
is($missed, 0, 'with pg_tviews.synchronous the change is there when COMMIT returns');
$holder = $node->background_psql('app');
$holder->query_safe("SET pg_tviews.synchronous = off; BEGIN; LOCK TABLE tv_post IN ACCESS EXCLUSIVE MODE");
my $start = time();
($rc, $out, $err) = $node->psql('app', "SET pg_tviews.synchronous_timeout = '300 ms'; UPDATE tb_post SET title = 'late' WHERE pk_post = 30");
is($rc, 0, 'the commit is not undone');
like($err, qr/WARNING:  the changes of this transaction are committed but not yet applied/, 'a wait at COMMIT that runs out of time warns');
cmp_ok(time() - $start, '<', 3, 'and is bounded');
$holder->query_safe("COMMIT");
$holder->quit;
$node->append_conf('postgresql.conf', "pg_tviews.synchronous = off\n");
$node->reload;
wait_applied($node, 'app');
oracle($node, 'app', 'after synchronous commits');

# ---- pg_tviews.enabled
$node->append_conf('postgresql.conf', "pg_tviews.enabled = off\n");
$node->reload;
wait_until($node, 'app', 'SHOW pg_tviews.enabled', 'off');
sleep 0.2;
$node->safe_psql('app', "UPDATE tb_post SET title = 'switched off' WHERE pk_post = 31");
{
	my ($rc, $out, $err) = $node->psql('app', "SELECT pg_tviews_wait('300 ms')");
	is($out, 'f', 'switched off, nothing is applied');
	like($err, qr/nothing is applied while pg_tviews.enabled is off/, 'and the waiter is told');
}
ok($node->safe_psql('app', "SELECT lag_ms > 200 FROM pg_tviews_freshness WHERE entity = 'post'") eq 't', 'and lag grows');
$node->append_conf('postgresql.conf', "pg_tviews.enabled = on\n");
$node->reload;
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT title FROM tv_post WHERE pk_post = 31'), 'switched off', 'switched on again, it is');

# ---- overflow, small batches, quick turns of the journal
$node->append_conf('postgresql.conf', "pg_tviews.batch_size = 100\npg_tviews.debug_journal_switch_kb = 64\n");
$node->reload;
my $idle = $node->background_psql('app');
$idle->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tv_post");
my $writers = start_writers($node, 'app', 4, 5);
sleep 1;
$node->append_conf('postgresql.conf', "pg_tviews.debug_drop_pushes = on\n");
$node->reload;
sleep 2;
$node->append_conf('postgresql.conf', "pg_tviews.debug_drop_pushes = off\n");
$node->reload;
finish_writers($writers);
wait_applied($node, 'app');
oracle($node, 'app', 'after ring overflows');
cmp_ok($node->safe_psql('app', "SELECT records_overflowed FROM pg_tviews_queue_realtime WHERE database = 'app'"), '>', 0, 'overflows are counted');
$node->safe_psql('app', "UPDATE tb_post SET title = 'x' WHERE pk_post = 1");
wait_applied($node, 'app');
is($node->safe_psql('app', "SELECT journal_rows FROM pg_tviews_queue_realtime WHERE database = 'app'"), '0', 'the journal is empty');
cmp_ok($node->safe_psql('app', "SELECT journal_bytes FROM pg_tviews_queue_realtime WHERE database = 'app'"), '<', 2_000_000,
	'the journal does not grow beside an idle REPEATABLE READ transaction');
$idle->query_safe("COMMIT");
$idle->quit;

$node->stop;
done_testing();
