# A standby: nothing runs, the views answer, waiting goes by replay; after promotion the workers start by themselves.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);
use TviewsLoad qw(make_tviews start_writers finish_writers);

my $primary = start_node('primary', database => 'app', init => [ allows_streaming => 1 ]);
make_tviews($primary, 'app');
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
my $xid = $primary->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'replayed' WHERE pk_post = 1; SELECT pg_current_xact_id(); COMMIT");
is($standby->safe_psql('app', "SELECT pg_tviews_wait_for('$xid', '20 s'); SELECT title FROM tv_post WHERE pk_post = 1"), "t\nreplayed",
	'on a standby pg_tviews_wait_for waits for replay and application');
is($standby->safe_psql('app', "SELECT pg_tviews_wait('20 s')"), 't', 'pg_tviews_wait works there');
is($standby->safe_psql('app', "SELECT pg_tviews_wait_for('99999999', '200 ms')"), 'f', 'a transaction that is not replayed is waited for');
is($standby->safe_psql('app', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_tviews%'"), '0', 'nothing runs on a standby');
for my $view (qw(pg_tview_meta pg_tviews_freshness pg_tview_performance_log pg_tviews_performance_summary pg_tviews_queue_realtime pg_tviews_workers
	pg_tviews_cache_stats pg_tview_parked_keys pg_tviews_deferred_keys pg_tview_audit_log)) {
	my ($rc, $out, $err) = $standby->psql('app', "SELECT * FROM $view");
	is($rc, 0, "$view answers on a standby") or diag $err;
}

# Paused by its setting, the worker leaves the changes in the journal; the promoted standby finds them there.
$primary->append_conf('postgresql.conf', "pg_tviews.enabled = off\n");
$primary->reload;
wait_until($primary, 'app', 'SHOW pg_tviews.enabled', 'off');
sleep 0.3;
$primary->safe_psql('app', "UPDATE tb_author SET name = name || '!' WHERE pk_author <= 10; DELETE FROM tb_post WHERE pk_post > 990");
$primary->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'prepared' WHERE pk_post = 5; PREPARE TRANSACTION 'p'");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($standby->safe_psql('app', "SELECT pg_tviews_wait('200 ms')"), 'f', 'on a standby what the journal holds is not applied');
$primary->stop('immediate');
$standby->promote;
ok(worker_pid($standby, 'app'), 'after promotion the worker starts');
wait_applied($standby, 'app');
oracle($standby, 'app', 'what the primary left is applied after promotion');
$standby->safe_psql('app', "COMMIT PREPARED 'p'");
wait_applied($standby, 'app');
is($standby->safe_psql('app', 'SELECT title FROM tv_post WHERE pk_post = 5'), 'prepared', 'a prepared transaction of the primary too');
oracle($standby, 'app');

$standby->stop;
done_testing();
