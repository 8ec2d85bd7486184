# A short soak: random faults under random writes; make soak MINUTES=n runs longer.  SOAK_SEED and SOAK_MINUTES choose others.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TviewsNode qw(start_node test_dir);

my $node = start_node('soak', conf => "restart_after_crash = on\n");
my $output = '';
my $ok = do {
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	IPC::Run::run([ 'timeout', '280', test_dir() . '/fuzz/soak', '--data', $node->data_dir, '--bindir', $node->config_data('--bindir'), '--server-log', $node->logfile,
			'--seed', $ENV{SOAK_SEED} // 42, '--minutes', $ENV{SOAK_MINUTES} // 1 ],
		'<', \undef, '&>', \$output);
};
note $output;
ok($ok, 'nothing is lost') or diag $output;
like($output, qr/^[1-9]\d* rounds passed/m, 'rounds were run');
$node->stop;
done_testing();
