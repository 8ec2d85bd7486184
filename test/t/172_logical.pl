# Logical replication: a subscriber that holds the TVIEWs; publications of all tables beside the extension; tv_ tables that are published.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $logical = "wal_level = logical\nmax_wal_senders = 20\nmax_replication_slots = 20\nmax_logical_replication_workers = 16\nmax_sync_workers_per_subscription = 4\nwal_retrieve_retry_interval = 200ms\nlogical_decoding_work_mem = 64kB\n";
my $publisher = start_node('publisher', database => 'app', conf => $logical);
my $subscriber = start_node('subscriber', database => 'app', conf => $logical);

# Everything of the publisher is in the subscriber's tables, and everything there is applied to its TVIEWs.
sub settle {
	my ($what, $database, $from) = @_;
	$database //= 'app';
	my $lsn = $publisher->safe_psql($from // 'app', 'SELECT pg_current_wal_insert_lsn()');
	wait_until($subscriber, $database, "SELECT count(*) = 0 FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid AND subenabled WHERE srsubstate <> 'r'");
	ok(wait_until($publisher, 'app', "SELECT count(*) = 0 FROM pg_stat_replication WHERE application_name ~ '^s_' AND replay_lsn < '$lsn'"), "replayed: $what");
	wait_applied($subscriber, $database, 60, "applied: $what");
	oracle($subscriber, $database, "the oracle agrees: $what");
	return;
}

# (a) Base tables by subscription.
my $tables = <<'SQL';
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text NOT NULL, secret text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int NOT NULL, title text NOT NULL);
CREATE TABLE tb_event (pk_event int, region text, fk_user int, PRIMARY KEY (pk_event, region)) PARTITION BY LIST (region);
CREATE TABLE tb_event_eu PARTITION OF tb_event FOR VALUES IN ('eu');
CREATE TABLE tb_event_us PARTITION OF tb_event FOR VALUES IN ('us');
SQL
$_->safe_psql('app', $tables) for $publisher, $subscriber;
$publisher->safe_psql('app', <<'SQL');
INSERT INTO tb_user SELECT g, 'user ' || g, 'secret' FROM generate_series(1, 20) g;
INSERT INTO tb_post SELECT g, 1 + g % 20, 'post ' || g FROM generate_series(1, 200) g;
INSERT INTO tb_event SELECT g, CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END, 1 + g % 20 FROM generate_series(1, 100) g;
CREATE PUBLICATION p_user FOR TABLE tb_user (pk_user, name);
CREATE PUBLICATION p_post FOR TABLE tb_post WHERE (pk_post < 1000);
CREATE PUBLICATION p_event FOR TABLE tb_event WITH (publish_via_partition_root = true);
SQL
my $tviews = <<'SQL';
CREATE TABLE tv_post AS SELECT p.pk_post, p.fk_user, p.title, u.name FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;
CREATE TABLE tv_user AS SELECT u.pk_user, u.name, (SELECT count(*) FROM tv_post p WHERE p.fk_user = u.pk_user) AS posts,
  (SELECT count(*) FROM tb_event e WHERE e.fk_user = u.pk_user) AS events FROM tb_user u;
SQL
$subscriber->safe_psql('app', $tviews);
my $connection = 'host=' . $publisher->host . ' port=' . $publisher->port . ' dbname=app user=postgres';
$subscriber->safe_psql('app', "CREATE SUBSCRIPTION s_all CONNECTION '$connection' PUBLICATION p_user, p_post, p_event WITH (streaming = on)");
settle('the first copy');
is($subscriber->safe_psql('app', 'SELECT count(*), min(posts), min(events) FROM tv_user'), '20|10|5', 'all rows came');

$publisher->safe_psql('app', "UPDATE tb_user SET name = 'renamed' WHERE pk_user = 3; UPDATE tb_post SET fk_user = 3 WHERE pk_post <= 5; DELETE FROM tb_post WHERE pk_post = 10;
	INSERT INTO tb_event VALUES (1000, 'eu', 3); UPDATE tb_event SET region = 'us' WHERE pk_event = 2");
settle('rows, one by one');
is($subscriber->safe_psql('app', 'SELECT name, posts FROM tv_user WHERE pk_user = 3'), 'renamed|' . $subscriber->safe_psql('app', 'SELECT count(*) FROM tb_post WHERE fk_user = 3'), 'moved rows are with their new user');
$publisher->safe_psql('app', 'UPDATE tb_post SET pk_post = pk_post + 2000 WHERE pk_post = 20');
settle('a row that leaves the row filter');
is($subscriber->safe_psql('app', 'SELECT count(*) FROM tv_post WHERE pk_post = 20 OR pk_post > 2000'), '0', 'it is gone');
$publisher->safe_psql('app', "BEGIN; INSERT INTO tb_post SELECT g, 1 + g % 20, 'large' FROM generate_series(300, 900) g; SAVEPOINT a; UPDATE tb_post SET title = 'rolled back'; ROLLBACK TO a;
	UPDATE tb_post SET title = title || ' streamed'; COMMIT");
settle('a large transaction, streamed while it ran');
cmp_ok($publisher->safe_psql('app', "SELECT stream_count FROM pg_stat_replication_slots WHERE slot_name = 's_all'"), '>', '0', 'it was streamed');
$publisher->safe_psql('app', 'TRUNCATE tb_event');
settle('TRUNCATE of a partitioned table');
is($subscriber->safe_psql('app', 'SELECT sum(events) FROM tv_user'), '0', 'nothing is left of it');

# Partitions published as themselves.
$publisher->safe_psql('app', "ALTER PUBLICATION p_event SET (publish_via_partition_root = false)");
$subscriber->safe_psql('app', 'ALTER SUBSCRIPTION s_all REFRESH PUBLICATION');
settle('partitions as themselves');
$publisher->safe_psql('app', "INSERT INTO tb_event SELECT g, CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END, 1 + g % 20 FROM generate_series(1, 100) g; TRUNCATE tb_event_us; UPDATE tb_event SET region = 'us' WHERE pk_event = 2");
settle('rows and TRUNCATE of a partition');
is($subscriber->safe_psql('app', 'SELECT sum(events) FROM tv_user'), '50', 'the other partition is there');

# Two-phase: prepared on the subscriber, applied with COMMIT PREPARED only.
$subscriber->safe_psql('app', 'ALTER SUBSCRIPTION s_all DISABLE');
wait_until($publisher, 'app', "SELECT NOT active FROM pg_replication_slots WHERE slot_name = 's_all'");
$subscriber->safe_psql('app', 'DROP SUBSCRIPTION s_all');
$subscriber->safe_psql('app', "CREATE SUBSCRIPTION s_two CONNECTION '$connection' PUBLICATION p_user, p_post, p_event WITH (copy_data = false, two_phase = true)");
wait_until($subscriber, 'app', "SELECT subtwophasestate = 'e' FROM pg_subscription WHERE subname = 's_two'");
$publisher->safe_psql('app', "BEGIN; UPDATE tb_user SET name = 'prepared' WHERE pk_user = 5; PREPARE TRANSACTION 'p1'; BEGIN; UPDATE tb_user SET name = 'never' WHERE pk_user = 6; PREPARE TRANSACTION 'p2'");
ok(wait_until($subscriber, 'app', 'SELECT count(*) = 2 FROM pg_prepared_xacts'), 'both are prepared on the subscriber');
settle('while they are prepared');
isnt($subscriber->safe_psql('app', 'SELECT name FROM tv_user WHERE pk_user = 5'), 'prepared', 'nothing of it is seen before the end');
$publisher->safe_psql('app', "COMMIT PREPARED 'p1'");
$publisher->safe_psql('app', "ROLLBACK PREPARED 'p2'");
settle('their ends');
is($subscriber->safe_psql('app', 'SELECT string_agg(name, \',\' ORDER BY pk_user) FROM tv_user WHERE pk_user IN (5, 6)'), 'prepared,user 6', 'the one is there, the other is not');
$subscriber->safe_psql('app', 'DROP SUBSCRIPTION s_two');

$_->stop for $subscriber, $publisher;
done_testing();
