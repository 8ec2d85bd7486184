# Random DDL with writes in between, alone and by two sessions at once: no internal error, nothing left behind, every fresh TVIEW equals its view.
# FUZZ_SEEDS=1-100 chooses other seeds; a failing one leaves its statements in the log folder of this test.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use lib dirname(File::Spec->rel2abs(__FILE__));
use PostgreSQL::Test::Utils;
use Test::More;
use TviewsNode qw(start_node test_dir);

my $node = start_node('ddl_fuzz');
my $regressions = '17,68';
my %runs = ('--steps 50' => $ENV{FUZZ_SEEDS} // "$regressions,1-2", '--sessions 2 --steps 32' => $ENV{FUZZ_SEEDS} // '1-2');

$ENV{PYTHONDONTWRITEBYTECODE} = 1;
foreach my $how (sort keys %runs) {
	my $output = '';
	my $ok = do {
		local $ENV{PGHOST} = $node->host;
		local $ENV{PGPORT} = $node->port;
		IPC::Run::run([ 'timeout', '900', test_dir() . '/fuzz/run', 'ddl', split(/ /, $how), '--seed', $runs{$how}, '--out', $PostgreSQL::Test::Utils::log_path ],
			'<', \undef, '&>', \$output);
	};
	note $output;
	ok($ok, "ddl $how: seeds $runs{$how}") or diag $output;
	ok(scalar(() = $output =~ /^seed \d+ ok/mg) > 0, "ddl $how: seeds were run");
}

$node->stop;
done_testing();
