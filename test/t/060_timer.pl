# refresh_every: views of the clock are refreshed on a timer, react to writes, and survive restarts and pauses.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid test_dir);

my $node = start_node('timer', database => 'app');

sub refreshes {
	my ($entity) = @_;
	return $node->safe_psql('app', "SELECT total_refreshes FROM pg_tviews_performance_summary WHERE entity = '$entity'");
}

# What the clock does to a TVIEW, and to one above it.
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_offer (pk_offer int PRIMARY KEY, until timestamptz NOT NULL);
INSERT INTO tb_offer VALUES (1, clock_timestamp() + interval '3 s'), (2, 'infinity');
SELECT pg_tviews_create('tv_offer', 'SELECT pk_offer, until FROM tb_offer WHERE until > now()', '{"refresh_every": "1 s"}');
CREATE TABLE tv_shown AS SELECT pk_offer AS pk_shown FROM tv_offer;
SQL
is($node->safe_psql('app', 'SELECT array_agg(pk_shown ORDER BY 1) FROM tv_shown'), '{1,2}', 'the first rows');
ok(wait_until($node, 'app', 'SELECT array_agg(pk_shown ORDER BY 1) FROM tv_shown', '{2}', 20), 'what the clock ends goes, without a write, here and above');
is($node->safe_psql('app', "SELECT count(*) FROM tv_offer o FULL JOIN tv_shown s ON pk_shown = pk_offer WHERE pk_shown IS NULL OR pk_offer IS NULL"), '0',
	'the TVIEW above follows in the same batch');
is($node->safe_psql('app', "SELECT timer_due - date_trunc('second', timer_due), timer_due - clock_timestamp() < '1 s', timer_late_ms < 5000 FROM pg_tviews_freshness WHERE entity = 'offer'"),
	'00:00:00|t|t', 'the next refresh is due on a whole second');
is($node->safe_psql('app', "SELECT timer_due IS NULL AND timer_late_ms IS NULL FROM pg_tviews_freshness WHERE entity = 'shown'"), 't', 'none without a timer');
$node->safe_psql('app', 'DROP TABLE tv_shown; DROP TABLE tv_offer');
is($node->safe_psql('app', 'SELECT count(*) FROM pg_tview_timer'), '0', 'a dropped TVIEW leaves no timer');

# A write does not wait for the timer.
$node->safe_psql('app', q{SELECT pg_tviews_create('tv_offer', 'SELECT pk_offer, until FROM tb_offer WHERE until > now()', '{"refresh_every": "1 day", "settings": {"TimeZone": "Asia/Tokyo"}}')});
$node->safe_psql('app', "INSERT INTO tb_offer VALUES (3, 'infinity'), (4, '-infinity')");
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT array_agg(pk_offer ORDER BY 1) FROM tv_offer'), '{2,3}', 'a write is applied at once');
oracle($node, 'app');
is($node->safe_psql('app', "SELECT (timer_due AT TIME ZONE 'Asia/Tokyo')::time, timer_due - clock_timestamp() BETWEEN '0 s' AND '1 day' FROM pg_tviews_freshness WHERE entity = 'offer'"),
	'00:00:00|t', 'whole days are due at midnight of the pinned time zone');

# Nothing wakes an idle worker before its timer.
SKIP: {
	my $pid = worker_pid($node, 'app');
	skip 'no /proc', 1 unless -r "/proc/$pid/status";
	my $switches = sub { open my $file, '<', "/proc/$pid/status" or die; my ($n) = map { /^voluntary_ctxt_switches:\s+(\d+)/ ? $1 : () } <$file>; return $n };
	sleep 2;    # statistics are flushed once
	my $before = $switches->();
	sleep 3;
	cmp_ok($switches->() - $before, '<=', 2, 'the worker sleeps until the next due time');
}

# Missed while the server was down: one refresh, then the next period.
my $refreshed_at = 'SELECT refreshed_at FROM pg_tview_timer';
$node->safe_psql('app', "INSERT INTO pg_tview_timer SELECT table_oid, clock_timestamp() - interval '10 days' FROM pg_tview_meta WHERE entity = 'offer'");
is($node->safe_psql('app', "SELECT timer_late_ms > 8 * 86400000::float8 FROM pg_tviews_freshness WHERE entity = 'offer'"), 't', 'a late timer is shown');
$node->restart;
ok(wait_until($node, 'app', "SELECT timer_late_ms FROM pg_tviews_freshness WHERE entity = 'offer'", '0', 30), 'after a restart it is made up for');
my $once = $node->safe_psql('app', $refreshed_at);
sleep 1.5;
is($node->safe_psql('app', $refreshed_at), $once, 'once');
$node->restart;
sleep 1.5;
is($node->safe_psql('app', $refreshed_at), $once, 'a due time survives a restart');

# Beside a session that drops a TVIEW of a timer and does not end, the others go on; dropped or not, it is as it should be.
$node->safe_psql('app', q{SELECT pg_tviews_create('tv_held', 'SELECT pk_offer AS pk_held, now() AS at FROM tb_offer', '{"refresh_every": "1 s"}')});
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_tview_timer WHERE tview = 'tv_held'::regclass", '1', 20), 'a timer of a second');
my $holder = $node->background_psql('app', on_error_stop => 1);
$holder->query_safe('BEGIN; DROP TABLE tv_held');
sleep 3;
$node->safe_psql('app', "INSERT INTO tb_offer VALUES (5, 'infinity')");
ok(wait_until($node, 'app', 'SELECT count(*) FROM tv_offer WHERE pk_offer = 5', '1', 20), 'other TVIEWs are refreshed');
$holder->query_safe('ROLLBACK');
ok(wait_until($node, 'app', 'SELECT bool_and(at > now() - interval \'2 s\') FROM tv_held', 't', 20), 'after its rollback the timer goes on');
$holder->query_safe('BEGIN; DROP TABLE tv_held');
sleep 3;
$holder->query_safe('COMMIT');
$holder->quit;
sleep 1.5;
is($node->safe_psql('app', "SELECT count(*) FROM pg_tview_timer t WHERE NOT EXISTS (SELECT FROM pg_tview_catalog c WHERE c.tview = t.tview)"), '0', 'and after its commit nothing is left');

# Another period, by redefinition; dump and restore.
$node->safe_psql('app', q{SELECT pg_tviews_create_or_replace('tv_offer', 'SELECT pk_offer, until FROM tb_offer WHERE until > now()', '{"refresh_every": "1 s"}')});
ok(wait_until($node, 'app', "SELECT refreshed_at > '$once' FROM pg_tview_timer", 't', 20), 'a new period counts at once');
$node->safe_psql('app', 'CREATE DATABASE copy');
command_ok([ 'bash', '-c', 'pg_dump -h ' . $node->host . ' -p ' . $node->port . ' app | psql -h ' . $node->host . ' -p ' . $node->port . ' -X -q -v ON_ERROR_STOP=1 -d copy' ], 'dump and restore');
ok(wait_until($node, 'copy', "SELECT state = 'fresh' AND timer_due < clock_timestamp() + interval '1 s' FROM pg_tviews_freshness WHERE entity = 'offer'", 't', 30),
	'a restored TVIEW has its timer');
$node->safe_psql('copy', "INSERT INTO tb_offer VALUES (10, clock_timestamp() + interval '1.5 s')");
wait_applied($node, 'copy');
ok(wait_until($node, 'copy', 'SELECT count(*) FROM tv_offer WHERE pk_offer = 10', '0', 20), 'and follows the clock');

# One clock a batch, for TVIEWs that are due together.
$node->safe_psql('app', <<'SQL');
SELECT pg_tviews_create('tv_seen', 'SELECT pk_offer AS pk_seen, now() AS at FROM tb_offer', '{"refresh_every": "1 s"}');
SELECT pg_tviews_create('tv_met', 'SELECT pk_offer AS pk_met, statement_timestamp() AS at, CURRENT_DATE AS day FROM tb_offer', '{"refresh_every": "1 s"}');
SQL
ok(wait_until($node, 'app', "SELECT (SELECT total_refreshes FROM pg_tviews_performance_summary WHERE entity = 'met') >= 2", 't', 20), 'both are refreshed');
is($node->safe_psql('app', 'SELECT count(DISTINCT at) FROM (SELECT at FROM tv_seen UNION ALL SELECT at FROM tv_met) s'), '1', 'at one time');

# While nothing is applied the timer waits; then there is one refresh, not one for each second.
$node->append_conf('postgresql.conf', 'pg_tviews.enabled = off');
$node->reload;
ok(wait_until($node, 'app', "SELECT timer_late_ms > 2500 FROM pg_tviews_freshness WHERE entity = 'seen'", 't', 20), 'a timer that rests is late');
my $before = refreshes('seen');
$node->append_conf('postgresql.conf', 'pg_tviews.enabled = on');
$node->reload;
ok(wait_until($node, 'app', "SELECT timer_late_ms < 1000 FROM pg_tviews_freshness WHERE entity = 'seen'", 't', 20), 'and catches up');
cmp_ok(refreshes('seen') - $before, '<=', 2, 'by one refresh');
$node->safe_psql('app', 'DROP TABLE tv_seen; DROP TABLE tv_met');

# Best sellers of a time window: a clock, a LIMIT, writes.
$node->safe_psql('app', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION pg_tviews');
$node->psql('shop', '', extra_params => [ '-q', '-f', test_dir() . "/shapes/$_" ]) == 0 or die $_ for qw(schema.sql seed.sql);
$node->safe_psql('shop', <<'SQL');
UPDATE shop.tb_order SET placed_at = now() - interval '40 days';
UPDATE shop.tb_order SET placed_at = now() - interval '30 days' + interval '4 s' WHERE pk_order = (SELECT min(fk_order) FROM shop.tb_order_item);
SELECT pg_tviews_create('shop.tv_best_seller', $$
  SELECT p.pk_product, sum(i.quantity) AS sold FROM shop.tb_product p JOIN shop.tb_order_item i ON i.fk_product = p.pk_product
  JOIN shop.tb_order o ON o.pk_order = i.fk_order WHERE o.placed_at > now() - interval '30 days'
  GROUP BY p.pk_product ORDER BY sum(i.quantity) DESC, p.pk_product LIMIT 20$$, '{"refresh_every": "1 s", "on_unkeyed": "full", "key": "pk_product"}');
SQL
is($node->safe_psql('shop', 'SELECT count(*) > 0 FROM shop.tv_best_seller'), 't', 'best sellers of the last 30 days');
ok(wait_until($node, 'shop', 'SELECT count(*) FROM shop.tv_best_seller', '0', 20), 'are none when the order is too old');
$node->safe_psql('shop', 'UPDATE shop.tb_order SET placed_at = now()');
wait_applied($node, 'shop');
is($node->safe_psql('shop', 'SELECT count(*) FROM (TABLE shop.v_best_seller EXCEPT TABLE shop.tv_best_seller) d'), '0', 'a write of an order is applied at once');

$node->stop;
done_testing();
