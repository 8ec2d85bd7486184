-- The time from COMMIT to "applied" of 500 single changes, each after a pause, and that of an empty wait for comparison.
CREATE TEMP TABLE took (kind text, ms float8);
CREATE PROCEDURE measure() LANGUAGE plpgsql AS $$
DECLARE
  xid xid8;
  started timestamptz;
BEGIN
  FOR i IN 1..500 LOOP
    UPDATE tb_comment SET body = 'fresh ' || clock_timestamp() WHERE pk_comment = 1 + (i * 397) % 200000;
    xid := pg_current_xact_id();
    COMMIT;
    started := clock_timestamp();
    IF NOT pg_tviews_wait_for(xid, '10 s') THEN
      RAISE 'not fresh within 10 s';
    END IF;
    INSERT INTO took VALUES ('one change', 1000 * extract(epoch FROM clock_timestamp() - started));
    COMMIT;
    PERFORM pg_sleep(0.004);
  END LOOP;
END $$;
CALL measure();
DROP PROCEDURE measure();
SELECT format('  p50 %s  p95 %s  p99 %s  max %s', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 2), round(percentile_cont(0.95) WITHIN GROUP (ORDER BY ms)::numeric, 2),
              round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 2), round(max(ms)::numeric, 2)) FROM took;
