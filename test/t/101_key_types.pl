# Keys of every type travel through capture, journal and refresh; and without the library preloaded a write says what is missing.
use strict;
use warnings;
use Test::More;
use TviewsNode qw(start_node oracle wait_applied worker_pid);

my $node = start_node('types', database => 'app');
worker_pid($node, 'app');

# Type, and values that exist in it.
my @types = (
	[ 'smallint', '1', '-2' ], [ 'bigint', '1', '9007199254740993' ], [ 'oid', '1', '4294967295' ], [ 'boolean', 't', 'f' ],
	[ '"char"', 'a', 'b' ], [ 'real', '1.5', 'NaN' ], [ 'double precision', '1e300', '-0' ], [ 'numeric', '1.0', '12345678901234567890.12345' ],
	[ 'text', '', "\xc3\xa4''\"\\" ], [ 'varchar(40)', 'a', 'b' ], [ 'char(10)', 'a', 'b' ], [ 'name', 'a', 'b' ], [ 'bytea', '\x', '\x00ff' ],
	[ 'uuid', '00000000-0000-0000-0000-000000000001', 'ffffffff-ffff-ffff-ffff-ffffffffffff' ], [ 'date', '2020-01-01', 'infinity' ],
	[ 'timestamp', '2020-01-01', '2021-02-03 04:05:06.789' ], [ 'timestamptz', '2020-01-01', '2021-02-03 04:05:06.789+03' ], [ 'time', '10:00', '11:00:01.5' ],
	[ 'interval', '1 day', '-00:00:01' ], [ 'inet', '10.0.0.1', '::1' ], [ 'macaddr', '08:00:2b:01:02:03', '08:00:2b:01:02:04' ],
	[ 'label', 'x', 'y' ], [ 'mood', 'sad', 'glad' ], [ 'int4range', '[1,5)', 'empty' ], [ 'jsonb', '1', '{"a": [1, 2]}' ]);
my $sql = "CREATE DOMAIN label AS text CHECK (length(value) < 5000); CREATE TYPE mood AS ENUM ('sad', 'glad');\n";
my ($changes, $i) = ('', 0);
foreach my $case (@types) {
	my ($type, $one, $two) = @$case;
	$i++;
	$sql .= "CREATE TABLE tb_key$i (k $type PRIMARY KEY, v int); CREATE TABLE tb_ref$i (pk int PRIMARY KEY, fk $type);\n"
	  . "CREATE TABLE tv_key$i AS SELECT k.k AS pk_key$i, k.v, (SELECT count(*) FROM tb_ref$i r WHERE r.fk = k.k) AS refs FROM tb_key$i k;\n"
	  . "INSERT INTO tb_key$i VALUES ('$one', 1), ('$two', 1); INSERT INTO tb_ref$i VALUES (1, '$one'), (2, '$two'), (3, NULL);\n";
	$changes .= "UPDATE tb_key$i SET v = 2 WHERE k = '$one'; UPDATE tb_ref$i SET fk = '$two' WHERE pk = 1; UPDATE tb_ref$i SET fk = '$one' WHERE pk = 3;\n";
}
$node->safe_psql('app', $sql);
wait_applied($node, 'app');
oracle($node, 'app', 'first rows of every key type');
$node->safe_psql('app', $changes);
wait_applied($node, 'app');
oracle($node, 'app', 'changed rows of every key type');
is($node->safe_psql('app', 'SELECT count(*) FROM pg_tview_parked_keys'), '0', 'no key is parked');
is($node->safe_psql('app', join(' UNION ALL ', map { "SELECT min(refs * 10 + v) + max(refs * 10 + v) FROM tv_key$_" } 1 .. $i)),
	join("\n", ('33') x $i), 'every change has arrived');

$node->safe_psql('app', "CREATE TABLE tb_long (k text PRIMARY KEY, v int); CREATE TABLE tv_long AS SELECT k AS pk_long, v FROM tb_long;
  INSERT INTO tb_long VALUES (repeat('x', 2600), 1), (repeat('y', 100000), 1); UPDATE tb_long SET v = 2");
wait_applied($node, 'app');
oracle($node, 'app', 'keys too long for the journal');
is($node->safe_psql('app', 'SELECT count(*) FROM tv_long WHERE v = 2'), '2', 'are applied by a refresh of the whole TVIEW');

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
my ($out, $err);
$node->psql('app', 'UPDATE tb_long SET v = 3', stdout => \$out, stderr => \$err);
like($err, qr/shared_preload_libraries/, 'without the library preloaded a write says what is missing');
$node->psql('postgres', 'CREATE EXTENSION pg_tviews', stdout => \$out, stderr => \$err);
like($err, qr/shared_preload_libraries/, 'and so does CREATE EXTENSION');
is($node->safe_psql('app', 'SELECT count(*) FROM tv_long WHERE v = 2'), '2', 'the rows can be read');

$node->stop;
done_testing();
