# on_unkeyed => 'full': refreshed as a whole, once a batch; with min_interval once an interval, however many writes there are.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use TviewsNode qw(start_node oracle wait_applied wait_until test_dir);

my $node = start_node('unkeyed', database => 'app');
$node->psql('app', '', extra_params => [ '-q', '-f', test_dir() . "/shapes/$_" ]) == 0 or die $_ for qw(schema.sql seed.sql);

# Comments with their depth: a recursive CTE over the whole table.
my $tree = q{WITH RECURSIVE t AS (
  SELECT c.pk_comment, c.fk_post, c.body, 0 AS depth FROM blog.tb_comment c WHERE c.fk_parent_comment IS NULL
  UNION ALL SELECT c.pk_comment, c.fk_post, c.body, t.depth + 1 FROM blog.tb_comment c JOIN t ON t.pk_comment = c.fk_parent_comment)
SELECT t.pk_comment, t.fk_post, t.depth, t.body, u.name FROM t JOIN blog.tb_comment c USING (pk_comment) JOIN crm.tb_user u ON u.pk_user = c.fk_user};
$node->safe_psql('app', <<"SQL");
SELECT pg_tviews_create('blog.tv_tree', \$q\$$tree\$q\$, '{"key": "pk_comment", "on_unkeyed": "full"}');
SELECT pg_tviews_create('blog.tv_lazy', \$q\$$tree\$q\$, '{"key": "pk_comment", "on_unkeyed": "full", "min_interval": "4 s"}');
CREATE TABLE blog.tv_body AS SELECT pk_comment AS pk_body, body FROM blog.tb_comment;
CREATE TABLE blog.tv_deep AS SELECT pk_comment AS pk_deep, depth FROM blog.tv_lazy WHERE depth > 0;
SQL
is($node->safe_psql('app', "SELECT kind FROM pg_tviews_explain('tree') WHERE base_table = 'blog.tb_comment'::regclass AND kind = 'full'"), 'full', 'any comment affects the whole tree');

sub refreshes {
	my ($entity) = @_;
	return $node->safe_psql('app', "SELECT total_refreshes FROM pg_tviews_performance_summary WHERE entity = '$entity'");
}

$node->safe_psql('app', "UPDATE blog.tb_comment SET body = 'first' WHERE pk_comment = 1");
wait_applied($node, 'app');
oracle($node, 'app', 'the first change is applied at once');
my %before = map { $_ => refreshes($_) } qw(tree lazy);

# Hundreds of transactions within one interval.
my $began = time();
$node->safe_psql('app', <<'SQL');
DO $$ BEGIN
  FOR i IN 1..300 LOOP
    UPDATE blog.tb_comment SET body = 'burst ' || i, fk_parent_comment = CASE WHEN i % 2 = 0 THEN 1 END WHERE pk_comment = 2 + i % 7;
    COMMIT;
  END LOOP;
END $$;
SQL
my ($rc, $out, $err) = $node->psql('app', 'SELECT pg_tviews_wait()');
my $took = time() - $began;
is($out, 't', 'a TVIEW that coalesces is not waited for');
like($err, qr/NOTICE:  not waited for: .*blog.tv_lazy \(coalescing\)/, 'but named');
is($node->safe_psql('app', "SELECT count(*) FROM blog.v_body v JOIN blog.tv_body t USING (pk_body) WHERE v.body <> t.body"), '0', 'others are applied meanwhile');
is($node->safe_psql('app', "SELECT count(*) FROM (TABLE blog.v_tree EXCEPT TABLE blog.tv_tree) d"), '0', 'the whole refresh of a burst is exact');
is($node->safe_psql('app', "SELECT reason, key IS NULL, next_attempt_at - since < '4.1 s', count(*) OVER () FROM pg_tviews_deferred_keys WHERE entity = 'lazy'"), 'coalesced|t|t|1', 'one row stands for all that waits');
cmp_ok(refreshes('tree') - $before{tree}, '<=', 300, 'a whole refresh serves all that is ready');
cmp_ok(refreshes('lazy') - $before{lazy}, '<=', int($took / 4) + 1, 'a burst within min_interval is one refresh');
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_tviews_deferred_keys WHERE entity = 'lazy'", '0', 20), 'what was coalesced is applied when the interval is over');
oracle($node, 'app', 'every TVIEW equals its view, those above too');
cmp_ok(refreshes('lazy') - $before{lazy}, '<=', int((time() - $began) / 4) + 2, 'in few refreshes');

# Steady writes must not push the refresh off for ever.
my $seen = refreshes('lazy');
my $end = time() + 11;
my $i = 0;
while (time() < $end) {
	$node->safe_psql('app', "UPDATE blog.tb_comment SET body = 'steady " . $i++ . "' WHERE pk_comment = 3");
	sleep 0.1;
}
my $more = refreshes('lazy') - $seen;
ok($more >= 2 && $more <= 5, "steady writes: a refresh each interval ($more)");
wait_applied($node, 'app');  # or noted to wait for the interval
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_tviews_deferred_keys", '0', 20), 'nothing is left');
wait_applied($node, 'app');
oracle($node, 'app');

# Keys are coalesced too, and a change that waits survives a restart.
$node->safe_psql('app', <<'SQL');
SELECT pg_tviews_create('blog.tv_slow', 'SELECT pk_tag, name FROM blog.tb_tag', '{"key": "pk_tag", "min_interval": "5 s"}');
UPDATE blog.tb_tag SET name = name || '!' WHERE pk_tag = 1;
SELECT pg_tviews_wait();
UPDATE blog.tb_tag SET name = name || '?' WHERE pk_tag IN (1, 2);
SELECT pg_tviews_wait();
SQL
is($node->safe_psql('app', "SELECT array_agg(key ORDER BY key) FROM pg_tviews_deferred_keys WHERE entity = 'slow' AND reason = 'coalesced'"), '{1,2}', 'the keys wait');
$node->restart;
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_tviews_deferred_keys", '0', 20), 'and are applied after a restart');
oracle($node, 'app');

$node->stop;
done_testing();
