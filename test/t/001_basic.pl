# The worker applies a committed change; a restart loses nothing; without the extension a database has no worker.
use strict;
use warnings;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied wait_until worker_pid);

my $node = start_node('basic', database => 'app');
my $pid = worker_pid($node, 'app');
ok($pid, 'the database with the extension has a refresh worker');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'postgres'"),
	'0', 'the database without it has none');

$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_author (pk_author int PRIMARY KEY, name text NOT NULL);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_author int NOT NULL REFERENCES tb_author, title text NOT NULL);
CREATE INDEX ON tb_post (fk_author);
INSERT INTO tb_author SELECT g, 'author ' || g FROM generate_series(1, 10) g;
INSERT INTO tb_post SELECT g, 1 + g % 10, 'post ' || g FROM generate_series(1, 100) g;
CREATE TABLE tv_post AS
  SELECT p.pk_post, p.fk_author, p.title, a.name AS author FROM tb_post p JOIN tb_author a ON a.pk_author = p.fk_author;
SQL
oracle($node, 'app', 'the new TVIEW equals its view');

$node->safe_psql('app', "UPDATE tb_author SET name = 'renamed' WHERE pk_author = 3");
wait_applied($node, 'app');
is($node->safe_psql('app', "SELECT count(*) FROM tv_post WHERE author = 'renamed'"), '10', 'a renamed author reaches every post');
oracle($node, 'app');

$node->safe_psql('app', "UPDATE tb_post SET title = title || '!' WHERE pk_post <= 50; DELETE FROM tb_post WHERE pk_post > 90");
$node->restart;
wait_applied($node, 'app', 60, 'what was committed before the restart is applied after it');
oracle($node, 'app');

$node->stop;
done_testing();
