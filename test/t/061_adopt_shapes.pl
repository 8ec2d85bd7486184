# Tables that were there before, plain and partitioned, half filled and partly wrong, become TVIEWs of every shape.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Utils;
use TviewsNode qw(start_node oracle wait_applied test_dir);

my $node = start_node('adopt_shapes', database => 'app');
my $shapes = test_dir() . '/shapes';

sub load {
	my ($file, @set) = @_;
	return $node->psql('app', '', extra_params => [ '-q', @set, '-f', "$shapes/$file" ]);
}
load($_, '-v', 'n=40') == 0 or die $_ for qw(schema.sql seed.sql);

# The view over two TVIEWs comes last in the file, and can be made when their tables are there.
my $text = slurp_file("$shapes/views.sql");
my ($top) = $text =~ /(create view blog\.v_comment as.*)\z/s;
$node->safe_psql('app', $text =~ s/\Q$top\E//r);

# View and key; the last reads the tables of two others.
my @views = (
	[ 'crm.v_user', 'pk_user' ], [ 'blog.v_post', 'pk_post' ], [ 'blog.v_post_thread', 'pk_post' ], [ 'shop.v_order', 'pk_order' ],
	[ 'blog.v_post_tags', 'pk_post' ], [ 'crm.v_user_stats', 'pk_user' ], [ 'shop.v_category', 'pk_category' ],
	[ 'blog.v_comment_tree', 'pk_comment' ], [ 'crm.v_organization_dashboard', 'pk_organization' ], [ 'ops.v_allocation', 'id' ],
	[ 'shop.v_product_rank', 'pk_product' ], [ 'ops.v_device_day', 'device_id', 'day' ], [ 'ops.v_doc_user', 'id' ],
	[ 'blog.v_comment', 'pk_comment' ]);
# How the table is partitioned: by the key, so that it can be unique, or by what changes, so that rows move.
my %kinds = (plain => sub { '' }, by_key => sub { "PARTITION BY HASH ($_[0])" }, by_data => sub { 'PARTITION BY HASH (data)' });

sub adopt {
	my ($kind, $view, @key) = @_;
	my $table = $view =~ s/\.v_/.tv_/r;
	my $list = join ', ', @key;
	my $by = $kinds{$kind}->($list);
	$node->safe_psql('app', $top) if $view eq 'blog.v_comment';
	my $sql = "CREATE TABLE $table (LIKE $view, mine text DEFAULT 'mine') $by;";
	$sql .= join '', map { "CREATE TABLE ${table}_$_ PARTITION OF $table FOR VALUES WITH (MODULUS 3, REMAINDER $_);" } 0 .. 2 if $by;
	$node->safe_psql('app', $sql);
	my $key = join ', ', map { qq{"$_"} } @key;
	$node->safe_psql('app', <<"SQL");
INSERT INTO $table SELECT * FROM $view WHERE hashtext(($list)::text) % 2 = 0;
UPDATE $table SET data = '{}' WHERE hashtext(($list)::text) % 6 = 0;
DELETE FROM crm.tb_user_settings WHERE fk_user = (SELECT min(fk_user) FROM crm.tb_user_settings);
SELECT pg_tviews_adopt('$table', 'SELECT * FROM $view', '{"key": [$key], "on_unkeyed": "full"}');
SQL
	return;
}

my $writes = <<'SQL';
UPDATE crm.tb_user SET name = name || '!', deleted_at = CASE WHEN pk_user % 2 = 0 THEN now() END WHERE pk_user % 7 < 2;
UPDATE crm.tb_organization SET plan = plan || '+' WHERE pk_organization = 1;
UPDATE blog.tb_post SET published = NOT published, title = title || '?', fk_author = 1 + (fk_author + 3) % 40 WHERE pk_post % 11 = 0;
DELETE FROM blog.tb_comment WHERE pk_comment % 13 = 0 AND NOT EXISTS (SELECT FROM blog.tb_comment c WHERE c.fk_parent_comment = tb_comment.pk_comment);
UPDATE blog.tb_comment SET body = body || '.', fk_post = 1 + (fk_post + 5) % 200 WHERE pk_comment % 17 = 0;
DELETE FROM blog.tb_post_tag WHERE fk_post % 7 = 0;
UPDATE shop.tb_product SET price = price + 1, fk_category = 1 + fk_category % 5, active = NOT active WHERE pk_product % 9 = 0;
UPDATE shop.tb_category SET name = name || '/' WHERE pk_category = 2;
DELETE FROM shop.tb_order_item WHERE fk_order % 5 = 0;
INSERT INTO ops.allocation_status SELECT id, now(), 'late' FROM ops.allocation LIMIT 3;
UPDATE ops.meter_reading SET value = value + 1 WHERE value = 5;
DELETE FROM ops.meter_reading WHERE value = 9;
UPDATE ops.tb_doc_note n SET data = data || jsonb_build_object('user_id', (SELECT min(id::text) FROM ops.tb_doc_user)) WHERE n.data ->> 'created' = '3';
SQL

sub release {
	my ($view) = @_;
	my $table = $view =~ s/\.v_/.tv_/r;
	$node->safe_psql('app', "SELECT pg_tviews_drop('$table')");
	is($node->safe_psql('app', "SELECT count(*) = (SELECT count(*) FROM $view) AND bool_and(mine = 'mine') FROM $table"), 't', "$table is given back");
	$node->safe_psql('app', $view eq 'blog.v_comment' ? "DROP TABLE $table; DROP VIEW $view" : "DROP TABLE $table");
	return;
}

for my $kind (sort keys %kinds) {
	adopt($kind, @$_) for @views;
	oracle($node, 'app', "$kind: adopted tables equal their views");
	$node->safe_psql('app', $writes);
	wait_applied($node, 'app');
	oracle($node, 'app', "$kind: and after writes");
	is($node->safe_psql('app', 'SELECT count(*) FROM pg_tviews_deferred_keys'), '0', "$kind: nothing is parked");
	release($_->[0]) for reverse @views;
}
is($node->safe_psql('app', "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg_tviews_cap%'"), '0', 'no trigger stays');

$node->stop;
done_testing();
