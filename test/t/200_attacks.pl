# Code of a user that runs because of a TVIEW gains nothing: in views, indexes, triggers, defaults, constraints, domains; hostile objects
# beside CREATE EXTENSION; hostile arguments of a capture trigger.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use TviewsNode qw(start_node prepare_database oracle wait_applied wait_until);

my $node = start_node('attacks');
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE bob LOGIN');

sub as_user { my ($user, $database, $sql) = @_; return $node->safe_psql($database, $sql, extra_params => [ '-U', $user ]); }

# Whatever our install script would take instead of pg_catalog's own, if it named it carelessly.
$node->safe_psql('postgres', 'CREATE DATABASE hostile');
$node->safe_psql('hostile', 'GRANT CREATE ON SCHEMA public TO mallory');
as_user('mallory', 'hostile', <<'SQL');
SET client_min_messages = error;
DO $do$
DECLARE l text; r text; o text; types text[] := ARRAY['numeric', 'int4', 'int8', 'float8', 'text', 'name', 'oid', 'timestamptz', 'jsonb', 'regclass', '"char"', 'text[]', 'interval', 'bool'];
BEGIN
  CREATE FUNCTION public.format(text, name) RETURNS text LANGUAGE sql AS 'SELECT $1';
  CREATE FUNCTION public.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS 'SELECT $1[1]';
  CREATE FUNCTION public.count(anyelement) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
  CREATE FUNCTION public.pg_tviews_counters_data(anyelement) RETURNS SETOF record LANGUAGE sql AS 'SELECT 1';
  FOREACH l IN ARRAY types LOOP
    FOREACH r IN ARRAY types LOOP
      EXECUTE format('CREATE FUNCTION public.op(%s, %s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION ''mine''; END $f$', l, r, l);
      EXECUTE format('CREATE FUNCTION public.cmp(%s, %s) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION ''mine''; END $f$', l, r);
      FOREACH o IN ARRAY ARRAY['+', '-', '*', '/', '||'] LOOP
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.op)', o, l, r);
      END LOOP;
      FOREACH o IN ARRAY ARRAY['=', '<>', '<', '>', '~'] LOOP
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.cmp)', o, l, r);
      END LOOP;
    END LOOP;
  END LOOP;
END $do$;
SQL
$node->safe_psql('hostile', 'CREATE EXTENSION pg_tviews');
my $taken = <<'SQL';
SET search_path = pg_catalog;
WITH mine AS (SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
              AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_tviews')),
  parts AS (SELECT classid, objid FROM mine
            UNION SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite r JOIN mine ON classid = 'pg_class'::regclass AND objid = r.ev_class
            UNION SELECT 'pg_attrdef'::regclass, d.oid FROM pg_attrdef d JOIN mine ON classid = 'pg_class'::regclass AND objid = d.adrelid)
SELECT pg_describe_object(d.classid, d.objid, 0), pg_describe_object(d.refclassid, d.refobjid, 0) FROM parts JOIN pg_depend d USING (classid, objid)
WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass) AND d.deptype = 'n'
  AND (d.refclassid, d.refobjid) NOT IN (SELECT classid, objid FROM mine) AND d.refobjid >= 16384
SQL
is($node->safe_psql('hostile', $taken), '', 'CREATE EXTENSION takes nothing that a user put into its schema before');
is($node->safe_psql('hostile', 'SET search_path = pg_catalog; SELECT count(*) FROM public.pg_tviews_freshness, public.pg_tviews_queue_realtime, public.pg_tviews_performance_summary'), '0', 'the views run beside them');
my ($out, $err);
isnt($node->psql('hostile', 'DROP EXTENSION pg_tviews; CREATE TABLE pg_tview_audit (); CREATE EXTENSION pg_tviews', stderr => \$err), 0, 'a table that is there already is not taken over');
like($err, qr/relation "pg_tview_audit" already exists/, 'and the error names it');
isnt($node->psql('hostile', 'CREATE EXTENSION pg_tviews', extra_params => [ '-U', 'mallory' ], stderr => \$err), 0, 'only superusers create the extension');
$node->safe_psql('postgres', 'DROP DATABASE hostile WITH (FORCE)');

prepare_database($node, 'app');
$node->safe_psql('app', 'CREATE SCHEMA m AUTHORIZATION mallory; GRANT USAGE ON SCHEMA m TO PUBLIC');
as_user('mallory', 'app', <<'SQL');
SET search_path = m, public;
CREATE TABLE log (place text, who text, what text);
CREATE TABLE off (off boolean);
CREATE FUNCTION attack(place text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE c text;
BEGIN
  IF EXISTS (SELECT FROM m.off) THEN RETURN; END IF;
  INSERT INTO m.log VALUES (place, current_user, 'ran');
  IF session_user = 'mallory' THEN RETURN; END IF;
  FOREACH c IN ARRAY ARRAY['ALTER ROLE mallory SUPERUSER', 'CREATE ROLE made_by_mallory', 'RESET ROLE', 'SET ROLE postgres', 'SET LOCAL ROLE postgres',
     'SET SESSION AUTHORIZATION postgres', 'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION DEFAULT', 'DISCARD ALL', 'LISTEN x', 'CREATE TEMP TABLE leak (a int)',
     'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'PREPARE evil AS SELECT 1', 'COPY m.log TO PROGRAM ''id''', 'COPY m.log TO ''/tmp/x''', 'SET session_replication_role = replica', 'LOAD ''auto_explain''',
     'TABLE pg_authid', 'DELETE FROM public.pg_tview_catalog', 'TABLE public.pg_tview_journal_0', 'LOCK TABLE public.pg_tview_catalog', 'TABLE public.pg_tview_deferred',
     'SELECT pg_terminate_backend(pg_backend_pid())', 'SELECT pg_reload_conf()', 'SELECT pg_read_file(''PG_VERSION'')', 'SELECT public.pg_tviews_announce()',
     'SELECT public.pg_tviews_debug_hold(''x'')', 'SELECT public.pg_tviews_stats_reset()', 'SELECT public.pg_tviews_refresh(''bobs'')', 'SELECT public.pg_tviews_drop(''bobs'')'] LOOP
    BEGIN
      EXECUTE c;
      INSERT INTO m.log VALUES (place, current_user, 'could ' || c);
    EXCEPTION WHEN OTHERS THEN
    END;
  END LOOP;
  RESET ALL;
  PERFORM set_config('search_path', 'm', false), set_config('lock_timeout', '77', false), set_config('pg_tviews.synchronous', 'on', false);
  FOREACH c IN ARRAY ARRAY['pg_advisory_unlock_all()', 'pg_advisory_unlock(1)', 'pg_try_advisory_lock_shared(4711, 1)', 'pg_advisory_lock(4711)'] LOOP
    BEGIN
      EXECUTE 'SELECT ' || c;
    EXCEPTION WHEN insufficient_privilege THEN  -- not in somebody else's session
    END;
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  INSERT INTO m.log VALUES (place, current_user, 'error ' || sqlerrm);
END $$;
CREATE FUNCTION im(place text, x anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.attack(place); RETURN x; END $$;
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.attack(tg_argv[0]); RETURN coalesce(new, old); END $$;
CREATE DOMAIN word AS text CHECK (m.im('domain'::text, value) = value);
CREATE DOMAIN number AS int CHECK (m.im('key domain'::text, value) = value);
CREATE TABLE tb_parent (pk_parent number PRIMARY KEY, t text);
CREATE TABLE tb_a (pk_a number PRIMARY KEY, fk_parent int, t text);
INSERT INTO tb_parent SELECT g, 'p' FROM generate_series(1, 5) g;
INSERT INTO tb_a SELECT g, g % 5 + 1, 'x' FROM generate_series(1, 50) g;
CREATE TABLE tv_a AS SELECT pk_a, t, m.im('view'::text, t) AS v, m.im('constant'::text, 5) AS five, p.fk_parent, (SELECT q.t FROM tb_parent q WHERE q.pk_parent = p.fk_parent) AS parent FROM tb_a p;
CREATE TABLE tv_above AS SELECT pk_a AS pk_above, m.im('above'::text, v) AS v, m.im('mapped'::text, fk_parent) AS fk FROM tv_a;
CREATE VIEW v_fold AS SELECT a.pk_a, p.t FROM tb_a a JOIN tb_parent p ON p.pk_parent = a.fk_parent + m.im('fold'::text, 0) AND m.im('fold'::text, 1) = 1;
CREATE TABLE tb_doc (pk_doc int PRIMARY KEY, d jsonb);
CREATE VIEW v_doc AS SELECT a.pk_a AS pk_doc, x.d FROM tb_a a LEFT JOIN tb_doc x ON (x.d ->> m.im('fold'::text, 'k'::text)) = a.t;
CREATE INDEX ON tv_a (m.im('index'::text, t));
CREATE INDEX ON tv_a (pk_a) WHERE m.im('predicate'::text, t) = t;
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON tv_a FOR EACH ROW EXECUTE FUNCTION fired('before');
CREATE TRIGGER s AFTER INSERT OR UPDATE OR DELETE ON tv_a FOR EACH STATEMENT EXECUTE FUNCTION fired('statement');
CREATE CONSTRAINT TRIGGER d AFTER INSERT OR UPDATE OR DELETE ON tv_a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fired('deferred');
ALTER TABLE tv_a ADD COLUMN d word DEFAULT m.im('default'::text, 'q'::text), ADD COLUMN g text GENERATED ALWAYS AS (m.im('generated'::text, t)) STORED, ADD CHECK (m.im('check'::text, t) = t);
CREATE FUNCTION policy(x text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM m.attack('policy'); RETURN true; END $$;
CREATE POLICY p ON tv_above USING (m.policy(v));
ALTER TABLE tv_above ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- Functions and operators that stand before pg_catalog's in a pinned search_path.
CREATE FUNCTION lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.attack('shadow'); RETURN $1; END $$;
CREATE FUNCTION eq(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM m.attack('operator'); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
CREATE OPERATOR = (LEFTARG = int, RIGHTARG = int, FUNCTION = m.eq);
SET search_path = m, pg_catalog, public;
CREATE TABLE tv_shadow AS SELECT a.pk_a::int AS pk_shadow, a.t, p.t AS parent FROM tb_a a JOIN tb_parent p ON p.pk_parent OPERATOR(pg_catalog.=) a.fk_parent;
SQL
$node->safe_psql('app', 'CREATE SCHEMA b AUTHORIZATION bob');
as_user('bob', 'app', 'CREATE TABLE b.tb_bobs (pk_bobs int PRIMARY KEY, t text); CREATE TABLE b.tv_bobs AS SELECT * FROM b.tb_bobs; INSERT INTO b.tb_bobs VALUES (1, $$secret$$)');
as_user('mallory', 'app', 'DELETE FROM m.log');

# The worker.
as_user('mallory', 'app', "INSERT INTO m.tb_a VALUES (100, 1, 'new'); UPDATE m.tb_a SET t = 'y' WHERE pk_a <= 3; DELETE FROM m.tb_a WHERE pk_a = 50; UPDATE m.tb_parent SET t = 'pp' WHERE pk_parent = 1");
wait_applied($node, 'app');
my $places = $node->safe_psql('app', "SELECT string_agg(DISTINCT place, ' ' ORDER BY place) FROM m.log WHERE place NOT IN ('key domain', 'mapped', 'operator', 'shadow')");
is($places, 'above before check constant default deferred domain generated index predicate statement view', 'the worker reaches the code everywhere');
my $who = 'SELECT DISTINCT who FROM m.log';
my $could = "SELECT DISTINCT place, who, what FROM m.log WHERE what <> 'ran' ORDER BY 1, 3";
is($node->safe_psql('app', $who), 'mallory', '... and runs it as the owner');
is($node->safe_psql('app', $could), '', '... who can do nothing with it');
is($node->safe_psql('app', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0', '... and keeps no lock');

# A superuser's session.
my %calls = (
	refresh => "SELECT pg_tviews_refresh('m.tv_a')",
	refresh_all => 'SELECT count(*) FROM pg_tviews_refresh_all()',
	verify => "SELECT * FROM pg_tviews_verify('m.tv_a')",
	'verify, sampled' => "SELECT * FROM pg_tviews_verify('m.tv_a', 5)",
	'verify, repairing' => "SELECT * FROM pg_tviews_verify('m.tv_a', NULL, true)",
	affected => "SELECT * FROM pg_tviews_affected('m.tb_a', '3'); SELECT * FROM pg_tviews_affected('m.tb_parent', '3'); SELECT * FROM pg_tviews_affected('m.tv_a', '3')",
	suggest_indexes => "SELECT * FROM pg_tviews_suggest_indexes('m.tv_a'); SELECT * FROM pg_tviews_suggest_indexes('m.tv_above')",
	derive => "SELECT * FROM pg_tviews_derive('m.v_a', ARRAY['pk_a']); SELECT * FROM pg_tviews_derive('m.v_above', ARRAY['pk_above']); SELECT * FROM pg_tviews_derive('m.v_fold', ARRAY['pk_a'], true); SELECT * FROM pg_tviews_derive('m.v_doc', ARRAY['pk_doc'])",
	explain => "SELECT * FROM pg_tviews_explain('m.tv_a')",
	monitoring => 'SELECT * FROM pg_tviews_freshness, pg_tview_meta, pg_tviews_performance_summary, pg_tview_performance_log; SELECT * FROM pg_tview_parked_keys',
	retry_parked => 'SELECT pg_tviews_retry_parked()',
	replace => "SELECT pg_tviews_create_or_replace('m.tv_shadow', 'SELECT a.pk_a::int AS pk_shadow, a.t, p.t AS parent, 1 AS one FROM m.tb_a a JOIN m.tb_parent p ON p.pk_parent = a.fk_parent')",
	'DDL on a base table' => 'ALTER TABLE m.tb_a ADD COLUMN more int; ALTER TABLE m.tb_parent RENAME t TO u; ALTER TABLE m.tb_parent RENAME u TO t',
);
for my $name (sort keys %calls) {
	as_user('mallory', 'app', "DELETE FROM m.log; DELETE FROM m.tv_shadow WHERE pk_shadow = 1");
	is($node->psql('app', "SELECT pg_advisory_lock(1); $calls{$name};\nSELECT current_user || current_setting('lock_timeout') || current_setting('pg_tviews.synchronous') || current_setting('search_path'), (SELECT string_agg(objid::text, ' ') FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
			stdout => \$out, stderr => \$err, on_error_stop => 1), 0, "a superuser calls $name") or diag $err;
	like($out, qr/^postgres0off"\$user", public\|1$/m, '... his session stays his own, with the locks that he took');
	is($node->safe_psql('app', "SELECT DISTINCT place, who, what FROM m.log WHERE who <> 'mallory' OR what <> 'ran'"), '', '... and the code ran as the owner');
	is($node->safe_psql('app', "SELECT count(*) > 0 FROM m.log WHERE place = 'fold'"), 't', '... which folds constants') if $name eq 'derive';
}
is($node->safe_psql('app', "SELECT rolsuper, (SELECT count(*) FROM pg_roles WHERE rolname = 'made_by_mallory') FROM pg_roles WHERE rolname = 'mallory'"), 'f|0', 'mallory is what she was');
is($node->safe_psql('app', 'SELECT entity FROM pg_tview_meta ORDER BY 1'), "a\nabove\nbobs\nshadow", 'no TVIEW is gone');
as_user('mallory', 'app', 'INSERT INTO m.off VALUES (true)');
wait_applied($node, 'app');
oracle($node, 'app');

# Arguments of a capture trigger are somebody's input: they come with a dump.
as_user('mallory', 'app', 'CREATE TABLE m.t (a int); CREATE TRIGGER x AFTER INSERT ON m.t FOR EACH ROW EXECUTE FUNCTION pg_tviews_capture(); INSERT INTO m.t VALUES (1)');
srand(20001);
my @atoms = ("'m.v_a'", "'b.v_bobs'", "'pk_a'", "'{}'", "'made'", "'adopted'", "''", "'\"'", "'\"\"'", "'m.'", "'.'", "'a.b.c.d'", "'{\"key\": 5}'", "'[1]'", "'nonsense'", "'{\"settings\": {\"role\": \"postgres\"}}'",
	"'{\"settings\": {\"x\": {}}}'", "'" . 'x' x 200 . "'", "'pg_catalog.pg_class'", "E'a\\nb'", "'%s%n'", "'{\"partition_by\": \"RANGE (\"}'", "'pk_a, pk_a'", "'pk_a,'", "'; DROP TABLE m.tb_a; --'", "''''");
my $tried = 0;
for my $round (1 .. 60) {
	my $count = int(rand(8));
	my @arguments = map { $atoms[ int(rand(@atoms)) ] } 1 .. $count;
	@arguments = ("'b.v_bobs'", "'pk_bobs'", @arguments[ 0 .. $#arguments ]) if $round % 4 == 0;
	my $name = (qw(pg_tviews_capture zz_pg_tviews_capture pg_tviews_capture_x evil))[ $round % 4 ];
	my $when = ('AFTER INSERT OR UPDATE OR DELETE ON m.tv_fuzz FOR EACH ROW', 'BEFORE INSERT ON m.tv_fuzz FOR EACH ROW', 'AFTER TRUNCATE ON m.tv_fuzz', 'AFTER UPDATE ON m.tv_fuzz REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT')[ int(rand(4)) ];
	$node->psql('app', <<SQL, extra_params => [ '-U', 'mallory' ], stderr => \$err, stdout => \$out, on_error_stop => 0);
CREATE TABLE m.tv_fuzz (pk_a int, pk_bobs int, t text);
CREATE TRIGGER $name $when EXECUTE FUNCTION pg_tviews_capture(@{[ join ', ', @arguments ]});
INSERT INTO m.tv_fuzz VALUES (1, 1, 'a'); UPDATE m.tv_fuzz SET t = 'b'; DELETE FROM m.tv_fuzz; TRUNCATE m.tv_fuzz;
DROP TABLE m.tv_fuzz CASCADE;
SQL
	++$tried if $err !~ /server closed|terminated/;
}
is($tried, 60, 'no argument of a capture trigger brings the server down');
is($node->safe_psql('app', "SELECT count(*) FROM pg_tview_meta WHERE entity = 'fuzz'"), '0', '... and none leaves a TVIEW behind');
$node->safe_psql('app', "DROP TABLE IF EXISTS m.tv_fuzz CASCADE; INSERT INTO m.tb_a VALUES (101, 1, 'still'); INSERT INTO b.tb_bobs VALUES (2, 'x')");
wait_applied($node, 'app');
oracle($node, 'app');
done_testing();
