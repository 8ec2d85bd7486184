# A timer that is shorter than the comparison of its TVIEW: who waits has a turn, the worker is not kept busy.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $node = start_node('long_timer', database => 'app', conf => "pg_tviews.long_refresh_threshold = '100ms'\n");
$node->safe_psql('app', <<'SQL');
CREATE FUNCTION slowly(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF (SELECT backend_type FROM pg_stat_get_activity(pg_backend_pid())) LIKE 'pg_tviews %' THEN PERFORM pg_sleep(0.02); END IF;
  RETURN v;
END $$;
CREATE TABLE tb_slow (pk_slow int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_slow SELECT g, g FROM generate_series(1, 100) g;
SELECT pg_tviews_create('slow', 'SELECT pk_slow, slowly(v) AS v FROM tb_slow', '{"refresh_every": "1 second"}');
SQL
my $timers = "SELECT count(*) FROM pg_tview_performance_log WHERE entity = 'slow' AND keys >= 100";
ok(wait_until($node, "app", "SELECT ($timers) >= 2", "t", 60), 'the timer is served, in comparisons that are longer than its period');
for my $round (1 .. 3) {
	$node->safe_psql('app', "UPDATE tb_slow SET v = v + 1 WHERE pk_slow = $round");
	wait_applied($node, 'app', 20, "round $round: a wait ends");
	is($node->safe_psql('app', "SELECT t.v = b.v FROM tv_slow t JOIN tb_slow b USING (pk_slow) WHERE pk_slow = $round"), 't', 'and the change is there');
}
my $served = $node->safe_psql('app', $timers);
ok(wait_until($node, 'app', "SELECT ($timers) > $served", 't', 60), 'the timer goes on');
$node->safe_psql('app', 'DROP TABLE tv_slow');
$node->stop;
done_testing();
