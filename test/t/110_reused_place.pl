# The place of a journal row whose savepoint rolled back may be given to another transaction's row: that one must stay.
use strict;
use warnings;
use IPC::Run;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('reused_place', database => 'app', conf => "autovacuum = off\n");
worker_pid($node, 'app');

$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_item (pk_item int PRIMARY KEY, name text NOT NULL);
INSERT INTO tb_item SELECT g, 'item ' || g FROM generate_series(1, 2000) g;
CREATE TABLE tv_item AS SELECT pk_item, name FROM tb_item;
CREATE TABLE go (step text);
CREATE FUNCTION wait_for(wanted text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WHILE NOT EXISTS (SELECT FROM go WHERE step = wanted) LOOP
    PERFORM pg_sleep(0.05);
  END LOOP;
END $$;
SQL

sub step { return $node->safe_psql('app', "INSERT INTO go VALUES ('$_[0]')"); }

sub waits_for {
	my ($step) = @_;
	return wait_until($node, 'app', "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT wait_for(''$step'')'", '1');
}

# Writes early within a savepoint, takes it back, commits something else.
my ($in, $out, $err) = ('', '', '');
my @statements = (
	'SET pg_tviews.debug_transaction_keys = 5', 'BEGIN', 'SAVEPOINT a',
	"UPDATE tb_item SET name = 'taken back' WHERE pk_item <= 60", "SELECT wait_for('rollback')", 'ROLLBACK TO a',
	"SELECT wait_for('commit')", "UPDATE tb_item SET name = 'kept' WHERE pk_item = 1999", 'COMMIT');
my $session = IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('app'), map { ('-c', $_) } @statements ],
	\$in, \$out, \$err);
ok(waits_for('rollback'), 'a savepoint has written early');

# A full ring makes the worker scan the journal and meet the rows of the savepoint.
$node->append_conf('postgresql.conf', 'pg_tviews.debug_drop_pushes = on');
$node->reload;
ok(wait_until($node, 'app', 'SHOW pg_tviews.debug_drop_pushes', 'on'), 'the ring counts as full');
$node->safe_psql('app', "UPDATE tb_item SET name = 'dropped' WHERE pk_item = 1500");
$node->append_conf('postgresql.conf', 'pg_tviews.debug_drop_pushes = off');
$node->reload;
wait_applied($node, 'app');
ok(wait_until($node, 'app', 'SELECT waiting_transactions FROM pg_tviews_queue_realtime', '1'), 'the worker holds its rows');

step('rollback');
ok(waits_for('commit'), 'the savepoint is rolled back');
my $bytes = $node->safe_psql('app', 'SELECT pg_relation_size(\'pg_tview_journal_0\')');
$node->safe_psql('app', "VACUUM pg_tview_journal_$_") for 0 .. 3;
for my $i (1 .. 20) {
	$node->safe_psql('app', "BEGIN; UPDATE tb_item SET name = 'prepared $i' WHERE pk_item = 1000 + $i; PREPARE TRANSACTION 'p$i'");
}
is($node->safe_psql('app', 'SELECT pg_relation_size(\'pg_tview_journal_0\')'), $bytes, 'other rows took the places');

step('commit');
$session->finish;
is($err, '', 'the transaction commits');
wait_applied($node, 'app', 20, 'it is applied beside rows that are not committed');
oracle($node, 'app');

# Their rows are still there: nothing else knows of them after a crash.
$node->stop('immediate');
$node->start;
$node->safe_psql('app', "COMMIT PREPARED 'p$_'") for 1 .. 20;
wait_applied($node, 'app');
oracle($node, 'app', 'the rows in the reused places were not lost');
is($node->safe_psql('app', "SELECT count(*) FROM tv_item WHERE name LIKE 'prepared%'"), '20');

$node->stop;
done_testing();
