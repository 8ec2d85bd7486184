# Pausing and resuming TVIEWs: nothing is lost, the others go on, and nobody waits for what is paused.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('pause', database => 'app');
worker_pid($node, 'app');

sub sql { return $node->safe_psql('app', $_[0]); }
sub state_of { return sql("SELECT state FROM pg_tview_meta WHERE entity = '$_[0]'"); }
sub deferred { return sql("SELECT count(*) || ' ' || coalesce(string_agg(DISTINCT reason, ','), '') FROM pg_tviews_deferred_keys WHERE entity = '$_[0]'"); }

# The NOTICEs of a statement.
sub notices {
	my ($out, $err);
	$node->psql('app', $_[0], stdout => \$out, stderr => \$err);
	return $err;
}

sql(<<'SQL');
CREATE ROLE writer LOGIN;
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text NOT NULL);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int NOT NULL, title text NOT NULL);
CREATE INDEX ON tb_post (fk_user);
INSERT INTO tb_user SELECT g, 'user ' || g FROM generate_series(1, 100) g;
INSERT INTO tb_post SELECT g, 1 + g % 100, 'post ' || g FROM generate_series(1, 30000) g;
CREATE TABLE tv_user AS SELECT pk_user, name FROM tb_user;
CREATE TABLE tv_post AS SELECT p.pk_post, p.title, u.name FROM tb_post p JOIN tv_user u ON u.pk_user = p.fk_user;
CREATE TABLE tv_title AS SELECT pk_post AS pk_title, title FROM tb_post;
GRANT SELECT, INSERT, UPDATE, DELETE ON tv_post TO writer;
SQL

# One of them.
is(sql("SELECT pg_tviews_pause('post')"), '1', 'one TVIEW is paused');
like(notices("SELECT pg_tviews_pause('post')"), qr/NOTICE:  TVIEW "tv_post" is paused already/, 'twice is said');
like(notices("SELECT pg_tviews_resume('title')"), qr/NOTICE:  TVIEW "tv_title" is not paused/, 'so is a resume of what is not paused');
like(notices("SET ROLE writer; SELECT pg_tviews_resume('post')"), qr/must be owner of table tv_post/, 'only the owner');
like(notices("SET ROLE writer; SELECT pg_tviews_pause()"), qr/no TVIEW of yours is left to be paused/, 'without a name: what the caller owns');
is(state_of('post'), 'paused', 'the state says so');
is(sql("SELECT state FROM pg_tviews_freshness WHERE entity = 'post'"), 'paused', 'freshness too');
sql("UPDATE tb_post SET title = title || '!' WHERE pk_post <= 10; UPDATE tb_user SET name = 'Ada' WHERE pk_user = 5");
like(notices("SELECT pg_tviews_wait()"), qr/not waited for: public.tv_post \(paused\)/, 'a waiter does not wait for it, and is told');
is(sql("SELECT count(*) FROM tv_title WHERE title LIKE '%!'"), '10', 'the others go on');
is(sql("SELECT count(*) FROM tv_post WHERE title LIKE '%!' OR name = 'Ada'"), '0', 'the paused one stays as it is');
is(deferred('post'), '309 paused', 'what it misses is kept: by its own change, and by that of a TVIEW below it');
sql("DELETE FROM tv_post WHERE pk_post = 29999");
wait_applied($node, 'app');
$node->restart;
worker_pid($node, 'app');
is(state_of('post'), 'paused', 'a restart ends no pause');
is(sql("SELECT pg_tviews_resume('post')"), '1', 'it is resumed');
wait_applied($node, 'app');
is(state_of('post'), 'fresh', 'and is fresh');
is(deferred('post'), '0 ', 'nothing is left');
oracle($node, 'app');

# More keys than are worth a row each.
sql("SELECT pg_tviews_pause('title')");
sql("UPDATE tb_post SET title = title || '?' WHERE pk_post <= 6000");
wait_applied($node, 'app');
is(deferred('title'), '6000 paused', 'keys, one by one');
sql("UPDATE tb_post SET title = title || '?' WHERE pk_post > 6000 AND pk_post <= 12000");
wait_applied($node, 'app');
is(deferred('title'), '1 paused', 'too many keys: the whole TVIEW');
sql("UPDATE tb_post SET title = title || '?' WHERE pk_post = 12001");
wait_applied($node, 'app');
is(deferred('title'), '1 paused', 'which covers what comes');
sql("SELECT pg_tviews_resume('title')");
wait_applied($node, 'app');
is(state_of('title'), 'fresh', 'resumed as a whole');
oracle($node, 'app');

# All of them: nothing is computed, the journal keeps everything.
is(sql('SELECT pg_tviews_pause()'), '3', 'all are paused');
my $batches = sql("SELECT batches FROM pg_tviews_workers WHERE kind = 'refresh'");
ok(wait_until($node, 'app', "SELECT state FROM pg_tviews_workers WHERE kind = 'refresh'", 'resting'), 'the worker rests');
sql("UPDATE tb_post SET title = 'all ' || pk_post WHERE pk_post = $_") foreach 1 .. 50;
sql("UPDATE tb_user SET name = 'Bob' WHERE pk_user = 6");
my $begin = time();
like(notices("SELECT pg_tviews_wait('20 s')"), qr/tv_user \(paused\)/, 'nobody waits for them');
cmp_ok(time() - $begin, '<', 10, 'not even for a while');
is(sql('SELECT journal_rows FROM pg_tviews_queue_realtime WHERE database = current_database()'), '51', 'the journal keeps them');
is(sql('SELECT count(*) FROM pg_tviews_deferred_keys'), '0', 'nothing was computed');
cmp_ok(sql("SELECT min(lag_ms) FROM pg_tviews_freshness"), '>', 0, 'the lag is seen');
$node->stop('immediate');
$node->start;
worker_pid($node, 'app');
is(sql('SELECT journal_rows FROM pg_tviews_queue_realtime WHERE database = current_database()'), '51', 'after a crash, too');
sql('SELECT pg_tviews_resume()');
wait_applied($node, 'app');
is(sql("SELECT count(*) FROM tv_post WHERE title LIKE 'all %'"), '50', 'all of it is applied after the resume');
oracle($node, 'app');
sql('SELECT pg_tviews_pause()');
sql("UPDATE tb_post SET title = 'one' WHERE pk_post = 1");
sql("SELECT pg_tviews_resume('title')");
wait_applied($node, 'app');
is(sql("SELECT count(*) FROM tv_title WHERE title = 'one'"), '1', 'one resumed out of all is applied from the journal');
is(deferred('post'), '1 paused', 'the others keep what they miss');
sql('SELECT pg_tviews_resume()');
wait_applied($node, 'app');
oracle($node, 'app');

# What happens to a TVIEW while it is paused.
sql('SELECT pg_tviews_pause()');
sql("SELECT pg_tviews_create_or_replace('post', 'SELECT p.pk_post, upper(p.title) AS title, u.name FROM tb_post p JOIN tv_user u ON u.pk_user = p.fk_user')");
is(state_of('post'), 'paused', 'redefined, it stays paused');
sql("ALTER TABLE tb_post RENAME COLUMN title TO heading");
sql("UPDATE tb_post SET heading = 'renamed' WHERE pk_post = 77; TRUNCATE tb_user; INSERT INTO tb_user VALUES (8, 'eight')");
sql("CREATE OR REPLACE VIEW v_title AS SELECT pk_post AS pk_title, lower(heading) AS title FROM tb_post");
like(notices('SELECT pg_tviews_wait()'), qr/paused/, 'nobody waits for what DDL marked, either');
sql('DROP TABLE tv_post');
is(sql("SELECT count(*) FROM pg_tview_deferred d WHERE NOT EXISTS (SELECT FROM pg_tview_catalog c WHERE c.tview = d.tview)"), '0', 'dropped while paused, it leaves nothing');
sql('SELECT pg_tviews_resume()');
wait_applied($node, 'app');
is(sql("SELECT string_agg(DISTINCT state, ',') FROM pg_tview_meta"), 'fresh', 'all are fresh');
oracle($node, 'app');

# Partitioned; degraded before it is paused.
sql(<<'SQL');
CREATE TABLE tb_sale (pk_sale int PRIMARY KEY, region int NOT NULL, total int NOT NULL);
INSERT INTO tb_sale SELECT g, g % 3, g FROM generate_series(1, 300) g;
SELECT pg_tviews_create('tv_sale', 'SELECT pk_sale, region, 100 / total AS share FROM tb_sale', '{"partition_by": "LIST (region)"}');
SELECT pg_tviews_pause('sale');
UPDATE tb_sale SET region = region + 1 WHERE pk_sale <= 20;
SELECT pg_tviews_wait();
SELECT pg_tviews_resume('sale');
SQL
wait_applied($node, 'app');
oracle($node, 'app', 'a partitioned TVIEW catches up');
sql('UPDATE tb_sale SET total = 0');
wait_applied($node, 'app');
is(state_of('sale'), 'degraded', 'every key fails');
sql("SELECT pg_tviews_pause('sale')");
is(state_of('sale') . ' ' . deferred('sale'), 'paused 1 failed', 'a degraded TVIEW is paused, its error stays to be seen');
is(sql("SELECT pg_tviews_retry_parked('sale')"), '0', 'it is not tried meanwhile');
sql('UPDATE tb_sale SET total = 5');
sql("SELECT pg_tviews_resume('sale')");
ok(wait_until($node, 'app', "SELECT state FROM pg_tview_meta WHERE entity = 'sale'", 'fresh', 30), 'resumed, it recovers');
wait_applied($node, 'app');
oracle($node, 'app');
is(sql("SELECT string_agg(operation, ',' ORDER BY log_id) FROM pg_tview_audit_log WHERE entity = 'sale'"), 'CREATE,PAUSE,RESUME,PAUSE,RESUME', 'the audit log knows');

# Keys that are due at last, of a TVIEW that fails as a whole.
sql('CREATE TABLE tb_bill (pk_bill int PRIMARY KEY, total int NOT NULL); INSERT INTO tb_bill SELECT g, g FROM generate_series(1, 40) g; CREATE TABLE tv_bill AS SELECT pk_bill, 1000 / total AS part FROM tb_bill');
sql("SELECT pg_tviews_pause('bill')");
sql('UPDATE tb_bill SET total = 0');
sql("SELECT pg_tviews_resume('bill')");
ok(wait_until($node, 'app', "SELECT state FROM pg_tview_meta WHERE entity = 'bill'", 'degraded', 30), 'resumed, it fails for each key');
wait_applied($node, 'app', 20, 'nobody waits for its keys');
is(deferred('bill'), '1 failed', 'one row stands for all of them');
sql('UPDATE tb_bill SET total = 5');
ok(wait_until($node, 'app', "SELECT state FROM pg_tview_meta WHERE entity = 'bill'", 'fresh', 60), 'mended, it is fresh');

# pg_tviews.enabled = off.
sql('ALTER SYSTEM SET pg_tviews.enabled = off');
$node->reload;
ok(wait_until($node, 'app', "SELECT state FROM pg_tviews_workers WHERE kind = 'refresh'", 'resting'), 'switched off, the worker rests');
sql("UPDATE tb_post SET heading = 'off' WHERE pk_post = 9");
$begin = time();
like(notices("SELECT pg_tviews_wait('60 s')"), qr/WARNING:  nothing is applied while pg_tviews.enabled is off/, 'a waiter hears why');
cmp_ok(time() - $begin, '<', 30, 'long before its time is over');
like(notices("SET pg_tviews.synchronous = on; SET pg_tviews.synchronous_timeout = '60 s'; UPDATE tb_post SET heading = 'off' WHERE pk_post = 10"),
	qr/committed but not yet applied.*\nDETAIL:  pg_tviews.enabled is off/, 'so does a synchronous commit');
$node->restart;
sql("UPDATE tb_post SET heading = 'off' WHERE pk_post = 11");
is(sql("SELECT count(*) FROM tv_title WHERE title = 'off'"), '0', 'it stays off through a restart');
sql('ALTER SYSTEM RESET pg_tviews.enabled');
$node->reload;
wait_applied($node, 'app');
is(sql("SELECT count(*) FROM tv_title WHERE title = 'off'"), '3', 'switched on, nothing was lost');
oracle($node, 'app');

$node->stop;
done_testing();
