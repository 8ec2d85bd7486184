# A small load for the worker's tests: two base tables, two TVIEWs one over the other, writers in the background.
package TviewsLoad;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use IPC::Run;

our @EXPORT_OK = qw(make_tviews start_writers finish_writers);

sub make_tviews {
	my ($node, $database) = @_;
	$node->safe_psql($database, <<'SQL');
CREATE TABLE tb_author (pk_author int PRIMARY KEY, name text NOT NULL);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, fk_author int NOT NULL REFERENCES tb_author, title text NOT NULL);
CREATE INDEX ON tb_post (fk_author);
INSERT INTO tb_author SELECT g, 'author ' || g FROM generate_series(1, 50) g;
INSERT INTO tb_post SELECT g, 1 + g % 50, 'post ' || g FROM generate_series(1, 1000) g;
CREATE TABLE tv_post AS
  SELECT p.pk_post, p.fk_author, p.title, a.name AS author FROM tb_post p JOIN tb_author a ON a.pk_author = p.fk_author;
CREATE TABLE tv_author AS
  SELECT a.pk_author, a.name, (SELECT count(*) FROM tv_post p WHERE p.fk_author = a.pk_author) AS posts,
         (SELECT string_agg(p.title, ',' ORDER BY p.pk_post) FROM tv_post p WHERE p.fk_author = a.pk_author) AS titles
  FROM tb_author a;
SQL
	return;
}

# `clients` pgbench clients that change everything for `seconds`; returns a handle for finish_writers.
sub start_writers {
	my ($node, $database, $clients, $seconds) = @_;
	my $script = $node->basedir . '/writers.sql';
	append_to_file($script, <<'SQL') unless -e $script;
\set post random(1, 1000)
\set author random(1, 50)
\set what random(1, 10)
BEGIN;
UPDATE tb_post SET title = 'post ' || :post || ' ' || :what, fk_author = :author WHERE pk_post = :post;
SAVEPOINT s;
UPDATE tb_author SET name = 'author ' || :author || ' ' || :what WHERE pk_author = :author AND :what = 1;
\if :what > 7
ROLLBACK TO SAVEPOINT s;
\endif
\if :what = 10
ROLLBACK;
\else
COMMIT;
\endif
SQL
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start(
		[ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-U', 'postgres', '-f', $script, '-c', $clients, '-T', $seconds,
			'--max-tries=1000', $database ],
		'>', \$out, '2>', \$err);
	return { run => $run, out => \$out, err => \$err };
}

# Waits for them; a server killed under them makes pgbench fail, which is no matter.
sub finish_writers {
	my ($writers) = @_;
	eval { $writers->{run}->finish; };
	return;
}

1;
