-- The settings: names, units, ranges, contexts; what is out of range or unknown is refused.
SELECT name, boot_val, unit, min_val, max_val, context, short_desc <> '' AS described
FROM pg_settings WHERE name LIKE 'pg\_tviews.%' AND name NOT LIKE '%.debug\_%' ORDER BY name COLLATE "C";
SELECT count(*) AS undescribed FROM pg_settings WHERE name LIKE 'pg\_tviews.%' AND short_desc = '';
-- Some may be set by anybody ...
SET pg_tviews.synchronous = on;
SET pg_tviews.synchronous_timeout = '3s';
SHOW pg_tviews.synchronous_timeout;
RESET ALL;
-- ... some by superusers or in the file only, within their range.
\set VERBOSITY sqlstate
SET pg_tviews.synchronous_timeout = '-1s';
\set VERBOSITY default
SET pg_tviews.batch_size = 10;
SET pg_tviews.ring_size = '2MB';
SET pg_tviews.prepared_stmt_cache_size = 20;
SET pg_tviews.intercept_create_table_as = maybe;
ALTER SYSTEM SET pg_tviews.graph_cache_size = 50;
ALTER SYSTEM SET pg_tviews.performance_log_size = 10;
ALTER SYSTEM SET pg_tviews.max_databases = 0;
-- An unknown name is a slip, and is said to be one.
SET pg_tviews.no_such_setting = 1;
SELECT set_config('pg_tviews.bacth_size', '1', false);
-- A role without rights.
CREATE ROLE regress_settings_user;
SET ROLE regress_settings_user;
SET pg_tviews.prepared_stmt_cache_size = 100;
SET pg_tviews.synchronous = on;
RESET ROLE;
DROP ROLE regress_settings_user;
