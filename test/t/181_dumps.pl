# Dumps and restores of every shape: what comes back is a TVIEW, is reconciled before it is called fresh, and what cannot come back is shown and heals.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use TviewsNode qw(start_node prepare_database oracle wait_applied wait_until);

my $node = start_node('dumps', conf => 'pg_tviews.max_databases = 32');
my $folder = $PostgreSQL::Test::Utils::tmp_check;
my $number = 0;

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

source('source');

# Contents of a dump are not believed: the table is made wrong on the way.
my $script = dump_to('script');
my $text = PostgreSQL::Test::Utils::slurp_file($script);
ok($text =~ s/^(50\t1\tn1\t)t$/$1wrong/m, 'a stored row is changed in the dump');
open(my $out, '>', "$folder/dump_wrong") or die; print $out $text; close $out;
my $wrong = target();
load($wrong, 'a dump with a wrong row', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/dump_wrong");
whole($wrong, 'wrong row');

my $custom = dump_to('custom', '-Fc');
my $sections = target();
load($sections, "section $_", 'pg_restore', '-e', "--section=$_", $custom) for qw(pre-data data);
is($node->safe_psql($sections, 'SELECT count(*) FROM pg_tview_meta'), '0', 'before the section post-data nothing is called a TVIEW');
$node->safe_psql($sections, q{UPDATE app.tb_user SET name = 'between' WHERE pk_user = 4});
load($sections, 'section post-data', 'pg_restore', '-e', '--section=post-data', $custom);
is($node->safe_psql($sections, q{SELECT count(*) FROM app.tv_post WHERE name = 'between' AND pg_tviews_wait()}), '10', 'what was written before its capture is there');
whole($sections, 'sections');

my $schema = target();
load($schema, 'schema only', 'pg_restore', '-e', '--schema-only', $custom);
load($schema, 'data without the TVIEWs', 'pg_restore', '-e', '--data-only', '--disable-triggers', '-L', only_base_tables($custom), $custom);
whole($schema, 'data only');

# With the rows of the TVIEWs too: those may collide with what the worker has filled meanwhile, and are healed.
my $everything = target();
load($everything, 'schema only', 'pg_restore', '-e', '--schema-only', $custom);
IPC::Run::run([ 'pg_restore', '--data-only', '--disable-triggers', '-d', $node->connstr($everything), $custom ], '2>', \my $errors);
whole($everything, 'data only, with the stored rows');

my $extension = target('CREATE SCHEMA elsewhere; CREATE EXTENSION pg_tviews SCHEMA elsewhere; CREATE TABLE tb_a (pk_a int PRIMARY KEY, v int); INSERT INTO tb_a VALUES (1, 1); CREATE TABLE tv_a AS SELECT * FROM tb_a');
my $moved = target();
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/dump_elsewhere", $node->connstr($extension) ], 'an extension in a schema of its own');
load($moved, 'it is restored', 'pg_restore', '-e', "$folder/dump_elsewhere");
is($node->safe_psql($moved, q{UPDATE tb_a SET v = 2; SELECT elsewhere.pg_tviews_wait(); SELECT v FROM tv_a}), "t\n2", 'and its TVIEW is captured');

# Restored by the owner of the tables, who is no superuser.
$node->safe_psql('postgres', 'CREATE ROLE builder LOGIN');
my $owned = target('CREATE EXTENSION pg_tviews; GRANT CREATE ON SCHEMA public TO builder');
$node->safe_psql($owned, "GRANT CREATE ON DATABASE $owned TO builder");
load($owned, 'restored by a user', 'pg_restore', '-e', '--no-owner', '--no-comments', '-U', 'builder', '-L', without_extension($custom), $custom);
whole($owned, 'no superuser');
is($node->safe_psql($owned, q{SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname LIKE 'tv\_%'}), 'builder', 'he owns the TVIEWs');
my $thief = $node->psql($owned, q{SET ROLE builder; CREATE TABLE public.mine (pk int); RESET ROLE; CREATE TABLE theirs (pk int PRIMARY KEY); GRANT TRIGGER ON theirs TO builder; CREATE VIEW public.v_pk AS SELECT 1 AS pk; SET ROLE builder;
	CREATE TRIGGER pg_tviews_capture AFTER INSERT ON theirs FOR EACH ROW EXECUTE FUNCTION pg_tviews_capture('public.v_pk', 'pk', '{}', 'made', 'made')}, stderr => \$errors);
like($errors, qr/must be owner of table theirs/, 'the right to make a trigger on a table does not make it a TVIEW');

# One table alone: it waits for its view.
my $alone = target('CREATE EXTENSION pg_tviews; CREATE SCHEMA app');
my $one = dump_to('one', '-Fc', '-t', 'app.tv_post', '-t', 'app."tv_Ü x"', '-t', 'app.tv_user');
like(load($alone, 'TVIEWs without what they read', 'pg_restore', '-v', '-e', $one), qr/is not yet a TVIEW again: view app.v_post does not exist/, 'a warning says so');
is($node->safe_psql($alone, q{SELECT string_agg(reason, ',' ORDER BY reason COLLATE "C") FROM pg_tviews_unregistered}), 'view app."v_Ü x" does not exist,view app.v_post does not exist,view app.v_user does not exist', 'a view lists them with the reason');
is($node->safe_psql($alone, 'SELECT count(*) FROM app.tv_post'), '100', 'their rows are there');
$node->psql($alone, q{SELECT pg_tviews_register('app.tv_post')}, stderr => \$errors);
like($errors, qr/view app.v_post does not exist/, 'they cannot be registered by hand either');
my $rest = dump_to('rest', '-Fc', '-n', 'app', '-T', 'app.tv_post', '-T', 'app.tv_user', '-T', 'app."tv_Ü x"', '-T', 'app.v_user');
$node->safe_psql($alone, q{DROP SCHEMA app CASCADE; CREATE SCHEMA app});
load($alone, 'again', 'pg_restore', '-e', $one);
IPC::Run::run([ 'pg_restore', '-d', $node->connstr($alone), $rest ], '2>', \$errors);
$node->safe_psql($alone, 'CREATE VIEW app.v_user AS SELECT u.pk_user, (SELECT count(*) FROM app.tv_post p WHERE p.fk_user = u.pk_user) AS posts FROM app.tb_user u');
whole($alone, 'views that came after the tables');

# One whose lineage is refused: its definition is kept, and it is taken back when that is put right.
my $refused = target();
(my $volatile = $text) =~ s/(CREATE VIEW app\.v_post AS\s+SELECT p\.pk_post,\s+p\.fk_user,\s+)u\.name,/$1(u.name || random()) AS name,/ or die 'no such view';
open($out, '>', "$folder/dump_refused") or die; print $out $volatile; close $out;
like(load($refused, 'a view that is refused', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/dump_refused"), qr/table "tv_post" is not a TVIEW again: .*random/, 'a warning names the offender');
is($node->safe_psql($refused, q{SELECT tview || ': ' || reason FROM pg_tviews_unregistered}), 'app.tv_post: it could not be derived when it came back; pg_tviews_register() says why', 'it is listed');
$node->safe_psql($refused, q{CREATE OR REPLACE VIEW app.v_post AS SELECT p.pk_post, p.fk_user, u.name, p.title FROM app.tb_post p JOIN app.tb_user u ON u.pk_user = p.fk_user});
is($node->safe_psql($refused, q{SELECT pg_tviews_register('app.tv_post'), pg_tviews_register('app.tv_post')}), 't|f', 'it is registered by hand, once');
whole($refused, 'refused first');

# Without its stored rows; without the extension; into the same database once more.
my $empty = target();
load($empty, 'without the stored rows', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', dump_to('empty', '--exclude-table-data=app.tv_*'));
whole($empty, 'no stored rows');
my $without = target();
IPC::Run::run([ 'pg_restore', '--exit-on-error', '--section=pre-data', '--section=data', '-n', 'app', '-d', $node->connstr(plain($without)), $custom ], '2>', \$errors);
is($node->safe_psql($without, 'SELECT count(*) FROM app.tv_post'), '100', 'without the extension the tables are plain tables');
load($sections, 'cleaned and restored', 'pg_restore', '--clean', '--if-exists', $custom);
whole($sections, 'clean');

# Writers beside a parallel restore of the triggers.
my $beside = target();
load($beside, 'pre-data and data', 'pg_restore', '-e', '--section=pre-data', '--section=data', $custom);
my $writer = IPC::Run::start([ 'bash', '-c', 'for i in $(seq 1 40); do echo "UPDATE app.tb_user SET name = \'w$i\' WHERE pk_user = 1 + $i % 10; UPDATE app.tb_post SET title = \'w$i\' WHERE pk_post = $i + 10;"; sleep 0.02; done | psql -Xq -v ON_ERROR_STOP=1 -d "$0"', $node->connstr($beside) ], '2>', \$errors);
load($beside, 'parallel post-data beside writers', 'pg_restore', '-e', '-j', '3', '--section=post-data', $custom);
ok(IPC::Run::finish($writer), 'no writer failed') or diag $errors;
whole($beside, 'beside writers');

$node->stop;
done_testing();

sub list_of { my ($dump, $keep, $name) = @_; my ($list) = PostgreSQL::Test::Utils::run_command([ 'pg_restore', '-l', $dump ]); my $file = "$folder/list_$name"; open(my $to, '>', $file) or die; print $to "$_\n" for grep { $keep->($_) } split /\n/, $list; close $to; return $file; }
sub only_base_tables { return list_of($_[0], sub { $_[0] !~ /TABLE DATA app tv_/ }, 'base'); }
sub without_extension { return list_of($_[0], sub { $_[0] !~ /EXTENSION/ }, 'no_extension'); }
sub plain { my ($database) = @_; $node->safe_psql($database, 'CREATE SCHEMA app'); return $database; }
