# The monitoring views: real figures, each user's own share, no transaction ID.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use PostgreSQL::Test::Utils;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid test_dir);
use TviewsLoad qw(make_tviews start_writers finish_writers);

my $node = start_node('monitoring', database => 'app');
make_tviews($node, 'app');
$node->safe_psql('app', 'CREATE ROLE reader LOGIN; GRANT SELECT ON tv_author TO reader; CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
my @views = qw(pg_tview_meta pg_tviews_freshness pg_tview_performance_log pg_tviews_performance_summary pg_tviews_queue_realtime pg_tviews_workers
	pg_tviews_cache_stats pg_tview_parked_keys pg_tviews_deferred_keys pg_tview_audit_log);

# Sections and rows of the page against views and columns.
my %page;
my $section;
foreach my $line (split /\n/, slurp_file(test_dir() . '/../docs/reference/monitoring.md')) {
	$section = $1 if $line =~ /^## `(\w+)`/;
	my ($columns) = $line =~ /^\| (`[^|]*)\|/ or next;
	push @{ $page{$section} }, $columns =~ /`(\w+)`/g;
}
is(join("\n", map { join ' ', $_, sort @{ $page{$_} } } sort keys %page), $node->safe_psql('app', <<'SQL'), 'docs/reference/monitoring.md has every column');
SELECT c.relname || ' ' || string_agg(a.attname, ' ' ORDER BY a.attname COLLATE "C")
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
WHERE c.relkind = 'v' GROUP BY c.relname ORDER BY c.relname COLLATE "C"
SQL

sub as {
	my ($role, $query) = @_;
	return $node->safe_psql('app', "SET ROLE $role; $query");
}

$node->safe_psql('app', "UPDATE tb_post SET title = 'one' WHERE pk_post = 1");
wait_applied($node, 'app');
is($node->safe_psql('app', "SELECT entity, keys, rows_updated, rows_inserted, sqlstate IS NULL, lag_ms BETWEEN 0 AND 10000, refresh_duration_ms > 0 FROM pg_tview_performance_log ORDER BY log_id DESC LIMIT 2"),
	"author|1|1|0|t|t|t\npost|1|1|0|t|t|t", 'the performance log has both refreshes of the cascade');
is($node->safe_psql('app', "SELECT count(DISTINCT batch_id) FROM (SELECT * FROM pg_tview_performance_log LIMIT 2) l"), '1', 'of one batch, newest first');
is($node->safe_psql('app', "SELECT total_refreshes, total_keys, rows_updated, errors FROM pg_tviews_performance_summary WHERE entity = 'post'"), '1|1|1|0',
	'the summary counts them');
is($node->safe_psql('app', "SELECT lag_ms, pending_records, state, applied_at > now() - interval '1 min', lag_p50_ms > 0 FROM pg_tviews_freshness WHERE entity = 'post'"),
	'0|0|fresh|t|t', 'freshness of an idle TVIEW');
is($node->safe_psql('app', "SELECT pg_visible_in_snapshot(pg_current_xact_id(), applied_snapshot) FROM pg_tviews_freshness WHERE entity = 'post'"), 'f',
	'the applied snapshot does not claim what runs now');
is($node->safe_psql('app', "SELECT kind, state IS NOT NULL, pid IS NOT NULL, batches > 0, keys >= 2 FROM pg_tviews_workers WHERE database = 'app'"), 'refresh|t|t|t|t',
	'the worker and its figures');
is($node->safe_psql('app', "SELECT records_pushed + records_overflowed > 0, ring_bytes_size > 0, journal_rows, parked_keys FROM pg_tviews_queue_realtime WHERE database = 'app'"), 't|t|0|0', 'the queue');
is($node->safe_psql('app', "SELECT count(*) FROM pg_tviews_cache_stats WHERE capacity > 0 AND entries > 0"), '2', 'both caches are in use');

# A row that fails is parked, and told of; healed, it goes.
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_ratio (pk_ratio int PRIMARY KEY, a int, b int);
INSERT INTO tb_ratio SELECT g, g, 1 FROM generate_series(1, 20) g;
CREATE TABLE tv_ratio AS SELECT pk_ratio, a / b AS ratio FROM tb_ratio;
UPDATE tb_ratio SET a = a + 1, b = CASE WHEN pk_ratio = 7 THEN 0 ELSE 1 END;
SQL
my ($rc, $out, $err) = $node->psql('app', 'SELECT pg_tviews_wait()');
is($out, 't', 'a parked key is not waited for');
like($err, qr/NOTICE:  not waited for: public.tv_ratio \(parked keys\)/, 'but named');
is($node->safe_psql('app', "SELECT entity, key, sqlstate, message FROM pg_tview_parked_keys"), 'ratio|7|22012|division by zero', 'with its key and its error');
is($node->safe_psql('app', "SELECT count(*) FROM tb_ratio b JOIN tv_ratio t USING (pk_ratio) WHERE t.ratio = b.a AND b.b = 1"), '19', 'the others are applied');
is($node->safe_psql('app', "SELECT parked_keys FROM pg_tviews_queue_realtime WHERE database = 'app'"), '1', 'and counted');
is($node->safe_psql('app', "SELECT lag_ms > 0 FROM pg_tviews_freshness WHERE entity = 'ratio'"), 't', 'its TVIEW lags');
is(as('reader', "SELECT count(*) FROM pg_tview_parked_keys"), '0', 'who may not read the TVIEW does not see its keys');
is(as('watcher', "SELECT count(*) FROM pg_tview_parked_keys"), '1', 'a member of pg_monitor does');
$node->safe_psql('app', 'UPDATE tb_ratio SET b = 1 WHERE pk_ratio = 7');
wait_applied($node, 'app');
is($node->safe_psql('app', "SELECT count(*) FROM pg_tview_parked_keys"), '0', 'repaired data unparks the key');
oracle($node, 'app');

# A view that fails for every key degrades its TVIEW, and only it.
$node->safe_psql('app', 'UPDATE tb_ratio SET b = 0');
wait_applied($node, 'app', 20);
is($node->safe_psql('app', "SELECT state FROM pg_tview_meta WHERE entity = 'ratio'"), 'degraded', 'a view that fails for every key is degraded');
$node->safe_psql('app', "UPDATE tb_post SET title = 'goes on' WHERE pk_post = 1");
wait_applied($node, 'app');
is($node->safe_psql('app', 'SELECT title FROM tv_post WHERE pk_post = 1'), 'goes on', 'the others go on');
$node->safe_psql('app', 'UPDATE tb_ratio SET b = 1');
ok(wait_until($node, 'app', "SELECT state FROM pg_tview_meta WHERE entity = 'ratio'", 'fresh', 60), 'repaired, it is fresh again');
wait_applied($node, 'app');
oracle($node, 'app');

# Who sees what.
is(as('reader', 'SELECT DISTINCT entity FROM pg_tview_performance_log'), 'author', 'a reader sees the log of the TVIEWs he may read');
is(as('reader', "SELECT string_agg(entity, ',' ORDER BY entity) FROM pg_tviews_freshness"), 'author', 'and their freshness');
is(as('reader', 'SELECT count(*) FROM pg_tview_audit_log'), '0', 'but not what others did');
is(as('watcher', "SELECT string_agg(entity, ',' ORDER BY entity) FROM pg_tviews_freshness"), 'author,post,ratio', 'pg_monitor sees all');
for my $role (qw(reader watcher)) {
	my $failed = '';
	for my $view (@views) {
		($rc, $out, $err) = $node->psql('app', "SET ROLE $role; SELECT count(*) FROM $view");
		$failed .= "$view: $err\n" if $rc != 0;
	}
	is($failed, '', "every view answers $role");
}
is($node->safe_psql('app', 'BEGIN; ' . join('; ', map { "SELECT count(*) >= 0 FROM $_" } @views)
	. '; SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT') =~ s/^t\n//gmr, "t", 'no monitoring view assigns a transaction ID');

$node->stop;
done_testing();
