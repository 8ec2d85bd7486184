# Installations with several databases: templates, closed doors, no free worker slot, a dead launcher, an extension that comes and goes.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use TviewsNode qw(start_node prepare_database oracle no_orphans wait_applied wait_until worker_pid);

my $node = start_node('installation', conf => "pg_tviews.max_databases = 6\nrestart_after_crash = on\n");
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker'";

# Statements run outside of transactions, one by one; each within two seconds.
sub quickly {
	my ($database, @statements) = @_;
	my $start = time();
	my ($rc, $out, $err) = $node->psql($database, join('', map { "$_;\n" } @statements), timeout => 30);
	is($rc, 0, "$statements[0] works") or diag $err;
	cmp_ok(time() - $start, '<', 2.5 * @statements, "$statements[0] does not wait for a worker");
	return;
}

sub make_tview {
	my ($database) = @_;
	$node->safe_psql($database, <<'SQL');
CREATE TABLE tb_item (pk_item int PRIMARY KEY, v int);
CREATE TABLE tv_item AS SELECT pk_item, v FROM tb_item;
INSERT INTO tb_item SELECT g, g FROM generate_series(1, 100) g;
SQL
	return;
}

sub check {
	my ($database, $what) = @_;
	wait_applied($node, $database, 60, "$what: applied");
	oracle($node, $database, "$what: equal");
	no_orphans($node, $database, "$what: nothing left behind");
	return;
}

# Three databases, one without the extension.
prepare_database($node, $_) for qw(one two);
$node->safe_psql('postgres', 'CREATE DATABASE none');
make_tview($_) for qw(one two);
$node->safe_psql('none', 'CREATE TABLE tb_x (pk_x int PRIMARY KEY); CREATE TABLE tv_x AS SELECT pk_x FROM tb_x; ALTER TABLE tb_x ADD y int; DROP TABLE tv_x');
check($_, $_) for qw(one two);
ok(wait_until($node, 'postgres', $workers, '2', 10), 'a worker for each database that has the extension, no other');

# template1 with the extension: what is made from it has a worker at once.
prepare_database($node, 'template1');
make_tview('template1');
quickly('postgres', 'CREATE DATABASE born');
$node->safe_psql('born', 'INSERT INTO tb_item VALUES (1000, 1)');
ok(worker_pid($node, 'born'), 'a database made from a template with the extension has a worker');
check('born', 'its TVIEWs');
quickly('postgres', 'CREATE DATABASE again TEMPLATE born');
check('again', 'and those of its copy');
quickly('postgres', 'DROP DATABASE again', 'DROP DATABASE born');
quickly('template1', 'DROP EXTENSION pg_tviews CASCADE', 'DROP TABLE tb_item CASCADE');

# Doors that are closed to users are not closed to the worker; a database that takes no connections has none.
$node->safe_psql('postgres', 'ALTER DATABASE two CONNECTION LIMIT 0');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'two'");
$node->safe_psql('two', 'INSERT INTO tb_item VALUES (2000, 1)');
check('two', 'CONNECTION LIMIT 0');
$node->safe_psql('postgres', 'ALTER DATABASE two ALLOW_CONNECTIONS false');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'two'");
ok(wait_until($node, 'postgres', "$workers AND datname = 'two'", '0', 10), 'no worker where no connections are allowed');
is($node->safe_psql('one', "SELECT pg_tviews_wait('10 s')"), 't', 'the others go on');
$node->safe_psql('postgres', 'ALTER DATABASE two ALLOW_CONNECTIONS true CONNECTION LIMIT -1');
$node->safe_psql('two', 'INSERT INTO tb_item VALUES (2001, 1)');
ok(worker_pid($node, 'two'), 'connections allowed again: the worker comes');
check('two', 'connections allowed again');

# An owner who is no superuser.
$node->safe_psql('postgres', 'CREATE ROLE landlord LOGIN CREATEDB; ALTER DATABASE two OWNER TO landlord');
my ($rc, $out, $err) = $node->psql('postgres', 'ALTER DATABASE two RENAME TO three', extra_params => [ '-U', 'landlord' ], timeout => 30);
is($rc, 0, 'the owner of a database renames it') or diag $err;
check('three', 'renamed by its owner');

# The launcher: asked to leave, and killed.
my $launcher = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_tviews launcher'";
my $before = $node->safe_psql('postgres', $launcher);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($before)");
ok(wait_until($node, 'postgres', "SELECT pid <> $before FROM ($launcher) x", 't', 20), 'a launcher that was terminated comes again');
$node->safe_psql('one', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker' AND datname = 'one'");
$node->safe_psql('one', 'INSERT INTO tb_item VALUES (3000, 1)');
check('one', 'and starts workers that it did not start');
$before = $node->safe_psql('postgres', $launcher);
kill 9, $before;
ok(wait_until($node, 'postgres', "SELECT pid <> $before FROM ($launcher) x", 't', 40), 'a launcher that was killed comes again');
$node->safe_psql('one', 'INSERT INTO tb_item VALUES (3001, 1)');
check('one', 'after the restart');

# The extension comes and goes beside a writer.
$node->safe_psql('none', 'CREATE TABLE tb_item (pk_item serial PRIMARY KEY, v int)');
my $script = PostgreSQL::Test::Utils::tempdir() . '/insert.sql';
PostgreSQL::Test::Utils::append_to_file($script, "INSERT INTO tb_item (v) VALUES (1);\n");
my ($bench_out, $bench_err) = ('', '');
my $bench = IPC::Run::start([ 'pgbench', '-n', '-f', $script, '-c', '2', '-T', '8', '-R', '200', '-h', $node->host, '-p', $node->port, 'none' ], '<', \undef, '>', \$bench_out, '2>', \$bench_err);
my $rounds = 0;
for (my $end = time() + 5; time() < $end; ++$rounds) {
	($rc, $out, $err) = $node->psql('none', 'CREATE EXTENSION pg_tviews; CREATE TABLE tv_item AS SELECT pk_item, v FROM tb_item;', timeout => 30);
	is($rc, 0, 'CREATE EXTENSION and a TVIEW beside writers') or diag $err;
	($rc, $out, $err) = $node->psql('none', 'DROP EXTENSION pg_tviews CASCADE; DROP TABLE IF EXISTS tv_item CASCADE; DROP VIEW IF EXISTS v_item CASCADE', timeout => 30);
	is($rc, 0, 'DROP EXTENSION') or diag $err;
}
ok($bench->finish, 'no writer failed while the extension came and went') or diag $bench_err;
cmp_ok($rounds, '>', 1, "$rounds rounds");
is($node->safe_psql('none', "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg_tviews%'"), '0', 'no trigger is left');

# In a schema of its own, which is dropped.
$node->safe_psql('none', 'CREATE SCHEMA ext; CREATE EXTENSION pg_tviews SCHEMA ext; SET search_path = public, ext; CREATE TABLE tv_item AS SELECT pk_item, v FROM tb_item');
ok(worker_pid($node, 'none'), 'the extension in a schema of its own has a worker');
is($node->safe_psql('none', "UPDATE tb_item SET v = 2; SELECT ext.pg_tviews_wait('20 s')"), 't', 'and works');
is($node->safe_psql('none', 'SELECT count(*) FROM tv_item WHERE v <> 2'), '0', 'rows are fresh');
quickly('none', 'DROP SCHEMA ext CASCADE');
$node->safe_psql('none', 'INSERT INTO tb_item (v) VALUES (1); DROP TABLE IF EXISTS tv_item CASCADE');
is($node->safe_psql('none', "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg_tviews%'"), '0', 'its schema dropped: no trigger is left, writes go on');
ok(wait_until($node, 'postgres', "$workers AND datname = 'none'", '0', 10), 'and no worker');

# No free slot for a worker: said once, seen, and over when a slot comes free.
$node->append_conf('postgresql.conf', "max_worker_processes = 2\nmax_parallel_workers = 0\nmax_logical_replication_workers = 0\n");
$node->restart;
ok(wait_until($node, 'one', "$workers", '1', 20), 'one slot is left beside the launcher, one worker runs');
my $served = $node->safe_psql('postgres', "SELECT datname FROM pg_stat_activity WHERE backend_type = 'pg_tviews refresh worker'");
my $starved = $served eq 'one' ? 'three' : 'one';
$node->safe_psql($starved, 'INSERT INTO tb_item VALUES (4000, 1)');
($rc, $out, $err) = $node->psql($starved, "SELECT pg_tviews_wait('300 ms')", timeout => 30);
is($out, 'f', 'without a worker waiting ends in time');
like($err, qr/refresh worker of database "$starved" is not running.*max_worker_processes/s, 'and says why');
like($node->safe_psql($starved, "SELECT state FROM pg_tviews_workers WHERE database = '$starved'"), qr/^(none|backoff)$/, 'pg_tviews_workers says that none runs');
sleep 3;
cmp_ok(scalar(() = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /no free background worker slot/g), '<=', 3,
	'the log says it once for each shortage (looking for the extension takes slots, too), not with every attempt');
quickly('postgres', "DROP DATABASE $served");
ok(worker_pid($node, $starved), 'a slot comes free: the worker starts');
check($starved, 'and applies what waited');

$node->stop;
done_testing();
