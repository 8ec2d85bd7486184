# Disk full, temporary files over their limit: nothing is parked that is not to blame, nothing is lost, all heals by itself.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $node = start_node('resources', database => 'app', conf => "work_mem = '64kB'\n");
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_doc (pk_doc int PRIMARY KEY, size int NOT NULL);
INSERT INTO tb_doc SELECT g, 1 FROM generate_series(1, 100) g;
CREATE TABLE tv_doc AS SELECT pk_doc, size, (SELECT count(*) FROM (SELECT md5(g::text) AS m FROM generate_series(1, d.size) g ORDER BY m OFFSET 0) s) AS lines FROM tb_doc d;
CREATE TABLE tb_other (pk_other int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_other VALUES (1, 1);
CREATE TABLE tv_other AS SELECT pk_other, v FROM tb_other;
CREATE TABLE disk (is_full bool);
INSERT INTO disk VALUES (false);
CREATE FUNCTION stored(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF (SELECT is_full FROM public.disk) THEN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END IF;
  RETURN v; END $$;
CREATE TABLE tb_stored (pk_stored int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_stored SELECT g, 0 FROM generate_series(1, 1000) g;
CREATE TABLE tv_stored AS SELECT pk_stored, stored(v) AS v FROM tb_stored;
ALTER SYSTEM SET temp_file_limit = '1MB';
SELECT pg_reload_conf();
SQL

sub deferred {
	my ($tview) = @_;
	return $node->safe_psql('app', "SELECT count(*), string_agg(DISTINCT concat_ws(' ', reason, sqlstate), ',') FROM pg_tview_deferred WHERE tview = '$tview'::regclass");
}

# One key wants more temporary files than there may be: it alone is to blame.
$node->safe_psql('app', 'UPDATE tb_doc SET size = CASE pk_doc WHEN 50 THEN 100000 ELSE 2 END');
wait_applied($node, 'app');
is(deferred('tv_doc'), '1|failed 53400', 'one key that wants too much is parked');
is($node->safe_psql('app', 'SELECT count(*) FROM tv_doc WHERE lines = 2'), '99', 'the others are fresh');

# All keys do: nobody is to blame.
$node->safe_psql('app', 'UPDATE tb_doc SET size = 100000 + pk_doc WHERE pk_doc <= 3; DELETE FROM tb_doc WHERE pk_doc > 3');
ok(wait_until($node, 'app', "SELECT count(*) FILTER (WHERE reason = 'resource') > 0 AND count(*) FILTER (WHERE reason = 'failed') = 0 FROM pg_tview_deferred WHERE tview = 'tv_doc'::regclass", 't', 30), 'when every key wants too much none is parked') or diag deferred('tv_doc');
is($node->safe_psql('app', "SELECT pg_tviews_wait('1 s')"), 'f', 'a waiter is told that it is not applied');
$node->safe_psql('app', 'UPDATE tb_other SET v = 2');
ok(wait_until($node, 'app', 'SELECT v FROM tv_other', '2', 30), 'other TVIEWs go on');
$node->safe_psql('app', 'ALTER SYSTEM RESET temp_file_limit');
$node->safe_psql('app', 'SELECT pg_reload_conf()');
wait_applied($node, 'app', 60, 'applied when there is room again, without help');
oracle($node, 'app');

# The disk is full.
$node->safe_psql('app', 'UPDATE disk SET is_full = true; UPDATE tb_stored SET v = 1; UPDATE tb_other SET v = 3');
ok(wait_until($node, 'app', 'SELECT v FROM tv_other', '3', 30), 'other TVIEWs go on while the disk is full');
is(deferred('tv_stored'), '1000|resource 53100', 'keys are deferred, not parked');
is($node->safe_psql('app', "SELECT state FROM pg_tview_meta WHERE entity = 'stored'"), 'fresh', 'the TVIEW is not degraded');
ok(wait_until($node, 'app', "SELECT min(attempts) >= 2 FROM pg_tview_deferred WHERE tview = 'tv_stored'::regclass", 't', 30), 'they are tried again');
$node->restart;
$node->safe_psql('app', 'UPDATE disk SET is_full = false');
wait_applied($node, 'app', 60, 'applied when there is room, after a restart too');
oracle($node, 'app');
is($node->safe_psql('app', 'SELECT count(*) FROM pg_tview_deferred'), '0', 'nothing is left over');

$node->stop;
done_testing();
