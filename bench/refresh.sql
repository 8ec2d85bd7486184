-- Changes n posts in one transaction, waits, and reads the worker's own figure; then recomputes the same rows by a bare SELECT.
CREATE TEMP TABLE took (n int, differs boolean, refresh_ms float8, select_ms float8);
SELECT set_config('bench.rounds', :'rounds', false) \g /dev/null
CREATE PROCEDURE measure(n int, differs boolean) LANGUAGE plpgsql AS $$
DECLARE
  started timestamptz;
  keys int[] := ARRAY(SELECT 1 + (g * 37) % 50000 FROM generate_series(1, n) g);
  select_ms float8;
BEGIN
  IF differs THEN
    UPDATE tb_post SET title = 'T ' || clock_timestamp() WHERE pk_post = ANY (keys);
  ELSE
    UPDATE tb_post SET title = title || '' , body = body || '.' WHERE pk_post = ANY (keys);  -- body is read by no TVIEW: captures nothing
    UPDATE tb_post SET title = title || 'x' WHERE pk_post = ANY (keys);
    UPDATE tb_post SET title = left(title, -1) WHERE pk_post = ANY (keys);                    -- captured, and equal again
  END IF;
  COMMIT;
  PERFORM pg_tviews_wait('120 s');
  started := clock_timestamp();
  PERFORM count(v.data) FROM (SELECT * FROM v_post WHERE pk_post = ANY (keys) OFFSET 0) v;
  select_ms := 1000 * extract(epoch FROM clock_timestamp() - started);
  INSERT INTO took SELECT n, differs, l.refresh_duration_ms, select_ms FROM pg_tview_performance_log l WHERE l.entity = 'post' ORDER BY l.log_id DESC LIMIT 1;
  COMMIT;
END $$;
CREATE PROCEDURE repeat_all() LANGUAGE plpgsql AS $$
DECLARE
  n int;
BEGIN
  FOR i IN 1..current_setting('bench.rounds')::int LOOP
    FOREACH n IN ARRAY ARRAY[1, 100, 10000] LOOP
      CALL measure(n, true);
      CALL measure(n, false);
    END LOOP;
  END LOOP;
END $$;
CALL repeat_all();
SELECT format('  %6s keys, %-15s refresh %8s  select %8s  ratio %s', n, CASE WHEN differs THEN 'all differ' ELSE 'none differs' END,
              round(percentile_cont(0.5) WITHIN GROUP (ORDER BY refresh_ms)::numeric, 2), round(percentile_cont(0.5) WITHIN GROUP (ORDER BY select_ms)::numeric, 2),
              round((percentile_cont(0.5) WITHIN GROUP (ORDER BY refresh_ms) / percentile_cont(0.5) WITHIN GROUP (ORDER BY select_ms))::numeric, 2))
FROM took GROUP BY n, differs ORDER BY n, differs DESC;
DROP PROCEDURE repeat_all();
DROP PROCEDURE measure(int, boolean);
