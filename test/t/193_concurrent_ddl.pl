# Four sessions make, drop, redefine, refresh and pause the same TVIEWs and others, beside writers: only errors that say what happened, nothing left behind.
use strict;
use warnings;
use Test::More;
use TviewsNode qw(start_node oracle no_orphans wait_applied);

my $node = start_node('concurrent_ddl', database => 'app');
$node->safe_psql('app', <<'SQL');
CREATE TABLE tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_user int, title text);
CREATE INDEX ON tb_post (fk_user);
INSERT INTO tb_user SELECT g, 'u' || g FROM generate_series(1, 20) g;
INSERT INTO tb_post SELECT g, 1 + g % 20, 't' || g FROM generate_series(1, 200) g;
CREATE TABLE tv_post AS SELECT pk_post, title, name FROM tb_post LEFT JOIN tb_user ON pk_user = fk_user;
CREATE TABLE tv_above AS SELECT pk_post AS pk_above, upper(name) AS name FROM tv_post;
CREATE TABLE met (code text, message text, command text);
-- Runs one command and notes the error that it met.  Which errors it may meet is judged below.
CREATE FUNCTION try(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  EXECUTE command;
EXCEPTION WHEN OTHERS THEN
  INSERT INTO met VALUES (SQLSTATE, SQLERRM, command);
END $$;
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
my %script = (
	same => <<'SQL',
\set r random(1, 6)
\set n random(1, 3)
SELECT try((ARRAY[
  'CREATE TABLE tv_x AS SELECT pk_post AS pk_x, title FROM tb_post',
  'DROP TABLE IF EXISTS tv_x',
  'SELECT pg_tviews_create_or_replace(''tv_x'', ''SELECT pk_post AS pk_x, title || :n AS title FROM tb_post'')',
  'SELECT pg_tviews_create_or_replace(''tv_x'', ''SELECT pk_post AS pk_x, title, fk_user FROM tb_post'')',
  'SELECT pg_tviews_refresh(''tv_x'')',
  'SELECT pg_tviews_drop(''tv_x'', true, true)'])[:r]);
SQL
	other => <<'SQL',
\set r random(1, 5)
SELECT try((ARRAY[
  format('CREATE TABLE tv_own_%1$s AS SELECT pk_user AS pk_own_%1$s, name FROM tb_user', :client_id),
  format('DROP TABLE IF EXISTS tv_own_%s', :client_id),
  format('SELECT pg_tviews_create_or_replace(''tv_own_%1$s'', ''SELECT pk_post AS pk_own_%1$s, name, title FROM tb_post JOIN tb_user ON pk_user = fk_user'')', :client_id),
  format('SELECT pg_tviews_refresh(''tv_own_%s'')', :client_id),
  'SELECT pg_tviews_refresh_all()'])[:r]);
SQL
	levels => <<'SQL',
\set r random(1, 5)
SELECT try((ARRAY[
  'SELECT pg_tviews_create_or_replace(''tv_post'', ''SELECT pk_post, title, name FROM tb_post LEFT JOIN tb_user ON pk_user = fk_user'')',
  'SELECT pg_tviews_create_or_replace(''tv_post'', ''SELECT pk_post, title || 1 AS title, name, fk_user FROM tb_post LEFT JOIN tb_user ON pk_user = fk_user'')',
  'SELECT pg_tviews_pause(''tv_post'')',
  'SELECT pg_tviews_resume(''tv_post'')',
  'CREATE OR REPLACE VIEW v_above AS SELECT pk_post AS pk_above, upper(name) AS name FROM tv_post'])[:r]);
SQL
	write => <<'SQL');
\set u random(1, 20)
\set p random(1, 300)
INSERT INTO tb_post VALUES (:p, :u, 't') ON CONFLICT (pk_post) DO UPDATE SET fk_user = EXCLUDED.fk_user, title = tb_post.title || 'x';
UPDATE tb_user SET name = name || 'y' WHERE pk_user = :u;
DELETE FROM tb_post WHERE pk_post = 1 + (:p * 7) % 300;
SQL
my @running;
foreach my $name (sort keys %script) {
	my $text = $script{$name};
	PostgreSQL::Test::Utils::append_to_file("$dir/$name.sql", $text);
	my ($out, $err) = ('', '');
	my $clients = $name eq 'same' || $name eq 'other' ? 2 : 1;
	push @running, [ $name, \$err, IPC::Run::start([ 'timeout', '90', 'pgbench', '-n', '-f', "$dir/$name.sql", '-c', $clients, '-T', '10', '-h', $node->host, '-p', $node->port, 'app' ], '<', \undef, '>', \$out, '2>', \$err) ];
}
foreach my $one (@running) {
	ok($one->[2]->finish, "$one->[0]: no session ended early") or diag ${ $one->[1] };
}
# 42P01, 42P07, 42704, 42710: it is not there, or there already (23505 when two make it at once).  40P01, 55P03: locks met in a circle, or were waited for
# in vain.  "tuple concurrently updated" only as the server's own answer to commands on one object that meet.
my $known = q{code IN ('42P01', '42P07', '42704', '42710', '40P01', '55P03', '40001', '23505', '42703', '55000')};
is($node->safe_psql('app', "SELECT DISTINCT code, message, command FROM met WHERE NOT ($known) AND message !~ '^tuple concurrently (updated|deleted)'"), '', 'every error says what happened');
note $node->safe_psql('app', 'SELECT code, regexp_replace(message, \'\d+\', \'N\', \'g\'), count(*) FROM met GROUP BY 1, 2 ORDER BY 3 DESC');
$node->safe_psql('app', "SELECT pg_tviews_resume()");
wait_applied($node, 'app', 60);
oracle($node, 'app');
no_orphans($node, 'app');
is($node->safe_psql('app', "SELECT count(*) FROM pg_tview_meta WHERE state <> 'fresh'"), '0', 'every TVIEW is fresh');

$node->stop;
done_testing();
