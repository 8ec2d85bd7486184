-- tviews_oracle(): the TVIEWs whose table differs from their view, with the number of rows missing from and extra in the table.
-- Compared both ways at the caller's snapshot under the settings the TVIEW is pinned to.  No row: every TVIEW equals its view.

-- Whether EXCEPT can compare values of a type; others are compared as text.
CREATE OR REPLACE FUNCTION tviews_oracle_comparable(type oid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
  t pg_catalog.pg_type;
BEGIN
  SELECT * INTO t FROM pg_catalog.pg_type WHERE oid = type;
  RETURN CASE
    WHEN t.typtype = 'd' THEN tviews_oracle_comparable(t.typbasetype)
    WHEN t.typtype IN ('e', 'r', 'm') THEN true
    WHEN t.typtype = 'c' THEN false
    WHEN t.typelem <> 0 AND t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc THEN tviews_oracle_comparable(t.typelem)
    ELSE EXISTS (SELECT FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
                 WHERE c.opcdefault AND a.amname IN ('btree', 'hash')
                   AND (c.opcintype = t.oid OR EXISTS (SELECT FROM pg_catalog.pg_cast b
                        WHERE b.castsource = t.oid AND b.casttarget = c.opcintype AND b.castmethod = 'b' AND b.castcontext = 'i')))
  END;
END $$;

CREATE OR REPLACE FUNCTION tviews_oracle() RETURNS TABLE (tview text, missing bigint, extra bigint) LANGUAGE plpgsql STABLE AS $$
DECLARE
  home text := (SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
                WHERE e.extname = 'pg_tviews');
  t record;
  columns text;
  saved text[];
  i integer;
BEGIN
  IF home IS NULL THEN
    RAISE EXCEPTION 'tviews_oracle: this database has no pg_tviews';
  END IF;
  FOR t IN EXECUTE pg_catalog.format('SELECT m.view_oid, m.table_oid, c.settings, m.table_oid::pg_catalog.regclass::text AS name
                                      FROM %s.pg_tview_meta m JOIN %s.pg_tview_catalog c ON c.tview = m.table_oid ORDER BY c.level, 4', home, home)
  LOOP
    saved := NULL;
    FOR i IN 1 .. coalesce(pg_catalog.array_length(t.settings, 1), 0) BY 2 LOOP
      saved := saved || ARRAY[t.settings[i], pg_catalog.current_setting(t.settings[i], true)];
      PERFORM pg_catalog.set_config(t.settings[i], t.settings[i + 1], true);
    END LOOP;
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname) || CASE WHEN tviews_oracle_comparable(atttypid) THEN '' ELSE '::text' END, ', ' ORDER BY attnum)
      INTO columns
      FROM pg_catalog.pg_attribute WHERE attrelid = t.view_oid AND attnum > 0 AND NOT attisdropped;
    -- By regclass at the time of use: search_path may be among the settings.
    EXECUTE pg_catalog.format('SELECT (SELECT count(*) FROM (SELECT %1$s FROM %2$s EXCEPT ALL SELECT %1$s FROM %3$s) x),
                                      (SELECT count(*) FROM (SELECT %1$s FROM %3$s EXCEPT ALL SELECT %1$s FROM %2$s) x)',
                              columns, t.view_oid::pg_catalog.regclass, t.table_oid::pg_catalog.regclass) INTO missing, extra;
    FOR i IN 1 .. coalesce(pg_catalog.array_length(saved, 1), 0) BY 2 LOOP
      PERFORM pg_catalog.set_config(saved[i], coalesce(saved[i + 1], ''), true);
    END LOOP;
    IF missing > 0 OR extra > 0 THEN
      tview := t.name;
      RETURN NEXT;
    END IF;
  END LOOP;
END $$;

-- tviews_conservation(): what the counters of records do not account for, after pg_tviews_wait() and with nobody writing.
-- A record is a journal row on its way; prepared transactions' records are pending.  No row: none was lost.
CREATE OR REPLACE FUNCTION tviews_conservation() RETURNS TABLE (law text, counters jsonb) LANGUAGE plpgsql AS $$
DECLARE
  queue jsonb;
  r jsonb;
BEGIN
  EXECUTE (SELECT pg_catalog.format('SELECT %I.pg_tviews_debug_queue()', n.nspname) FROM pg_catalog.pg_extension e
           JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_tviews') INTO queue;
  r := queue -> 'records';
  RETURN QUERY
    SELECT l.law, r || (queue -> 'queue')
    FROM (VALUES
      ('pushed = drained + in the ring', (r ->> 'pushed')::bigint = (r ->> 'drained')::bigint OR (queue -> 'queue' ->> 'ring_bytes_used')::bigint > 0),
      ('drained in this worker''s life = received from the ring', (r ->> 'drained')::bigint - (r ->> 'drained_before')::bigint = (r ->> 'from_ring')::bigint),
      ('received = merged + refused + applied + gone + pending', (r ->> 'from_ring')::bigint + (r ->> 'scanned')::bigint
        = (r ->> 'merged')::bigint + (r ->> 'refused')::bigint + (r ->> 'applied')::bigint + (r ->> 'gone')::bigint + (r ->> 'pending')::bigint),
      ('every row of the journal is pending, or a scan is owed', (queue -> 'queue' ->> 'journal_rows')::bigint <= (r ->> 'pending')::bigint OR (r ->> 'scan_owed')::boolean)
    ) l(law, holds)
    WHERE NOT l.holds;
END $$;
