# Behind pgbouncer in transaction mode, each transaction on another server connection (server_round_robin).
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $node = start_node('pooler', database => 'app');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $dir = PostgreSQL::Test::Utils::tempdir_short();
open my $ini, '>', "$dir/ini" or die $!;
print $ini <<INI;
[databases]
app = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=app user=postgres
[pgbouncer]
listen_port = $port
unix_socket_dir = $dir
auth_type = any
pool_mode = transaction
default_pool_size = 4
server_round_robin = 1
logfile = $dir/log
INI
close $ini;
my $bouncer = IPC::Run::start([ '/usr/sbin/pgbouncer', "$dir/ini" ], '<', '/dev/null', '>', "$dir/out", '2>', "$dir/err");
my ($out, $err);
my $connection = "host=$dir port=$port dbname=app user=postgres";
sub pooled {
	my @commands = @_;
	my $rc = IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $connection, map { ('-c', $_) } @commands ], '<', '/dev/null', '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	chomp $out;
	return $rc;
}
my $up = 0;
for (1 .. 100) { last if $up = pooled('SELECT 1'); select undef, undef, undef, 0.1 }
ok($up, 'pgbouncer answers');
# Clients at the same time make the pool grow; then one alone goes round its connections.
my @clients = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $connection, '-c', 'SELECT pg_sleep(2)' ], '<', '/dev/null', '>', '/dev/null') } 1 .. 4;
$_->finish foreach @clients;
pooled(map { 'SELECT pg_backend_pid()' } 1 .. 8);
my %pids = map { $_ => 1 } split /\n/, $out;
cmp_ok(scalar(keys %pids), '>', 2, 'one client meets several server connections');

ok(pooled('CREATE TABLE tb_post (pk_post int PRIMARY KEY, title text)', 'INSERT INTO tb_post SELECT g FROM generate_series(1, 50) g', 'CREATE TABLE tv_post AS SELECT pk_post, title FROM tb_post',
	"SELECT pg_tviews_create('tv_long', 'SELECT pk_post AS pk_long, length(title) AS n FROM tv_post')"), 'TVIEWs are made through it') or diag $err;
my ($elsewhere, $fresh) = (0, 0);
for my $round (1 .. 20) {
	pooled("BEGIN; UPDATE tb_post SET title = 'round $round' WHERE pk_post = $round; SELECT pg_current_xact_id() || ' ' || pg_backend_pid(); COMMIT");
	my ($xid, $writer) = $out =~ /^(\d+) (\d+)$/m;
	pooled("SELECT pg_tviews_wait_for('$xid', '30 s') || ' ' || pg_backend_pid()");
	my ($applied, $waiter) = $out =~ /^(\w+) (\d+)$/;
	++$elsewhere if $waiter != $writer;
	pooled("SELECT count(*) FROM tv_post p JOIN tv_long l ON l.pk_long = p.pk_post WHERE p.pk_post = $round AND title = 'round $round' AND n = length(title)");
	++$fresh if $applied eq 'true' && $out eq '1';
}
is($fresh, 20, 'pg_tviews_wait_for(xid) waits for a transaction of another connection');
cmp_ok($elsewhere, '>', 5, '... and most were of another');
ok(pooled("BEGIN; SET LOCAL pg_tviews.synchronous = on; UPDATE tb_post SET title = 'sync' WHERE pk_post = 30; COMMIT", "SELECT title || current_setting('pg_tviews.synchronous') FROM tv_post WHERE pk_post = 30"), 'SET LOCAL pg_tviews.synchronous');
is($out, 'syncoff', '... holds for its transaction and no other');
my $in_pieces = "CREATE ROLE pooled; GRANT ALL ON tb_post TO pooled";
ok(pooled($in_pieces, "BEGIN; SET LOCAL ROLE pooled; UPDATE tb_post SET title = 'role' WHERE pk_post = 31; COMMIT", 'SELECT current_user', "SELECT pg_tviews_wait('30 s')"), 'SET LOCAL ROLE') or diag $err;
is($out, "postgres\nt", '... stays in its transaction');
ok(pooled('DISCARD ALL', "UPDATE tb_post SET title = 'discarded'", 'DISCARD PLANS', 'DISCARD ALL', "UPDATE tb_post SET title = 'again' WHERE pk_post < 5", 'DISCARD ALL', "SELECT pg_tviews_wait('30 s')"), 'DISCARD ALL between transactions') or diag $err;
ok(pooled("BEGIN; PREPARE p(int) AS UPDATE tb_post SET title = 'prepared' WHERE pk_post = \$1; EXECUTE p(6); DEALLOCATE p; COMMIT", "SELECT pg_tviews_wait('30 s')"), 'prepared statements in a transaction');
ok(!pooled("BEGIN; PREPARE q(int) AS SELECT pk_post AS pk_q FROM tb_post WHERE pk_post > \$1; CREATE TABLE tv_q AS EXECUTE q(1); COMMIT"), 'a TVIEW of parameters is refused');
like($err, qr/HINT/, '... with a HINT');
ok(pooled("SELECT pg_tviews_pause('post')", "UPDATE tb_post SET title = 'paused' WHERE pk_post = 7", "SELECT pg_tviews_resume('post')", "SELECT pg_tviews_wait('30 s')",
	"SELECT pg_tviews_refresh('post')", "SELECT count(*) FROM pg_tviews_verify('long')", "SELECT pg_tviews_drop('long')", "UPDATE tb_post SET title = 'end' WHERE pk_post = 8", "SELECT pg_tviews_wait('30 s')"), 'everything else works transaction by transaction') or diag $err;
oracle($node, 'app');
is($node->safe_psql('app', "SELECT count(*) FROM pg_locks WHERE locktype IN ('advisory', 'object') AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'idle')"), '0',
	'no server connection goes back with a lock');
$bouncer->signal('TERM');
$bouncer->finish;
done_testing();
