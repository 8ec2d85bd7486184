-- One change of each shape, from COMMIT to fresh, in the small and in the large schema: median milliseconds of :rounds x 20 changes.
CREATE TEMP TABLE took (size text, entity text, ms float8);
SELECT set_config('bench.rounds', :'rounds', false) \g /dev/null
CREATE PROCEDURE measure(size text) LANGUAGE plpgsql AS $$
DECLARE
  shape record;
  started timestamptz;
  highest int;
BEGIN
  PERFORM set_config('search_path', size || ',public', false);
  SELECT max(pk_group) INTO highest FROM tb_group;
  FOR shape IN SELECT s.* FROM shape s JOIN pg_tview_meta m ON m.entity = s.entity AND m.schema_name = size LOOP
    FOR i IN 1..current_setting('bench.rounds')::int * 20 + 5 LOOP
      EXECUTE change(shape.change) USING ARRAY[highest - i % 50];
      COMMIT;
      started := clock_timestamp();
      IF NOT pg_tviews_wait('60 s') THEN
        RAISE 'not fresh within 60 s';
      END IF;
      -- The first ones choose the form.
      IF i > 5 THEN
        INSERT INTO took VALUES (size, shape.entity, 1000 * extract(epoch FROM clock_timestamp() - started));
        COMMIT;
      END IF;
    END LOOP;
  END LOOP;
END $$;
CALL measure('small');
CALL measure('large');
SET search_path = public;
SELECT format('  %-20s small %7s  large %7s  ratio %s', entity, round(s::numeric, 2), round(l::numeric, 2), round((l / s)::numeric, 2))
FROM (SELECT entity, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE size = 'small') AS s,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE size = 'large') AS l FROM took GROUP BY entity) t ORDER BY entity;
DROP PROCEDURE measure(text);
