# Helpers of the TAP tests: servers with pg_tviews preloaded, the oracle, bounded waits.
package TviewsNode;

use strict;
use warnings;
use Exporter 'import';
use File::Spec;
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(start_node prepare_database oracle no_orphans wait_applied wait_until worker_pid test_dir);

$ENV{PGUSER} = 'postgres';

# The folder test/.
sub test_dir { return dirname(dirname(File::Spec->rel2abs(__FILE__))); }

# A started server.  Options: conf (more lines), init (list of arguments for init), database (made with the extension and the oracle).
sub start_node {
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my %init = @{ $option{init} // [] };
	# Whoever runs the tests: the superuser is postgres, and the encoding does not follow the environment.
	$init{extra} = [ '--username=postgres', '--encoding=UTF8', '--locale=C.UTF-8', @{ $init{extra} // [] } ];
	$node->init(%init);
	$node->append_conf('postgresql.conf', <<CONF);
shared_preload_libraries = 'pg_tviews'
max_prepared_transactions = 20
max_worker_processes = 32
max_connections = 60
jit = off
log_statement = none
CONF
	$node->append_conf('postgresql.conf', $option{conf}) if defined $option{conf};
	$node->append_conf('postgresql.conf', $ENV{TVIEWS_SERVER_LINES}) if defined $ENV{TVIEWS_SERVER_LINES};
	$node->start;
	prepare_database($node, $option{database}) if defined $option{database};
	return $node;
}

# Makes a database (unless it is there) with the extension and the oracle.
sub prepare_database {
	my ($node, $database) = @_;
	if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = '$database'") eq '0') {
		$node->safe_psql('postgres', qq{CREATE DATABASE "$database"});
	}
	$node->safe_psql($database, "CREATE EXTENSION IF NOT EXISTS pg_tviews");
	$node->safe_psql($database, slurp_file(test_dir() . "/$_.sql")) for qw(oracle orphans);
	return;
}

# A test: everything committed so far is applied within `timeout` seconds.
sub wait_applied {
	my ($node, $database, $timeout, $what) = @_;
	$timeout //= 60;
	my $applied = $node->safe_psql($database, "SELECT pg_tviews_wait('$timeout s')");
	return is($applied, 't', $what // 'all committed changes are applied');
}

# A test: every TVIEW of the database equals its view.
sub oracle {
	my ($node, $database, $what) = @_;
	my $differing = $node->safe_psql($database, 'SELECT * FROM tviews_oracle()');
	return is($differing, '', $what // 'every TVIEW equals its view');
}

# A test: catalog, triggers and dependencies say the same (test/orphans.sql).
sub no_orphans {
	my ($node, $database, $what) = @_;
	return is($node->safe_psql($database, 'SELECT * FROM tviews_orphans()'), '', $what // 'nothing is left behind');
}

# Repeats the query until it gives `expected`; false after `timeout` seconds.  Errors of a server that is starting are repeated too.
sub wait_until {
	my ($node, $database, $query, $expected, $timeout) = @_;
	$expected //= 't';
	my $end = time() + ($timeout // 60);
	my ($out, $err);
	while (time() < $end) {
		# It dies of a broken pipe when psql ends before it has read the query.
		my $rc = eval { $node->psql($database, $query, stdout => \$out, stderr => \$err, timeout => 30) } // 1;
		return 1 if $rc == 0 && $out eq $expected;
		sleep 0.1;
	}
	diag "timed out: $query\nlast answer: " . ($out // '') . ' ' . ($err // '');
	return 0;
}

# The process of the database's refresh worker, waited for.
sub worker_pid {
	my ($node, $database) = @_;
	my $query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = '$database'";
	wait_until($node, $database, "SELECT count(*) = 1 FROM ($query) w") or return;
	return $node->safe_psql($database, $query);
}

1;
