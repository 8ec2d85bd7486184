-- The SQL objects of pg_tviews, always current; make installs a copy as pg_tviews--<version>.sql.
\echo Use "CREATE EXTENSION pg_tviews" to load this file. \quit

-- ---------------------------------------------------------------------------------------------------- catalog
-- Derived data: everything here can be derived again from the definition that the capture trigger of each tv_ table carries.

CREATE TABLE pg_tview_catalog (
  tview       oid PRIMARY KEY,            -- the tv_ table; its identity everywhere
  view        oid NOT NULL,               -- the v_ view
  owns_view   boolean NOT NULL,           -- made by pg_tviews, dropped with the TVIEW
  entity      text NOT NULL,
  definition  text NOT NULL,              -- the query as registered
  key_columns text[] NOT NULL,
  columns     text[] NOT NULL,            -- owned columns, in the view's order
  level       integer NOT NULL,
  options     jsonb NOT NULL,
  settings    text[] NOT NULL,            -- pinned: name, value, name, value ...
  state       "char" NOT NULL DEFAULT 'f',-- f fresh, r refreshing, p paused, d degraded, b building, s restored
  created_at  timestamptz NOT NULL DEFAULT pg_catalog.now());
COMMENT ON TABLE pg_tview_catalog IS 'pg_tviews: one row per TVIEW; read pg_tview_meta instead';

CREATE TABLE pg_tview_relation (
  tview    oid NOT NULL,
  relation oid NOT NULL,                  -- a base table, or the table of another TVIEW
  is_tview boolean NOT NULL,
  PRIMARY KEY (tview, relation));
CREATE INDEX ON pg_tview_relation (relation);
COMMENT ON TABLE pg_tview_relation IS 'pg_tviews: the relations each TVIEW reads';

CREATE SEQUENCE pg_tview_point_seq AS integer;
CREATE TABLE pg_tview_capture_point (
  point    integer PRIMARY KEY DEFAULT pg_catalog.nextval('@extschema@.pg_tview_point_seq'),
  relation oid NOT NULL,
  columns  text[] NOT NULL,
  UNIQUE (relation, columns));
COMMENT ON TABLE pg_tview_capture_point IS 'pg_tviews: the column lists whose OLD and NEW values are captured';

CREATE TABLE pg_tview_mapping (
  point   integer NOT NULL,
  tview   oid NOT NULL,
  ordinal integer NOT NULL,               -- several paths may start at one capture point
  kind    "char" NOT NULL,                -- k key, m mapped, p partition, f full, s self
  query   text,
  used    text[],                         -- columns whose change matters; NULL: all of them
  PRIMARY KEY (point, tview, ordinal));
CREATE INDEX ON pg_tview_mapping (tview);
COMMENT ON TABLE pg_tview_mapping IS 'pg_tviews: how a captured value leads to the keys of a TVIEW; read pg_tviews_explain() instead';

CREATE TABLE pg_tview_deferred (
  tview        oid NOT NULL,
  key          bytea,                     -- NULL: the whole TVIEW
  key_text     text,
  reason       text NOT NULL,
  since        timestamptz NOT NULL,
  attempts     integer NOT NULL,
  next_attempt timestamptz NOT NULL,
  sqlstate     text,
  message      text);
CREATE UNIQUE INDEX pg_tview_deferred_key ON pg_tview_deferred (tview, key) NULLS NOT DISTINCT;
CREATE INDEX pg_tview_deferred_due ON pg_tview_deferred (next_attempt);
COMMENT ON TABLE pg_tview_deferred IS 'pg_tviews: keys that could not be applied yet; read pg_tviews_deferred_keys instead';

CREATE SEQUENCE pg_tview_audit_seq;
CREATE TABLE pg_tview_audit (
  log_id       bigint PRIMARY KEY DEFAULT pg_catalog.nextval('@extschema@.pg_tview_audit_seq'),
  operation    text NOT NULL,
  entity       text NOT NULL,
  performed_by name NOT NULL DEFAULT CURRENT_USER,
  performed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  details      jsonb NOT NULL DEFAULT '{}',
  client_addr  inet DEFAULT pg_catalog.inet_client_addr(),
  client_port  integer DEFAULT pg_catalog.inet_client_port());
COMMENT ON TABLE pg_tview_audit IS 'pg_tviews: what was done to which TVIEW by whom; read pg_tview_audit_log instead';

-- ---------------------------------------------------------------------------------------------------- journal
-- Written in C at PRE_COMMIT.  STORAGE PLAIN in the statement that adds the column, so that no TOAST table is made.

CREATE TABLE pg_tview_journal_0 (xid xid8 NOT NULL) WITH (vacuum_truncate = off);
ALTER TABLE pg_tview_journal_0 ADD COLUMN payload bytea NOT NULL, ALTER COLUMN payload SET STORAGE PLAIN;
CREATE TABLE pg_tview_journal_1 (xid xid8 NOT NULL) WITH (vacuum_truncate = off);
ALTER TABLE pg_tview_journal_1 ADD COLUMN payload bytea NOT NULL, ALTER COLUMN payload SET STORAGE PLAIN;
CREATE TABLE pg_tview_journal_2 (xid xid8 NOT NULL) WITH (vacuum_truncate = off);
ALTER TABLE pg_tview_journal_2 ADD COLUMN payload bytea NOT NULL, ALTER COLUMN payload SET STORAGE PLAIN;
CREATE TABLE pg_tview_journal_3 (xid xid8 NOT NULL) WITH (vacuum_truncate = off);
ALTER TABLE pg_tview_journal_3 ADD COLUMN payload bytea NOT NULL, ALTER COLUMN payload SET STORAGE PLAIN;
COMMENT ON TABLE pg_tview_journal_0 IS 'pg_tviews: changed keys of committed transactions, one of four tables in turn';
COMMENT ON TABLE pg_tview_journal_1 IS 'pg_tviews: changed keys of committed transactions, one of four tables in turn';
COMMENT ON TABLE pg_tview_journal_2 IS 'pg_tviews: changed keys of committed transactions, one of four tables in turn';
COMMENT ON TABLE pg_tview_journal_3 IS 'pg_tviews: changed keys of committed transactions, one of four tables in turn';

-- ---------------------------------------------------------------------------------------------------- capture
CREATE FUNCTION pg_tviews_capture() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_capture() IS 'pg_tviews: notes the changed keys of a row; made and dropped with the TVIEWs';
REVOKE ALL ON FUNCTION pg_tviews_capture() FROM PUBLIC;

-- Apply of logical replication never writes the extension's own tables.
CREATE FUNCTION pg_tviews_skip_replicated() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_skip_replicated() IS 'pg_tviews: keeps replicated rows out of the extension''s own tables';
REVOKE ALL ON FUNCTION pg_tviews_skip_replicated() FROM PUBLIC;

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['pg_tview_catalog', 'pg_tview_relation', 'pg_tview_capture_point', 'pg_tview_mapping', 'pg_tview_deferred',
                           'pg_tview_audit', 'pg_tview_journal_0', 'pg_tview_journal_1', 'pg_tview_journal_2', 'pg_tview_journal_3'] LOOP
    EXECUTE pg_catalog.format('CREATE TRIGGER pg_tviews_skip_replicated BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.%I '
                              'FOR EACH ROW EXECUTE FUNCTION @extschema@.pg_tviews_skip_replicated()', t);
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I ENABLE REPLICA TRIGGER pg_tviews_skip_replicated', t);
  END LOOP;
END $$;

-- For tests, with pg_tviews.debug_waitpoints = on: processes stop at the named place while a session holds it.
CREATE FUNCTION pg_tviews_debug_hold(name text) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_debug_hold(text) IS 'pg_tviews: for tests: makes processes stop at a named place';
REVOKE ALL ON FUNCTION pg_tviews_debug_hold(text) FROM PUBLIC;
CREATE FUNCTION pg_tviews_debug_release(name text) RETURNS boolean LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_debug_release(text) IS 'pg_tviews: for tests: lets processes go on that pg_tviews_debug_hold stopped';
REVOKE ALL ON FUNCTION pg_tviews_debug_release(text) FROM PUBLIC;

-- ---------------------------------------------------------------------------------------------------- define

CREATE FUNCTION pg_tviews_create(tview text, query text, options jsonb DEFAULT '{}') RETURNS regclass
  LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_create(text, text, jsonb) IS 'creates a TVIEW: a table with the rows of a query, kept fresh after every commit';

CREATE FUNCTION pg_tviews_drop(tview text, if_exists boolean DEFAULT false, cascade boolean DEFAULT false) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_drop(text, boolean, boolean) IS 'drops a TVIEW, and its view if pg_tviews made it';

CREATE FUNCTION pg_tviews_resolve(tview text) RETURNS regclass LANGUAGE c STRICT STABLE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_resolve(text) IS 'the table of a TVIEW, from ''post'', ''tv_post'', ''app.tv_post'' or a quoted form';

CREATE VIEW pg_tviews_lineage AS
  SELECT m.tview::regclass AS tview, p.relation::regclass AS base_table, p.columns AS capture_columns,
         CASE m.kind WHEN 'k' THEN 'key' WHEN 'm' THEN 'mapped' WHEN 'p' THEN 'partition' WHEN 'f' THEN 'full' WHEN 's' THEN 'self' END AS kind,
         m.query AS mapping_query, m.used AS used_columns, m.point, m.ordinal
  FROM pg_tview_mapping m JOIN pg_tview_capture_point p USING (point)
  WHERE pg_catalog.has_table_privilege(m.tview, 'SELECT') OR pg_catalog.pg_has_role('pg_monitor', 'MEMBER');
COMMENT ON VIEW pg_tviews_lineage IS 'how a changed row of each base table leads to the keys of each TVIEW';
GRANT SELECT ON pg_tviews_lineage TO PUBLIC;

CREATE VIEW pg_tview_meta AS
  SELECT c.entity, c.view AS view_oid, c.tview AS table_oid, c.definition,
         ARRAY(SELECT r.relation FROM pg_tview_relation r WHERE r.tview = c.tview ORDER BY r.relation) AS dependencies,
         ARRAY(SELECT n FROM pg_catalog.unnest(c.columns) WITH ORDINALITY u(n, i) WHERE pg_catalog.starts_with(n, 'fk_') ORDER BY i) AS fk_columns,
         ARRAY(SELECT n FROM pg_catalog.unnest(c.columns) WITH ORDINALITY u(n, i)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.tview AND a.attname = n AND a.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype
               WHERE n ~ '_id$' ORDER BY i) AS uuid_fk_columns,
         -- the next three run parallel to dependencies
         ARRAY(SELECT (SELECT pg_catalog.string_agg(DISTINCT CASE m.kind WHEN 'k' THEN 'key' WHEN 'm' THEN 'mapped' WHEN 'p' THEN 'partition' ELSE 'full' END, '+')
                       FROM pg_tview_mapping m JOIN pg_tview_capture_point p USING (point) WHERE m.tview = c.tview AND p.relation = r.relation AND m.kind <> 's')
               FROM pg_tview_relation r WHERE r.tview = c.tview ORDER BY r.relation) AS dependency_types,
         ARRAY(SELECT (SELECT pg_catalog.string_agg(m.query, '; ' ORDER BY m.ordinal)
                       FROM pg_tview_mapping m JOIN pg_tview_capture_point p USING (point) WHERE m.tview = c.tview AND p.relation = r.relation AND m.kind <> 's')
               FROM pg_tview_relation r WHERE r.tview = c.tview ORDER BY r.relation) AS dependency_paths,
         ARRAY(SELECT (SELECT pg_catalog.string_agg(DISTINCT k, ',' ORDER BY k)
                       FROM pg_tview_mapping m JOIN pg_tview_capture_point p USING (point), pg_catalog.unnest(p.columns) k
                       WHERE m.tview = c.tview AND p.relation = r.relation AND m.kind <> 's')
               FROM pg_tview_relation r WHERE r.tview = c.tview ORDER BY r.relation) AS array_match_keys,
         c.created_at, n.nspname AS schema_name, c.key_columns::name[] AS key_columns, c.level, c.options,
         CASE c.state WHEN 'f' THEN 'fresh' WHEN 'r' THEN 'refreshing' WHEN 'p' THEN 'paused' WHEN 'd' THEN 'degraded' WHEN 'b' THEN 'building'
                      WHEN 's' THEN 'restored' END AS state
  FROM pg_tview_catalog c JOIN pg_catalog.pg_class t ON t.oid = c.tview JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  WHERE pg_catalog.has_table_privilege(c.tview, 'SELECT') OR pg_catalog.pg_has_role('pg_monitor', 'MEMBER');
COMMENT ON VIEW pg_tview_meta IS 'the TVIEWs of this database that you may read';
GRANT SELECT ON pg_tview_meta TO PUBLIC;

CREATE FUNCTION pg_tviews_explain(tview text) RETURNS TABLE (base_table regclass, capture_columns text[], kind text, mapping_query text)
  LANGUAGE sql STRICT STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.base_table, l.capture_columns, l.kind, l.mapping_query
  FROM @extschema@.pg_tviews_lineage l WHERE l.tview = @extschema@.pg_tviews_resolve($1) AND l.kind <> 'self'
  ORDER BY l.base_table::text COLLATE "C", l.ordinal
$$;
COMMENT ON FUNCTION pg_tviews_explain(text) IS 'the lineage of a TVIEW: what is captured on each base table and how it leads to keys';

-- ---------------------------------------------------------------------------------------------------- refresh and wait

-- ---------------------------------------------------------------------------------------------------- understand
-- What would be captured for a TVIEW over `view`, without making it.
CREATE FUNCTION pg_tviews_derive(view regclass, key text[], unkeyed_full boolean DEFAULT false)
  RETURNS TABLE (base_table regclass, capture_columns text[], kind text, used_columns text[], mapping_query text, reason text)
  LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_derive(regclass, text[], boolean) IS
  'pg_tviews: how changes of the tables that a view reads would lead to its key; used_columns NULL: every column; a dry run of pg_tviews_create';


-- ---------------------------------------------------------------------------------------------------- watch

-- ---------------------------------------------------------------------------------------------------- announce

CREATE FUNCTION pg_tviews_announce() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_announce() IS 'pg_tviews: tells the launcher that this database has the extension; the install script calls it';
REVOKE ALL ON FUNCTION pg_tviews_announce() FROM PUBLIC;
SELECT pg_tviews_announce();
