# A lock table too small for the partitions that one TVIEW reads: that TVIEW waits for room, the others go on.
use strict;
use warnings;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('locks', database => 'app', conf => "fsync = off\nautovacuum = off\nmax_locks_per_transaction = 256\n");
worker_pid($node, 'app');

sub sql { return $node->safe_psql('app', $_[0]); }

sql(<<'SQL');
CREATE TABLE tb_part (pk_part int PRIMARY KEY, v int NOT NULL) PARTITION BY RANGE (pk_part);
DO $$ BEGIN FOR i IN 0 .. 799 LOOP EXECUTE format('CREATE TABLE tb_part_%s PARTITION OF tb_part FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10); END LOOP; END $$;
INSERT INTO tb_part SELECT g * 10, 0 FROM generate_series(0, 799) g;
CREATE TABLE tv_part AS SELECT pk_part, v FROM tb_part;
CREATE TABLE tb_other (pk_other int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_other SELECT g, 0 FROM generate_series(1, 100) g;
CREATE TABLE tv_other AS SELECT pk_other, v FROM tb_other;
CREATE TABLE tv_above AS SELECT pk_other AS pk_above, v + 1 AS v FROM tv_other;
SQL
wait_applied($node, 'app');
my %small = (max_locks_per_transaction => 10, max_connections => 10, max_worker_processes => 8, max_prepared_transactions => 0, max_wal_senders => 0);
sql("ALTER SYSTEM SET $_ = $small{$_}") for keys %small;
$node->restart;
worker_pid($node, 'app');

# One batch reaches both.
sql('BEGIN; UPDATE tb_part_7 SET v = 1; UPDATE tb_other SET v = 1; COMMIT');
ok(wait_until($node, 'app', 'SELECT count(*) FROM tv_other WHERE v = 1', '100', 30), 'the other TVIEW is refreshed');
is(sql("SELECT string_agg(DISTINCT concat(tview::regclass, ' ', reason), ',') FROM pg_tview_deferred"), 'tv_part resource', 'that with the partitions waits for room');
for my $i (2 .. 20) {
	sql("UPDATE tb_other SET v = $i WHERE pk_other = $i");
	sql("UPDATE tb_part_8 SET v = $i") if $i % 5 == 0;
	ok(wait_until($node, 'app', "SELECT v FROM tv_above WHERE pk_above = $i", $i + 1, 20), 'changes of it are applied') if $i % 10 == 0;
}
is(sql("SELECT count(*) FROM pg_tview_parked_keys"), '0', 'nothing is parked');
is(sql("SELECT state FROM pg_tview_meta WHERE entity = 'part'"), 'fresh', 'nothing is degraded');

sql("ALTER SYSTEM SET max_locks_per_transaction = 256");
$node->restart;
wait_applied($node, 'app', 60, 'applied when there is room');
oracle($node, 'app');
is(sql('SELECT count(*) FROM pg_tview_deferred'), '0', 'nothing is left over');

$node->stop;
done_testing();
