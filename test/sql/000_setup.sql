-- The extension is there, at its version; every function, table and view of it carries a comment.
SELECT extname, extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'pg_tviews') AS current
  FROM pg_extension WHERE extname = 'pg_tviews';

SELECT pg_describe_object(d.classid, d.objid, 0) AS uncommented
  FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'pg_tviews'
 WHERE d.deptype = 'e' AND (d.classid = 'pg_proc'::regclass OR d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class WHERE oid = d.objid AND relkind IN ('r', 'v')))
   AND obj_description(d.objid, d.classid::regclass::name) IS NULL
 ORDER BY 1;

-- The oracle runs and has nothing to complain about.
SELECT * FROM tviews_oracle();
