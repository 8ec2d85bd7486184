-- The names of the contract that everything else relies on.
BEGIN;
SELECT plan(10);
SELECT has_extension('pg_tviews');
SELECT has_view('pg_tview_meta');
SELECT has_view('pg_tviews_freshness');
SELECT has_function('pg_tviews_wait');
SELECT has_function('pg_tviews_create');
SELECT is(pg_tviews_version(), (SELECT default_version FROM pg_available_extensions WHERE name = 'pg_tviews'), 'the version is that of the control file');
SELECT is(pg_tviews_queue_stats()->>'database', current_database()::text, 'the queue of this database as one object');
SELECT ok(pg_tviews_debug_queue()->'queue' ? 'ring_bytes_used' AND pg_tviews_debug_queue()->'worker' ? 'state' AND pg_tviews_debug_queue() ? 'deferred',
          'queue, worker and deferred keys as one object');
SELECT lives_ok('SELECT pg_tviews_stats_reset()', 'counters can begin anew');
SELECT is_empty('SELECT * FROM tviews_oracle()', 'every TVIEW equals its view');
SELECT * FROM finish();
ROLLBACK;
