# Much of everything, in small: large transactions, a hot row, many TVIEWs, many levels, large documents.
# bench/volume runs the same at full size; docs/reference/limits.md has its figures.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('volume', database => 'app', conf => <<'CONF');
fsync = off
synchronous_commit = off
autovacuum = off
shared_buffers = 16MB
max_locks_per_transaction = 256
CONF
worker_pid($node, 'app');

sub sql { return $node->safe_psql('app', $_[0]); }

# The most memory (kB) that a session which runs this has ever had.
sub peak_of {
	my ($statements) = @_;
	my $out = $node->safe_psql('app', "SELECT pg_backend_pid() AS pid \\gset\n\\setenv BACKEND :pid\n$statements;\n\\! grep VmHWM /proc/\$BACKEND/status");
	my ($kb) = $out =~ /VmHWM:\s+(\d+)/;
	return $kb;
}

sql(<<'SQL');
CREATE TABLE tb_item (pk_item int PRIMARY KEY, name text NOT NULL, doc text);
CREATE TABLE tv_item AS SELECT pk_item, name, doc FROM tb_item;
SQL

# A transaction of so many rows: the event queue of PostgreSQL grows by some bytes a row, the set of keys does not.
SKIP: {
	skip 'no /proc', 1 unless -r '/proc/self/status';
	my $small = peak_of('INSERT INTO tb_item SELECT g, \'item\' FROM generate_series(1, 100000) g');
	my $large = peak_of('INSERT INTO tb_item SELECT g, \'item\' FROM generate_series(100001, 500000) g');
	note "100,000 rows: $small kB, 400,000 rows: $large kB";
	cmp_ok($large - $small, '<', 300_000 * 48 / 1024, 'a larger transaction needs no more than its event queue');
}
wait_applied($node, 'app', 120);
oracle($node, 'app', 'large transactions are applied');
cmp_ok(sql('SELECT max(keys) FROM pg_tview_performance_log'), '<=', 20_000, 'in batches');

# One row, changed again and again.
sql('SELECT pg_tviews_stats_reset()');
sql(<<'SQL');
CREATE PROCEDURE churn(rounds int) LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1 .. rounds LOOP UPDATE tb_item SET name = 'hot ' || i WHERE pk_item = 7; COMMIT; END LOOP; END $$;
CALL churn(20000);
SQL
wait_applied($node, 'app');
is(sql('SELECT name FROM tv_item WHERE pk_item = 7'), 'hot 20000', 'the last value is there');
my $refreshes = sql("SELECT total_refreshes FROM pg_tviews_performance_summary WHERE entity = 'item'");
note "20,000 updates of one row: $refreshes refreshes";
cmp_ok($refreshes, '<', 10_000, 'many changes of a row are one refresh');

ok(wait_until($node, 'app', "SELECT hot_ratio > 0.5 FROM pg_tviews_performance_stats() WHERE entity = 'item'", 't', 30), 'most of them touched no index');
is(sql("SELECT index_count || ' ' || (table_size > 0) || ' ' || (total_size > table_size) FROM pg_tviews_performance_stats() WHERE entity = 'item'"), '1 true true', 'sizes');

# All rows at once.
sql('TRUNCATE tb_item');
wait_applied($node, 'app', 60);
is(sql('SELECT count(*) FROM tv_item'), '0', 'TRUNCATE of a large table empties the TVIEW');

# A large document.
sql("INSERT INTO tb_item VALUES (1, 'large', repeat(md5('x'), 10 * 1024 * 1024 / 32))");
wait_applied($node, 'app');
sql("UPDATE tb_item SET doc = doc || 'y' WHERE pk_item = 1");
wait_applied($node, 'app');
is(sql('SELECT length(doc) FROM tv_item WHERE pk_item = 1'), 10 * 1024 * 1024 + 1, 'a document of 10 MB is copied');

# Levels.
sql('CREATE TABLE tb_link (pk_link int PRIMARY KEY, n int NOT NULL); INSERT INTO tb_link SELECT g, g FROM generate_series(1, 100) g');
sql('CREATE TABLE tv_level0 AS SELECT pk_link AS pk_level0, n FROM tb_link');
sql("CREATE TABLE tv_level$_ AS SELECT pk_level" . ($_ - 1) . " AS pk_level$_, n + 1 AS n FROM tv_level" . ($_ - 1)) foreach 1 .. 19;
sql('UPDATE tb_link SET n = 1000 WHERE pk_link = 5');
wait_applied($node, 'app');
is(sql('SELECT n FROM tv_level19 WHERE pk_level19 = 5'), '1019', 'twenty levels');

# Many TVIEWs over one table.
sql('CREATE TABLE tb_wide (pk_wide int PRIMARY KEY, a int, b int); INSERT INTO tb_wide SELECT g, g, g FROM generate_series(1, 100) g');
my $begin = time();
sql(join(';', map { "CREATE TABLE tv_wide$_ AS SELECT pk_wide AS pk_wide$_, a + b + $_ AS s FROM tb_wide" } 1 .. 100));
note sprintf('100 TVIEWs over one table: %.1f ms each', (time() - $begin) * 10);
$begin = time();
sql('UPDATE tb_wide SET a = a + 1');
note sprintf('a write: %.1f ms', (time() - $begin) * 1000);
wait_applied($node, 'app');
sql("UPDATE tb_link SET n = n + 1 WHERE pk_link = 6");
wait_applied($node, 'app');
my $ms = sql("SELECT min(duration) FROM (SELECT sum(refresh_duration_ms) AS duration FROM pg_tview_performance_log WHERE entity = 'level0' GROUP BY batch_id) b");
note "a change of one among them: $ms ms";
oracle($node, 'app', 'all of them are right');

$node->stop;
done_testing();
