# A backlog much larger than what the worker keeps in memory: applied in bounded batches and memory, each page of the journal read once,
# and a small change is not kept waiting by it.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $rows = 300_000;  # the worker keeps 256 k records
my $node = start_node('backlog', database => 'app', conf => <<'CONF');
fsync = off
synchronous_commit = off
autovacuum = off
shared_buffers = 64MB
pg_tviews.enabled = off
CONF
worker_pid($node, 'app');

sub sql { return $node->safe_psql('app', $_[0]); }

# Memory of its own of a process, in kB.
sub anonymous_kb {
	my ($pid) = @_;
	open(my $status, '<', "/proc/$pid/status") or return 0;
	my ($kb) = map { /^RssAnon:\s+(\d+)/ ? $1 : () } <$status>;
	close($status);
	return $kb // 0;
}

sql(<<"SQL");
CREATE TABLE tb_item (pk_item int PRIMARY KEY, name text NOT NULL);
INSERT INTO tb_item SELECT g, 'item' FROM generate_series(1, $rows) g;
CREATE TABLE tb_other (pk_other int PRIMARY KEY, name text NOT NULL);
INSERT INTO tb_other SELECT g, 'other' FROM generate_series(1, 1000) g;
CREATE TABLE tv_item AS SELECT pk_item, name FROM tb_item;
CREATE TABLE tv_other AS SELECT pk_other, name FROM tb_other;
-- One transaction for each row.
CREATE PROCEDURE churn(a int, b int) LANGUAGE plpgsql AS \$\$ BEGIN FOR i IN a .. b LOOP UPDATE tb_item SET name = 'item ' || i WHERE pk_item = i; COMMIT; END LOOP; END \$\$;
SQL
sql("CALL churn(1, $rows)");
is(sql('SELECT rows FROM pg_tviews_journal_data()'), $rows, 'the journal holds them all');

sql('ALTER SYSTEM SET pg_tviews.enabled = on');
$node->reload;
my ($largest, $slowest, $tried) = (0, 0, 0);
my $worker = worker_pid($node, 'app');
my $end = time() + 120;
my $left;
do {
	++$tried;
	sql("UPDATE tb_other SET name = 'small $tried' WHERE pk_other = $tried");
	my $begin = time();
	ok(wait_until($node, 'app', "SELECT name FROM tv_other WHERE pk_other = $tried", "small $tried", 60), 'a small change is applied')
	  if $tried == 1;
	sleep 0.02 while $tried > 1 && time() - $begin < 60 && sql("SELECT name FROM tv_other WHERE pk_other = $tried") ne "small $tried";
	$left = sql('SELECT rows FROM pg_tviews_journal_data()');
	my $took = time() - $begin;
	note sprintf('small change %d: %.2f s, %d rows left', $tried, $took, $left);
	is($left > 0 ? 'before' : 'after', 'before', 'before the backlog is gone') if $tried == 1;
	my $kb = anonymous_kb($worker);
	$largest = $kb if $kb > $largest;
} while ($left > 0 && time() < $end);
cmp_ok($tried, '>', 2, 'small changes went through while the backlog was applied');
cmp_ok($largest, '<', 120 * 1024, "the worker's own memory is bounded: $largest kB");
wait_applied($node, 'app', 120);
oracle($node, 'app');
cmp_ok(sql("SELECT max(keys) FROM pg_tview_performance_log"), '<=', 11_000, 'no batch was much larger than batch_size');

# Killed in the middle of it, and written to meanwhile.
sql("ALTER SYSTEM SET pg_tviews.enabled = off");
$node->reload;
ok(wait_until($node, 'app', "SELECT state FROM pg_tviews_workers WHERE kind = 'refresh'", 'resting'), 'the worker rests again');
sql("UPDATE tb_item SET name = 'again'; UPDATE tb_item SET name = 'other' WHERE pk_item % 7 = 0");
sql("ALTER SYSTEM RESET pg_tviews.enabled");
$node->append_conf('postgresql.conf', 'pg_tviews.enabled = on');
$node->reload;
ok(wait_until($node, 'app', 'SELECT count(*) > 0 FROM tv_item WHERE name = \'again\'', 't'), 'part of it is applied');
sql("UPDATE tb_item SET name = 'last' WHERE pk_item % 1000 = 1");
$node->stop('immediate');
$node->start;
worker_pid($node, 'app');
wait_applied($node, 'app', 120);
oracle($node, 'app');

$node->stop;
done_testing();
