# kill -9, an immediate stop and a termination at every named point of the worker: nothing is lost, nothing is left over.
use strict;
use warnings;
use Test::More;
use TviewsKills qw(start_kills kill_at check_left finish_kills @WAYS);

my $node = start_kills('kill_worker');

my $change = "UPDATE tb_post SET title = title || '.' WHERE pk_post % 100 = 7; UPDATE tb_author SET name = name || '.' WHERE pk_author = 3";
my $rows = "SET pg_tviews.debug_transaction_keys = 0; UPDATE tb_post SET title = title || '.'";    # a row in the journal for each key: tables fill, scans are needed
my $failing = "UPDATE tb_risky SET x = 0 WHERE pk_risky = 3";

# point => what brings the worker there
my @points = (
	[ batch_before_locks        => $change ],
	[ batch_before_snapshot     => $change ],
	[ batch_before_second_drain => $change ],
	[ batch_tview_applied       => $change ],
	[ batch_applied             => $change ],
	[ batch_before_commit       => $change ],
	[ batch_committed           => $change ],
	[ batch_before_due          => $failing ],
	[ journal_table_read        => $rows ],
	[ before_recycle            => $rows ],
	[ before_new_storage        => $rows ],
	[ after_new_storage         => $rows ],
);

foreach my $point (@points) {
	foreach my $way (@WAYS) {
		kill_at($node, $way, @$point);
		check_left($node, "$point->[0], $way");
	}
}

finish_kills($node);
done_testing();
