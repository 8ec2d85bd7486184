# Random statements over the shapes and over random views: every TVIEW equals its view at the end.
# FUZZ_SEEDS=1-100 chooses other seeds; a failing one leaves its statements in the log folder of this test.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use lib dirname(File::Spec->rel2abs(__FILE__));
use PostgreSQL::Test::Utils;
use Test::More;
use TviewsNode qw(start_node prepare_database oracle wait_applied test_dir);

my $node = start_node('fuzz', conf => 'pg_tviews.max_databases = 100');
my $run = test_dir() . '/fuzz/run';
my %seeds = (shapes => $ENV{FUZZ_SEEDS} // '1-10', views => $ENV{FUZZ_SEEDS} // '1-20', lineage => $ENV{FUZZ_SEEDS} // '1-20',
	 'shapes --disturb' => $ENV{FUZZ_SEEDS} // '11-14', 'trees --shrink 30' => $ENV{FUZZ_SEEDS} // '1-80',
	 'trees --only replace' => $ENV{FUZZ_SEEDS} // '1-20', 'trees --disturb' => $ENV{FUZZ_SEEDS} // '1-10');

# Regressions come first.
open my $list, '<', test_dir() . '/fuzz/seeds.txt' or die $!;
while (my $line = <$list>) {
	$seeds{$1} = "$2,$seeds{$1}" if $line =~ /^(shapes|views|lineage)\s+(\d+)/;
}
close $list;

$ENV{PYTHONDONTWRITEBYTECODE} = 1;
foreach my $kind (sort keys %seeds) {
	my $output = '';
	my $ok = do {
		local $ENV{PGHOST} = $node->host;
		local $ENV{PGPORT} = $node->port;
		IPC::Run::run([ 'timeout', '900', $run, split(/ /, $kind), '--seed', $seeds{$kind}, '--out', $PostgreSQL::Test::Utils::log_path,
				'--server-log', $node->logfile ],
			'<', \undef, '&>', \$output);
	};
	note $output;
	ok($ok, "$kind: seeds $seeds{$kind}") or diag $output;
	ok(scalar(() = $output =~ /^seed \d+ ok/mg) > 0, "$kind: seeds were run");
}

# Bugs found once, as the fuzzer shrank them: each script prints the rows that differ and the parked keys.
foreach my $file (sort glob(test_dir() . '/fuzz/regressions/*.sql')) {
	my ($name) = $file =~ m{([^/]+)\.sql$};
	my $database = "regression_$name";
	prepare_database($node, $database);
	my ($out, $err);
	my $rc = $node->psql($database, undef, extra_params => [ '-f', $file ], stdout => \$out, stderr => \$err, on_error_stop => 0, timeout => 60);
	is($out, '', "regression $name: nothing differs");
	wait_applied($node, $database, 30);
	oracle($node, $database, "regression $name: every TVIEW equals its view");
	$node->safe_psql('postgres', "DROP DATABASE $database WITH (FORCE)");
}

$node->stop;
done_testing();
