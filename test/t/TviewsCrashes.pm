# Tests whose view kills the worker, and with it every session, again and again.
package TviewsCrashes;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep);

our @EXPORT_OK = qw(crashes ask $DIE);

# A function that kills its process as the system does when memory runs out.
our $DIE = <<'SQL';
CREATE FUNCTION die() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID';
  PERFORM pg_sleep(5);
END $$;
SQL

my %seen;

# How often a process of the node was killed since the last call.
sub crashes {
	my ($node) = @_;
	my $all = () = slurp_file($node->logfile) =~ /was terminated by signal 9/g;
	my $new = $all - ($seen{ $node->name } // 0);
	$seen{ $node->name } = $all;
	return $new;
}

# The answer to a statement, from a server that may go down at any moment.
sub ask {
	my ($node, $statement) = @_;
	my $answer;
	for (1 .. 200) {
		return $answer if (eval { $node->psql('app', $statement, stdout => \$answer, timeout => 40) } // 1) == 0;
		sleep 0.1;
	}
	die "no answer: $statement";
}

1;
