# Writers move amounts between rows that feed different TVIEWs; a REPEATABLE READ reader never sees a sum that no snapshot of the bases had.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use lib dirname(File::Spec->rel2abs(__FILE__));
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TviewsNode qw(start_node oracle wait_applied worker_pid);

my $seconds = $ENV{ATOMICITY_SECONDS} // 12;
my $node = start_node('atomicity', database => 'bank', conf => "pg_tviews.batch_size = 1000000\nsynchronous_commit = off");

# Two base tables, one TVIEW over each, and a third over both TVIEWs: two levels, three tables that must agree.
$node->safe_psql('bank', <<'SQL');
CREATE TABLE tb_branch (pk_branch int PRIMARY KEY);
CREATE TABLE tb_saving (pk_saving int PRIMARY KEY, fk_branch int NOT NULL REFERENCES tb_branch, amount int NOT NULL);
CREATE TABLE tb_loan (pk_loan int PRIMARY KEY, fk_branch int NOT NULL REFERENCES tb_branch, amount int NOT NULL);
CREATE INDEX ON tb_saving (fk_branch);
CREATE INDEX ON tb_loan (fk_branch);
INSERT INTO tb_branch SELECT generate_series(1, 20);
INSERT INTO tb_saving SELECT g, 1 + g % 20, 100 FROM generate_series(1, 200) g;
INSERT INTO tb_loan SELECT g, 1 + g % 20, 100 FROM generate_series(1, 200) g;
CREATE TABLE tv_saving AS SELECT pk_saving, fk_branch, amount, jsonb_build_object('amount', amount) AS data FROM tb_saving;
CREATE TABLE tv_loan AS SELECT pk_loan, fk_branch, amount, jsonb_build_object('amount', amount) AS data FROM tb_loan;
CREATE TABLE tv_branch AS
  SELECT b.pk_branch, (SELECT coalesce(sum(s.amount), 0) FROM tv_saving s WHERE s.fk_branch = b.pk_branch) AS saved,
         (SELECT coalesce(sum(l.amount), 0) FROM tv_loan l WHERE l.fk_branch = b.pk_branch) AS lent
  FROM tb_branch b;

CREATE TABLE seen (saved bigint, lent bigint);
CREATE FUNCTION look() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  saved bigint;
  lent bigint;
  of_branches bigint[];
  off_branch int;
BEGIN
  SELECT sum(amount) INTO saved FROM tv_saving;
  PERFORM pg_sleep(0.002);  -- time for a batch to commit between two reads
  SELECT sum(amount) INTO lent FROM tv_loan;
  PERFORM pg_sleep(0.002);
  SELECT ARRAY[sum(b.saved), sum(b.lent)] INTO of_branches FROM tv_branch b;
  IF saved + lent <> 40000 THEN
    RAISE EXCEPTION 'broken: % saved + % lent', saved, lent;
  END IF;
  IF of_branches <> ARRAY[saved, lent] THEN
    RAISE EXCEPTION 'broken between levels: % saved, % lent, branches say %', saved, lent, of_branches;
  END IF;
  SELECT b.pk_branch INTO off_branch FROM tv_branch b
    WHERE b.saved <> (SELECT coalesce(sum(amount), 0) FROM tv_saving WHERE fk_branch = b.pk_branch) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'broken: branch %', off_branch;
  END IF;
  INSERT INTO seen VALUES (saved, lent);
END $$;
SQL

sub script {
	my ($name, $text) = @_;
	my $path = $PostgreSQL::Test::Utils::tmp_check . "/$name.sql";
	open my $out, '>', $path or die "$path: $!";
	print $out $text;
	close $out;
	return $path;
}

# Sorted by table, so that writers seldom deadlock; the loan changes long after the saving, in the same transaction.
my $move = script('move', <<'SQL');
\set s random(1, 200)
\set l random(1, 200)
\set x random(-20, 20)
BEGIN;
UPDATE tb_saving SET amount = amount - :x WHERE pk_saving = :s;
SAVEPOINT p;
UPDATE tb_saving SET amount = amount + 1000000 WHERE pk_saving = :s;
ROLLBACK TO SAVEPOINT p;
UPDATE tb_loan SET amount = amount + :x WHERE pk_loan = :l;
COMMIT;
SQL
my $rehouse = script('rehouse', <<'SQL');
\set s random(1, 200)
\set b random(1, 20)
UPDATE tb_saving SET fk_branch = :b WHERE pk_saving = :s;
SQL
my $abort = script('abort', <<'SQL');
\set s random(1, 200)
BEGIN;
UPDATE tb_saving SET amount = amount + 77 WHERE pk_saving = :s;
ROLLBACK;
SQL
my $reader = script('reader', <<'SQL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT look();
COMMIT;
SQL

sub pgbench {
	my ($output, @arguments) = @_;
	return IPC::Run::start([ 'timeout', $seconds + 60, 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-T', $seconds, @arguments, 'bank' ],
		'<', \undef, '&>', $output);
}

my ($written, $read) = ('', '');
my $writers = pgbench(\$written, '-c', 3, '-R', 400, '--max-tries=10', '-f', "$move\@6", '-f', "$rehouse\@2", '-f', "$abort\@1");
my $readers = pgbench(\$read, '-c', 2, '-f', $reader);

# The worker dies twice meanwhile; the next one must not show half a batch either.
for (1 .. 2) {
	sleep $seconds / 4;
	my $pid = worker_pid($node, 'bank');
	$node->safe_psql('bank', "SELECT pg_terminate_backend($pid)") if $pid;
}

ok($writers->finish, 'the writers end without an error') or diag $written;
ok($readers->finish, 'no reader saw a broken sum') or diag $read;
unlike($read, qr/broken/, 'no reader reports one');

my ($polls, $states) = split /\|/, $node->safe_psql('bank', 'SELECT count(*), count(DISTINCT saved) FROM seen');
note "$polls polls saw $states different states";
cmp_ok($polls, '>', 50, 'the readers polled');
cmp_ok($states, '>', 10, 'and saw the TVIEWs move');

wait_applied($node, 'bank');
oracle($node, 'bank');
is($node->safe_psql('bank', 'SELECT sum(saved + lent) FROM tv_branch'), '40000', 'the sum at the end');

$node->stop;
done_testing();
