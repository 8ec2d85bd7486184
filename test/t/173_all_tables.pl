# Publications FOR ALL TABLES beside the extension, on both sides and on one; tv_ tables that are published.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $logical = "wal_level = logical\nmax_wal_senders = 20\nmax_replication_slots = 20\nmax_logical_replication_workers = 16\nwal_retrieve_retry_interval = 200ms\n";
my $publisher = start_node('publisher', database => 'app', conf => $logical);
my $subscriber = start_node('subscriber', database => 'app', conf => $logical);
$subscriber->safe_psql('postgres', 'CREATE DATABASE plain');
$publisher->safe_psql('postgres', 'CREATE DATABASE plain');
my $own = "pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' AND c.relkind = 'r'";

sub connection { return 'host=' . $publisher->host . ' port=' . $publisher->port . " dbname=$_[0] user=postgres"; }
sub replayed {
	my ($name, $what) = @_;
	my $lsn = $publisher->safe_psql('app', 'SELECT pg_current_wal_insert_lsn()');
	return ok(wait_until($publisher, 'app', "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = '$name' AND replay_lsn >= '$lsn'"), $what);
}
sub synced {
	my ($database) = @_;
	return ok(wait_until($subscriber, $database, "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'"), "the first copy is complete in $database");
}

$publisher->safe_psql('app', <<'SQL');
CREATE TABLE tb_post (pk_post int PRIMARY KEY, title text NOT NULL);
INSERT INTO tb_post SELECT g, 'post ' || g FROM generate_series(1, 100) g;
CREATE TABLE tv_post AS SELECT pk_post, title, length(title) AS size FROM tb_post;
CREATE PUBLICATION p_all FOR ALL TABLES;
SQL
wait_applied($publisher, 'app');

# The publisher has the extension, the subscriber has not: tv_post is a table like others there.
$subscriber->safe_psql('plain', 'CREATE TABLE tb_post (pk_post int PRIMARY KEY, title text NOT NULL); CREATE TABLE tv_post (pk_post int PRIMARY KEY, title text, size int)');
$subscriber->safe_psql('plain', "CREATE SUBSCRIPTION s_plain CONNECTION '" . connection('app') . "' PUBLICATION p_all");
is($subscriber->safe_psql('plain', "SELECT string_agg(srrelid::regclass::text, ',' ORDER BY srrelid::regclass::text) FROM pg_subscription_rel"), 'tb_post,tv_post',
	'the tables of the extension are not asked for');
synced('plain');

# Both have it; what is a TVIEW there must not be published here: tv_post is an ordinary table there.
$subscriber->safe_psql('app', 'CREATE TABLE tb_post (pk_post int PRIMARY KEY, title text NOT NULL); CREATE TABLE tb_more (n int);
	CREATE TABLE tv_only_here AS SELECT pk_post AS pk_only_here, upper(title) AS shout FROM tb_post;
	CREATE TABLE tv_post (pk_post int PRIMARY KEY, title text, size int)');
wait_applied($subscriber, 'app');
my $before = $subscriber->safe_psql('app', 'SELECT count(*) FROM pg_tview_catalog');
$subscriber->safe_psql('app', "CREATE SUBSCRIPTION s_both CONNECTION '" . connection('app') . "' PUBLICATION p_all");
is($subscriber->safe_psql('app', "SELECT count(*) FROM pg_subscription_rel WHERE srrelid IN (SELECT c.oid FROM $own)"), '0', 'with the extension on both sides neither');
synced('app');

# All that the extension writes on the publisher: definitions, states, deferred keys, the journal, the log, by itself and by hand.
$publisher->safe_psql('app', "UPDATE tb_post SET title = 'changed' WHERE pk_post <= 10; DELETE FROM tb_post WHERE pk_post = 50; INSERT INTO tb_post VALUES (1000, 'new')");
$subscriber->safe_psql($_, 'CREATE TABLE tv_zero (pk_post int PRIMARY KEY, n int)') for 'plain', 'app';
$publisher->safe_psql('app', "SELECT pg_tviews_create('tv_zero', 'SELECT pk_post, 1 / pk_post AS n FROM tb_post', '{\"key\": \"pk_post\"}')");
$publisher->safe_psql('app', "INSERT INTO tb_post VALUES (0, 'parked')");
wait_applied($publisher, 'app');
is($publisher->safe_psql('app', 'SELECT count(*) FROM pg_tview_parked_keys'), '1', 'a key is parked');
$publisher->safe_psql('app', "DO \$\$ BEGIN PERFORM pg_tviews_retry_parked(); BEGIN PERFORM pg_tviews_drop('zero'); RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END; END \$\$");
$publisher->safe_psql('app', "BEGIN; SAVEPOINT a; SELECT pg_tviews_pause('zero'); RELEASE a; UPDATE tb_post SET title = 'beside' WHERE pk_post = 3; COMMIT");
$publisher->safe_psql('app', "SELECT pg_tviews_resume('zero'); UPDATE pg_tview_audit SET details = '{}'; DELETE FROM pg_tview_audit WHERE log_id = 1; DELETE FROM tb_post WHERE pk_post = 0");
$publisher->safe_psql('app', "SELECT pg_tviews_drop('zero')");
wait_applied($publisher, 'app');
oracle($publisher, 'app', 'the publisher is fresh');
replayed('s_plain', 'a subscriber without the extension goes on');
replayed('s_both', 'one with it too');
is($subscriber->safe_psql('plain', 'SELECT count(*) FROM (SELECT pk_post, title, size FROM tv_post EXCEPT SELECT pk_post, title, length(title) FROM tb_post) x'), '0', 'the published tv_post is what the publisher has');
is($subscriber->safe_psql('plain', 'SELECT title, size FROM tv_post WHERE pk_post IN (5, 50)'), 'changed|7', 'rows updated and deleted by refreshes arrive');
wait_applied($subscriber, 'app');
oracle($subscriber, 'app', 'so are the TVIEWs of the subscriber');
is($subscriber->safe_psql('app', 'SELECT count(*) FROM pg_tview_catalog'), $before, 'the catalog of the subscriber is its own');
is($subscriber->safe_psql('app', "SELECT count(*) FROM pg_stat_subscription_stats WHERE apply_error_count > 0"), '0', 'nothing failed on the way');

# TRUNCATE on the publisher.
$publisher->safe_psql('app', 'TRUNCATE tb_post');
wait_applied($publisher, 'app');
replayed('s_plain', 'TRUNCATE is replayed');
replayed('s_both', 'on both');
is($subscriber->safe_psql('plain', 'SELECT (SELECT count(*) FROM tb_post), (SELECT count(*) FROM tv_post)'), '0|0', 'the tables are empty');
wait_applied($subscriber, 'app');
oracle($subscriber, 'app', 'and their TVIEWs');

# The subscriber has the extension, the publisher has not.
$publisher->safe_psql('plain', "CREATE TABLE tb_post (pk_post int PRIMARY KEY, title text NOT NULL); INSERT INTO tb_post VALUES (1, 'from a plain server'); CREATE PUBLICATION p_plain FOR ALL TABLES");
$subscriber->safe_psql('app', "DROP SUBSCRIPTION s_both; CREATE SUBSCRIPTION s_one CONNECTION '" . connection('plain') . "' PUBLICATION p_plain");
synced('app');
wait_applied($subscriber, 'app');
is($subscriber->safe_psql('app', 'SELECT shout FROM tv_only_here'), 'FROM A PLAIN SERVER', 'base tables of a server without the extension feed TVIEWs');
oracle($subscriber, 'app');
$subscriber->safe_psql('app', 'DROP SUBSCRIPTION s_one');
$subscriber->safe_psql('plain', 'DROP SUBSCRIPTION s_plain');
$_->stop for $subscriber, $publisher;
done_testing();
