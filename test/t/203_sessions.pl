# Sessions as they come: isolation levels, thousands of subtransactions, procedures, replica role, temporary tables, cursors, deferred
# triggers, COPY and MERGE, hostile ALTER ROLE and ALTER DATABASE settings, hooks of others, cancels at random moments.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use Time::HiRes qw(sleep time);
use TviewsNode qw(start_node prepare_database oracle wait_applied wait_until);

my $seed = $ENV{SEED} || 20303;
note "seed $seed";
# Other preloaded libraries with hooks, on both sides of ours.
my $node = start_node('sessions', conf => <<CONF);
shared_preload_libraries = 'pg_stat_statements, pg_tviews, auto_explain'
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_nested_statements = on
pg_stat_statements.track = all
pg_stat_statements.track_utility = on
wal_level = logical
CONF
srand($seed);  # starting a server draws numbers, too
prepare_database($node, 'app');
my ($out, $err);
$node->safe_psql('app', <<'SQL');
CREATE EXTENSION pg_stat_statements;
CREATE ROLE writer LOGIN; GRANT CREATE ON SCHEMA public TO writer;
CREATE TABLE tb_author (pk_author int PRIMARY KEY, name text);
CREATE TABLE tb_book (pk_book int PRIMARY KEY, fk_author int, title text, at timestamptz DEFAULT '2024-01-01 00:00+00', doc bytea, x xml);
INSERT INTO tb_author SELECT g, 'a' || g FROM generate_series(1, 50) g;
INSERT INTO tb_book SELECT g, g % 50 + 1, 't' || g FROM generate_series(1, 500) g;
CREATE TABLE tv_book AS SELECT b.pk_book, b.title, a.name, b.at::text AS at, b.doc::text AS doc, xmlelement(name b, b.doc)::text AS x FROM tb_book b JOIN tb_author a ON a.pk_author = b.fk_author;
CREATE TABLE tv_author AS SELECT a.pk_author, a.name, count(b.pk_book) AS books, max(b.title) AS last FROM tb_author a LEFT JOIN tb_book b ON b.fk_author = a.pk_author GROUP BY a.pk_author;
GRANT ALL ON tb_author, tb_book TO writer; GRANT SELECT ON tv_book, tv_author, v_book, v_author TO writer;
SELECT pg_create_logical_replication_slot('beside', 'test_decoding');
SQL
sub sql { return $node->safe_psql('app', shift); }
sub settled {
	my $what = shift;
	my $applied = sql("SELECT pg_tviews_wait('60 s')");
	my $differing = sql('SELECT * FROM tviews_oracle()');
	return is("$applied $differing", 't ', $what);
}

for my $level ('REPEATABLE READ', 'SERIALIZABLE') {
	sql("BEGIN ISOLATION LEVEL $level; UPDATE tb_book SET title = title || 'i' WHERE pk_book < 20; SAVEPOINT s; DELETE FROM tb_book WHERE pk_book = 30; ROLLBACK TO s; UPDATE tb_author SET name = 'r' WHERE pk_author = 3; COMMIT");
	settled("a $level writer");
	isnt($node->psql('app', "BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM tb_book; CREATE TABLE tv_refused AS SELECT pk_book AS pk_refused FROM tb_book; COMMIT", stderr => \$err), 0, "... no TVIEW is created in it");
}
sql('BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SELECT count(*) FROM tv_book, tv_author; SELECT * FROM pg_tviews_freshness; COMMIT');
sql("BEGIN READ ONLY; SELECT pg_tviews_wait('5 s'); COMMIT");
isnt($node->psql('app', "SET default_transaction_read_only = on; SELECT pg_tviews_refresh('book')", stderr => \$err), 0, 'no refresh in a read-only transaction');
like($err, qr/read-only/, '... with its reason');

sql(<<'SQL');
DO $$ BEGIN
  FOR i IN 1 .. 3000 LOOP
    BEGIN
      UPDATE tb_book SET title = 'sub ' || i WHERE pk_book = i % 500 + 1;
      IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF;
    EXCEPTION WHEN raise_exception THEN
      BEGIN UPDATE tb_author SET name = 'caught ' || i WHERE pk_author = i % 50 + 1; PERFORM 1 / (i % 2); EXCEPTION WHEN division_by_zero THEN NULL; END;
    END;
  END LOOP;
END $$;
SQL
settled('thousands of subtransactions, nested, a third of them rolled back');

# A snapshot that overflowed its subtransactions is open while the worker looks.
my $long = $node->background_psql('app');
$long->query_safe('BEGIN');
$long->query_safe("DO \$\$ BEGIN FOR i IN 1 .. 200 LOOP BEGIN UPDATE tb_book SET title = 'long ' || i WHERE pk_book = i; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END \$\$");
sql("UPDATE tb_book SET title = 'beside' WHERE pk_book > 400");
settled('... beside an open transaction with more than 64 subtransactions');
$long->query_safe('COMMIT');
settled('... and when that commits');

sql(<<'SQL');
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN
  FOR i IN 1 .. 20 LOOP
    UPDATE tb_book SET title = 'p ' || i WHERE pk_book = i;
    IF i % 3 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
  END LOOP;
END $$;
CALL commits();
SQL
settled('a procedure that commits and rolls back');
is(sql("SELECT string_agg(title, ',' ORDER BY pk_book) FROM tv_book WHERE pk_book IN (1, 3)"), 'p 1,long 3', '... each part by itself');

sql("SET session_replication_role = replica; UPDATE tb_book SET title = 'replica' WHERE pk_book = 5; DELETE FROM tb_author WHERE pk_author = 50");
settled('session_replication_role = replica');
sql("SET session_replication_role = replica; CREATE TABLE tv_rep AS SELECT pk_author AS pk_rep, name FROM tb_author; UPDATE tb_author SET name = 'rep' WHERE pk_author = 7");
settled('... also when a TVIEW is created under it');
sql("CREATE TEMP TABLE tb_book (pk_book int PRIMARY KEY, title text); INSERT INTO tb_book VALUES (1, 'temp'); CREATE TEMP TABLE tv_temp AS SELECT pk_book AS pk_temp FROM tb_book; INSERT INTO tb_book VALUES (2, 't'); UPDATE public.tb_book SET title = 'perm' WHERE pk_book = 1");
settled('temporary tables called like a base table and a TVIEW');
is(sql("SELECT count(*) FROM pg_tview_meta WHERE entity = 'temp'"), '0', '... are none');
isnt($node->psql('app', 'CREATE TEMP TABLE tb_t (pk_t int); CREATE TABLE tv_t AS SELECT pk_t FROM tb_t', stderr => \$err), 0, 'nor does a TVIEW read one');
like($err, qr/temporary/, '... with its reason');

sql(<<'SQL');
BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT * FROM tv_book ORDER BY 1; DECLARE d CURSOR WITH HOLD FOR SELECT * FROM v_book ORDER BY 1; UPDATE tb_book SET title = 'held' WHERE pk_book = 8; COMMIT;
SELECT pg_tviews_wait('30 s'); FETCH 10 FROM c; FETCH 10 FROM d; CLOSE ALL;
SQL
settled('cursors WITH HOLD over table and view');

sql(<<'SQL');
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE tb_author SET name = 'deferred ' || new.pk_book WHERE pk_author = new.fk_author; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON tb_book DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.title LIKE 'late%') EXECUTE FUNCTION at_commit();
UPDATE tb_book SET title = 'late' WHERE pk_book IN (11, 12);
BEGIN; UPDATE tb_book SET title = 'late two' WHERE pk_book = 13; PREPARE TRANSACTION 'late'; COMMIT PREPARED 'late';
COPY tb_author FROM PROGRAM 'printf "900\tcopied\n901\tcopied\n"';
MERGE INTO tb_author t USING (VALUES (901, 'm'), (902, 'm')) s(k, n) ON t.pk_author = s.k WHEN MATCHED THEN UPDATE SET name = s.n WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.n);
INSERT INTO tb_author VALUES (902, 'c'), (903, 'c') ON CONFLICT (pk_author) DO UPDATE SET name = excluded.name || '!';
WITH d AS (DELETE FROM tb_book WHERE pk_book = 14 RETURNING *), i AS (INSERT INTO tb_book SELECT pk_book + 1000, 900, title FROM d RETURNING *) UPDATE tb_author SET name = 'cte' FROM i WHERE pk_author = i.fk_author;
BEGIN; SELECT lo_create(0); LISTEN x; NOTIFY x, 'y'; UPDATE tb_book SET doc = '\x00ff', at = '2024-06-01 12:00+02' WHERE pk_book = 15; COMMIT;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
UPDATE tb_author SET name = 'parallel' WHERE pk_author IN (SELECT fk_author FROM tb_book GROUP BY 1 HAVING count(*) > 5);
CREATE TABLE tv_parallel AS SELECT pk_book AS pk_parallel, title FROM tb_book;
PREPARE p(int) AS UPDATE tb_book SET title = 'prepared' WHERE pk_book = $1;
EXECUTE p(21);
SET plan_cache_mode = force_generic_plan; EXECUTE p(22);
DISCARD PLANS; EXECUTE p(23);
DISCARD ALL;
UPDATE tb_book SET title = 'discarded' WHERE pk_book = 24;
SET ROLE writer; UPDATE tb_book SET title = 'role' WHERE pk_book = 25; SELECT pg_tviews_wait('30 s'); RESET ROLE;
SET SESSION AUTHORIZATION writer; UPDATE tb_book SET title = 'authorization' WHERE pk_book = 26; SET pg_tviews.synchronous = on; UPDATE tb_book SET title = 'synchronous' WHERE pk_book = 27;
RESET SESSION AUTHORIZATION;
SQL
settled('deferred triggers, COPY, MERGE, ON CONFLICT, CTEs, large objects, NOTIFY, parallel plans, prepared statements, DISCARD, SET ROLE');
isnt($node->psql('app', "PREPARE q(int) AS SELECT pk_book AS pk_prep FROM tb_book WHERE pk_book > \$1; CREATE TABLE tv_prep AS EXECUTE q(3)", stderr => \$err), 0, 'a TVIEW of a prepared statement with parameters is refused');
like($err, qr/HINT:/, '... with a HINT');
is(sql("SELECT count(*) FROM pg_logical_slot_get_changes('beside', NULL, NULL) WHERE data LIKE 'table public.pg_tview_journal%: INSERT%'"), '0', 'logical decoding beside does not see what the journal holds');
sql("SELECT pg_drop_replication_slot('beside')");

# Settings that would break a worker or a creator that believed them.
my $hostile = <<'SQL';
search_path = 'pg_temp' | row_security = off | default_transaction_isolation = 'serializable' | default_transaction_read_only = on | statement_timeout = 1 | lock_timeout = 1
work_mem = '64kB' | enable_seqscan = off | enable_indexscan = off | enable_nestloop = off | enable_hashjoin = off | plan_cache_mode = force_generic_plan | quote_all_identifiers = on
standard_conforming_strings = off | backslash_quote = on | bytea_output = 'escape' | extra_float_digits = -15 | DateStyle = 'German' | IntervalStyle = 'sql_standard' | xmlbinary = 'hex'
xmloption = 'document' | client_encoding = 'LATIN1' | TimeZone = 'Pacific/Chatham' | exit_on_error = on | session_replication_role = replica | transform_null_equals = on | array_nulls = off
idle_in_transaction_session_timeout = 1 | check_function_bodies = off | force_parallel_mode = on | synchronous_commit = remote_apply | pg_tviews.synchronous = on | jit_above_cost = 0
SQL
$hostile =~ s/force_parallel_mode/debug_parallel_query/ if $node->safe_psql('app', 'SHOW server_version_num') >= 160000;
my @settings = map { s/^\s+|\s+$//gr } split /[|\n]/, $hostile;
for my $setting (@settings) {
	$node->safe_psql('postgres', "ALTER DATABASE app SET $setting");
}
sub reset_database { return $node->safe_psql('postgres', 'ALTER DATABASE app RESET ALL'); }
my $old = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($old)");
ok(wait_until($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app' AND pid <> $old", '1', 30), 'a worker starts under hostile settings of its database');
reset_database();
sql("UPDATE tb_book SET title = 'hostile \\ ''', at = at + interval '3 days', doc = '\\x0102' WHERE pk_book < 100; UPDATE tb_author SET name = NULL WHERE pk_author < 10");
settled('... and applies as ever');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app'"), '1', '... and lives');
# The creator has them, but those that stop him doing anything.
$node->safe_psql('postgres', "ALTER ROLE postgres IN DATABASE app SET $_")
  for grep { !/read_only|timeout|isolation|search_path|exit_on_error|replication_role|synchronous|client_encoding/ } @settings;
sql("CREATE TABLE public.tv_made AS SELECT b.pk_book AS pk_made, b.title || '\\\\' AS t, b.at::text AS at, b.doc::text AS d, xmlelement(name b, b.doc)::text AS x, a.name = NULL AS n FROM public.tb_book b JOIN public.tb_author a ON a.pk_author = b.fk_author");
$node->safe_psql('postgres', 'ALTER ROLE postgres IN DATABASE app RESET ALL');
sql("UPDATE tb_book SET at = at + interval '1 hour', doc = '\\xff00', title = '\\' WHERE pk_book % 3 = 0");
settled('a TVIEW made under hostile settings keeps to them');

# What DDL asks of our catalog is not compiled, whatever the session's settings: that would take seconds.
is(sql("SET jit = on; SET jit_above_cost = 0; CREATE TABLE public.tb_jit (pk_jit int PRIMARY KEY, a int); CREATE TABLE public.tv_jit AS TABLE public.tb_jit; ALTER TABLE public.tb_jit RENAME a TO b; DROP TABLE public.tb_jit CASCADE; SET jit = off; SELECT count(*) FROM regexp_matches(pg_read_file('/proc/self/maps'), 'llvmjit')"),
	'0', 'no JIT in the commands of a session');

# Timeouts and cancels at random moments.
my @victims = (
	[ writer => "UPDATE tb_book SET title = title || 'x' WHERE pk_book % 7 = 1; UPDATE tb_author SET name = coalesce(name, '') || 'y'" ],
	[ synchronous => "SET pg_tviews.synchronous = on; UPDATE tb_book SET title = title || 's' WHERE pk_book % 11 = 1" ],
	[ waiter => "UPDATE tb_author SET name = 'w'; SELECT pg_tviews_wait('20 s')" ],
	[ creator => 'CREATE TABLE tv_cancelled AS SELECT b.pk_book AS pk_cancelled, a.name FROM tb_book b JOIN tb_author a ON a.pk_author = b.fk_author; DROP TABLE tv_cancelled' ],
	[ refresh => "DELETE FROM tv_book WHERE pk_book % 2 = 0; SELECT pg_tviews_refresh('book')" ],
	[ verify => "SELECT * FROM pg_tviews_verify('author', NULL, true)" ],
	[ replace => "SELECT pg_tviews_create_or_replace('parallel', 'SELECT pk_book AS pk_parallel, title, fk_author FROM tb_book'); SELECT pg_tviews_create_or_replace('parallel', 'SELECT pk_book AS pk_parallel, title FROM tb_book')" ],
	[ ddl => 'ALTER TABLE tb_book ADD COLUMN more int; ALTER TABLE tb_book DROP COLUMN more' ],
);
my ($cancelled, $finished, $odd) = (0, 0, '');
my $end = time() + 12;
while (time() < $end) {
	my ($name, $statements) = @{ $victims[ int(rand(@victims)) ] };
	my $by_timeout = rand() < 0.5;
	my @commands = ("SET application_name = 'victim'", $by_timeout ? 'SET statement_timeout = ' . (1 + int(rand(15))) : (), split /; /, $statements);
	my ($stdout, $stderr) = ('', '');
	my $harness = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('app'), '-v', 'ON_ERROR_STOP=1', map { ('-c', $_) } @commands ], '<', '/dev/null', '>', \$stdout, '2>', \$stderr);
	if (!$by_timeout) {
		sleep(0.02 + rand(0.06));
		my $kill = rand() < 0.3 ? 'pg_terminate_backend' : 'pg_cancel_backend';
		$node->safe_psql('postgres', "SELECT $kill(pid) FROM pg_stat_activity WHERE application_name = 'victim'");
	}
	$harness->finish;
	if ($stderr =~ /canceling statement|terminating connection/) { ++$cancelled }
	elsif ($stderr =~ /ERROR|FATAL|PANIC/) { $odd .= "$name: $stderr" }
	else { ++$finished }
	sql('DROP TABLE IF EXISTS tv_cancelled; ALTER TABLE tb_book DROP COLUMN IF EXISTS more');
}
note "$cancelled cancelled or terminated, $finished finished";
cmp_ok($cancelled, '>', 5, 'cancels, terminations and timeouts at random moments');
is($odd, '', '... are all that anybody sees');
settled('... and nothing is lost');

# Bounded waits in writers.
sql("SET lock_timeout = '1 ms'; UPDATE tb_author SET name = 'short' WHERE pk_author < 5");
my $idle = $node->background_psql('app', on_error_stop => 0);
$idle->query("SET idle_in_transaction_session_timeout = '200 ms'; BEGIN; UPDATE tb_book SET title = 'idle' WHERE pk_book = 41");
sleep 1;
settled('a writer ended by idle_in_transaction_session_timeout leaves nothing');
eval { $idle->quit };
done_testing();
