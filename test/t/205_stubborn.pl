# Code of an owner that does not end and catches each cancel: it holds neither the worker nor the sessions that wait for its locks for ever.
use strict;
use warnings;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('stubborn', database => 'app', conf => "pg_tviews.refresh_timeout = '300 ms'\nlog_min_messages = log\n");

# 666 catches each cancel, 667 only hangs; in the processes of pg_tviews only, so that the oracle can ask.
$node->safe_psql('app', <<'SQL');
CREATE FUNCTION stubborn(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  WHILE v = 666 AND (SELECT backend_type FROM pg_stat_get_activity(pg_backend_pid())) LIKE 'pg_tviews %' LOOP
    BEGIN
      PERFORM pg_sleep(60);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
    END;
  END LOOP;
  IF v = 667 AND (SELECT backend_type FROM pg_stat_get_activity(pg_backend_pid())) LIKE 'pg_tviews %' THEN PERFORM pg_sleep(600); END IF;
  RETURN v;
END $$;
CREATE TABLE tb_item (pk_item int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_item SELECT g, g FROM generate_series(1, 20) g;
CREATE TABLE tb_other (pk_other int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_other VALUES (1, 0);
CREATE TABLE tb_link (pk_link int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_link SELECT g, g FROM generate_series(1, 5) g;
CREATE TABLE tb_word (pk_word int PRIMARY KEY, word text);
INSERT INTO tb_word SELECT g, 'w' || g FROM generate_series(1, 5) g;
CREATE TABLE tb_sum (pk_sum int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_sum SELECT g, g FROM generate_series(1, 5) g;
CREATE TABLE tv_item AS SELECT pk_item, stubborn(v) AS v FROM tb_item;
CREATE TABLE tv_other AS SELECT pk_other, v FROM tb_other;
CREATE TABLE tv_link AS SELECT l.pk_link, w.word FROM tb_link l LEFT JOIN tb_word w ON w.pk_word = stubborn(l.v);
SELECT pg_tviews_create('tv_sum', 'SELECT pk_sum, (SELECT sum(stubborn(x.v)) FROM tb_sum x) AS v FROM tb_sum', '{"on_unkeyed": "full"}');
SQL
my $started = $node->safe_psql('app', 'SELECT pg_postmaster_start_time()');
my $tick = 0;
my $settled = "SELECT count(*) FROM (SELECT FROM pg_tview_meta WHERE state <> 'fresh' UNION ALL SELECT FROM pg_tview_parked_keys) x";

# A test: another TVIEW gets fresh within half a minute.
sub other_is_fresh {
	my ($what) = @_;
	++$tick;
	$node->safe_psql('app', "UPDATE tb_other SET v = $tick");
	return ok(wait_until($node, 'app', 'SELECT v FROM tv_other', $tick, 60), $what);
}

# A test: with nothing left to blame, all TVIEWs are fresh again.
sub mended { return ok(wait_until($node, 'app', "SELECT pg_tviews_retry_parked() * 0 + ($settled)", '0', 60), 'mended: fresh') || diag $node->safe_psql('app', 'TABLE pg_tviews_workers; TABLE pg_tviews_deferred_keys'); }

# One key.
$node->safe_psql('app', 'UPDATE tb_item SET v = CASE pk_item WHEN 5 THEN 666 ELSE v + 100 END');
ok(wait_until($node, 'app', 'SELECT key, sqlstate FROM pg_tview_parked_keys', '5|57P02', 90), 'a key that cannot be cancelled is parked alone');
is($node->safe_psql('app', 'SELECT count(*) FROM tv_item WHERE v > 100'), '19', 'the others are fresh');
other_is_fresh('and so are other TVIEWs');
$node->safe_psql('app', 'UPDATE tb_item SET v = 1 WHERE pk_item = 5');
mended();

# A mapping query.
$node->safe_psql('app', "BEGIN; UPDATE tb_link SET v = 666 WHERE pk_link = 3; UPDATE tb_word SET word = 'x'; COMMIT");
other_is_fresh('a mapping query that cannot be cancelled holds up others for a while only');
$node->safe_psql('app', 'UPDATE tb_link SET v = 667 WHERE pk_link = 3; UPDATE tb_word SET word = word || pk_word');
other_is_fresh('neither does one that can');
$node->safe_psql('app', 'UPDATE tb_link SET v = 2 WHERE pk_link = 3');
mended();

# A comparison of the whole TVIEW is left to the second process, which lets sessions pass.
$node->safe_psql('app', 'UPDATE tb_sum SET v = 667 WHERE pk_sum = 3');
other_is_fresh('a comparison that does not end is left to the second process');
my $long = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews long refresh' AND wait_event = 'PgSleep'";
ok(wait_until($node, 'app', $long, '1', 60), 'which tries it');
$node->safe_psql('app', 'UPDATE tb_sum SET v = 666 WHERE pk_sum = 3');
is($node->psql('app', "SET lock_timeout = '60 s'; ALTER TABLE tb_sum ADD COLUMN more int"), 0, 'a session that waits for its locks gets them');
ok(wait_until($node, 'app', $long, '1', 60), 'it tries again, and catches each cancel now');
is($node->psql('app', "SET lock_timeout = '60 s'; ALTER TABLE tb_sum ADD COLUMN another int"), 0, 'a session that waits for its locks gets them all the same');
$node->safe_psql('app', 'UPDATE tb_sum SET v = 3 WHERE pk_sum = 3');
my $pid = $node->safe_psql('app', "SELECT coalesce(sum(pid), 0) FROM pg_stat_activity WHERE backend_type = 'pg_tviews long refresh'");
$node->safe_psql('app', "SELECT pg_terminate_backend($pid)") if $pid;
mended();
wait_applied($node, 'app');
oracle($node, 'app');
is($node->safe_psql('app', 'SELECT pg_postmaster_start_time()'), $started, 'the server never went down');
done_testing();
