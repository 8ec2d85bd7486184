# Dumps of one database with four TVIEWs, and what must be true of every database they are restored into.
package TviewsDumps;
use strict;
use warnings;
use Exporter 'import';
use Test::More;
use TviewsNode qw(start_node prepare_database oracle wait_applied);
our @EXPORT_OK = qw(start_source dump_to target load list_of whole);

my ($node, $folder);
my $number = 0;

# A server with the database "source".
sub start_source {
	my ($name) = @_;
	$node = start_node($name, conf => 'pg_tviews.max_databases = 32');
	$folder = $PostgreSQL::Test::Utils::tmp_check;
	source('source');
	return $node;
}

sub source {
	my ($database) = @_;
	prepare_database($node, $database);
	$node->safe_psql($database, <<'SQL');
CREATE SCHEMA app;
CREATE TABLE app.tb_user (pk_user int PRIMARY KEY, name text);
CREATE TABLE app.tb_post (pk_post int PRIMARY KEY, fk_user int REFERENCES app.tb_user, title text);
CREATE INDEX ON app.tb_post (fk_user);
INSERT INTO app.tb_user SELECT i, 'n' || i FROM generate_series(1, 10) i;
INSERT INTO app.tb_post SELECT i, 1 + i % 10, 't' FROM generate_series(1, 100) i;
CREATE TABLE app.tv_post AS SELECT p.pk_post, p.fk_user, u.name, p.title FROM app.tb_post p JOIN app.tb_user u ON u.pk_user = p.fk_user;
CREATE TABLE app.tv_user AS SELECT u.pk_user, (SELECT count(*) FROM app.tv_post p WHERE p.fk_user = u.pk_user) AS posts FROM app.tb_user u;
CREATE VIEW app."v_Ü x" AS SELECT pk_post AS "Key 1", fk_user AS k2, title FROM app.tb_post;
SELECT pg_tviews_create('app."tv_Ü x"', 'SELECT * FROM app."v_Ü x"', '{"key": ["Key 1", "k2"]}');
SELECT pg_tviews_create('app.ratio', 'SELECT pk_post AS pk_ratio, 1 / (length(title)) AS r FROM app.tb_post');
UPDATE app.tb_post SET title = '' WHERE pk_post = 3;
SQL
	wait_applied($node, $database, 60, "$database: made");
	return;
}

sub dump_to { my ($name, @arguments) = @_; my $file = "$folder/dump_$name"; $node->command_ok([ 'pg_dump', '-f', $file, @arguments, $node->connstr('source') ], "pg_dump $name"); return $file; }

# A new database with what is to be there before.
sub target { my ($before) = @_; my $database = 'target' . ++$number; $node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0"); $node->safe_psql($database, $before) if $before; return $database; }

sub load { my ($database, $what, @command) = @_; my ($out, $err); my $rc = IPC::Run::run([ @command, '-d', $node->connstr($database) ], '>', \$out, '2>', \$err); ok($rc, $what) or diag $err; return $err; }

# As a whole: four TVIEWs, a parked key, a write that arrives.
sub whole {
	my ($database, $what) = @_;
	prepare_database($node, $database);
	wait_applied($node, $database, 20);
	is($node->safe_psql($database, q{SELECT string_agg(entity || ':' || state, ',' ORDER BY entity COLLATE "C") FROM pg_tview_meta}), 'post:fresh,ratio:fresh,user:fresh,Ü x:fresh', "$what: registered and reconciled");
	is($node->safe_psql($database, q{SELECT string_agg(entity || key || sqlstate, ',') FROM pg_tview_parked_keys}), 'ratio322012', "$what: what failed is parked again");
	$node->safe_psql($database, q{UPDATE app.tb_user SET name = 'later' WHERE pk_user = 2; UPDATE app.tb_post SET title = 'long', fk_user = 5 WHERE pk_post = 3; DELETE FROM app.tb_post WHERE pk_post = 8});
	wait_applied($node, $database);
	oracle($node, $database, "$what: fresh after writes");
	is($node->safe_psql($database, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg\_tviews\_cap%' AND tgenabled <> 'A'}), '0', "$what: every trigger fires always");
	is($node->safe_psql($database, 'SELECT count(*) FROM pg_tviews_unregistered'), '0', "$what: nothing is left over");
	return;
}

# The entries of a dump that are to be restored.
sub list_of { my ($dump, $keep, $name) = @_; my ($list) = PostgreSQL::Test::Utils::run_command([ 'pg_restore', '-l', $dump ]); my $file = "$folder/list_$name"; open(my $to, '>', $file) or die; print $to "$_\n" for grep { $keep->($_) } split /\n/, $list; close $to; return $file; }

1;
