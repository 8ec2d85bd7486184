-- The worker's time for 1, 100 and 2,000 changed keys of each shape against the bare SELECT in each form; milliseconds, least of :rounds.
CREATE TEMP TABLE took (entity text, keys int, chosen text, refresh_ms float8, set_ms float8, each_ms float8, full_ms float8);
SELECT set_config('bench.rounds', :'rounds', false) \g /dev/null
SET search_path = small, public;
CREATE FUNCTION pg_temp.plan(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
  plan jsonb;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
  RETURN plan->0->'Plan'->>'Total Cost';
END $$;
CREATE FUNCTION pg_temp.least_ms(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
  plan jsonb;
  ms float8;
BEGIN
  FOR i IN 1..current_setting('bench.rounds')::int LOOP
    EXECUTE 'EXPLAIN (ANALYZE, TIMING off, FORMAT json) ' || query INTO plan;
    ms := least(ms, (plan->0->>'Execution Time')::float8);
  END LOOP;
  RETURN ms;
END $$;
CREATE PROCEDURE measure(shape shape, n int) LANGUAGE plpgsql AS $$
DECLARE
  last bigint;
  changed int[] := ARRAY(SELECT (1 + g * 37) % CASE shape.change WHEN 'tag' THEN 500 WHEN 'group' THEN 100 ELSE 10000 END FROM generate_series(1, n) g);
  ms float8;
  logged record;
  keys text;
  set_form text;
  each_form text;
BEGIN
  -- Twice each form to choose, then the measured ones.
  FOR i IN 1..4 + current_setting('bench.rounds')::int LOOP
    SELECT coalesce(max(log_id), 0) INTO last FROM pg_tview_performance_log;
    EXECUTE change(shape.change) USING changed;
    COMMIT;
    IF NOT pg_tviews_wait('120 s') THEN
      RAISE 'not fresh within 120 s';
    END IF;
    SELECT sum(refresh_duration_ms) AS ms, sum(l.keys)::int AS keys, min(refresh_form) AS form INTO logged
      FROM pg_tview_performance_log l WHERE log_id > last AND l.entity = shape.entity;
    IF i > 4 THEN
      ms := least(ms, logged.ms);
    END IF;
    COMMIT;
  END LOOP;
  EXECUTE format('SELECT array_agg(%1$s)::text FROM (SELECT %1$s FROM v_%2$s ORDER BY md5(%1$s::text) LIMIT %3$s) v', shape.key[1], shape.entity, logged.keys) INTO keys;
  IF cardinality(shape.key) = 1 THEN
    SELECT format('SELECT * FROM %s v WHERE v.%I = ANY (%L::int[])', coalesce('(' || replace(c.narrowed, '$1', quote_literal(keys) || '::int[]') || ')', c.view::regclass::text),
                  shape.key[1], keys) INTO set_form FROM pg_tview_catalog c WHERE c.tview = format('tv_%s', shape.entity)::regclass;
    each_form := format('SELECT v.* FROM unnest(%L::int[]) k, LATERAL (SELECT * FROM v_%s w WHERE w.%I = k OFFSET 0) v', keys, shape.entity, shape.key[1]);
    INSERT INTO took VALUES (shape.entity, logged.keys, logged.form, ms,
      CASE WHEN pg_temp.plan(set_form) < 100 * pg_temp.plan(each_form) THEN pg_temp.least_ms(set_form) END,
      CASE WHEN pg_temp.plan(each_form) < 100 * pg_temp.plan(set_form) THEN pg_temp.least_ms(each_form) END,
      pg_temp.least_ms(format('SELECT * FROM v_%s', shape.entity)));
    COMMIT;
  END IF;
END $$;
CREATE PROCEDURE measure_all() LANGUAGE plpgsql AS $$
DECLARE
  one shape;
  n int;
BEGIN
  FOR one IN SELECT s.* FROM shape s JOIN pg_tview_meta m ON m.entity = s.entity AND m.schema_name = 'small' LOOP
    FOREACH n IN ARRAY ARRAY[1, 100, 2000] LOOP
      CALL measure(one, n);
    END LOOP;
  END LOOP;
END $$;
CALL measure_all();
SELECT format('  %-20s %6s keys  refresh (%4s) %8s  select: set %8s  each %8s  full %8s  chosen/best %s', entity, keys, chosen, round(refresh_ms::numeric, 2),
              coalesce(round(set_ms::numeric, 2)::text, '-'), coalesce(round(each_ms::numeric, 2)::text, '-'), round(full_ms::numeric, 2),
              round((CASE chosen WHEN 'set' THEN set_ms WHEN 'each' THEN each_ms ELSE full_ms END / least(set_ms, each_ms, full_ms))::numeric, 2))
FROM took ORDER BY entity, keys;
DROP PROCEDURE measure_all();
DROP PROCEDURE measure(shape, int);
