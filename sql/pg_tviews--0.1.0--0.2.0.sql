-- From 0.1.0 to 0.2.0: the result is what pg_tviews.sql makes (test/t/180_update.pl compares).
\echo Use "ALTER EXTENSION pg_tviews UPDATE TO '0.2.0'" to load this file. \quit

CREATE FUNCTION pg_tviews_pause(tview text DEFAULT NULL) RETURNS integer LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_pause(text) IS 'stops refreshing a TVIEW, or all you own, until pg_tviews_resume(); nothing is lost meanwhile; returns how many were paused';

CREATE FUNCTION pg_tviews_resume(tview text DEFAULT NULL) RETURNS integer LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_resume(text) IS 'ends the pause of a TVIEW, or of all you own: what was missed is applied; returns how many were resumed';

-- Rows, definitions, keys and errors are shown to whom they belong, and every operator is pg_catalog's.
CREATE OR REPLACE VIEW pg_tviews_lineage WITH (security_barrier) AS
  SELECT m.tview::regclass AS tview, p.relation::regclass AS base_table,
         ARRAY(SELECT CASE WHEN path <> '' THEN pg_catalog.format('%I #>> %L', name, path) ELSE name END
               FROM ROWS FROM (pg_catalog.unnest(p.columns), pg_catalog.unnest(p.paths)) WITH ORDINALITY c(name, path, i) ORDER BY i) AS capture_columns,
         CASE m.kind WHEN 'k' THEN 'key' WHEN 'm' THEN 'mapped' WHEN 'p' THEN 'partition' WHEN 'f' THEN 'full' WHEN 's' THEN 'self' END AS kind,
         CASE WHEN pg_catalog.pg_has_role(t.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE') THEN m.query END AS mapping_query,
         m.used AS used_columns, m.point, m.ordinal
  FROM pg_tview_mapping m JOIN pg_tview_capture_point p USING (point) JOIN pg_catalog.pg_class t ON t.oid = m.tview
  WHERE pg_catalog.has_table_privilege(m.tview, 'SELECT') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pg_tviews_lineage IS 'how a changed row of each base table leads to the keys of each TVIEW that you may read; mapping queries: of your own';

CREATE OR REPLACE VIEW pg_tview_meta WITH (security_barrier) AS
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

CREATE OR REPLACE VIEW pg_tviews_performance_summary AS
  SELECT m.entity, COALESCE(s.refreshes, 0) AS total_refreshes, COALESCE(s.keys, 0) AS total_keys, COALESCE(s.rows_inserted, 0) AS rows_inserted,
         COALESCE(s.rows_updated, 0) AS rows_updated, COALESCE(s.rows_deleted, 0) AS rows_deleted, COALESCE(s.rows_unchanged, 0) AS rows_unchanged,
         s.total_ms / NULLIF(s.refreshes, 0)::double precision AS avg_refresh_ms, s.max_ms AS max_refresh_ms, s.last_refresh, COALESCE(s.errors, 0) AS errors, s.last_error,
         m.schema_name
  FROM pg_tview_meta m LEFT JOIN LATERAL pg_tviews_counters_data(m.table_oid) s ON true;
COMMENT ON VIEW pg_tviews_performance_summary IS 'what refreshing each TVIEW you may read has cost since the counters began';

CREATE OR REPLACE VIEW pg_tviews_deferred_keys WITH (security_barrier) AS
  SELECT c.entity, d.key_text AS key, d.reason, d.since, d.attempts, d.next_attempt AS next_attempt_at, d.tview::pg_catalog.regclass AS tview
  FROM pg_tview_deferred d JOIN pg_tview_catalog c USING (tview) JOIN pg_catalog.pg_class t ON t.oid = d.tview
  WHERE pg_catalog.pg_has_role(t.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pg_tviews_deferred_keys IS 'keys of your TVIEWs that could not be applied yet, and why; key NULL: the whole TVIEW';

CREATE OR REPLACE VIEW pg_tview_parked_keys WITH (security_barrier) AS
  SELECT c.entity, d.key_text AS key, d.sqlstate, d.message, d.attempts, d.since AS first_failed_at, d.next_attempt AS next_attempt_at,
         d.tview::pg_catalog.regclass AS tview
  FROM pg_tview_deferred d JOIN pg_tview_catalog c USING (tview) JOIN pg_catalog.pg_class t ON t.oid = d.tview
  WHERE d.reason = 'failed' AND (pg_catalog.pg_has_role(t.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW pg_tview_parked_keys IS 'keys of your TVIEWs whose refresh failed, with the error and the next attempt; key NULL: the whole TVIEW';

CREATE OR REPLACE VIEW pg_tviews_freshness AS
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

CREATE OR REPLACE VIEW pg_tviews_queue_realtime AS
  SELECT b.datname AS database, d.ring_bytes_used, d.ring_bytes_size, d.records_pushed, d.records_overflowed, j.rows AS journal_rows,
         j.bytes AS journal_bytes, extract(epoch FROM pg_catalog.clock_timestamp() - d.oldest_unapplied)::double precision * 1000::double precision AS oldest_record_age_ms,
         d.waiting_transactions, d.parked_keys
  FROM pg_tviews_databases_data() d JOIN pg_catalog.pg_database b ON b.oid = d.database
       LEFT JOIN LATERAL pg_tviews_journal_data() j ON b.datname = pg_catalog.current_database();
COMMENT ON VIEW pg_tviews_queue_realtime IS 'ring and journal per database; the journal is that of this database only';

CREATE FUNCTION pg_tviews_records_data(
    OUT pushed bigint, OUT overflowed bigint, OUT drained bigint, OUT drained_before bigint, OUT from_ring bigint, OUT scanned bigint,
    OUT merged bigint, OUT refused bigint, OUT applied bigint, OUT gone bigint, OUT pending bigint, OUT scan_owed boolean)
  RETURNS SETOF record LANGUAGE c VOLATILE ROWS 1 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_records_data() IS 'pg_tviews: behind pg_tviews_debug_queue(): what became of the records that this database''s worker received';

CREATE OR REPLACE FUNCTION pg_tviews_debug_queue() RETURNS jsonb LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_build_object('queue', @extschema@.pg_tviews_queue_stats(),
                            'worker', (SELECT to_jsonb(w) FROM @extschema@.pg_tviews_workers w WHERE w.database = current_database() AND w.kind = 'refresh'),
                            'records', (SELECT to_jsonb(r) FROM @extschema@.pg_tviews_records_data() r),
                            'deferred', (SELECT COALESCE(jsonb_agg(to_jsonb(d)), '[]') FROM @extschema@.pg_tviews_deferred_keys d))
$$;

CREATE FUNCTION pg_tviews_long_data(
    OUT database oid, OUT pid integer, OUT state text, OUT tview oid, OUT refreshes bigint, OUT keys bigint, OUT restarts bigint,
    OUT started_at timestamptz, OUT last_refresh_at timestamptz, OUT waiting_for text, OUT last_error text)
  RETURNS SETOF record LANGUAGE c VOLATILE ROWS 1 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_long_data() IS 'pg_tviews: behind pg_tviews_workers: the processes that compare TVIEWs as a whole';

CREATE OR REPLACE VIEW pg_tviews_workers AS
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
-- Whoever restores a dump of his tables makes their triggers.  Making them by hand gives nobody more than pg_tviews_create: see RegisterRestored.
GRANT EXECUTE ON FUNCTION pg_tviews_capture() TO PUBLIC;

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
-- Logical decoding does not see the rows of these tables: publications FOR ALL TABLES do not carry them.
CREATE FUNCTION pg_tviews_heap_handler(internal) RETURNS table_am_handler LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION pg_tviews_heap_handler(internal) IS 'pg_tviews: the table access method pg_tviews_heap';
REVOKE ALL ON FUNCTION pg_tviews_heap_handler(internal) FROM PUBLIC;
CREATE ACCESS METHOD pg_tviews_heap TYPE TABLE HANDLER pg_tviews_heap_handler;
COMMENT ON ACCESS METHOD pg_tviews_heap IS 'pg_tviews: heap, for the extension''s own tables only: not carried by logical replication';
ALTER TABLE pg_tview_catalog SET ACCESS METHOD pg_tviews_heap;
ALTER TABLE pg_tview_relation SET ACCESS METHOD pg_tviews_heap;
ALTER TABLE pg_tview_capture_point SET ACCESS METHOD pg_tviews_heap;
ALTER TABLE pg_tview_mapping SET ACCESS METHOD pg_tviews_heap;
ALTER TABLE pg_tview_deferred SET ACCESS METHOD pg_tviews_heap;
ALTER TABLE pg_tview_timer SET ACCESS METHOD pg_tviews_heap;
ALTER TABLE pg_tview_audit SET ACCESS METHOD pg_tviews_heap;
-- So that the table may be written beside a publication; with pg_tviews_heap nothing is logged for it.
ALTER TABLE pg_tview_deferred REPLICA IDENTITY FULL;
CREATE INDEX pg_tview_deferred_reason ON pg_tview_deferred (reason COLLATE "C", tview);
