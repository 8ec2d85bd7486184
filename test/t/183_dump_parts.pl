# Dumps of single tables, without rows, without the extension, over what is there, beside writers: what cannot come back is shown and heals.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use TviewsDumps qw(start_source dump_to target load whole);
use TviewsNode qw(wait_applied);

my $node = start_source('dump_parts');
my $folder = $PostgreSQL::Test::Utils::tmp_check;
my $errors;
my $script = dump_to('script');
my $text = PostgreSQL::Test::Utils::slurp_file($script);
my $custom = dump_to('custom', '-Fc');

# A pause is the installation's, not the data's: what was missed in it is in what is restored.
$node->safe_psql('source', q{SELECT pg_tviews_pause('app.tv_post'); UPDATE app.tb_user SET name = 'missed' WHERE pk_user = 7});
my $paused = target();
load($paused, 'dumped while a TVIEW was paused', 'pg_restore', '-e', dump_to('paused', '-Fc'));
is($node->safe_psql($paused, q{SELECT count(*) FROM app.tv_post WHERE name = 'missed' AND pg_tviews_wait()}), '10', 'what was missed in the pause is there');
whole($paused, 'paused');
$node->safe_psql('source', q{SELECT pg_tviews_resume('app.tv_post')});
wait_applied($node, 'source');

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
open(my $out, '>', "$folder/dump_refused") or die; print $out $volatile; close $out;
like(load($refused, 'a view that is refused', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/dump_refused"), qr/table "tv_post" is not a TVIEW again: .*random/, 'a warning names the offender');
is($node->safe_psql($refused, q{SELECT tview || ': ' || reason FROM pg_tviews_unregistered}), 'app.tv_post: it could not be derived when it came back; pg_tviews_register() says why', 'it is listed');
$node->safe_psql($refused, q{CREATE OR REPLACE VIEW app.v_post AS SELECT p.pk_post, p.fk_user, u.name, p.title FROM app.tb_post p JOIN app.tb_user u ON u.pk_user = p.fk_user});
is($node->safe_psql($refused, q{SELECT pg_tviews_register('app.tv_post'), pg_tviews_register('app.tv_post')}), 't|f', 'it is registered by hand, once');
whole($refused, 'refused first');

# Without its stored rows; without the extension.
my $empty = target();
load($empty, 'without the stored rows', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', dump_to('empty', '--exclude-table-data=app.tv_*'));
whole($empty, 'no stored rows');
my $without = target();
IPC::Run::run([ 'pg_restore', '--exit-on-error', '--section=pre-data', '--section=data', '-n', 'app', '-d', $node->connstr(plain($without)), $custom ], '2>', \$errors);
is($node->safe_psql($without, 'SELECT count(*) FROM app.tv_post'), '100', 'without the extension the tables are plain tables');

# Writers beside a parallel restore of the triggers.
my $beside = target();
load($beside, 'pre-data and data', 'pg_restore', '-e', '--section=pre-data', '--section=data', $custom);
my $writer = IPC::Run::start([ 'bash', '-c', 'for i in $(seq 1 40); do echo "UPDATE app.tb_user SET name = \'w$i\' WHERE pk_user = 1 + $i % 10; UPDATE app.tb_post SET title = \'w$i\' WHERE pk_post = $i + 10;"; sleep 0.02; done | psql -Xq -v ON_ERROR_STOP=1 -d "$0"', $node->connstr($beside) ], '2>', \$errors);
load($beside, 'parallel post-data beside writers', 'pg_restore', '-e', '-j', '3', '--section=post-data', $custom);
ok(IPC::Run::finish($writer), 'no writer failed') or diag $errors;
whole($beside, 'beside writers');

$node->stop;
done_testing();

sub plain { my ($database) = @_; $node->safe_psql($database, 'CREATE SCHEMA app'); return $database; }
