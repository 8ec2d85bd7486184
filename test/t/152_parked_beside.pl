# A parked key that kills the worker beside comparisons of its whole TVIEW by a timer, and beside changes of other keys.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TviewsCrashes qw(crashes ask $DIE);
use TviewsNode qw(start_node oracle wait_until);

my $node = start_node('parked_beside', database => 'app', conf => "restart_after_crash = on\nlog_min_messages = log\n");
$node->safe_psql('app', $DIE . <<'SQL');
CREATE FUNCTION poison(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF v >= 666 AND (SELECT backend_type FROM pg_stat_get_activity(pg_backend_pid())) LIKE 'pg_tviews %' THEN
    IF v = 667 THEN RAISE EXCEPTION 'a value that fails'; END IF;
    PERFORM public.die();
  END IF;
  RETURN v;
END $$;
CREATE TABLE tb_clock (pk_clock int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_clock SELECT g, g FROM generate_series(1, 400) g;
SELECT pg_tviews_create('clock', 'SELECT pk_clock, poison(v) AS v FROM tb_clock', '{"refresh_every": "1 second"}');
SQL

my $parked = "SELECT string_agg(concat_ws(' ', key, sqlstate), ', ' ORDER BY key) FROM pg_tview_parked_keys";
for my $process ('the refresh worker', 'the second process') {
	ask($node, 'ALTER SYSTEM SET pg_tviews.long_refresh_threshold = ' . ($process eq 'the second process' ? 0 : -1));
	ask($node, 'SELECT pg_reload_conf()');
	ask($node, 'UPDATE tb_clock SET v = CASE pk_clock WHEN 300 THEN 666 WHEN 20 THEN 667 ELSE v + 1 END WHERE pk_clock % 10 = 0');
	ok(wait_until($node, 'app', $parked, '20 P0001, 300 57P02', 60), "the key that kills and the key that fails are parked, each alone, in $process");
	cmp_ok(crashes($node), '<=', 7, 'after few crashes');
	my $until = time() + 6;
	ask($node, 'UPDATE tb_clock SET v = v % 100 + 1 WHERE pk_clock BETWEEN 100 AND 110') while time() < $until;
	cmp_ok(crashes($node), '<=', 2, "comparisons by the timer and other keys go on without it, but for its next attempt, in $process");
	like(ask($node, 'SELECT last_refresh::text FROM pg_tviews_performance_summary WHERE entity = \'clock\''), qr/^20/, 'the timer is served');
	ask($node, 'UPDATE tb_clock SET v = 1 WHERE v >= 666');
	ask($node, 'SELECT pg_tviews_retry_parked()');
	ok(wait_until($node, 'app', $parked, '', 60), 'mended and retried: unparked');
	is(ask($node, "SELECT pg_tviews_wait('30 s')"), 't', 'all is applied');
	oracle($node, 'app', 'and exact');
}
$node->stop;
done_testing();
