# No SQL is built from unquoted names: tables, columns, types, roles, schemas, views, indexes and TVIEWs with names that hurt, seeded.
use strict;
use warnings;
use utf8;
use Test::More;
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node oracle wait_applied wait_until);

my $seed = $ENV{SEED} || 20202;
note "seed $seed";
my $node = start_node('names', database => 'app');
srand($seed);  # starting a server draws numbers, too
$node->safe_psql('app', 'CREATE TABLE canary (a int)');

sub identifier { my $name = shift; $name =~ s/"/""/g; return qq{"$name"}; }
sub literal { my $text = shift; $text =~ s/'/''/g; $text =~ s/\\/\\\\/g; return "E'$text'"; }

my @pieces = ('"', "'", '\\', ';', '%s', '%I', '%n', '$1', '$$', '--', '/*', '*/', ' ', "\n", "\t", '.', ',', '(', ')', '{', '}', '[', '=', 'select', 'user', 'group', 'null', 'TABLE', 'Übergröße', '名前', "\x{1F600}",
	'1', '007', 'X', 'x', '; DROP TABLE canary; --', "'; DROP TABLE canary; --", '"; DROP TABLE canary; --', 'pg_temp', 'public', ':a', '@extschema@', '|', '#>>', "\x{301}");
my %used = (public => 1);  # a schema that is there, and no name for a role
# A name of at most `limit` bytes, not used before.
sub name {
	my ($limit) = @_;
	for (;;) {
		my $name = join '', map { $pieces[ int(rand(@pieces)) ] } 1 .. 1 + int(rand(4));
		$name .= 'y' x 70 if rand() < 0.15;
		my $bytes = $name;
		utf8::encode($bytes);
		while (length($bytes) > $limit) { chop $name; $bytes = $name; utf8::encode($bytes); }
		next if $name eq '' || $name =~ /^pg_/ || $used{$name}++;
		return $name;
	}
}

# The statement as bytes, for psql.
sub run { my ($sql, @more) = @_; utf8::encode($sql); return $node->safe_psql('app', $sql, @more); }

my $rounds = $ENV{ROUNDS} || 8;
for my $round (1 .. $rounds) {
	my ($schema, $role, $type, $parent, $child, $fk, $text, $extra, $view, $index, $kind) = map { identifier(name(63)) } 1 .. 11;
	my $key_json = name(63);
	my $id = identifier($key_json);
	my $raw = name(50);
	my ($entity, $other) = map { my $n = $_; identifier("tv_$n") } $raw, name(50);
	my $name_argument = literal("$schema.$entity");
	my ($key_value, $new_value) = map { literal(name(63)) } 1 .. 2;
	$key_json =~ s/([\\"])/\\$1/g;
	$key_json =~ s/\n/\\n/g;
	$key_json =~ s/\t/\\t/g;
	my $options = literal(qq({"key": "$key_json"}));
	my $query = "SELECT c.$id, c.$fk, c.$text, c.$kind, p.$text AS $extra FROM $schema.$child c JOIN $schema.$parent p ON p.$id = c.$fk WHERE c.$text <> " . literal(name(40));
	run("CREATE ROLE $role; GRANT CREATE ON DATABASE app TO $role; SET ROLE $role; CREATE SCHEMA $schema; CREATE TYPE $schema.$type AS ENUM ($key_value, $new_value)");
	run(<<SQL);
SET ROLE $role;
CREATE TABLE $schema.$parent ($id text PRIMARY KEY, $text text);
CREATE TABLE $schema.$child ($id text PRIMARY KEY, $fk text, $text text, $kind $schema.$type);
CREATE INDEX $index ON $schema.$child ($fk);
INSERT INTO $schema.$parent VALUES ($key_value, 'p'), ($new_value, 'q');
INSERT INTO $schema.$child VALUES ($key_value, $key_value, 't', $key_value), ('k', $new_value, $new_value, $new_value);
SELECT pg_tviews_create($name_argument, @{[ literal($query) ]}, $options);
CREATE VIEW $schema.$view AS SELECT $id, count(*) AS n, max($text) AS $text FROM $schema.$entity GROUP BY $id;
SELECT pg_tviews_create(@{[ literal("$schema.$other") ]}, @{[ literal("SELECT * FROM $schema.$view") ]}, $options);
UPDATE $schema.$parent SET $text = $new_value WHERE $id = $key_value;
UPDATE $schema.$child SET $fk = $key_value;
INSERT INTO $schema.$child VALUES ($new_value, $new_value, $key_value, $key_value);
SQL
	is(run("SELECT pg_tviews_wait('60 s')"), 't', "round $round: applied");
	oracle($node, 'app', '... and equal');
	my ($renamed, $column, $moved, $called) = (map({ identifier(name(63)) } 1 .. 3), identifier('tv_' . name(50)));
	# Everything that takes a name or builds SQL of one.
	run(<<SQL);
SET ROLE $role;
SELECT * FROM pg_tviews_verify($name_argument);
SELECT pg_tviews_refresh($name_argument);
SELECT * FROM pg_tviews_explain($name_argument), pg_tviews_suggest_indexes($name_argument);
SELECT * FROM pg_tviews_affected(@{[ literal("$schema.$parent") ]}, $key_value);
SELECT * FROM pg_tviews_affected(@{[ literal("$schema.$child") ]}, $new_value);
SELECT pg_tviews_retry_parked($name_argument);
SELECT * FROM pg_tview_meta, pg_tviews_freshness, pg_tview_performance_log, pg_tview_audit_log LIMIT 0;
SELECT pg_tviews_pause($name_argument);
SELECT pg_tviews_resume($name_argument);
ALTER TABLE $schema.$parent RENAME TO $renamed;
ALTER TABLE $schema.$renamed RENAME COLUMN $text TO $column;
ALTER SCHEMA $schema RENAME TO $moved;
ALTER TABLE $moved.$entity RENAME TO $called;
UPDATE $moved.$renamed SET $column = 'again';
SELECT pg_tviews_create_or_replace(@{[ literal("$moved.$called") ]}, @{[ literal("SELECT c.$id, c.$fk, c.$text, c.$kind, p.$column AS $extra FROM $moved.$child c JOIN $moved.$renamed p ON p.$id = c.$fk") ]}, $options);
ALTER TYPE $moved.$type RENAME VALUE $key_value TO @{[ literal(name(63)) ]};
DELETE FROM $moved.$child WHERE $id = 'k';
SQL
	is(run("SELECT pg_tviews_wait('60 s')"), 't', '... applied after renames of everything');
	oracle($node, 'app', '... and equal');
	my $dropped = literal("$moved.$other");
	run("SET ROLE $role; SELECT pg_tviews_drop($dropped); DROP SCHEMA $moved CASCADE; RESET ROLE; DROP OWNED BY $role; DROP ROLE $role");
}
is(run('SELECT count(*) FROM canary'), '0', 'nothing was executed that was a name');
is(run('SELECT count(*) FROM pg_tview_meta'), '0', 'and nothing stays behind');
done_testing();
