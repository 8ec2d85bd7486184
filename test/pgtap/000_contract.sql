-- The names of the contract that everything else relies on.
BEGIN;
SELECT plan(6);
SELECT has_extension('pg_tviews');
SELECT has_view('pg_tview_meta');
SELECT has_view('pg_tviews_freshness');
SELECT has_function('pg_tviews_wait');
SELECT has_function('pg_tviews_create');
SELECT is_empty('SELECT * FROM tviews_oracle()', 'every TVIEW equals its view');
SELECT * FROM finish();
ROLLBACK;
