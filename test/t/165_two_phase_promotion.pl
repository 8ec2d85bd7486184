# Transactions prepared on a primary are finished on the standby that took its place.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $primary = start_node('primary', database => 'app', init => [ allows_streaming => 1 ], conf => "autovacuum = off\n");
$primary->safe_psql('app', <<'SQL');
CREATE TABLE tb_item (pk_item int PRIMARY KEY, name text NOT NULL);
INSERT INTO tb_item SELECT g, 'item ' || g FROM generate_series(1, 200) g;
CREATE TABLE tv_item AS SELECT pk_item, upper(name) AS name FROM tb_item;
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

$primary->safe_psql('app', "BEGIN; UPDATE tb_item SET name = 'kept' WHERE pk_item = 1; PREPARE TRANSACTION 'kept'");
$primary->safe_psql('app', "BEGIN; UPDATE tb_item SET name = 'dropped' WHERE pk_item = 2; PREPARE TRANSACTION 'dropped'");
$primary->safe_psql('app', "SET pg_tviews.debug_transaction_keys = 0; BEGIN; UPDATE tb_item SET name = name || '!' WHERE pk_item > 100; PREPARE TRANSACTION 'early'");
$primary->safe_psql('app', "UPDATE tb_item SET name = 'plain' WHERE pk_item = 3");
wait_applied($primary, 'app');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
$primary->stop('immediate');
$standby->promote;

wait_applied($standby, 'app', 60, 'the promoted standby does not wait for prepared transactions');
oracle($standby, 'app', 'before they end');
$standby->safe_psql('app', "ROLLBACK PREPARED 'dropped'");
$standby->safe_psql('app', "COMMIT PREPARED 'early'");
$standby->safe_psql('app', "COMMIT PREPARED 'kept'");
wait_applied($standby, 'app');
oracle($standby, 'app', 'after they ended');
is($standby->safe_psql('app', "SELECT string_agg(name, ',' ORDER BY pk_item) FROM tv_item WHERE pk_item IN (1, 2, 3, 101)"), 'KEPT,ITEM 2,PLAIN,ITEM 101!', 'what was committed is applied, what was rolled back is not');
is($standby->safe_psql('app', 'SELECT * FROM tviews_conservation()'), '', 'every record is accounted for');
is($standby->safe_psql('app', "SELECT journal_rows FROM pg_tviews_queue_realtime WHERE database = 'app'"), '0', 'the journal is empty');

$standby->stop;
done_testing();
