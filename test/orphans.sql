-- tviews_orphans(): what a DDL command left behind, or took away too much of: catalog rows without objects, triggers without TVIEWs, TVIEWs
-- without triggers, names that nobody followed.  No row: catalog, triggers and dependencies say the same.
-- Called beside tviews_oracle() (test/oracle.sql); at rest, not beside commands that change the graph.
CREATE OR REPLACE FUNCTION tviews_orphans() RETURNS TABLE (what text, object text) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  home text := (SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
                WHERE e.extname = 'pg_tviews');
BEGIN
  IF home IS NULL THEN
    -- The triggers depend on the extension's function; only their names could stay.
    RETURN QUERY SELECT 'trigger without the extension', tgrelid::pg_catalog.regclass::text FROM pg_catalog.pg_trigger WHERE tgname ~ '^pg_tviews_capture';
    RETURN;
  END IF;
  RETURN QUERY EXECUTE pg_catalog.replace($query$
    WITH RECURSIVE
      -- Every relation that a TVIEW reads, with its partitions and children, and the TVIEWs' own tables with theirs.
      source(root, is_tview) AS (SELECT relation, false FROM @.pg_tview_relation UNION SELECT tview, true FROM @.pg_tview_catalog),
      member(oid, is_tview) AS (
        SELECT root, is_tview FROM source
        UNION SELECT i.inhrelid, m.is_tview FROM member m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid),
      capture(oid, relation, name, enabled) AS (
        SELECT t.oid, t.tgrelid, t.tgname::text, t.tgenabled FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        WHERE p.proname = 'pg_tviews_capture' AND p.pronamespace = (SELECT extnamespace FROM pg_catalog.pg_extension WHERE extname = 'pg_tviews')),
      -- Capture is off where somebody disabled a trigger: every TVIEW that reads the table is degraded then.
      off(relation) AS (SELECT relation FROM capture WHERE enabled <> 'A'),
      found(what, object) AS (
        SELECT 'TVIEW without table', entity FROM @.pg_tview_catalog WHERE tview NOT IN (SELECT oid FROM pg_catalog.pg_class)
        UNION ALL SELECT 'TVIEW without view', entity FROM @.pg_tview_catalog WHERE view NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'v')
        UNION ALL SELECT 'TVIEW under another name', entity || ' for ' || tview::pg_catalog.regclass FROM @.pg_tview_catalog c JOIN pg_catalog.pg_class t ON t.oid = c.tview
          WHERE entity NOT IN (relname, pg_catalog.regexp_replace(relname, '^tv_', ''))
        UNION ALL SELECT t, tview::text FROM (SELECT 'relation of no TVIEW', tview FROM @.pg_tview_relation UNION ALL SELECT 'mapping of no TVIEW', tview FROM @.pg_tview_mapping
          UNION ALL SELECT 'deferred key of no TVIEW', tview FROM @.pg_tview_deferred UNION ALL SELECT 'timer of no TVIEW', tview FROM @.pg_tview_timer) x(t, tview)
          WHERE tview NOT IN (SELECT tview FROM @.pg_tview_catalog)
        UNION ALL SELECT 'read relation that is gone', relation::text FROM @.pg_tview_relation WHERE relation NOT IN (SELECT oid FROM pg_catalog.pg_class)
        UNION ALL SELECT 'TVIEW taken for a base table, or the reverse', relation::pg_catalog.regclass::text FROM @.pg_tview_relation
          WHERE is_tview <> (relation IN (SELECT tview FROM @.pg_tview_catalog))
        UNION ALL SELECT 'capture point that leads nowhere', point::text FROM @.pg_tview_capture_point WHERE point NOT IN (SELECT point FROM @.pg_tview_mapping)
        UNION ALL SELECT 'mapping without capture point', point::text FROM @.pg_tview_mapping WHERE point NOT IN (SELECT point FROM @.pg_tview_capture_point)
        UNION ALL SELECT 'capture point without relation', relation::text FROM @.pg_tview_capture_point WHERE relation NOT IN (SELECT oid FROM pg_catalog.pg_class)
        UNION ALL SELECT 'capture point on a column that is gone', relation::pg_catalog.regclass || '.' || c FROM @.pg_tview_capture_point p, pg_catalog.unnest(columns) c
          WHERE relation IN (SELECT oid FROM pg_catalog.pg_class)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.relation AND a.attname = c AND NOT a.attisdropped)
        UNION ALL SELECT 'used column that is gone', relation::pg_catalog.regclass || '.' || u FROM @.pg_tview_mapping m JOIN @.pg_tview_capture_point p USING (point), pg_catalog.unnest(used) u
          WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.relation AND a.attname = u AND NOT a.attisdropped)
        UNION ALL SELECT 'owned column that is gone', tview::pg_catalog.regclass || '.' || c FROM @.pg_tview_catalog t, pg_catalog.unnest(columns) c
          WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.tview AND a.attname = c AND NOT a.attisdropped)
             OR NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.view AND a.attname = c AND NOT a.attisdropped)
        UNION ALL SELECT 'key that is no owned column', tview::pg_catalog.regclass::text FROM @.pg_tview_catalog WHERE NOT key_columns <@ columns
        UNION ALL SELECT 'level below what it reads', c.tview::pg_catalog.regclass::text FROM @.pg_tview_catalog c JOIN @.pg_tview_relation r USING (tview)
          JOIN @.pg_tview_catalog below ON below.tview = r.relation WHERE c.level <= below.level
        UNION ALL SELECT 'TVIEW that does not depend on its view', tview::pg_catalog.regclass::text FROM @.pg_tview_catalog c
          WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objid = c.tview AND refobjid = c.view)
        UNION ALL SELECT 'capture trigger ' || name || ' on what nobody reads', relation::pg_catalog.regclass::text FROM capture
          WHERE relation NOT IN (SELECT oid FROM member)
            -- a partition that is read has its row trigger on the root, whose other partitions carry its clones
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_tree(pg_catalog.pg_partition_root(relation)) p WHERE p.relid IN (SELECT oid FROM member))
        UNION ALL SELECT CASE n WHEN 0 THEN 'no row capture' ELSE n || ' row captures' END, m.oid::pg_catalog.regclass::text
          FROM (SELECT DISTINCT m.oid FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid WHERE c.relkind = 'r') m,
               LATERAL (SELECT count(*) FROM capture WHERE relation = m.oid AND name IN ('pg_tviews_capture', 'pg_tviews_capture_root')) x(n) WHERE n <> 1
        UNION ALL SELECT CASE n WHEN 0 THEN 'no capture of TRUNCATE' ELSE n || ' captures of TRUNCATE' END, m.oid::pg_catalog.regclass::text
          FROM (SELECT DISTINCT m.oid FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid WHERE c.relkind IN ('r', 'p')) m,
               LATERAL (SELECT count(*) FROM capture WHERE relation = m.oid AND name = 'pg_tviews_capture_truncate') x(n) WHERE n <> 1
        UNION ALL SELECT 'capture is off and TVIEW ' || c.tview::pg_catalog.regclass || ' does not say so', r.relation::pg_catalog.regclass::text
          FROM @.pg_tview_relation r JOIN @.pg_tview_catalog c USING (tview) WHERE r.relation IN (SELECT relation FROM off) AND c.state NOT IN ('d', 's', 'p')
        UNION ALL SELECT 'capture of a TVIEW''s own table is off and it does not say so', c.tview::pg_catalog.regclass::text
          FROM @.pg_tview_catalog c WHERE c.tview IN (SELECT relation FROM off) AND c.state NOT IN ('d', 's', 'p')
        UNION ALL SELECT 'two TVIEWs of one name', c.entity FROM @.pg_tview_catalog c JOIN pg_catalog.pg_class t ON t.oid = c.tview GROUP BY c.entity, t.relnamespace HAVING count(*) > 1)
    SELECT what, object FROM found ORDER BY 1, 2 $query$, '@.', home || '.');
END $$;
