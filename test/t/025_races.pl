# Races inside a batch, by waitpoints: what happens between its drain, its locks, its snapshot and its commit.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);
use TviewsLoad qw(make_tviews start_writers finish_writers);

my $node = start_node('races', database => 'app', conf => "pg_tviews.debug_waitpoints = on\npg_tviews.debug_journal_switch_kb = 16\n");
make_tviews($node, 'app');
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_other (pk_other int PRIMARY KEY, x int);
INSERT INTO tb_other SELECT g, g FROM generate_series(1, 10) g;
CREATE TABLE tv_other AS SELECT pk_other, x FROM tb_other;
SQL
wait_applied($node, 'app');
my $holder = $node->background_psql('app');

# Stops the worker at `point`, the change `first` having brought it there; runs `meanwhile`; lets it go on.
sub at_waitpoint {
	my ($point, $first, @meanwhile) = @_;
	$holder->query_safe("SELECT pg_tviews_debug_hold('$point')");
	$node->safe_psql('app', $first);
	ok(wait_until($node, 'app', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app' AND wait_event_type = 'Lock'", 't', 20),
		"the worker stops at $point");
	$node->safe_psql('app', $_, timeout => 30) for @meanwhile;
	$holder->query_safe("SELECT pg_tviews_debug_release('$point')");
	wait_applied($node, 'app');
	oracle($node, 'app', "after: $point, meanwhile: " . join('; ', @meanwhile));
	return;
}

my $change = "UPDATE tb_post SET title = title || '.' WHERE pk_post <= 5";
at_waitpoint('batch_before_locks', $change, 'ALTER TABLE tb_post ADD COLUMN extra int', 'ALTER TABLE tb_post ALTER COLUMN extra TYPE bigint');
at_waitpoint('batch_before_locks', $change, 'VACUUM FULL tb_post');
at_waitpoint('batch_before_locks', $change, 'ALTER TABLE tb_post ADD COLUMN more float DEFAULT random()');
at_waitpoint('batch_before_locks', $change, 'CREATE OR REPLACE VIEW v_post AS SELECT p.pk_post, p.fk_author, upper(p.title) AS title, a.name AS author FROM tb_post p JOIN tb_author a ON a.pk_author = p.fk_author');
at_waitpoint('batch_before_locks', $change, 'DROP TABLE tv_other', 'CREATE TABLE tv_other AS SELECT pk_other, x + 1 AS x FROM tb_other', 'UPDATE tb_other SET x = x + 1');
$node->safe_psql('app', 'CREATE TABLE tv_gone AS SELECT pk_post AS pk_gone, title FROM tb_post');
at_waitpoint('batch_before_locks', $change, 'DROP TABLE tv_gone');
at_waitpoint('batch_before_locks', $change, 'TRUNCATE tb_post CASCADE', "INSERT INTO tb_post SELECT g, 1 + g % 50, 'again ' || g FROM generate_series(1, 1000) g");
at_waitpoint('batch_before_snapshot', $change, 'UPDATE tb_other SET x = x + 1', "UPDATE tb_author SET name = name || '.' WHERE pk_author = 3");
at_waitpoint('batch_before_second_drain', $change, 'UPDATE tb_other SET x = x + 1', 'UPDATE tb_post SET fk_author = 7 WHERE pk_post = 4', 'DELETE FROM tb_post WHERE pk_post = 5');
at_waitpoint('batch_applied', $change, 'UPDATE tb_other SET x = x + 1', 'UPDATE tb_post SET fk_author = 8 WHERE pk_post = 4');

# Both TVIEWs at one snapshot: the second change is committed after the locks and before S reached its TVIEW.
$holder->query_safe("SELECT pg_tviews_debug_hold('batch_before_snapshot')");
$node->safe_psql('app', $change);
ok(wait_until($node, 'app', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app' AND wait_event_type = 'Lock'", 't', 20),
	'the worker has its locks');
$node->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'together' WHERE pk_post = 9; UPDATE tb_other SET x = 4711 WHERE pk_other = 9; COMMIT");
my $poll = $node->background_psql('app');
$poll->query_safe(<<'SQL');
CREATE TABLE seen (broken bigint);
CREATE PROCEDURE watch() LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 300 LOOP
    INSERT INTO seen SELECT 1 FROM (SELECT (SELECT title = 'TOGETHER' FROM tv_post WHERE pk_post = 9) AS a, (SELECT x = 4712 FROM tv_other WHERE pk_other = 9) AS b) s WHERE a <> b;
    COMMIT;
    PERFORM pg_sleep(0.002);
  END LOOP;
END $$;
SQL
$poll->{stdin} .= "CALL watch();\n";
$poll->{run}->pump_nb;
$holder->query_safe("SELECT pg_tviews_debug_release('batch_before_snapshot')");
wait_applied($node, 'app');
$poll->query_safe('SELECT 1');
is($node->safe_psql('app', "SELECT x, (SELECT title FROM tv_post WHERE pk_post = 9), (SELECT count(*) FROM seen) FROM tv_other WHERE pk_other = 9"), '4712|TOGETHER|0',
	'a transaction between locks and snapshot reaches both TVIEWs at once');
$poll->quit;

# The same for a row that the batch recomputes anyway: S shows it with the second change, whose record only the drain after S brings.
# A batch after this one, if there were one, stops before it applies anything.
$holder->query_safe("SELECT pg_tviews_debug_hold('batch_before_snapshot')");
$node->safe_psql('app', $change);
ok(wait_until($node, 'app', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app' AND wait_event_type = 'Lock'", 't', 20),
	'the worker has its locks');
$node->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'one of both' WHERE pk_post = 3; UPDATE tb_other SET x = 815 WHERE pk_other = 9; COMMIT");
$holder->query_safe("SELECT pg_tviews_debug_hold('batch_before_locks'), pg_tviews_debug_release('batch_before_snapshot')");
ok(wait_until($node, 'app', "SELECT title FROM tv_post WHERE pk_post = 3", 'ONE OF BOTH', 20), 'the batch is applied');
is($node->safe_psql('app', "SELECT x FROM tv_other WHERE pk_other = 9"), '816', 'with what its snapshot saw of other TVIEWs');
$holder->query_safe("SELECT pg_tviews_debug_release('batch_before_locks')");
wait_applied($node, 'app');

# A journal table that is about to be recycled while writers come; beside an idle snapshot and a prepared transaction.
my $idle = $node->background_psql('app');
$idle->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tv_post');
$node->safe_psql('app', "INSERT INTO tb_post VALUES (2000, 1, 'of nobody else')");
$node->safe_psql('app', "BEGIN; UPDATE tb_post SET title = 'prepared' WHERE pk_post = 2000; PREPARE TRANSACTION 'p'");
my $writers = start_writers($node, 'app', 3, 2);
finish_writers($writers);
# A writer whose rows are in a table that the journal has left (another one than the prepared transaction's); it commits when the worker
# is about to recycle that table.
my $late = $node->background_psql('app');
$late->query_safe("SET pg_tviews.debug_transaction_keys = 0; BEGIN; INSERT INTO tb_other VALUES (2001, 1)");
$writers = start_writers($node, 'app', 3, 2);
finish_writers($writers);
$holder->query_safe("SELECT pg_tviews_debug_hold('before_recycle')");
$writers = start_writers($node, 'app', 3, 2);
ok(wait_until($node, 'app', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'app' AND wait_event = 'advisory'", 't', 20),
	'the worker stops before it recycles');
finish_writers($writers);
$late->query_safe('COMMIT');
$late->quit;
# The worker that has recycled what it may is replaced before it applies the row: the next one has only the journal.
$holder->query_safe("SELECT pg_tviews_debug_hold('batch_before_locks'), pg_tviews_debug_release('before_recycle')");
my $worker = worker_pid($node, 'app');
ok(wait_until($node, 'app', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = $worker AND NOT granted", 't', 20),
	'it stops before its next batch');
$node->safe_psql('app', "SELECT pg_terminate_backend($worker, 10000)");
$holder->query_safe("SELECT pg_tviews_debug_release('batch_before_locks')");
wait_applied($node, 'app');
oracle($node, 'app', 'after a recycled journal table');
is($node->safe_psql('app', "SELECT x FROM tv_other WHERE pk_other = 2001"), '2', 'a row committed just before was not recycled');
$node->safe_psql('app', "COMMIT PREPARED 'p'");
wait_applied($node, 'app');
is($node->safe_psql('app', "SELECT title FROM tv_post WHERE pk_post = 2000"), 'PREPARED', 'the prepared transaction is applied');
$idle->query_safe('COMMIT');
$idle->quit;
oracle($node, 'app');

$holder->quit;

# The types of a redefined TVIEW's key: they come from the system caches, and its invalidations are sent after its commit is visible.
my $redefine = <<'SQL';
SET client_min_messages = error;
DROP TABLE IF EXISTS tb_kind CASCADE;
DROP TABLE IF EXISTS tv_kind;
CREATE TABLE tb_kind (a uuid, pk_kind int PRIMARY KEY);
INSERT INTO tb_kind SELECT gen_random_uuid(), g FROM generate_series(1, 20) g;
SELECT pg_tviews_create('tv_kind', 'SELECT a AS pk_kind, 1 AS k2 FROM tb_kind', '{"key": ["pk_kind", "k2"]}');
SELECT pg_tviews_create_or_replace('tv_kind', 'SELECT pk_kind::text AS pk_kind, a::text AS k2 FROM tb_kind', '{"key": ["pk_kind", "k2"]}');
DELETE FROM tb_kind WHERE pk_kind = 5;
SELECT 'not applied' WHERE NOT pg_tviews_wait('30 s');
SELECT 'lost' FROM tv_kind WHERE pk_kind = '5';
SQL
my $lost = join '', map { $node->safe_psql('app', $redefine) =~ /(lost|not applied)/ ? $1 : '' } 1 .. 15;
is($lost, '', 'a write right after a redefinition with other key types is applied');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/cache lookup failed/, 'nothing dropped meanwhile was looked for');

$node->stop;
done_testing();
