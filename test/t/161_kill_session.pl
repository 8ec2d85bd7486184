# kill -9, an immediate stop and a termination at every named point of a session: a writer, creation, DROP, retry.
use strict;
use warnings;
use Test::More;
use TviewsKills qw(start_kills kill_at check_left finish_kills @WAYS);

my $node = start_kills('kill_session');

my $change = "UPDATE tb_post SET title = title || '.' WHERE pk_post % 100 = 7";
my $two_phase = "BEGIN; $change; PREPARE TRANSACTION 'half'";
my $create = 'CREATE TABLE tv_new AS SELECT pk_new, x + 1 AS x FROM tb_new';

# name, point, what brings a session there, what comes before and after
my @points = (
	{ point => 'before_publish',    sql => $change },
	{ point => 'after_journal_row', sql => $change },
	{ point => 'after_publish',     sql => $change },
	{ point => 'after_commit',      sql => $change, held => 1 },
	{ point => 'after_publish',     sql => $two_phase, name => 'PREPARE, after_publish' },
	{ point => 'after_commit',      sql => $two_phase, name => 'PREPARE, after_commit', held => 1, after => "COMMIT PREPARED 'half'" },
	{ point => 'create_before_fill', sql => $create },
	{ point => 'create_after_fill',  sql => $create },
	{ point => 'drop_forgotten',     sql => 'DROP TABLE tv_new', before => $create },
	{ point => 'retry_parked',       sql => 'SELECT pg_tviews_retry_parked()', before => 'UPDATE tb_risky SET x = 0 WHERE pk_risky = 3' },
);

foreach my $point (@points) {
	foreach my $way (@WAYS) {
		my $name = ($point->{name} // $point->{point}) . ", $way";
		$node->safe_psql('app', 'DROP TABLE IF EXISTS tv_new');
		$node->safe_psql('app', $point->{before}) if defined $point->{before};
		kill_at($node, $way, $point->{point}, $point->{sql}, held => $point->{held});
		$node->safe_psql('app', $point->{after}) if defined $point->{after};
		check_left($node, $name);
	}
}

finish_kills($node);
done_testing();
