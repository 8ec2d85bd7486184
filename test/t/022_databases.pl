# Databases and the extension come and go with a busy worker: each within two seconds.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use TviewsNode qw(start_node prepare_database oracle wait_applied wait_until worker_pid);
use TviewsLoad qw(make_tviews start_writers finish_writers);

my $node = start_node('databases', database => 'app', conf => "pg_tviews.max_databases = 4\n");
make_tviews($node, 'app');

sub within_two_seconds {
	my ($database, $statement) = @_;
	my $start = time();
	my ($rc, $out, $err) = $node->psql($database, $statement, timeout => 30);
	my $took = time() - $start;
	is($rc, 0, "$statement works") or diag $err;
	cmp_ok($took, '<', 2.5, "$statement takes two seconds at most");
	return;
}

# A worker that is in the middle of a long batch.
sub keep_busy {
	my ($database) = @_;
	$node->safe_psql($database, "UPDATE tb_author SET name = name || 'x'; UPDATE tb_post SET title = title || 'x'");
	return;
}

keep_busy('app');
within_two_seconds('postgres', 'CREATE DATABASE copy TEMPLATE app');
wait_applied($node, 'app');
oracle($node, 'app', 'the source of a copy goes on');
ok(worker_pid($node, 'copy'), 'the copy has a worker of its own');
keep_busy('copy');
within_two_seconds('postgres', 'ALTER DATABASE copy RENAME TO copied');
wait_applied($node, 'copied');
oracle($node, 'copied', 'a renamed database goes on');
keep_busy('copied');
within_two_seconds('postgres', 'DROP DATABASE copied');

$node->safe_psql('app', <<'SQL');
CREATE TABLE own (id int PRIMARY KEY, name text, note text DEFAULT 'mine');
CREATE VIEW v_own AS SELECT pk_author AS id, name FROM tb_author;
SELECT pg_tviews_convert_existing_table('own');
SQL
my $writers = start_writers($node, 'app', 2, 3);
sleep 1;
within_two_seconds('app', 'DROP EXTENSION pg_tviews CASCADE');
finish_writers($writers);
ok(wait_until($node, 'app', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app'", 't', 10),
	'without the extension there is no worker');
is($node->safe_psql('app', "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg_tviews%'"), '0', 'and no trigger');

is($node->safe_psql('app', "SELECT count(*) > 0 AND count(*) = (SELECT count(*) FROM v_own) FROM own WHERE note = 'mine'"), 't', 'an adopted table stays');

$node->safe_psql('app', 'BEGIN; CREATE EXTENSION pg_tviews; ROLLBACK');
sleep 0.5;
is($node->safe_psql('app', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app'"), '0',
	'CREATE EXTENSION rolled back leaves no worker');
$node->safe_psql('app', 'CREATE EXTENSION pg_tviews');
ok(worker_pid($node, 'app'), 'created again, the extension has its worker');
$node->safe_psql('app', "SELECT pg_tviews_convert_existing_table('own'); INSERT INTO tb_author SELECT max(pk_author) + 1, 'new' FROM tb_author");
wait_applied($node, 'app');
oracle($node, 'app', 'and can be adopted again');

# More databases than slots: a warning, and the slot of a dropped one serves the next.
for my $i (1 .. 3) {
	$node->safe_psql('postgres', "CREATE DATABASE more$i");
	$node->safe_psql("more$i", 'CREATE EXTENSION pg_tviews');
	ok(worker_pid($node, "more$i"), "database $i has a worker");
}
$node->safe_psql('postgres', 'CREATE DATABASE toomany');
my ($rc, $out, $err) = $node->psql('toomany', 'CREATE EXTENSION pg_tviews');
like($err, qr/no refresh worker for this database/, 'one database too many is told so');
($rc, $out, $err) = $node->psql('toomany', "SELECT pg_tviews_wait('200 ms')");
is($out, 'f', 'waiting there ends in time');
like($err, qr/database "toomany" has no refresh worker/, 'and says why');
$node->safe_psql('postgres', 'DROP DATABASE more1');
ok(worker_pid($node, 'toomany'), 'and gets its worker when another database goes');

$node->restart;
ok(worker_pid($node, $_), "after a restart $_ has its worker") for qw(app more2 more3 toomany);
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker'"), '4', 'and nobody else');

$node->stop;
done_testing();
