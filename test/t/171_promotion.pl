# Promotion twice, recovery to points in the middle of things, a backup taken under load, an old primary as standby: fresh without help.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);
use TviewsLoad qw(make_tviews start_writers finish_writers);

my $primary = start_node('primary', database => 'app', init => [ allows_streaming => 1, has_archiving => 1 ],
	conf => "autovacuum = off\nwal_log_hints = on\npg_tviews.debug_waitpoints = on\npg_tviews.debug_journal_switch_kb = 8\n");
make_tviews($primary, 'app');
$primary->safe_psql('app', "SELECT pg_tviews_create('tv_fails', 'SELECT pk_post, 1000 / (length(title) - 3) AS n FROM tb_post', '{\"key\": \"pk_post\"}')");
$primary->safe_psql('app', "CREATE UNLOGGED TABLE tb_memo (pk_memo int PRIMARY KEY, note text); INSERT INTO tb_memo VALUES (1, 'kept in memory');
	SELECT pg_tviews_create('tv_memo', 'SELECT pk_memo, note FROM tb_memo'); SELECT pg_tviews_create('tv_quick', 'SELECT pk_author, name FROM tb_author', '{\"unlogged\": true, \"key\": \"pk_author\"}')");
wait_applied($primary, 'app');

# A backup under load, started by itself and as a standby.
my $writers = start_writers($primary, 'app', 2, 4);
sleep 0.5;
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
finish_writers($writers);
my $alone = PostgreSQL::Test::Cluster->new('alone');
$alone->init_from_backup($primary, 'copy');
$alone->append_conf('postgresql.conf', "archive_mode = off\n");
$alone->start;
wait_applied($alone, 'app', 60, 'a backup taken under load starts as a server of its own');
oracle($alone, 'app');
$alone->stop;

# Points of recovery: between a writer's commit and the worker's, with a batch applied and not committed, in the middle of a large backlog.
my $holder = $primary->background_psql('app');
$holder->query_safe("SELECT pg_tviews_debug_hold('batch_applied')");
my $writer_xid = $primary->safe_psql('app', "BEGIN; UPDATE tb_author SET name = name || '+'; UPDATE tb_post SET title = title || '+' WHERE pk_post <= 300; SELECT pg_current_xact_id(); COMMIT");
$primary->safe_psql('app', "SELECT pg_create_restore_point('committed')");
sleep 0.5;    # the worker is at the waitpoint: its rows are in the WAL, its commit is not
$primary->safe_psql('app', "SELECT pg_create_restore_point('half_applied')");
$holder->quit;
$primary->append_conf('postgresql.conf', "pg_tviews.batch_size = 20\n");
$primary->reload;
$primary->safe_psql('app', "UPDATE tb_post SET title = title || '-'");
$primary->safe_psql('app', "SELECT pg_create_restore_point('in_the_backlog')");
wait_applied($primary, 'app');
$primary->safe_psql('app', 'SELECT pg_switch_wal()');
my %targets = (
	'the commit of a writer' => "recovery_target_xid = '$writer_xid'",
	'a batch that is written and not committed' => "recovery_target_name = 'half_applied'",
	'the middle of a backlog' => "recovery_target_name = 'in_the_backlog'");
my $number = 0;
for my $what (sort keys %targets) {
	my $node = PostgreSQL::Test::Cluster->new('pitr' . ++$number);
	$node->init_from_backup($primary, 'copy', has_restoring => 1, standby => 0);
	$node->append_conf('postgresql.conf', "$targets{$what}\nrecovery_target_action = promote\narchive_mode = off\n");
	$node->start;
	ok(wait_until($node, 'app', 'SELECT NOT pg_is_in_recovery()'), "recovery ends at $what");
	wait_applied($node, 'app');
	oracle($node, 'app', "fresh after recovery to $what");
	is($node->safe_psql('app', 'SELECT count(*) FROM tv_memo'), '0', 'an unlogged base table came back empty, its TVIEW too');
	$node->stop;
}

# What is under way at the promotion: records, prepared transactions, deferred and parked keys, a TVIEW that is being built, journal tables that took turns.
$primary->append_conf('postgresql.conf', "pg_tviews.batch_size = 10000\n");
$primary->reload;
sub leave_unfinished {
	my ($node, $name) = @_;
	$node->safe_psql('app', "UPDATE tb_post SET title = 'abc' WHERE pk_post = 7");    # tv_fails divides by zero: parked
	wait_applied($node, 'app');
	ok($node->safe_psql('app', 'SELECT count(*) FROM pg_tview_parked_keys'), 'a key is parked');
	$node->append_conf('postgresql.conf', "pg_tviews.enabled = off\n");
	$node->reload;
	wait_until($node, 'app', 'SHOW pg_tviews.enabled', 'off');
	sleep 0.3;
	$node->safe_psql('app', "UPDATE tb_author SET name = name || ' $name' WHERE pk_author <= 10; UPDATE tb_post SET title = 'abcd' WHERE pk_post = 7;
		SELECT pg_tviews_create('tv_$name', 'SELECT pk_post, title FROM tb_post', '{\"build\": \"background\", \"key\": \"pk_post\"}')");
	$node->safe_psql('app', "BEGIN; UPDATE tb_post SET title = '$name' WHERE pk_post = 5; PREPARE TRANSACTION '$name'");
	return $node->lsn('insert');
}
sub take_over {
	my ($old, $new, $name) = @_;
	my $end = leave_unfinished($old, $name);
	$old->safe_psql('app', 'CHECKPOINT');
	ok(wait_until($new, 'app', "SELECT pg_last_wal_replay_lsn() >= '$end'::pg_lsn"), 'replayed');
	is($new->safe_psql('app', "SELECT state FROM pg_tview_meta WHERE entity = '$name'"), 'building', 'a TVIEW is not built yet');
	$new->promote;
	ok(worker_pid($new, 'app'), 'the worker starts');
	wait_applied($new, 'app');
	ok(wait_until($new, 'app', "SELECT count(*) = 0 FROM pg_tview_meta WHERE state <> 'fresh'"), 'every TVIEW is fresh');
	ok(wait_until($new, 'app', 'SELECT count(*) = 0 FROM pg_tview_parked_keys'), 'the parked key is applied: its row changed');
	oracle($new, 'app', 'fresh after promotion of ' . $new->name);
	$new->safe_psql('app', "COMMIT PREPARED '$name'");
	wait_applied($new, 'app');
	is($new->safe_psql('app', 'SELECT title FROM tv_post WHERE pk_post = 5'), $name, 'the prepared transaction is applied at its end');
	oracle($new, 'app');
	return;
}
take_over($primary, $standby, 'first');
$standby->safe_psql('app', 'CHECKPOINT');

# The old primary went on by itself; rewound, it is a standby of the new one, and then takes over again.
$primary->safe_psql('app', "UPDATE tb_author SET name = 'lost'; CHECKPOINT");
$primary->stop;
$standby->backup('second');
my $conf = PostgreSQL::Test::Utils::slurp_file($primary->data_dir . '/postgresql.conf');
PostgreSQL::Test::Utils::command_ok([ 'pg_rewind', '--source-server', $standby->connstr . ' user=postgres', '--target-pgdata', $primary->data_dir, '--no-sync' ],
	'the old primary is rewound');
{
	open my $file, '>', $primary->data_dir . '/postgresql.conf' or die $!;
	print $file $conf, "\npg_tviews.enabled = on\n";
	close $file;
}
$primary->enable_streaming($standby);
$primary->set_standby_mode;
$primary->start;
ok(wait_until($primary, 'app', 'SELECT pg_is_in_recovery()'), 'and is a standby');
my $xid = $standby->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'from the new primary' WHERE pk_post = 9; SELECT pg_current_xact_id(); COMMIT");
is($primary->safe_psql('app', "SELECT pg_tviews_wait_for('$xid', '20 s')"), 't', 'it waits by replay');
is($primary->safe_psql('app', "SELECT count(*) FROM tv_author WHERE name = 'lost'"), '0', 'what was lost is lost in its TVIEWs too');
take_over($standby, $primary, 'second');

$_->stop for $standby, $primary;
done_testing();
