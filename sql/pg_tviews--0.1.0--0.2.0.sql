-- From 0.1.0 to 0.2.0: the result is what pg_tviews.sql makes (test/t/180_update.pl compares).
\echo Use "ALTER EXTENSION pg_tviews UPDATE TO '0.2.0'" to load this file. \quit
