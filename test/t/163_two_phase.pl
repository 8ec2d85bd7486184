# Two-phase commit: prepared transactions that outlive the worker, crashes, journal turns and each other.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('two_phase', database => 'app', conf => "restart_after_crash = on\npg_tviews.debug_journal_switch_kb = 8\nautovacuum = off\n");
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_item (pk_item int PRIMARY KEY, name text NOT NULL);
INSERT INTO tb_item SELECT g, 'item ' || g FROM generate_series(1, 1000) g;
CREATE TABLE tv_item AS SELECT pk_item, upper(name) AS name FROM tb_item;
CREATE ROLE other SUPERUSER LOGIN;
SQL

sub name_of { return $node->safe_psql('app', "SELECT string_agg(name, ',' ORDER BY pk_item) FROM tv_item WHERE pk_item IN ($_[0])"); }

sub conserved {
	my ($what) = @_;
	return is($node->safe_psql('app', 'SELECT * FROM tviews_conservation()'), '', "$what: every record is accounted for");
}

sub drop_pushes {
	my ($value) = @_;
	$node->safe_psql('app', "ALTER SYSTEM SET pg_tviews.debug_drop_pushes = $value");
	$node->reload;
	return wait_until($node, 'app', 'SHOW pg_tviews.debug_drop_pushes', $value);
}

# Many batches; the journal's tables take turns.
sub turn_journal {
	for (1 .. 8) {
		$node->safe_psql('app', "SET pg_tviews.debug_transaction_keys = 0; UPDATE tb_item SET name = name || '.' WHERE pk_item BETWEEN 101 AND 600; SELECT pg_tviews_wait('60 s')");
		sleep 0.11;    # the journal turns at most every 100 ms
	}
	return;
}

sub kill_worker {
	my $restarts = () = slurp_file($node->logfile) =~ /reinitializing/g;
	kill 'KILL', worker_pid($node, 'app');
	for (1 .. 300) {
		last if (() = slurp_file($node->logfile) =~ /reinitializing/g) > $restarts;
		sleep 0.1;
	}
	return wait_until($node, 'app', 'SELECT true', 't', 60);
}

# name => how it got there, what became of the worker or the server meanwhile, how it ends
my %meanwhile = (
	'worker terminated' => sub { $node->safe_psql('app', "SELECT pg_terminate_backend(" . worker_pid($node, 'app') . ", 10000)"); },
	'worker killed'     => sub { kill_worker(); },
	'immediate stop'    => sub { $node->stop('immediate'); $node->start; },
	'clean restart'     => sub { $node->restart; },
	'journal turned'    => \&turn_journal,
);
my %how = (
	'in the ring'    => '',
	'written early'  => 'SET pg_tviews.debug_transaction_keys = 0;',
	'ring overflown' => '',
);
my $round = 0;
foreach my $meanwhile (sort keys %meanwhile) {
	foreach my $how (sort keys %how) {
		++$round;
		drop_pushes('on') if $how eq 'ring overflown';
		# Two of them, with savepoints; one is committed, the other rolled back, by somebody else and in another order.
		$node->safe_psql('app', "$how{$how} BEGIN; UPDATE tb_item SET name = 'kept $round' WHERE pk_item = 1; SAVEPOINT a; UPDATE tb_item SET name = 'undone' WHERE pk_item = 3;
			ROLLBACK TO a; SAVEPOINT b; UPDATE tb_item SET name = 'released $round' WHERE pk_item = 4; RELEASE b; PREPARE TRANSACTION 'first'");
		$node->safe_psql('app', "$how{$how} BEGIN; UPDATE tb_item SET name = 'dropped $round' WHERE pk_item = 2; PREPARE TRANSACTION 'second'");
		drop_pushes('off') if $how eq 'ring overflown';
		$meanwhile{$meanwhile}->();
		wait_applied($node, 'app', 60, "$how, $meanwhile: prepared transactions hold nobody up");
		conserved("$how, $meanwhile, prepared");
		$node->safe_psql('app', "SET SESSION AUTHORIZATION other; ROLLBACK PREPARED 'second'");
		$node->safe_psql('app', "SET SESSION AUTHORIZATION other; COMMIT PREPARED 'first'");
		wait_applied($node, 'app');
		is(name_of('1, 2, 3, 4'), "KEPT $round,ITEM 2,ITEM 3,RELEASED $round", "$how, $meanwhile: the committed one arrives, the other does not");
		is($node->safe_psql('app', "SELECT journal_rows FROM pg_tviews_queue_realtime WHERE database = 'app'"), '0', 'the journal is empty');
		conserved("$how, $meanwhile");
	}
}
oracle($node, 'app');

# It keeps one of the journal's tables, no more.
$node->safe_psql('app', "BEGIN; UPDATE tb_item SET name = 'long' WHERE pk_item = 1; PREPARE TRANSACTION 'long'");
turn_journal() for 1 .. 3;
cmp_ok($node->safe_psql('app', "SELECT journal_bytes FROM pg_tviews_queue_realtime WHERE database = 'app'"), '<', 1_000_000, 'the journal does not grow behind a prepared transaction');

# The worker beside it only sweeps, and wakes at once.
sub cpu_ticks { my @stat = split / /, slurp_file("/proc/$_[0]/stat"); return $stat[13] + $stat[14]; }
my $pid = worker_pid($node, 'app');
my $before = cpu_ticks($pid);
sleep 3;
cmp_ok(cpu_ticks($pid) - $before, '<', 15, 'an idle worker beside a prepared transaction uses no CPU (below 5 %)');
$node->append_conf('postgresql.conf', "pg_tviews.sweep_interval = '60s'\n");
$node->reload;
$node->safe_psql('app', "UPDATE tb_item SET name = 'x' WHERE pk_item = 9; SELECT pg_tviews_wait()");
my $start = time;
$node->safe_psql('app', "COMMIT PREPARED 'long'");
ok(wait_until($node, 'app', 'SELECT name FROM tv_item WHERE pk_item = 1', 'LONG', 20), 'COMMIT PREPARED wakes the worker');
cmp_ok(time - $start, '<', 10, 'and not the sweep');

# pg_tviews.synchronous: the session that commits has no change of its own; what it commits is applied when it goes on.
$node->append_conf('postgresql.conf', "pg_tviews.batch_delay = '500ms'\n");
$node->reload;
$node->safe_psql('app', "BEGIN; UPDATE tb_item SET name = 'synchronous' WHERE pk_item = 1; PREPARE TRANSACTION 'p'");
$node->safe_psql('app', "SET pg_tviews.synchronous = on; COMMIT PREPARED 'p'");
is(name_of('1'), 'SYNCHRONOUS', 'COMMIT PREPARED waits with pg_tviews.synchronous');

# DDL on TVIEWs cannot be prepared; what was there stays and is kept fresh.
foreach my $ddl ('CREATE TABLE tv_copy AS SELECT pk_item AS pk_copy, name FROM tb_item', 'DROP TABLE tv_item', "SELECT pg_tviews_create_or_replace('tv_item', 'SELECT pk_item, name FROM tb_item')") {
	my ($out, $err);
	isnt($node->psql('app', "BEGIN; $ddl; PREPARE TRANSACTION 'ddl'", stdout => \$out, stderr => \$err), 0, "refused: PREPARE of $ddl");
	like($err, qr/cannot PREPARE a transaction that has created, dropped or altered a TVIEW/, 'with the reason');
}
$node->safe_psql('app', "UPDATE tb_item SET name = 'after' WHERE pk_item = 1");
wait_applied($node, 'app');
oracle($node, 'app', 'after refused DDL');

unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:/, 'no PANIC, no failed assertion');
$node->stop;
done_testing();
