# Dumps and restores as a whole, by sections, by halves and by another owner: what comes back is a TVIEW and is reconciled before it is called fresh.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use TviewsDumps qw(start_source dump_to target load list_of whole);

my $node = start_source('dumps');
my $folder = $PostgreSQL::Test::Utils::tmp_check;
my $errors;

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
load($sections, 'cleaned and restored', 'pg_restore', '--clean', '--if-exists', $custom);
whole($sections, 'clean');

my $schema = target();
load($schema, 'schema only', 'pg_restore', '-e', '--schema-only', $custom);
load($schema, 'data without the TVIEWs', 'pg_restore', '-e', '--data-only', '--disable-triggers', '-L', only_base_tables($custom), $custom);
whole($schema, 'data only');

# With the rows of the TVIEWs too: those may collide with what the worker has filled meanwhile, and are healed.
my $everything = target();
load($everything, 'schema only', 'pg_restore', '-e', '--schema-only', $custom);
IPC::Run::run([ 'pg_restore', '--data-only', '--disable-triggers', '-d', $node->connstr($everything), $custom ], '2>', \$errors);
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

$node->stop;
done_testing();

sub only_base_tables { return list_of($_[0], sub { $_[0] !~ /TABLE DATA app tv_/ }, 'base'); }
sub without_extension { return list_of($_[0], sub { $_[0] !~ /EXTENSION/ }, 'no_extension'); }
