# The conservation law: what the worker received is applied, merged, gone or pending, on every way a record can take.
use strict;
use warnings;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('conservation', database => 'app', conf => "autovacuum = off\npg_tviews.debug_waitpoints = on\n");
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_item (pk_item int PRIMARY KEY, x int NOT NULL);
INSERT INTO tb_item SELECT g, g FROM generate_series(1, 1000) g;
CREATE TABLE tv_item AS SELECT pk_item, 1000 / x AS y FROM tb_item;
SELECT pg_tviews_wait();
SQL

sub counter { return $node->safe_psql('app', "SELECT pg_tviews_debug_queue() -> 'records' ->> '$_[0]'"); }

# Runs `sql`; the law holds, and each counter moved by at least so much.
sub moves {
	my ($what, $sql, %by) = @_;
	my %before = map { $_ => counter($_) } keys %by;
	ref $sql ? $sql->() : $node->safe_psql('app', $sql);
	wait_applied($node, 'app');
	is($node->safe_psql('app', 'SELECT * FROM tviews_conservation()'), '', "$what: every record is accounted for");
	cmp_ok(counter($_) - $before{$_}, '>=', $by{$_}, "$what: $_") foreach sort keys %by;
	return;
}

sub drop_pushes {
	my ($value) = @_;
	$node->safe_psql('app', "ALTER SYSTEM SET pg_tviews.debug_drop_pushes = $value");
	$node->reload;
	return wait_until($node, 'app', 'SHOW pg_tviews.debug_drop_pushes', $value);
}

my $many = join '', map { "UPDATE tb_item SET x = x + 1 WHERE pk_item = $_;\n" } 1 .. 40;
drop_pushes('off');  # whatever the pass says
moves('by the ring', $many, pushed => 40, from_ring => 40, applied => 40);
moves('written early', "SET pg_tviews.debug_transaction_keys = 0; UPDATE tb_item SET x = x + 1 WHERE pk_item <= 100", scanned => 90, applied => 90);
moves('rolled back early', "SET pg_tviews.debug_transaction_keys = 0; BEGIN; UPDATE tb_item SET x = x + 1 WHERE pk_item <= 100; ROLLBACK");
moves('a savepoint rolled back early', "SET pg_tviews.debug_transaction_keys = 0; BEGIN; SAVEPOINT a; UPDATE tb_item SET x = x + 1 WHERE pk_item <= 100; ROLLBACK TO a; UPDATE tb_item SET x = x + 1 WHERE pk_item = 5; COMMIT", applied => 1);
drop_pushes('on');
moves('pushes dropped', $many, overflowed => 40, scanned => 40, applied => 40);
drop_pushes('off');
moves('prepared', "BEGIN; UPDATE tb_item SET x = x + 1 WHERE pk_item = 7; PREPARE TRANSACTION 'p'", from_ring => 1, pending => 1);
moves('rolled back when prepared', "ROLLBACK PREPARED 'p'", gone => 1);
moves('parked', 'UPDATE tb_item SET x = 0 WHERE pk_item = 9', applied => 1);
moves('mended', 'UPDATE tb_item SET x = 9 WHERE pk_item = 9', applied => 1);
moves('a worker that starts', sub {
		$node->safe_psql('app', "SET pg_tviews.debug_transaction_keys = 0; BEGIN; UPDATE tb_item SET x = x + 1 WHERE pk_item <= 100; PREPARE TRANSACTION 'q'");
		$node->safe_psql('app', "SELECT pg_terminate_backend(" . worker_pid($node, 'app') . ", 10000)");
	});
cmp_ok(counter('pending'), '>=', 90, 'it holds the rows of a prepared transaction');
# Brought by the ring and, for a scan is owed, by that.
moves('known twice', "SET pg_tviews.debug_transaction_keys = 0; UPDATE tb_item SET x = x + 1 WHERE pk_item BETWEEN 501 AND 503", merged => 90);
moves('committed when prepared', "COMMIT PREPARED 'q'", applied => 90);

# Pushed, then rolled back: terminated between the push and the commit.
my $holder = $node->background_psql('app');
moves('rolled back after the push', sub {
		$holder->query_safe("SELECT pg_tviews_debug_hold('after_publish')");
		my $writer = $node->background_psql('app', on_error_stop => 0);
		$writer->{stdin} .= "UPDATE tb_item SET x = x + 1 WHERE pk_item = 11;\n";
		$writer->{run}->pump_nb;
		wait_until($node, 'app', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", '1', 30);
		$node->safe_psql('app', "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
		$holder->query_safe("SELECT pg_tviews_debug_release('after_publish')");
		eval { $writer->{run}->kill_kill(grace => 2); };
	}, gone => 1);
$holder->quit;
oracle($node, 'app');
is($node->safe_psql('app', "SELECT journal_rows FROM pg_tviews_queue_realtime WHERE database = 'app'"), '0', 'the journal is empty');

$node->stop;
done_testing();
