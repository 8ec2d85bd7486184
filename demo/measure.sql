-- demo_change(label, statement, times): runs and commits a statement, waits until its change is in every TVIEW, notes both times.
CREATE TABLE demo_time (
  n int GENERATED ALWAYS AS IDENTITY,
  label text NOT NULL,
  rows_written bigint NOT NULL,
  write_ms double precision NOT NULL,  -- statement and COMMIT
  fresh_ms double precision NOT NULL); -- from the return of COMMIT until every TVIEW shows the change

CREATE PROCEDURE demo_change(label text, statement text, times int DEFAULT 1) LANGUAGE plpgsql AS $$
DECLARE
  begun timestamptz;
  committed timestamptz;
  applied timestamptz;
  written bigint;
  xid xid8;
BEGIN
  FOR i IN 1 .. times LOOP
    begun := clock_timestamp();
    EXECUTE statement USING i;
    GET DIAGNOSTICS written = ROW_COUNT;
    xid := pg_current_xact_id();
    COMMIT;
    committed := clock_timestamp();
    IF NOT pg_tviews_wait_for(xid, '60 s') THEN
      RAISE EXCEPTION 'not applied within 60 s: %', label;
    END IF;
    applied := clock_timestamp();
    INSERT INTO demo_time (label, rows_written, write_ms, fresh_ms)
      VALUES (label, written, 1000 * extract(epoch FROM committed - begun), 1000 * extract(epoch FROM applied - committed));
    COMMIT;
  END LOOP;
END $$;

CREATE VIEW demo_times AS
SELECT label AS change, count(*) AS times, max(rows_written) AS rows_written,
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY write_ms)::numeric, 1) AS write_p50_ms,
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY fresh_ms)::numeric, 1) AS fresh_p50_ms,
       round(percentile_cont(0.95) WITHIN GROUP (ORDER BY fresh_ms)::numeric, 1) AS fresh_p95_ms
  FROM demo_time GROUP BY label ORDER BY min(n);
