# The journal: it stays small beside transactions that do not end, survives restarts with prepared transactions, holds nothing of what
# rolled back, and is no business of logical replication.
use strict;
use warnings;
use IPC::Run;
use Test::More;
use Time::HiRes qw(sleep);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('journal', database => 'app', conf => <<'CONF');
wal_level = logical
pg_tviews.debug_journal_switch_kb = 32
pg_tviews.debug_waitpoints = on
CONF
worker_pid($node, 'app');

my @background;

# Starts a psql that runs on its own.
sub start_psql {
	my ($sql) = @_;
	my ($in, $out, $err) = ('', '', '');
	push @background, IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('app'), '-c', $sql ], \$in, \$out, \$err);
	return $background[-1];
}

# Ends the sessions whose query contains the text.
sub end_psql {
	my ($text) = @_;
	$node->safe_psql('app', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%$text%' AND pid <> pg_backend_pid()");
	return;
}

sub journal_bytes {
	return $node->safe_psql('app', "SELECT sum(pg_relation_size(c.oid)) FROM pg_class c WHERE relname ~ '^pg_tview_journal_[0-3]\$'");
}

sub journal_rows {
	return $node->safe_psql('app', join(' UNION ALL ', map { "SELECT xid, payload FROM pg_tview_journal_$_" } 0 .. 3));
}

$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_item (pk_item int PRIMARY KEY, fk_box int, name text NOT NULL);
CREATE INDEX ON tb_item (fk_box);
INSERT INTO tb_item SELECT g, g % 10, 'item ' || g FROM generate_series(1, 2000) g;
CREATE TABLE tv_item AS SELECT pk_item, name FROM tb_item;
CREATE TABLE tv_box AS SELECT fk_box AS pk_box, count(*) AS items, string_agg(name, ',' ORDER BY pk_item) AS names FROM tb_item WHERE fk_box IS NOT NULL GROUP BY fk_box;
CREATE PUBLICATION everything FOR ALL TABLES;
SELECT pg_create_logical_replication_slot('watcher', 'pgoutput');
-- One transaction for each row.
CREATE PROCEDURE churn(rounds int, tag int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. rounds LOOP
    UPDATE tb_item SET name = format('churn %s %s', tag, i) WHERE pk_item = 1 + i % 2000;
    COMMIT;
  END LOOP;
END $$;
SQL

# Turns beside what does not end.
start_psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tb_item; SELECT pg_sleep(300) AS idle_snapshot");
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%idle_snapshot%' AND state = 'active' AND pid <> pg_backend_pid()", '1'),
	'a snapshot is held');
$node->safe_psql('app', "BEGIN; INSERT INTO tb_item VALUES (100001, 1, 'prepared'); PREPARE TRANSACTION 'left'");
my $largest = 0;
for my $round (1 .. 12) {
	$node->safe_psql('app', "CALL churn(2000, $round)");
	wait_applied($node, 'app', 60, "round $round is applied");
	# The worker looks at the turns only now and then.
	sleep 0.6;
	my $bytes = journal_bytes();
	$largest = $bytes if $bytes > $largest;
}
note "largest: $largest bytes";
# 24,000 transactions leave about 1.7 MB when nothing is recycled.
cmp_ok($largest, '<', 800 * 1024, 'the journal stays small beside an old snapshot and a prepared transaction');
oracle($node, 'app');
end_psql('idle_snapshot');

# The prepared transaction across a crash.
$node->stop('immediate');
$node->start;
worker_pid($node, 'app');
wait_applied($node, 'app', 60, 'a prepared transaction keeps nobody waiting');
is($node->safe_psql('app', 'SELECT count(*) FROM tv_item WHERE pk_item = 100001'), '0', 'and is not applied');
$node->safe_psql('app', "COMMIT PREPARED 'left'");
ok(wait_until($node, 'app', 'SELECT count(*) FROM tv_item WHERE pk_item = 100001', '1', 10), 'after COMMIT PREPARED it is, without any other commit');
wait_applied($node, 'app');
oracle($node, 'app');
$node->safe_psql('app', "BEGIN; INSERT INTO tb_item VALUES (100002, 1, 'never'); PREPARE TRANSACTION 'undone'; ROLLBACK PREPARED 'undone'");
wait_applied($node, 'app');
ok(wait_until($node, 'app', 'SELECT count(*) FROM (' . join(' UNION ALL ', map { "SELECT xid FROM pg_tview_journal_$_" } 0 .. 3) . ') j', '0'),
	'nothing is left in the journal');

# A writer that stands between its publication and its commit, while later ones commit and the tables turn.
my $holder = start_psql("SELECT pg_tviews_debug_hold('after_publish'); SELECT pg_sleep(300) AS holder");
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted", '1'), 'the place is held');
my $writer = start_psql("UPDATE tb_item SET fk_box = 20, name = 'late' WHERE pk_item = 5");
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", '1'), 'a writer stands behind its publication');
$node->safe_psql('app', 'SELECT pg_tviews_wait(\'1 s\')');
is($node->safe_psql('app', 'SELECT count(*) FROM tv_item WHERE name = \'late\''), '0', 'what is not committed is not applied');
end_psql('holder');
$writer->finish;
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT count(*) FROM tv_item WHERE name = \'late\''), '1', 'what commits late is');
oracle($node, 'app');

# A large transaction writes early; its savepoint goes without a trace, it itself goes with the server.
$node->safe_psql('app', <<'SQL');
SET pg_tviews.debug_transaction_keys = 20;
BEGIN;
UPDATE tb_item SET name = 'large' WHERE pk_item <= 500;
SAVEPOINT a;
UPDATE tb_item SET fk_box = 30, name = 'undone' WHERE pk_item BETWEEN 300 AND 1500;
ROLLBACK TO a;
UPDATE tb_item SET fk_box = 31 WHERE pk_item BETWEEN 600 AND 700;
RELEASE a;
DO $$ BEGIN FOR i IN 701 .. 800 LOOP BEGIN UPDATE tb_item SET fk_box = 32 WHERE pk_item = i; IF i % 2 = 0 THEN RAISE division_by_zero; END IF;
EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$;
COMMIT;
SQL
wait_applied($node, 'app');
oracle($node, 'app', 'early writing, savepoints and exception blocks lose nothing');
my $large = start_psql("SET pg_tviews.debug_transaction_keys = 20; BEGIN; UPDATE tb_item SET name = 'lost' WHERE pk_item <= 1000; SELECT pg_sleep(300) AS unfinished");
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%unfinished%' AND wait_event = 'PgSleep'", '1'), 'a large transaction has written early');
$node->stop('immediate');
$node->start;
worker_pid($node, 'app');
wait_applied($node, 'app');
oracle($node, 'app', 'what the crash ended was never applied');
$node->safe_psql('app', "UPDATE tb_item SET name = name || '.'");
wait_applied($node, 'app');
oracle($node, 'app');

# Logical replication of all tables.
is($node->safe_psql('app', <<'SQL'), '0', 'a publication of all tables says nothing of the journal');
SELECT count(*) FROM pg_logical_slot_get_binary_changes('watcher', NULL, NULL, 'proto_version', '1', 'publication_names', 'everything')
 WHERE position('pg_tview_journal'::bytea IN data) > 0
SQL

$_->kill_kill foreach @background;
$node->stop;
done_testing();
