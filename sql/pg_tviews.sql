-- The SQL objects of pg_tviews, always current; make installs a copy as pg_tviews--<version>.sql.
\echo Use "CREATE EXTENSION pg_tviews" to load this file. \quit

-- ---------------------------------------------------------------------------------------------------- catalog
-- Derived data: everything here can be derived again from the definition that the capture trigger of each tv_ table carries.

-- Logical decoding does not see the rows of these tables: publications FOR ALL TABLES do not carry them.
CREATE FUNCTION pg_tviews_heap_handler(internal) RETURNS table_am_handler LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_heap_handler(internal) IS 'pg_tviews: the table access method pg_tviews_heap';
REVOKE ALL ON FUNCTION pg_tviews_heap_handler(internal) FROM PUBLIC;
CREATE ACCESS METHOD pg_tviews_heap TYPE TABLE HANDLER pg_tviews_heap_handler;
COMMENT ON ACCESS METHOD pg_tviews_heap IS 'pg_tviews: heap, for the extension''s own tables only: not carried by logical replication';

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
  created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
  adopted     boolean NOT NULL DEFAULT false,   -- the table was there before; pg_tviews_drop leaves it
  narrowed    text) USING pg_tviews_heap;                      -- the query with $1 ... for keys, where the planner cannot push them below a window
COMMENT ON TABLE pg_tview_catalog IS 'pg_tviews: one row per TVIEW; read pg_tview_meta instead';

CREATE TABLE pg_tview_relation (
  tview    oid NOT NULL,
  relation oid NOT NULL,                  -- a base table, or the table of another TVIEW
  is_tview boolean NOT NULL,
  PRIMARY KEY (tview, relation)) USING pg_tviews_heap;
CREATE INDEX ON pg_tview_relation (relation);
COMMENT ON TABLE pg_tview_relation IS 'pg_tviews: the relations each TVIEW reads';

CREATE SEQUENCE pg_tview_point_seq AS integer;
CREATE TABLE pg_tview_capture_point (
  point    integer PRIMARY KEY DEFAULT pg_catalog.nextval('@extschema@.pg_tview_point_seq'),
  relation oid NOT NULL,
  columns  text[] NOT NULL,
  fans_out boolean NOT NULL,              -- leads to keys by queries: apart, for its used columns are few and each value may reach many keys
  paths    text[],                        -- NULL, or per column: captured is column #>> path instead; '' for the column itself
  CONSTRAINT pg_tview_capture_point_key UNIQUE NULLS NOT DISTINCT (relation, columns, fans_out, paths)) USING pg_tviews_heap;
COMMENT ON TABLE pg_tview_capture_point IS 'pg_tviews: the column lists whose OLD and NEW values are captured';

CREATE TABLE pg_tview_mapping (
  point   integer NOT NULL,
  tview   oid NOT NULL,
  ordinal integer NOT NULL,               -- several paths may start at one capture point
  kind    "char" NOT NULL,                -- k key, m mapped, p partition, f full, s self
  query   text,
  used    text[],                         -- columns whose change matters; NULL: all of them
  nulls   boolean NOT NULL,               -- a NULL value matters too: the key of the TVIEW may become NULL
  PRIMARY KEY (point, tview, ordinal)) USING pg_tviews_heap;
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
  message      text) USING pg_tviews_heap;
CREATE UNIQUE INDEX pg_tview_deferred_key ON pg_tview_deferred (tview, key) NULLS NOT DISTINCT;
-- So that the table may be written beside a publication; with pg_tviews_heap nothing is logged for it.
ALTER TABLE pg_tview_deferred REPLICA IDENTITY FULL;
CREATE INDEX pg_tview_deferred_due ON pg_tview_deferred (next_attempt);
CREATE INDEX pg_tview_deferred_reason ON pg_tview_deferred (reason COLLATE "C", tview);
COMMENT ON TABLE pg_tview_deferred IS 'pg_tviews: keys that could not be applied yet; read pg_tviews_deferred_keys instead';

CREATE TABLE pg_tview_timer (
  tview        oid PRIMARY KEY,
  refreshed_at timestamptz NOT NULL) USING pg_tviews_heap;     -- the clock of the last refresh by timer
COMMENT ON TABLE pg_tview_timer IS 'pg_tviews: when TVIEWs with the option refresh_every were last refreshed by their timer; read pg_tviews_freshness instead';

CREATE SEQUENCE pg_tview_audit_seq;
CREATE TABLE pg_tview_audit (
  log_id       bigint PRIMARY KEY DEFAULT pg_catalog.nextval('@extschema@.pg_tview_audit_seq'),
  operation    text NOT NULL,
  entity       text NOT NULL,
  performed_by name NOT NULL DEFAULT CURRENT_USER,
  performed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  details      jsonb NOT NULL DEFAULT '{}',
  client_addr  inet DEFAULT pg_catalog.inet_client_addr(),
  client_port  integer DEFAULT pg_catalog.inet_client_port()) USING pg_tviews_heap;
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
-- Whoever restores a dump of his tables makes their triggers.  Making them by hand gives nobody more than pg_tviews_create: see RegisterRestored.
GRANT EXECUTE ON FUNCTION pg_tviews_capture() TO PUBLIC;

-- Apply of logical replication never writes the extension's own tables.
CREATE FUNCTION pg_tviews_skip_replicated() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_skip_replicated() IS 'pg_tviews: keeps replicated rows out of the extension''s own tables';
REVOKE ALL ON FUNCTION pg_tviews_skip_replicated() FROM PUBLIC;

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['pg_tview_catalog', 'pg_tview_relation', 'pg_tview_capture_point', 'pg_tview_mapping', 'pg_tview_deferred', 'pg_tview_timer',
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
  LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_create(text, text, jsonb) IS 'creates a TVIEW: a table with the rows of a query, kept fresh after every commit';

CREATE FUNCTION pg_tviews_adopt(tview regclass, query text, options jsonb DEFAULT '{}') RETURNS regclass
  LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_adopt(regclass, text, jsonb) IS 'makes an existing table a TVIEW: the columns of the query are kept fresh, all else stays as it is';

CREATE FUNCTION pg_tviews_convert_existing_table(table_name text) RETURNS regclass LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_convert_existing_table(text) IS 'adopts the table tv_x with the existing view v_x';

CREATE FUNCTION pg_tviews_create_or_replace(tview text, query text, options jsonb DEFAULT '{}') RETURNS regclass
  LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_create_or_replace(text, text, jsonb) IS
  'creates a TVIEW, or gives an existing one another definition: its table stays, with what you made on it, and its rows are brought up to date by difference';

CREATE FUNCTION pg_tviews_drop(tview text, if_exists boolean DEFAULT false, cascade boolean DEFAULT false) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_drop(text, boolean, boolean) IS 'drops a TVIEW, and its view if pg_tviews made it; an adopted table stays, as an ordinary table';

CREATE FUNCTION pg_tviews_resolve(tview text) RETURNS regclass LANGUAGE c STRICT STABLE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_resolve(text) IS 'the table of a TVIEW, from ''post'', ''tv_post'', ''app.tv_post'' or a quoted form';

-- Restored before what it reads, or without it.
CREATE FUNCTION pg_tviews_register(tview regclass) RETURNS boolean LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_register(regclass) IS
  'makes a restored table a TVIEW again, by the definition its capture trigger carries; false: it is one; raises what is in the way';
CREATE FUNCTION pg_tviews_carried_definition(tview oid, OUT view_name text, OUT key text, OUT options jsonb, OUT reason text)
  RETURNS record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_carried_definition(oid) IS 'pg_tviews: behind pg_tviews_unregistered: the definition that a capture trigger carries';

CREATE VIEW pg_tviews_unregistered WITH (security_barrier) AS
  SELECT t.tgrelid::pg_catalog.regclass AS tview, d.view_name, d.key, d.options, d.reason
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class r ON r.oid = t.tgrelid CROSS JOIN LATERAL pg_tviews_carried_definition(t.tgrelid) d
  WHERE t.tgfoid = 'pg_tviews_capture()'::pg_catalog.regprocedure AND t.tgnargs >= 3 AND t.tgparentid = 0::pg_catalog.oid
    AND NOT EXISTS (SELECT FROM pg_tview_catalog c WHERE c.tview = t.tgrelid)
    AND (pg_catalog.pg_has_role(r.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW pg_tviews_unregistered IS 'your tables that carry the definition of a TVIEW and are none: restored without what they read; the reason';
GRANT SELECT ON pg_tviews_unregistered TO PUBLIC;

CREATE VIEW pg_tviews_lineage WITH (security_barrier) AS
  SELECT m.tview::regclass AS tview, p.relation::regclass AS base_table,
         ARRAY(SELECT CASE WHEN path <> '' THEN pg_catalog.format('%I #>> %L', name, path) ELSE name END
               FROM ROWS FROM (pg_catalog.unnest(p.columns), pg_catalog.unnest(p.paths)) WITH ORDINALITY c(name, path, i) ORDER BY i) AS capture_columns,
         CASE m.kind WHEN 'k' THEN 'key' WHEN 'm' THEN 'mapped' WHEN 'p' THEN 'partition' WHEN 'f' THEN 'full' WHEN 's' THEN 'self' END AS kind,
         CASE WHEN pg_catalog.pg_has_role(t.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE') THEN m.query END AS mapping_query,
         m.used AS used_columns, m.point, m.ordinal
  FROM pg_tview_mapping m JOIN pg_tview_capture_point p USING (point) JOIN pg_catalog.pg_class t ON t.oid = m.tview
  WHERE pg_catalog.has_table_privilege(m.tview, 'SELECT') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pg_tviews_lineage IS 'how a changed row of each base table leads to the keys of each TVIEW that you may read; mapping queries: of your own';
GRANT SELECT ON pg_tviews_lineage TO PUBLIC;

CREATE VIEW pg_tview_meta WITH (security_barrier) AS
  SELECT c.entity, c.view AS view_oid, c.tview AS table_oid, CASE WHEN s.sees THEN c.definition END AS definition,
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
                       FROM pg_tview_mapping m JOIN pg_tview_capture_point p USING (point)
                       WHERE s.sees AND m.tview = c.tview AND p.relation = r.relation AND m.kind <> 's')
               FROM pg_tview_relation r WHERE r.tview = c.tview ORDER BY r.relation) AS dependency_paths,
         ARRAY(SELECT (SELECT pg_catalog.string_agg(DISTINCT k, ',' ORDER BY k)
                       FROM pg_tview_mapping m JOIN pg_tview_capture_point p USING (point), pg_catalog.unnest(p.columns) k
                       WHERE m.tview = c.tview AND p.relation = r.relation AND m.kind <> 's')
               FROM pg_tview_relation r WHERE r.tview = c.tview ORDER BY r.relation) AS array_match_keys,
         c.created_at, n.nspname AS schema_name, c.key_columns, c.level, c.options,
         CASE c.state WHEN 'f' THEN 'fresh' WHEN 'r' THEN 'refreshing' WHEN 'p' THEN 'paused' WHEN 'd' THEN 'degraded' WHEN 'b' THEN 'building'
                      WHEN 's' THEN 'restored' END AS state, c.adopted
  FROM pg_tview_catalog c JOIN pg_catalog.pg_class t ON t.oid = c.tview JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
       CROSS JOIN LATERAL (SELECT pg_catalog.pg_has_role(t.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE') AS sees) s
  WHERE pg_catalog.has_table_privilege(c.tview, 'SELECT') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pg_tview_meta IS 'the TVIEWs of this database that you may read; definition and dependency_paths: of your own';
GRANT SELECT ON pg_tview_meta TO PUBLIC;

CREATE FUNCTION pg_tviews_explain(tview text) RETURNS TABLE (base_table regclass, capture_columns text[], kind text, mapping_query text)
  LANGUAGE sql STRICT STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.base_table, l.capture_columns, l.kind, l.mapping_query
  FROM @extschema@.pg_tviews_lineage l WHERE l.tview = @extschema@.pg_tviews_resolve($1) AND l.kind <> 'self'
  ORDER BY l.base_table::text COLLATE "C", l.ordinal
$$;
COMMENT ON FUNCTION pg_tviews_explain(text) IS 'the lineage of a TVIEW: what is captured on each base table and how it leads to keys';

-- ---------------------------------------------------------------------------------------------------- refresh and wait

CREATE FUNCTION pg_tviews_wait(timeout interval DEFAULT '10 s') RETURNS boolean LANGUAGE c STRICT VOLATILE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_wait(interval) IS 'waits until everything committed before the call is applied to every TVIEW; false on timeout';
CREATE FUNCTION pg_tviews_wait_for(xid xid8, timeout interval DEFAULT '10 s') RETURNS boolean LANGUAGE c STRICT VOLATILE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_wait_for(xid8, interval) IS 'waits until the changes of one transaction are applied to every TVIEW; false on timeout';
CREATE FUNCTION pg_tviews_refresh(tview text) RETURNS bigint LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_refresh(text) IS 'pg_tviews: compares a whole TVIEW with its view and writes what differs; returns the rows changed';

CREATE FUNCTION pg_tviews_refresh_all(OUT entity text, OUT rows_changed bigint) RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_refresh_all() IS 'pg_tviews: pg_tviews_refresh() of every TVIEW the caller may write, in dependency order';

CREATE FUNCTION pg_tviews_verify(tview text, sample_rows bigint DEFAULT NULL, repair boolean DEFAULT false,
                                 OUT entity text, OUT missing bigint, OUT extra bigint, OUT different bigint, OUT example_key text)
  RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_verify(text, bigint, boolean)
  IS 'pg_tviews: compares a TVIEW, or a sample of its rows, with its view; changes not applied yet count as differences';

CREATE FUNCTION pg_tviews_retry_parked(tview text DEFAULT NULL) RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_retry_parked(text) IS 'pg_tviews: retries the parked keys of one TVIEW, or of all the caller may write, now; returns how many';

CREATE FUNCTION pg_tviews_pause(tview text DEFAULT NULL) RETURNS integer LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_pause(text) IS 'stops refreshing a TVIEW, or all you own, until pg_tviews_resume(); nothing is lost meanwhile; returns how many were paused';

CREATE FUNCTION pg_tviews_resume(tview text DEFAULT NULL) RETURNS integer LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_resume(text) IS 'ends the pause of a TVIEW, or of all you own: what was missed is applied; returns how many were resumed';

-- ---------------------------------------------------------------------------------------------------- understand
-- What would be captured for a TVIEW over `view`, without making it; `stored` is the table that its mapping queries would read, if any.
CREATE FUNCTION pg_tviews_derive(view regclass, key text[], unkeyed_full boolean DEFAULT false, stored oid DEFAULT 0,
                                 clock_allowed boolean DEFAULT false)
  RETURNS TABLE (base_table regclass, capture_columns text[], kind text, used_columns text[], mapping_query text, reason text, captures_nulls boolean)
  LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_derive(regclass, text[], boolean, oid, boolean) IS
  'pg_tviews: how changes of the tables that a view reads would lead to its key; used_columns NULL: every column; a dry run of pg_tviews_create';

CREATE FUNCTION pg_tviews_affected(base_table regclass, key text) RETURNS TABLE (entity text, key text) LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_affected(regclass, text) IS
  'pg_tviews: which rows of which TVIEWs a change of this row would touch, by its present values; key NULL: the whole TVIEW';

CREATE FUNCTION pg_tviews_suggest_indexes(entity_name text) RETURNS TABLE (index_suggestion text, reason text)
  LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_suggest_indexes(text) IS 'the indexes that a TVIEW, its view and its mapping queries lack, as statements that run as they are';

-- ---------------------------------------------------------------------------------------------------- watch

-- Functions behind the views: each shows a user only what is his to see.

CREATE FUNCTION pg_tviews_performance_log_data(
    OUT log_id bigint, OUT at timestamptz, OUT tview oid, OUT entity text, OUT duration_ms double precision, OUT batch_id bigint, OUT keys bigint,
    OUT rows_inserted bigint, OUT rows_updated bigint, OUT rows_deleted bigint, OUT rows_unchanged bigint, OUT form text, OUT lag_ms double precision,
    OUT sqlstate text)
  RETURNS SETOF record LANGUAGE c VOLATILE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_performance_log_data() IS 'pg_tviews: behind pg_tview_performance_log';

CREATE FUNCTION pg_tviews_databases_data(
    OUT database oid, OUT pid integer, OUT state text, OUT batches bigint, OUT keys bigint, OUT restarts bigint, OUT started_at timestamptz,
    OUT last_batch_at timestamptz, OUT waiting_for text, OUT last_error text, OUT ring_bytes_used bigint, OUT ring_bytes_size bigint,
    OUT records_pushed bigint, OUT records_overflowed bigint, OUT waiting_transactions bigint, OUT parked_keys bigint,
    OUT oldest_unapplied timestamptz, OUT applied_at timestamptz, OUT applied_snapshot text)
  RETURNS SETOF record LANGUAGE c VOLATILE ROWS 4 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_databases_data() IS 'pg_tviews: behind pg_tviews_workers, pg_tviews_queue_realtime and pg_tviews_freshness';

CREATE FUNCTION pg_tviews_long_data(
    OUT database oid, OUT pid integer, OUT state text, OUT tview oid, OUT refreshes bigint, OUT keys bigint, OUT restarts bigint,
    OUT started_at timestamptz, OUT last_refresh_at timestamptz, OUT waiting_for text, OUT last_error text)
  RETURNS SETOF record LANGUAGE c VOLATILE ROWS 1 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_long_data() IS 'pg_tviews: behind pg_tviews_workers: the processes that compare TVIEWs as a whole';

CREATE FUNCTION pg_tviews_cache_data(
    OUT cache_type text, OUT entries bigint, OUT capacity bigint, OUT hits bigint, OUT misses bigint, OUT evictions bigint,
    OUT hit_ratio double precision, OUT estimated_size bigint)
  RETURNS SETOF record LANGUAGE c VOLATILE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_cache_data() IS 'pg_tviews: behind pg_tviews_cache_stats';

CREATE FUNCTION pg_tviews_counters_data(
    tview oid, OUT refreshes bigint, OUT keys bigint, OUT rows_inserted bigint, OUT rows_updated bigint, OUT rows_deleted bigint,
    OUT rows_unchanged bigint, OUT errors bigint, OUT total_ms double precision, OUT max_ms double precision, OUT last_refresh timestamptz,
    OUT applied_at timestamptz, OUT applied_snapshot text, OUT lag_p50_ms double precision, OUT lag_p95_ms double precision,
    OUT lag_p99_ms double precision, OUT last_error text, OUT slowest_input text)
  RETURNS SETOF record LANGUAGE c VOLATILE STRICT ROWS 1 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_counters_data(oid) IS 'pg_tviews: behind pg_tviews_performance_summary and pg_tviews_freshness';

CREATE FUNCTION pg_tviews_journal_data(OUT rows bigint, OUT bytes bigint) RETURNS SETOF record LANGUAGE c VOLATILE ROWS 1 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_journal_data() IS 'pg_tviews: behind pg_tviews_queue_realtime: the journal of this database';

CREATE FUNCTION pg_tviews_records_data(
    OUT pushed bigint, OUT overflowed bigint, OUT drained bigint, OUT drained_before bigint, OUT from_ring bigint, OUT scanned bigint,
    OUT merged bigint, OUT refused bigint, OUT applied bigint, OUT gone bigint, OUT pending bigint, OUT scan_owed boolean)
  RETURNS SETOF record LANGUAGE c VOLATILE ROWS 1 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_records_data() IS 'pg_tviews: behind pg_tviews_debug_queue(): what became of the records that this database''s worker received';

CREATE FUNCTION pg_tviews_timer_due(tview oid) RETURNS timestamptz LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_timer_due(oid) IS 'pg_tviews: behind pg_tviews_freshness: when the option refresh_every wants the TVIEW refreshed next';

CREATE FUNCTION pg_tviews_stats_reset(tview text DEFAULT NULL) RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_stats_reset(text) IS 'forgets the counters of one TVIEW, or of all of this database';
REVOKE ALL ON FUNCTION pg_tviews_stats_reset(text) FROM PUBLIC;

CREATE FUNCTION pg_tviews_version() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$ SELECT extversion FROM pg_extension WHERE extname = 'pg_tviews' $$;
COMMENT ON FUNCTION pg_tviews_version() IS 'the version of pg_tviews in this database';

CREATE VIEW pg_tview_performance_log AS
  SELECT log_id, at AS "timestamp", entity, duration_ms AS refresh_duration_ms, batch_id, keys, rows_inserted, rows_updated, rows_deleted,
         rows_unchanged, form AS refresh_form, lag_ms, sqlstate, tview AS table_oid
  FROM pg_tviews_performance_log_data();
COMMENT ON VIEW pg_tview_performance_log IS 'the last refreshes of the TVIEWs you may read, newest first';
GRANT SELECT ON pg_tview_performance_log TO PUBLIC;

CREATE VIEW pg_tviews_performance_summary AS
  SELECT m.entity, COALESCE(s.refreshes, 0) AS total_refreshes, COALESCE(s.keys, 0) AS total_keys, COALESCE(s.rows_inserted, 0) AS rows_inserted,
         COALESCE(s.rows_updated, 0) AS rows_updated, COALESCE(s.rows_deleted, 0) AS rows_deleted, COALESCE(s.rows_unchanged, 0) AS rows_unchanged,
         s.total_ms / NULLIF(s.refreshes, 0)::double precision AS avg_refresh_ms, s.max_ms AS max_refresh_ms, s.last_refresh, COALESCE(s.errors, 0) AS errors, s.last_error,
         m.schema_name
  FROM pg_tview_meta m LEFT JOIN LATERAL pg_tviews_counters_data(m.table_oid) s ON true;
COMMENT ON VIEW pg_tviews_performance_summary IS 'what refreshing each TVIEW you may read has cost since the counters began';
GRANT SELECT ON pg_tviews_performance_summary TO PUBLIC;

CREATE FUNCTION pg_tviews_performance_stats(OUT entity text, OUT table_size bigint, OUT total_size bigint, OUT row_count bigint,
                                            OUT index_count bigint, OUT hot_ratio double precision, OUT schema_name name)
  RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT m.entity, s.table_size, s.total_size, s.row_count, (SELECT count(*) FROM pg_index i WHERE i.indrelid = m.table_oid), s.hot_ratio, m.schema_name
  FROM @extschema@.pg_tview_meta m
       CROSS JOIN LATERAL (
         SELECT sum(pg_table_size(r.relid))::bigint AS table_size, sum(pg_total_relation_size(r.relid))::bigint AS total_size,
                sum(pg_stat_get_live_tuples(r.relid))::bigint AS row_count,
                sum(pg_stat_get_tuples_hot_updated(r.relid))::double precision / NULLIF(sum(pg_stat_get_tuples_updated(r.relid)), 0) AS hot_ratio
         FROM (SELECT m.table_oid::regclass UNION SELECT relid FROM pg_partition_tree(m.table_oid)) r(relid)) s
$$;
COMMENT ON FUNCTION pg_tviews_performance_stats() IS
  'size, rows and indexes of each TVIEW you may read, with its partitions; hot_ratio: the part of the updates that touched no index';

CREATE VIEW pg_tviews_deferred_keys WITH (security_barrier) AS
  SELECT c.entity, d.key_text AS key, d.reason, d.since, d.attempts, d.next_attempt AS next_attempt_at, d.tview::pg_catalog.regclass AS tview
  FROM pg_tview_deferred d JOIN pg_tview_catalog c USING (tview) JOIN pg_catalog.pg_class t ON t.oid = d.tview
  WHERE pg_catalog.pg_has_role(t.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pg_tviews_deferred_keys IS 'keys of your TVIEWs that could not be applied yet, and why; key NULL: the whole TVIEW';
GRANT SELECT ON pg_tviews_deferred_keys TO PUBLIC;

CREATE VIEW pg_tview_parked_keys WITH (security_barrier) AS
  SELECT c.entity, d.key_text AS key, d.sqlstate, d.message, d.attempts, d.since AS first_failed_at, d.next_attempt AS next_attempt_at,
         d.tview::pg_catalog.regclass AS tview
  FROM pg_tview_deferred d JOIN pg_tview_catalog c USING (tview) JOIN pg_catalog.pg_class t ON t.oid = d.tview
  WHERE d.reason = 'failed' AND (pg_catalog.pg_has_role(t.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW pg_tview_parked_keys IS 'keys of your TVIEWs whose refresh failed, with the error and the next attempt; key NULL: the whole TVIEW';
GRANT SELECT ON pg_tview_parked_keys TO PUBLIC;

-- The lag of a TVIEW is the age of the oldest change not applied to it; with nothing pending it is fresh and the lag is 0.
CREATE VIEW pg_tviews_freshness AS
  SELECT m.entity, m.state,
         CASE WHEN p.since IS NULL THEN 0
              ELSE GREATEST(0, extract(epoch FROM pg_catalog.clock_timestamp() - p.since)::double precision * 1000::double precision) END AS lag_ms,
         j.rows + COALESCE(f.keys, 0) AS pending_records,
         p.since AS pending_since,
         CASE WHEN m.state = 'fresh' AND f.since IS NULL THEN d.applied_at ELSE s.applied_at END AS applied_at,
         CASE WHEN m.state = 'fresh' AND f.since IS NULL THEN d.applied_snapshot ELSE s.applied_snapshot END::pg_catalog.pg_snapshot AS applied_snapshot,
         s.lag_p50_ms, s.lag_p95_ms, s.lag_p99_ms, s.slowest_input, m.schema_name,
         w.due AS timer_due,
         CASE WHEN w.due IS NOT NULL THEN GREATEST(0, extract(epoch FROM pg_catalog.clock_timestamp() - w.due)::double precision * 1000::double precision) END AS timer_late_ms,
         (WITH RECURSIVE below(tview) AS (
            SELECT r.relation FROM pg_tview_relation r WHERE r.tview = m.table_oid AND r.is_tview
            UNION
            SELECT r.relation FROM below b JOIN pg_tview_relation r ON r.tview = b.tview AND r.is_tview)
          SELECT pg_catalog.array_agg(c.entity ORDER BY c.entity COLLATE "C", c.tview)
          FROM below b JOIN pg_tview_catalog c ON c.tview = b.tview
          WHERE c.state <> 'f' OR EXISTS (SELECT FROM pg_tview_deferred x WHERE x.tview = c.tview AND x.reason COLLATE "C" = 'failed')) AS reads_stale
  FROM pg_tview_meta m
       CROSS JOIN pg_tviews_journal_data() j
       LEFT JOIN pg_tviews_databases_data() d ON d.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
       LEFT JOIN LATERAL pg_tviews_counters_data(m.table_oid) s ON true
       LEFT JOIN LATERAL (SELECT pg_catalog.min(x.since) AS since, pg_catalog.count(*) AS keys FROM pg_tview_deferred x WHERE x.tview = m.table_oid) f ON true
       CROSS JOIN LATERAL (SELECT pg_tviews_timer_due(m.table_oid) AS due) w
       CROSS JOIN LATERAL (
         SELECT LEAST(d.oldest_unapplied, f.since,
                      -- the worker is away or rests, and left nothing in shared memory: what the journal holds is at least as old as
                      CASE WHEN (d.pid IS NULL OR d.state = 'resting') AND d.oldest_unapplied IS NULL AND j.rows > 0
                           THEN COALESCE(d.applied_at, pg_catalog.pg_postmaster_start_time()) END,
                      CASE WHEN m.state NOT IN ('fresh', 'paused') THEN COALESCE(s.applied_at, m.created_at) END) AS since) p;
COMMENT ON VIEW pg_tviews_freshness IS 'how far each TVIEW you may read is behind; percentiles from push of a change to its application; slowest_input: the base table whose mapping last took more than a millisecond; timer_due, timer_late_ms: the next refresh by refresh_every, and by how much it is late; reads_stale: the TVIEWs that it reads, directly or through others, and that are not fresh or have parked keys';
GRANT SELECT ON pg_tviews_freshness TO PUBLIC;

CREATE VIEW pg_tviews_queue_realtime AS
  SELECT b.datname AS database, d.ring_bytes_used, d.ring_bytes_size, d.records_pushed, d.records_overflowed, j.rows AS journal_rows,
         j.bytes AS journal_bytes, extract(epoch FROM pg_catalog.clock_timestamp() - d.oldest_unapplied)::double precision * 1000::double precision AS oldest_record_age_ms,
         d.waiting_transactions, d.parked_keys
  FROM pg_tviews_databases_data() d JOIN pg_catalog.pg_database b ON b.oid = d.database
       LEFT JOIN LATERAL pg_tviews_journal_data() j ON b.datname = pg_catalog.current_database();
COMMENT ON VIEW pg_tviews_queue_realtime IS 'ring and journal per database; the journal is that of this database only';
GRANT SELECT ON pg_tviews_queue_realtime TO PUBLIC;

CREATE VIEW pg_tviews_cache_stats AS
  SELECT cache_type, entries, capacity, hits, misses, evictions, hit_ratio, estimated_size FROM pg_tviews_cache_data();
COMMENT ON VIEW pg_tviews_cache_stats IS 'the shared graph cache and the statement cache of this database''s worker';
GRANT SELECT ON pg_tviews_cache_stats TO PUBLIC;

CREATE VIEW pg_tviews_workers AS
  SELECT b.datname AS database, d.pid, 'refresh'::text AS kind, d.state, d.batches, d.keys, d.restarts, d.started_at, d.last_batch_at, d.waiting_for,
         d.last_error
  FROM pg_tviews_databases_data() d LEFT JOIN pg_catalog.pg_database b ON b.oid = d.database
  UNION ALL
  SELECT b.datname, l.pid, 'long refresh', l.state, l.refreshes, l.keys, l.restarts, l.started_at, l.last_refresh_at, l.waiting_for, l.last_error
  FROM pg_tviews_long_data() l LEFT JOIN pg_catalog.pg_database b ON b.oid = l.database
  UNION ALL
  SELECT NULL, a.pid, 'launcher', 'idle', NULL, NULL, NULL, a.backend_start, NULL, NULL, NULL
  FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'pg_tviews launcher';
COMMENT ON VIEW pg_tviews_workers IS 'the launcher, the refresh workers and the processes for long refreshes; errors are shown to members of pg_monitor';
GRANT SELECT ON pg_tviews_workers TO PUBLIC;

CREATE VIEW pg_tview_audit_log WITH (security_barrier) AS
  SELECT log_id, operation, entity, performed_by, performed_at, details, client_addr, client_port FROM pg_tview_audit
  WHERE performed_by = CURRENT_USER OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pg_tview_audit_log IS 'what was done to which TVIEW by whom: your own doings, or all for members of pg_monitor';
GRANT SELECT ON pg_tview_audit_log TO PUBLIC;

CREATE FUNCTION pg_tviews_queue_stats() RETURNS jsonb LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT to_jsonb(q) FROM @extschema@.pg_tviews_queue_realtime q WHERE q.database = current_database()
$$;
COMMENT ON FUNCTION pg_tviews_queue_stats() IS 'pg_tviews_queue_realtime of this database as one JSON object';

CREATE FUNCTION pg_tviews_debug_queue() RETURNS jsonb LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_build_object('queue', @extschema@.pg_tviews_queue_stats(),
                            'worker', (SELECT to_jsonb(w) FROM @extschema@.pg_tviews_workers w WHERE w.database = current_database() AND w.kind = 'refresh'),
                            'records', (SELECT to_jsonb(r) FROM @extschema@.pg_tviews_records_data() r),
                            'deferred', (SELECT COALESCE(jsonb_agg(to_jsonb(d)), '[]') FROM @extschema@.pg_tviews_deferred_keys d))
$$;
COMMENT ON FUNCTION pg_tviews_debug_queue() IS 'queue, worker and deferred keys of this database as one JSON object';

-- ---------------------------------------------------------------------------------------------------- announce

CREATE FUNCTION pg_tviews_announce() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_announce() IS 'pg_tviews: tells the launcher that this database has the extension; the install script calls it';
REVOKE ALL ON FUNCTION pg_tviews_announce() FROM PUBLIC;
SELECT pg_tviews_announce();
