# A standby: everything readable answers and writes nothing; waiting goes by replay and never holds it up; what writes says why it cannot.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);
use TviewsLoad qw(make_tviews start_writers finish_writers);

# The longest that replay may be held up is longer than the waits of this test: who holds it up is found out.
my $primary = start_node('primary', database => 'app', init => [ allows_streaming => 1 ], conf => "autovacuum = off\nmax_standby_streaming_delay = 60s\n");
make_tviews($primary, 'app');
$primary->safe_psql('app', 'CREATE TABLE tb_other (n int); INSERT INTO tb_other SELECT generate_series(1, 1000)');
wait_applied($primary, 'app');

sub standby_of {
	my ($node, $name) = @_;
	$node->backup("for_$name");
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($node, "for_$name", has_streaming => 1);
	$standby->append_conf('postgresql.conf', "hot_standby_feedback = off\n");
	$standby->start;
	return $standby;
}
my $standby = standby_of($primary, 'standby');
my $cascade = standby_of($standby, 'cascade');

# Every function and view of the extension, called.  By name: what it takes and what it says ('' : it answers).
my $read_only = qr/^25006: cannot execute pg_tviews_\w+\(\) during recovery HINT:  Call it on the primary/;
my %calls = (
	pg_tviews_version => ['()'],
	pg_tviews_resolve => ["('post')"],
	pg_tviews_explain => ["('post')"],
	pg_tviews_wait => ["('2 s')"],
	pg_tviews_wait_for => ["('10', '2 s')"],
	pg_tviews_verify => ["('post')"],
	pg_tviews_derive => ["('v_post', '{pk_post}')"],
	pg_tviews_suggest_indexes => ["('post')"],
	pg_tviews_affected => ["('tb_author', '1')"],
	pg_tviews_counters_data => ["('tv_post'::regclass)"],
	pg_tviews_register => ["('tv_post'::regclass)"],
	pg_tviews_carried_definition => ["('tv_post'::regclass)"],
	pg_tviews_timer_due => ["('tv_post'::regclass)"],
	pg_tviews_show_cascade_path => ["('post')"],
	pg_tviews_analyze_cascade => ["('post', '1')"],
	pg_tviews_stats_reset => ['()'],
	pg_tviews_create => ["('tv_new', 'SELECT pk_post, title FROM tb_post')", $read_only],
	pg_tviews_create_or_replace => ["('tv_post', 'SELECT pk_post, title FROM tb_post')", $read_only],
	pg_tviews_adopt => ["('tb_other', 'SELECT pk_post, title FROM tb_post')", $read_only],
	pg_tviews_convert_existing_table => ["('tb_other')", $read_only],
	pg_tviews_drop => ["('post')", $read_only],
	pg_tviews_refresh => ["('post')", $read_only],
	pg_tviews_refresh_all => ['()', $read_only],
	pg_tviews_retry_parked => ['()', $read_only],
	pg_tviews_pause => ['()', $read_only],
	pg_tviews_resume => ['()', $read_only],
	pg_tviews_install_stmt_triggers => ['()', $read_only],
	pg_tviews_uninstall_stmt_triggers => ['()', $read_only],
	pg_tviews_announce => ['()'],
	pg_tviews_debug_hold => ["('x')"],
	pg_tviews_debug_release => ["('x')"],
);
my @functions = split /\n/, $standby->safe_psql('app', q{
	SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_tviews' WHERE p.prorettype NOT IN ('trigger'::regtype, 'table_am_handler'::regtype) ORDER BY 1});
for my $function (@functions) {
	my ($arguments, $says) = @{ $calls{$function} // ['()'] };
	my ($rc, $out, $err) = $standby->psql('app', "\\set VERBOSITY verbose\nSELECT * FROM $function$arguments");
	my ($error) = $err =~ /ERROR:\s+(.*)/;
	my ($hint) = $err =~ /^(HINT:.*)/m;
	$error .= " $hint" if defined $hint && defined $error;
	if ($says) {
		like($error // '', $says, "$function says why it cannot run on a standby");
	} else {
		is($error, undef, "$function answers on a standby") or diag "say in this test how $function is called";
	}
}
my @views = split /\n/, $standby->safe_psql('app', q{
	SELECT c.oid::regclass FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_tviews' WHERE c.relkind = 'v' ORDER BY 1});
cmp_ok(scalar @views, '>=', 11, 'the views are known');
for my $view (@views) {
	my ($rc, $out, $err) = $standby->psql('app', "SELECT * FROM $view; SELECT pg_current_xact_id_if_assigned()");
	is("$rc $err", '0 ', "$view answers on a standby");
}
# The same on the primary: there an ID would be assigned, not refused.
for my $view (@views) {
	is($primary->safe_psql('app', "BEGIN; SELECT count(*) >= 0 FROM $view; SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT"), "t\nt", "$view takes no transaction ID");
}
is($standby->safe_psql('app', "SET pg_tviews.synchronous = on; BEGIN; SELECT count(*) FROM tv_post; COMMIT"), '1000', 'pg_tviews.synchronous is of no effect on a standby');
for my $node ($standby, $cascade) {
	is($node->safe_psql('app', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_tviews%'"), '0', 'nothing runs on ' . $node->name);
}

sub update_post {
	my ($title) = @_;
	return $primary->safe_psql('app', "BEGIN; UPDATE tb_post SET title = '$title' WHERE pk_post = 1; SELECT pg_current_xact_id(); COMMIT");
}

# Rows die and are cleaned up while sessions of the standby wait: their snapshots are older than the cleaning.
my $next = $primary->safe_psql('app', 'SELECT pg_current_xact_id()') + 8;
my @waiting;
for my $wait ("SELECT pg_tviews_wait_for('$next', '30 s')", "BEGIN; SELECT 1; SELECT pg_tviews_wait_for('$next', '30 s'); COMMIT") {
	for my $node ($standby, $cascade) {
		my $session = $node->background_psql('app');
		$session->query_until(qr/ready/, "\\echo ready\n$wait;\n");
		push @waiting, $session;
	}
}
for my $node ($standby, $cascade) {
	wait_until($node, 'app', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_tviews_wait_for%' AND pid <> pg_backend_pid() AND state = 'active'", '2');
}
my $began = time;
my $xid = 0;
while ($xid < $next) {
	$primary->safe_psql('app', 'DELETE FROM tb_other WHERE n % 10 = ' . ($next - $xid) % 10);
	$primary->safe_psql('app', 'VACUUM tb_other');
	$xid = update_post("cleaned up $xid");
}
for my $node ($standby, $cascade) {
	is($node->safe_psql('app', "SELECT pg_tviews_wait_for('$xid', '30 s')"), 't', 'a change behind a clean-up is waited for on ' . $node->name);
	is($node->safe_psql('app', "SELECT title = (SELECT title FROM v_post WHERE pk_post = 1) FROM tv_post WHERE pk_post = 1"), 't', '... and is there');
}
my $took = time - $began;
cmp_ok($took, '<', 25, 'sessions that wait do not hold up the replay they wait for');
for my $session (@waiting) {
	like($session->query('SELECT 17'), qr/17/, 'and get their answer');
	$session->quit;
}
is($standby->safe_psql('app', "SELECT count(*) FROM pg_stat_database_conflicts WHERE datname = 'app' AND confl_snapshot > 0"), '0', 'nobody was cancelled for it');

# Other places to wait in; where the snapshot stays, the change is there already.
$xid = update_post('in a query');
is($standby->safe_psql('app', "SELECT pg_tviews_wait_for('$xid', '20 s')"), 't', 'the change arrives');
is($standby->safe_psql('app', "SELECT DISTINCT pg_tviews_wait_for('$xid', '20 s') FROM tv_author"), 't', 'a wait inside a query over tables works');
is($standby->safe_psql('app', "DO \$\$ BEGIN PERFORM pg_tviews_wait_for('$xid', '20 s'); END \$\$; SELECT title FROM tv_post WHERE pk_post = 1"), 'in a query', 'a wait inside a block works');
is($standby->safe_psql('app', "SELECT pg_tviews_wait_for('$xid'), pg_tviews_wait(), (SELECT 17), (SELECT count(*) FROM (SELECT pg_tviews_wait()) w)"), 't|t|17|1', 'what comes after the wait in the query reads with the new snapshot');
is($standby->safe_psql('app', "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_tviews_wait_for('$xid'); SELECT title FROM tv_post WHERE pk_post = 1; COMMIT"),
	"t\nin a query", 'a wait in REPEATABLE READ works');
is($standby->safe_psql('app', "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT pg_tviews_wait_for('$xid'); FETCH c; COMMIT; FETCH c"), 't', 'a wait in a cursor works');

# Paused replay.
$standby->safe_psql('app', 'SELECT pg_wal_replay_pause()');
wait_until($standby, 'app', 'SELECT pg_get_wal_replay_pause_state()', 'paused');
$xid = update_post('while paused');
is($standby->safe_psql('app', "SELECT pg_tviews_wait_for('$xid', '300 ms')"), 'f', 'with replay paused the wait ends with false');
my $waiter = $standby->background_psql('app');
$waiter->query_until(qr/ready/, "\\echo ready\nSELECT pg_tviews_wait_for('$xid', '60 s');\n");
$standby->safe_psql('app', 'SELECT pg_wal_replay_resume()');
like($waiter->query("SELECT title FROM tv_post WHERE pk_post = 1"), qr/^t\nwhile paused/, 'and goes on with it');
$waiter->quit;
is($standby->safe_psql('app', "SELECT pg_tviews_wait_for('" . ($xid + 100000) . "', '200 ms')"), 'f', 'a transaction that is not replayed is waited for');
my $aborted = $primary->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'never' WHERE pk_post = 1; SELECT pg_current_xact_id(); ROLLBACK");
update_post('after the abort');
is($standby->safe_psql('app', "SELECT pg_tviews_wait_for('$aborted', '20 s')"), 't', 'one that aborted is not');

# Under a steady load there is always a row in the journal: only those from before the call are waited for.
my $writers = start_writers($primary, 'app', 2, 5);
sleep 0.5;
is($standby->safe_psql('app', "SELECT pg_tviews_wait('15 s')"), 't', 'pg_tviews_wait() ends under a steady load') for 1 .. 3;
$xid = update_post('under load');
is($cascade->safe_psql('app', "SELECT pg_tviews_wait_for('$xid', '15 s')"), 't', 'pg_tviews_wait_for() too, on the cascade');
finish_writers($writers);
wait_applied($primary, 'app');
my $end = $primary->lsn('insert');
$primary->safe_psql('app', 'SELECT pg_switch_wal()');
for my $node ($standby, $cascade) {
	wait_until($node, 'app', "SELECT pg_last_wal_replay_lsn() >= '$end'::pg_lsn", 't');
	oracle($node, 'app', 'the oracle agrees on ' . $node->name);
}
$_->stop for $cascade, $standby, $primary;
done_testing();
