# kill -9 of the worker, of a backend and of the postmaster under load: nothing is lost.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);
use TviewsLoad qw(make_tviews start_writers finish_writers);

my $node = start_node('kills', database => 'app', conf => "restart_after_crash = on\nsynchronous_commit = off\n");
make_tviews($node, 'app');

# pg_terminate_backend of the worker: a new one comes, without a crash.
my $pid = worker_pid($node, 'app');
my $writers = start_writers($node, 'app', 4, 3);
for (1 .. 5) {
	$node->safe_psql('app', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app'");
	sleep 0.4;
}
finish_writers($writers);
wait_applied($node, 'app');
oracle($node, 'app', 'after the worker was terminated five times');
isnt(worker_pid($node, 'app'), $pid, 'another worker runs');

# The launcher comes back.
$node->safe_psql('app', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tviews launcher'");
ok(wait_until($node, 'app', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_tviews launcher'", 't', 20), 'the launcher comes back');
$node->safe_psql('app', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app'");
ok(worker_pid($node, 'app'), 'and looks after workers that it did not start');

for my $victim ('pg_tviews refresh worker', 'client backend') {
	$writers = start_writers($node, 'app', 4, 3);
	sleep 1;
	my $victim_pid = $node->safe_psql('app', "SELECT pid FROM pg_stat_activity WHERE backend_type = '$victim' AND datname = 'app' AND pid <> pg_backend_pid() LIMIT 1");
	kill 'KILL', $victim_pid;
	finish_writers($writers);
	ok(wait_until($node, 'app', 'SELECT true', 't', 60), "the server is back after kill -9 of a $victim");
	wait_applied($node, 'app');
	oracle($node, 'app', "after kill -9 of a $victim");
}

# Records pile up, so that the worker is busy with one batch after the other when the postmaster dies.
$node->append_conf('postgresql.conf', "pg_tviews.enabled = off\npg_tviews.batch_size = 1\n");
$node->reload;
finish_writers(start_writers($node, 'app', 4, 5));
$writers = start_writers($node, 'app', 4, 5);
$node->append_conf('postgresql.conf', "pg_tviews.enabled = on\n");
$node->reload;
sleep 1;
$pid = worker_pid($node, 'app');
my ($postmaster) = split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid');
$node->kill9;
finish_writers($writers);
for (1 .. 300) {    # until its zombie is reaped the lock file counts as held
	last unless kill 0, $postmaster;
	sleep 0.1;
}
for (1 .. 20) {
	last unless kill 0, $pid;
	sleep 0.1;
}
ok(!kill(0, $pid), 'a busy worker does not outlive the postmaster');
$node->append_conf('postgresql.conf', "pg_tviews.batch_size = 10000\n");
$node->start;
wait_applied($node, 'app');
oracle($node, 'app', 'after kill -9 of the postmaster');

$node->stop;
done_testing();
