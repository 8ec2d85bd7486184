# The library meets a catalog made by the script of another version: a clear error, no crash; it goes on when the catalog fits.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $node = start_node('other_version', database => 'app', conf => 'log_min_messages = log');
$node->safe_psql('app', q{
	CREATE TABLE tb_post (pk_post int PRIMARY KEY, title text);
	INSERT INTO tb_post VALUES (1, 'a');
	CREATE TABLE tv_post AS SELECT pk_post, title FROM tb_post;
	SELECT pg_tviews_wait();
	-- As an older script would have made it.
	ALTER TABLE pg_tview_catalog RENAME COLUMN narrowed TO of_another_version});
$node->restart;

my $other = qr/extension "pg_tviews" in this database is of another version than its library/;
ok(wait_until($node, 'app', "SELECT max(last_error) ~ 'of another version' FROM pg_tviews_workers WHERE database = 'app'", 't', 30), 'pg_tviews_workers says what is wrong');
$node->psql('app', "SELECT pg_tviews_refresh('post')", stderr => \my $error);
like($error, $other, 'so does a function');
like($error, qr/DETAIL:  Table "pg_tview_catalog" has no column "narrowed".*HINT:  Run ALTER EXTENSION pg_tviews UPDATE/s, '... and which column, and what to do');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/terminated by signal/, 'nothing crashed');

$node->safe_psql('app', 'ALTER TABLE pg_tview_catalog RENAME COLUMN of_another_version TO narrowed');
$node->safe_psql('app', "UPDATE tb_post SET title = 'b'");
wait_applied($node, 'app', 60, 'the worker goes on when the catalog fits');
oracle($node, 'app');

$node->safe_psql('app', 'ALTER TABLE pg_tview_mapping RENAME COLUMN nulls TO of_another_version');
$node->restart;
isnt($node->psql('app', "UPDATE tb_post SET title = 'c'", stderr => \$error), 0, 'a write that cannot be captured fails');
like($error, $other, '... and says why');
is($node->psql('app', 'DROP EXTENSION pg_tviews CASCADE'), 0, 'the extension can be dropped');
is($node->psql('app', "UPDATE tb_post SET title = 'd'"), 0, 'and users write on');
done_testing();
