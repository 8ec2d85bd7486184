# Hundreds of thousands of deferred rows: batches and waiters do not read them all, parked ones are counted, those that are due are applied.
use strict;
use warnings;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('deferred', database => 'app', conf => "fsync = off\nautovacuum = off\n");
worker_pid($node, 'app');

sub sql { return $node->safe_psql('app', $_[0]); }

sql(<<'SQL');
CREATE TABLE tb_a (pk_a int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_a SELECT g, 0 FROM generate_series(1, 100) g;
CREATE TABLE tv_a AS SELECT pk_a, v FROM tb_a;
CREATE TABLE tb_b (pk_b int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_b SELECT g, 0 FROM generate_series(1, 50000) g;
SELECT pg_tviews_create('b', 'SELECT pk_b, v FROM tb_b', '{"min_interval": "1 h"}');
SELECT pg_tviews_wait();
UPDATE tb_b SET v = 1 WHERE pk_b = 1;
SELECT pg_tviews_wait();
CREATE TABLE tb_c (pk_c int PRIMARY KEY);
CREATE TABLE tv_c AS SELECT pk_c FROM tb_c;
-- As keys of 200,000 rows would lie there, due tomorrow.
INSERT INTO pg_tview_deferred SELECT 'tv_c'::regclass, decode(lpad(to_hex(g), 16, '0'), 'hex'), g, 'coalesced', now(), 1, now() + interval '1 day' FROM generate_series(1, 200000) g;
SQL

# Rows of pg_tview_deferred that were read, by whomever.
sub rows_read {
	sql('UPDATE tb_a SET v = v WHERE pk_a = 1');
	sleep 2;    # the worker reports once a second
	wait_applied($node, 'app', 60, 'statistics are reported');
	return sql("SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'pg_tview_deferred'");
}

my $before = rows_read();
sql("UPDATE tb_a SET v = v + 1 WHERE pk_a = 5; SELECT pg_tviews_wait()") for 1 .. 30;
my $read = rows_read() - $before;
note "$read deferred rows read";
cmp_ok($read, '<', 20_000, 'neither a batch nor a waiter reads them all');

# Parked ones are counted, if not after each batch.
sql("UPDATE pg_tview_deferred SET reason = 'failed', sqlstate = '22012' WHERE tview = 'tv_c'::regclass");
sql('UPDATE tb_a SET v = v + 1');
ok(wait_until($node, 'app', "SELECT parked_keys FROM pg_tviews_queue_realtime WHERE database = 'app'", '200000', 60), 'the parked keys are counted');
sql("DELETE FROM pg_tview_deferred WHERE tview = 'tv_c'::regclass AND key > decode(lpad(to_hex(150000), 16, '0'), 'hex')");
sql('UPDATE tb_a SET v = v + 1');
ok(wait_until($node, 'app', "SELECT parked_keys FROM pg_tviews_queue_realtime WHERE database = 'app'", '150000', 60), 'a change that comes right after a count is counted, too');
$node->psql('app', "SELECT pg_tviews_wait()", stderr => \my $notice);
like($notice, qr/not waited for: .*tv_c \(parked keys\)/, 'a waiter is told of them');

# Many keys, deferred by batches, become due at once.
for my $i (0 .. 9) {
	sql("UPDATE tb_b SET v = v + 1 WHERE pk_b > $i * 5000 AND pk_b <= ($i + 1) * 5000; SELECT pg_tviews_wait()");
}
is(sql("SELECT count(*) FROM pg_tview_deferred WHERE tview = 'tv_b'::regclass"), '50000', 'keys wait for the end of the interval');
sql("UPDATE pg_tview_deferred SET next_attempt = now() WHERE tview = 'tv_b'::regclass; UPDATE tb_a SET v = v + 1");
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_tview_deferred WHERE tview = 'tv_b'::regclass", '0', 60), 'all of them are applied');
cmp_ok(sql("SELECT max(keys) FROM pg_tview_performance_log WHERE entity = 'b'"), '<=', 10_000, 'in batches');
oracle($node, 'app');

$node->stop;
done_testing();
