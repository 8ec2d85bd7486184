# A view, a mapping query or a trigger that kills the worker: found, parked, retried now and then; everything else stays fresh.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TviewsCrashes qw(crashes ask $DIE);
use TviewsNode qw(start_node oracle wait_until worker_pid);

my $node = start_node('crashes', database => 'app', conf => "restart_after_crash = on\nlog_min_messages = log\n");

# 666 kills the process of a refresh worker, as the system does when memory runs out; not that of a session, so that the oracle can ask.
$node->safe_psql('app', $DIE . <<'SQL');
CREATE FUNCTION poison(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF v = 666 AND (SELECT backend_type FROM pg_stat_get_activity(pg_backend_pid())) LIKE 'pg_tviews %' THEN PERFORM public.die(); END IF;
  RETURN v;
END $$;
CREATE TABLE tb_item (pk_item int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_item SELECT g, g % 100 FROM generate_series(1, 1000) g;
CREATE TABLE tb_other (pk_other int PRIMARY KEY, v int NOT NULL);
INSERT INTO tb_other SELECT g, 0 FROM generate_series(1, 10) g;
CREATE TABLE tv_item AS SELECT pk_item, poison(v) AS v FROM tb_item;
CREATE TABLE tv_above AS SELECT pk_item AS pk_above, v + 1 AS v FROM tv_item;
CREATE TABLE tv_other AS SELECT pk_other, v FROM tb_other;
SQL

sub applied { return is(ask($node, "SELECT pg_tviews_wait('30 s')"), 't', $_[0] // 'all committed changes are applied'); }

my $state = "SELECT state FROM pg_tview_meta WHERE entity = 'item'";
my $parked = "SELECT string_agg(concat_ws(' ', entity, key, sqlstate), ', ' ORDER BY entity, key) FROM pg_tview_parked_keys";

# One key of a thousand.
ask($node, 'UPDATE tb_item SET v = CASE pk_item WHEN 500 THEN 666 ELSE v + 1000 END');
ask($node, 'UPDATE tb_other SET v = 1');
ok(wait_until($node, 'app', $parked, 'item 500 57P02', 30), 'the key that kills the worker is parked alone');
applied();
cmp_ok(crashes($node), '<=', 5, 'after few crashes');
is(ask($node, 'SELECT count(*) FILTER (WHERE v >= 1000), count(*) FILTER (WHERE pk_item = 500 AND v = 0) FROM tv_item'), '999|1', 'the others are fresh');
is(ask($node, 'SELECT count(*) FROM tv_other WHERE v = 1'), '10', 'and so are other TVIEWs');
is(ask($node, $state), 'fresh', 'the TVIEW is not degraded');
like(ask($node, 'SELECT message FROM pg_tview_parked_keys'), qr/^the process that refreshed this key was killed or crashed, \d times$/, 'the message says why');
like(ask($node, "SELECT last_error FROM pg_tviews_workers WHERE kind = 'refresh'"), qr/57P02: killed or crashed while refreshing 1 keys of tv_item/, 'the worker\'s last error names it');
cmp_ok(ask($node, "SELECT restarts FROM pg_tviews_workers WHERE kind = 'refresh'"), '>=', 4, 'restarts are counted across crashes');

# It is tried again by its backoff, each time with one crash, later and later; changes beside it go on.
ok(wait_until($node, 'app', "SELECT attempts >= 2 FROM pg_tview_parked_keys WHERE key = '500'", 't', 30), 'it is tried again');
ask($node, 'UPDATE tb_item SET v = v + 1000 WHERE pk_item BETWEEN 1 AND 100');
applied();
is(ask($node, 'SELECT count(*) FROM tv_item WHERE v >= 2000'), '100', 'other keys are refreshed meanwhile');
crashes($node);
my ($out, $err);
for my $i (1 .. 10) {    # a hot poisoned row
	$node->psql('app', 'UPDATE tb_item SET v = 666 WHERE pk_item = 500', stdout => \$out, stderr => \$err);
	sleep 0.1;
}
cmp_ok(crashes($node), '<=', 1, 'changes of the poisoned row itself do not bring the server down each time');

# The file of a running server may be damaged: then everything begins anew.
my $oid = ask($node, "SELECT oid FROM pg_database WHERE datname = 'app'");
my $file = $node->data_dir . "/pg_stat_tmp/pg_tviews_$oid.crashes";
ok(-s $file, 'there is a file of crashes');
ask($node, 'UPDATE tb_item SET v = 7 WHERE pk_item = 500');
ask($node, 'SELECT pg_tviews_retry_parked()');
ok(wait_until($node, 'app', 'SELECT count(*) FROM pg_tview_parked_keys', '0', 60), 'mended and retried: unparked');
applied();
oracle($node, 'app', 'and exact');
$node->stop;
append_to_file($file, '');
open(my $handle, '+<', $file) or die;
seek($handle, 20, 0);
print $handle 'garbage';
close $handle;
$node->start;
applied('a damaged file does no harm');
crashes($node);

# Every key: the TVIEW is parked as a whole.
ask($node, 'UPDATE tb_item SET v = 666');
ok(wait_until($node, 'app', $state, 'degraded', 40), 'a view that always kills the worker degrades its TVIEW');
cmp_ok(crashes($node), '<=', 8, 'after few crashes');
ok(wait_until($node, 'app', $parked, 'item 57P02', 60), 'one row says why');
ask($node, 'UPDATE tb_other SET v = 2');
applied();
is(ask($node, 'SELECT count(*) FROM tv_other WHERE v = 2'), '10', 'other TVIEWs stay fresh');
ask($node, 'UPDATE tb_item SET v = 1');
ask($node, 'SELECT pg_tviews_retry_parked()');
ok(wait_until($node, 'app', $state, 'fresh', 60), 'mended: fresh again');
applied();
oracle($node, 'app', 'and exact');

# A whole comparison meets one.
ask($node, 'BEGIN; DELETE FROM tb_item WHERE pk_item > 20; UPDATE tb_item SET v = 3; TRUNCATE tb_item; INSERT INTO tb_item SELECT g, CASE g WHEN 7 THEN 666 ELSE 5 END FROM generate_series(1, 20) g; COMMIT');
crashes($node);
ok(wait_until($node, 'app', $parked, 'item 7 57P02', 40), 'a comparison of the whole TVIEW finds the key, too');
cmp_ok(crashes($node), '<=', 6, 'after few crashes');
is(ask($node, 'SELECT count(*) FROM tv_item WHERE v = 5'), '19', 'the others are fresh');
ask($node, 'DELETE FROM tb_item WHERE pk_item = 7');
ask($node, 'SELECT pg_tviews_retry_parked()');
ok(wait_until($node, 'app', 'SELECT count(*) FROM pg_tview_parked_keys', '0', 60), 'gone with its row');
applied();
oracle($node, 'app', 'and exact');

# Kills that are nobody's fault park nothing.
for my $round (1 .. 6) {
	$node->psql('app', "UPDATE tb_item SET v = $round", stdout => \$out, stderr => \$err);
	my $pid = worker_pid($node, 'app') or next;
	kill 'KILL', $pid;
	wait_until($node, 'app', 'SELECT true');
}
is(ask($node, 'SELECT count(*) FROM pg_tview_parked_keys'), '0', 'kills at random park nothing');
applied();
oracle($node, 'app', 'nor lose anything');

# Nor do terminated workers, or crashes of others.
my $restarts = ask($node, "SELECT restarts FROM pg_tviews_workers WHERE kind = 'refresh'");
ask($node, 'SELECT pg_terminate_backend(' . worker_pid($node, 'app') . ')');
ok(wait_until($node, 'app', "SELECT restarts = $restarts + 1 AND pid IS NOT NULL FROM pg_tviews_workers WHERE kind = 'refresh'"), 'a terminated worker is one restart');
$node->safe_psql('app', 'DROP EXTENSION pg_tviews CASCADE');
for (1 .. 100) { last unless -e $file; sleep 0.1; }
ok(!-e $file, 'the file goes with the extension');
$node->stop;
done_testing();
