# Stops a process at a waitpoint, ends it or the server there, and looks at what is left.
package TviewsKills;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TviewsNode qw(start_node wait_until);
use TviewsLoad qw(make_tviews);

our @EXPORT_OK = qw(start_kills kill_at check_left finish_kills @WAYS);

# kill9: the process, so that the server restarts by itself; immediate: the server and all, without a checkpoint; terminate: politely.
our @WAYS = qw(kill9 immediate terminate);

sub start_kills {
	my ($name) = @_;
	my $node = start_node($name, database => 'app', conf => <<'CONF');
restart_after_crash = on
pg_tviews.debug_waitpoints = on
pg_tviews.debug_journal_switch_kb = 8
autovacuum = off
CONF
	make_tviews($node, 'app');
	$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_risky (pk_risky int PRIMARY KEY, x int NOT NULL);
INSERT INTO tb_risky SELECT g, g FROM generate_series(1, 20) g;
CREATE TABLE tv_risky AS SELECT pk_risky, 100 / x AS y FROM tb_risky;
CREATE TABLE tb_new (pk_new int PRIMARY KEY, x int NOT NULL);
INSERT INTO tb_new SELECT g, g FROM generate_series(1, 20) g;
SQL
	return $node;
}

# Whoever waits at a waitpoint.
my $STOPPED = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted LIMIT 1";

# How often the server has restarted by itself.
sub restarts {
	my ($node) = @_;
	return scalar(() = slurp_file($node->logfile) =~ /reinitializing/g);
}

# Brings a process to `point` by `sql` (run in a session of its own, again and again while nobody stops there), ends it in `way` and
# waits for the server.  `held`: interrupts are held there, the point is released after the polite request.
sub kill_at {
	my ($node, $way, $point, $sql, %option) = @_;
	my $holder = $node->background_psql('app', on_error_stop => 0);
	$holder->query("SELECT pg_tviews_debug_hold('$point')");
	my $actor = $node->background_psql('app', on_error_stop => 0);
	my $pid = '';
	for my $attempt (1 .. 100) {
		$actor->{stdin} .= "$sql;\n" if $attempt % 5 == 1;
		eval { $actor->{run}->pump_nb; };
		sleep 0.1;
		$pid = $node->safe_psql('app', $STOPPED);
		last if $pid ne '';
	}
	ok($pid ne '', "$point, $way: somebody stops there") or return;
	if ($way eq 'kill9') {
		my $before = restarts($node);
		kill 'KILL', $pid;
		for (1 .. 600) {
			last if restarts($node) > $before;
			sleep 0.1;
		}
	} elsif ($way eq 'immediate') {
		$node->stop('immediate');
		$node->start;
	} else {
		$node->safe_psql('app', "SELECT pg_terminate_backend($pid)");
		$holder->query("SELECT pg_tviews_debug_release('$point')") if $option{held};
	}
	wait_until($node, 'app', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", '0', 60) or diag 'the server does not come back, or the process does not go';
	# Their sessions may have died.
	foreach my $session ($holder, $actor) {
		eval { $session->{stdin} .= "\\q\n"; $session->{run}->pump_nb; };
		eval { $session->{run}->kill_kill(grace => 2); };
	}
	return;
}

# Applied, equal, nothing deferred, the journal empty, every record accounted for, nothing half made.
sub check_left {
	my ($node, $what) = @_;
	my ($left, $error);
	$node->psql('app', <<'SQL', stdout => \$left, stderr => \$error, timeout => 100);
SET client_min_messages = error;
UPDATE tb_risky SET x = 1 WHERE x = 0;
SELECT 'not applied' WHERE NOT pg_tviews_wait('60 s');
SELECT 'differs', * FROM tviews_oracle();
SELECT 'deferred', * FROM pg_tviews_deferred_keys;
SELECT 'not fresh', entity, state FROM pg_tview_meta WHERE state <> 'fresh';
SELECT 'journal', journal_rows FROM pg_tviews_queue_realtime WHERE database = 'app' AND journal_rows > 0;
SELECT 'lost', * FROM tviews_conservation();
SELECT 'orphan table', c.relname FROM pg_class c WHERE relname LIKE 'tv\_%' AND relkind = 'r' AND NOT EXISTS (SELECT FROM pg_tview_meta WHERE table_oid = c.oid);
SELECT 'orphan view', c.relname FROM pg_class c WHERE relname LIKE 'v\_%' AND relkind = 'v' AND relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_tview_meta WHERE view_oid = c.oid);
SELECT 'orphan trigger', tgrelid::regclass, tgname FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid
  WHERE proname = 'pg_tviews_capture' AND NOT EXISTS (SELECT FROM pg_tview_meta WHERE table_oid = tgrelid OR tgrelid = ANY (dependencies));
SELECT 'orphan row', tview FROM pg_tview_catalog WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = tview);
SELECT 'prepared', gid FROM pg_prepared_xacts;
SQL
	return is("$left$error", '', $what);
}

sub finish_kills {
	my ($node) = @_;
	unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:/, 'no PANIC, no failed assertion');
	$node->stop;
	return;
}

1;
