# Rights: who may create, what REVOKE and GRANT do, row-level security, what strangers see, EXECUTE on each function.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TviewsNode qw(start_node oracle wait_applied wait_until test_dir);

my $node = start_node('rights', database => 'app');
my ($out, $err);
$node->safe_psql('app', <<'SQL');
CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE stranger LOGIN; CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
CREATE SCHEMA a AUTHORIZATION alice; CREATE SCHEMA b AUTHORIZATION bob; GRANT USAGE ON SCHEMA a, b TO PUBLIC;
SQL
sub as_user { my ($user, $sql) = @_; return $node->safe_psql('app', $sql, extra_params => [ '-U', $user ]); }
sub refused {
	my ($user, $sql, $like, $what) = @_;
	isnt($node->psql('app', $sql, extra_params => [ '-U', $user ], stderr => \$err, stdout => \$out, on_error_stop => 1), 0, $what);
	like($err, $like, '... with its reason');
	return;
}
sub state_of { my $entity = shift; return $node->safe_psql('app', "SELECT state FROM pg_tview_meta WHERE entity = '$entity'"); }

as_user('alice', <<'SQL');
CREATE TABLE a.tb_note (pk_note int PRIMARY KEY, owner text, n text);
INSERT INTO a.tb_note SELECT g, CASE WHEN g % 2 = 0 THEN 'bob' ELSE 'alice' END, g::text FROM generate_series(1, 20) g;
CREATE TABLE a.tb_other (pk_other int PRIMARY KEY, n text);
CREATE VIEW a.notes AS SELECT * FROM a.tb_note;
GRANT SELECT ON a.notes TO bob;
SQL
my $create = "CREATE TABLE b.tv_note AS SELECT pk_note, n::int AS n, 'x' || n AS x FROM a.tb_note";
refused('bob', $create, qr/permission denied/, 'no TVIEW without SELECT');
refused('bob', "CREATE TABLE b.tv_note AS SELECT pk_note, n FROM a.notes", qr/permission denied for table a.tb_note.*SELECT/s, '... nor through a view');
as_user('alice', 'GRANT SELECT ON a.tb_note TO bob');
refused('bob', $create, qr/TRIGGER privilege/, '... nor without TRIGGER');
is($node->safe_psql('app', "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%pg_tviews_capture%' AND tgrelid = 'a.tb_note'::regclass"), '0', 'and no trigger is made');
as_user('alice', 'GRANT TRIGGER ON a.tb_note TO bob; GRANT SELECT ON a.tb_other TO bob');
as_user('bob', $create);
refused('bob', "CREATE OR REPLACE VIEW b.v_note AS SELECT pk_note, n::int AS n, 'x' || n || (SELECT max(o.n) FROM a.tb_other o WHERE o.pk_other = pk_note) AS x FROM a.tb_note",
	qr/TRIGGER privilege/, 'a new view reads no more tables than its owner may');
refused('alice', "SELECT pg_tviews_drop('b.tv_note')", qr/must be owner/, 'only the owner drops');
refused('alice', "SELECT pg_tviews_refresh('b.tv_note')", qr/permission denied/, 'a stranger does not refresh');
refused('alice', "SELECT * FROM pg_tviews_verify('b.tv_note')", qr/permission denied/, '... nor verify');
refused('alice', "SELECT pg_tviews_create_or_replace('b.tv_note', 'SELECT pk_note, 1 AS n FROM a.tb_note')", qr/permission denied|must be owner/, '... nor redefine');
refused('alice', "SELECT pg_tviews_retry_parked('b.tv_note')", qr/permission denied/, '... nor retry');
refused('alice', "CREATE TABLE a.tv_own (pk_own int PRIMARY KEY, n text); SELECT pg_tviews_adopt('b.tb_none', 'SELECT 1')", qr/does not exist/, '... nor adopt');
refused('bob', "SELECT pg_tviews_adopt('a.tb_other', 'SELECT pk_note AS pk_other, n FROM a.tb_note')", qr/must be owner/, 'only the owner adopts');
refused('bob', qq{SELECT pg_tviews_create('b.tv_s', 'SELECT pk_note AS id FROM a.tb_note', '{"settings": {"$_": "on"}}')}, qr/cannot be pinned/, "$_ is not pinned")
  for ('row_security', 'role', 'session_replication_role', 'statement_timeout', 'transaction_read_only', 'pg_tviews.synchronous');
refused('bob', qq{SELECT pg_tviews_create('b.tv_s', 'SELECT pk_note AS id FROM a.tb_note', '{"settings": {"log_statement": "all"}}')}, qr/permission denied/, 'nor a superuser setting');

# REVOKE stops the flow, GRANT lets it go on; the writer notices nothing.
as_user('alice', "REVOKE SELECT ON a.tb_note FROM bob; UPDATE a.tb_note SET n = '-1' WHERE pk_note <= 3");
ok(wait_until($node, 'app', "SELECT state || ' ' || (SELECT string_agg(DISTINCT sqlstate, ' ') FROM pg_tviews_performance_summary s, pg_tview_parked_keys p WHERE p.entity = 'note') FROM pg_tview_meta WHERE entity = 'note'",
	'degraded 42501', 60), 'REVOKE SELECT degrades the TVIEW with 42501');
is($node->safe_psql('app', 'SELECT count(*) FROM b.tv_note WHERE n = -1'), '0', '... and no data flows');
as_user('alice', 'GRANT SELECT ON a.tb_note TO bob');
ok(wait_until($node, 'app', "SELECT state = 'fresh' AND (SELECT count(*) = 3 FROM b.tv_note WHERE n = -1) FROM pg_tview_meta WHERE entity = 'note'", 't', 60), 'GRANT SELECT heals it by itself');
oracle($node, 'app');

# What others see.  A row fails with an error that shows a value.
as_user('bob', 'GRANT SELECT ON b.tv_note TO reader');
as_user('alice', "UPDATE a.tb_note SET n = 'secret' WHERE pk_note = 7");
ok(wait_until($node, 'app', "SELECT count(*) FROM pg_tview_parked_keys WHERE message LIKE '%secret%'", '1', 60), 'a row is parked');
my @views = split /\n/, $node->safe_psql('app', "SELECT c.oid::regclass FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_tviews') WHERE relkind = 'v' ORDER BY 1");
cmp_ok(scalar(@views), '>', 9, 'the monitoring views');
sub everything {
	my $user = shift;
	my $leak = "CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS \$\$ BEGIN RAISE NOTICE '%', \$1; RETURN true; END \$\$;\n";
	my $sql = $leak . join('', map { "SELECT to_jsonb(v) FROM $_ v WHERE pg_temp.leak(to_jsonb(v)::text);\n" } @views);
	# Not a barrier: the function sees whole columns first.
	$sql .= "SELECT * FROM pg_tview_meta WHERE pg_temp.leak(definition); SELECT * FROM pg_tviews_lineage WHERE pg_temp.leak(mapping_query); SELECT * FROM pg_tview_parked_keys WHERE pg_temp.leak(message);\n";
	$sql .= "SELECT pg_tviews_debug_queue(), pg_tviews_queue_stats(); SELECT * FROM pg_tviews_counters_data('b.tv_note'::regclass); SELECT * FROM pg_tviews_performance_log_data();\n";
	$sql .= "SELECT * FROM pg_tviews_databases_data(); SELECT * FROM pg_stat_activity; SELECT * FROM pg_locks;\n";
	$node->psql('app', $sql, extra_params => [ '-U', $user ], stdout => \$out, stderr => \$err);
	return "$out\n$err";
}
my $seen = everything('stranger');
unlike($seen, qr/secret/, 'a stranger sees no error text');
unlike($seen, qr/tb_note|"note"|\|note\|/, '... and not that there is such a TVIEW');
$seen = everything('reader');
like($seen, qr/"entity": "note"/, 'a reader sees the TVIEW');
unlike($seen, qr/secret|FROM (a\.)?tb_note/, '... but neither error texts nor its definition');
like(everything($_), qr/secret.*FROM (a\.)?tb_note|FROM (a\.)?tb_note.*secret/s, "$_ sees both") for ('bob', 'monitor');
is(as_user('stranger', "SELECT count(*) FROM pg_tviews_explain('b.tv_note')"), '0', 'pg_tviews_explain() shows a stranger nothing');
refused('stranger', "SELECT * FROM pg_tviews_suggest_indexes('b.tv_note')", qr/permission denied/, 'nor does pg_tviews_suggest_indexes()');
refused('stranger', "SELECT pg_tviews_register('b.tv_note')", qr/must be owner of table tv_note/, 'nor pg_tviews_register()');
refused('stranger', "SELECT * FROM pg_tviews_derive('b.v_note', ARRAY['pk_note'])", qr/permission denied/, 'nor pg_tviews_derive()');
refused('stranger', "SELECT * FROM pg_tviews_affected('a.tb_note', '1')", qr/permission denied/, 'nor pg_tviews_affected()');
for my $table (split /\n/, $node->safe_psql('app', "SELECT c.oid::regclass FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_tviews') WHERE relkind IN ('r', 'S') ORDER BY 1")) {
	is($node->safe_psql('app', "SELECT count(*) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) r
		WHERE has_any_column_privilege('public', '$table'::regclass, 'SELECT') OR has_table_privilege('bob', '$table'::regclass, r)") =~ s/^$/0/r, '0', "users have no right on $table")
	  unless $table =~ /_seq$/;
}
as_user('alice', "UPDATE a.tb_note SET n = '7' WHERE pk_note = 7");
wait_applied($node, 'app');

# Row-level security on the TVIEW: as on any table, and no key goes past it.
as_user('bob', "ALTER TABLE b.tv_note ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY few ON b.tv_note TO reader USING (pk_note <= 2)");
as_user('alice', "INSERT INTO a.tb_note VALUES (100, 'bob', '100'); GRANT SELECT ON a.tb_note TO reader");
wait_applied($node, 'app');
oracle($node, 'app', 'the refresh is not subject to policies of the TVIEW, forced ones either');
is(as_user('reader', 'SELECT count(*) FROM b.tv_note'), '2', 'readers are');
is(as_user('reader', "SELECT count(*) FROM pg_tviews_affected('a.tb_note', '100')"), '0', 'pg_tviews_affected() names no key that a policy hides');
$node->safe_psql('app', 'DELETE FROM b.tv_note WHERE pk_note = 100; SELECT 1');
is(as_user('reader', "SELECT missing || coalesce(example_key, '') FROM pg_tviews_verify('b.tv_note')") =~ s/^[01]$//r, '', 'nor does pg_tviews_verify()');
wait_applied($node, 'app');

# ... and on a base table.
as_user('alice', "ALTER TABLE a.tb_note ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON a.tb_note USING (owner = current_user)");
refused('bob', 'CREATE TABLE b.tv_mine AS SELECT pk_note AS pk_mine FROM a.tb_note', qr/row-level security|policy|policies/, 'who is subject to policies of a base table creates no TVIEW of it');
as_user('alice', "UPDATE a.tb_note SET n = '55' WHERE pk_note = 5");
ok(wait_until($node, 'app', "SELECT state FROM pg_tview_meta WHERE entity = 'note'", 'degraded', 60), 'policies that come later degrade the TVIEW');
refused('reader', "SELECT * FROM pg_tviews_affected('a.tb_note', '5')", qr/permission denied/, 'pg_tviews_affected() reads no row past a policy');
$node->safe_psql('app', 'ALTER ROLE bob BYPASSRLS');
$node->safe_psql('app', "SELECT pg_tviews_retry_parked()");
ok(wait_until($node, 'app', "SELECT state FROM pg_tview_meta WHERE entity = 'note'", 'fresh', 60), 'BYPASSRLS heals it');
oracle($node, 'app');

# Another owner.
$node->safe_psql('app', 'CREATE ROLE carol LOGIN; ALTER TABLE b.tv_note OWNER TO carol');
as_user('alice', "UPDATE a.tb_note SET n = '66' WHERE pk_note = 6");
ok(wait_until($node, 'app', "SELECT state FROM pg_tview_meta WHERE entity = 'note'", 'degraded', 60), 'a new owner without rights gets no data');
$node->safe_psql('app', 'ALTER ROLE carol BYPASSRLS; GRANT USAGE ON SCHEMA a, b TO carol; GRANT SELECT ON a.tb_note, b.v_note TO carol; SELECT pg_tviews_retry_parked()');
ok(wait_until($node, 'app', "SELECT state FROM pg_tview_meta WHERE entity = 'note'", 'fresh', 60), 'with them he does');
oracle($node, 'app');
isnt($node->psql('app', 'DROP ROLE carol', stderr => \$err), 0, 'the owner of a TVIEW cannot be dropped');
$node->safe_psql('app', 'REASSIGN OWNED BY carol TO bob; DROP OWNED BY carol; DROP ROLE carol');
as_user('alice', "UPDATE a.tb_note SET n = '77' WHERE pk_note = 8");
wait_applied($node, 'app');
oracle($node, 'app', 'REASSIGN OWNED goes on');

# EXECUTE, as the manual's table says; and every function with NULLs.
my $page = slurp_file(test_dir() . '/../docs/operations/security.md');
my %may = $page =~ /^\| `(pg_tviews_\w+)` \| (yes|no)/mg;
my %is = map { split /\|/ } split /\n/, $node->safe_psql('app', <<'SQL');
SELECT p.proname, CASE WHEN bool_or(has_function_privilege('public', p.oid, 'EXECUTE')) THEN 'yes' ELSE 'no' END FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
  AND d.classid = 'pg_proc'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_tviews') GROUP BY 1
SQL
is_deeply(\%is, \%may, 'EXECUTE on each function is as docs/operations/security.md says');
my @calls = split /\n/, $node->safe_psql('app', <<'SQL');
SELECT format('SELECT * FROM %s(%s)', p.oid::regproc, a.list) FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_tviews'),
  unnest(ARRAY['NULL', '0', '4294967295', '''''', '''a.b.c.d''', '''"''', '''{}''', '''pg_class''', '''b.v_note''', '''1 s''', '''-1 s''']) v,
  LATERAL (SELECT string_agg(CASE WHEN v IN ('0', '4294967295') AND t IN ('text'::regtype, 'jsonb'::regtype, 'interval'::regtype, 'boolean'::regtype, 'text[]'::regtype) THEN 'NULL' ELSE v || '::' || t::regtype END, ', ') AS list FROM unnest(p.proargtypes) t) a
WHERE p.prorettype <> 'trigger'::regtype AND p.proname NOT LIKE '%debug_hold' AND a.list IS NOT NULL
SQL
cmp_ok(scalar(@calls), '>', 150, 'calls with unusual arguments');
for my $user ('stranger', 'bob', 'postgres') {
	$node->psql('app', "SET statement_timeout = '20 s';\n" . join(";\n", @calls), extra_params => [ '-U', $user ], on_error_stop => 0, stderr => \$err, stdout => \$out);
	unlike($err, qr/server closed|XX000|cache lookup failed|could not open relation/, "... raise plain errors for $user, and crash nothing");
}
is($node->safe_psql('app', "SELECT entity FROM pg_tview_meta"), 'note', '... and change nothing');
oracle($node, 'app');
done_testing();
