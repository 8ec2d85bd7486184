-- Loads the files of demo/parse, then builds what is faster built afterwards.  psql -v data=FOLDER
\set ON_ERROR_STOP on
\cd :data
\copy tb_maintainer (pk_maintainer, name, email) FROM 'maintainer.tsv'
\copy tb_source (pk_source, name, fk_maintainer) FROM 'source.tsv'
\copy tb_package (pk_package, identifier, version, architecture, section, priority, installed_size, download_size, homepage, summary, fk_source, fk_maintainer) FROM 'package.tsv'
\copy tb_tag (pk_tag, facet, name) FROM 'tag.tsv'
\copy tb_package_tag (fk_package, fk_tag) FROM 'package_tag.tsv'
\copy tb_dependency (pk_dependency, fk_package, fk_target, target_name, kind, constraint_version) FROM 'dependency.tsv'

CREATE INDEX ON tb_source (fk_maintainer);
CREATE INDEX ON tb_package (fk_source);
CREATE INDEX ON tb_package (fk_maintainer);
CREATE INDEX ON tb_package_tag (fk_tag);
CREATE INDEX ON tb_dependency (fk_package);
CREATE INDEX ON tb_dependency (fk_target);

SELECT setval(pg_get_serial_sequence('tb_maintainer', 'pk_maintainer'), max(pk_maintainer)) FROM tb_maintainer \g /dev/null
SELECT setval(pg_get_serial_sequence('tb_source', 'pk_source'), max(pk_source)) FROM tb_source \g /dev/null
SELECT setval(pg_get_serial_sequence('tb_package', 'pk_package'), max(pk_package)) FROM tb_package \g /dev/null
SELECT setval(pg_get_serial_sequence('tb_tag', 'pk_tag'), max(pk_tag)) FROM tb_tag \g /dev/null
SELECT setval(pg_get_serial_sequence('tb_dependency', 'pk_dependency'), max(pk_dependency)) FROM tb_dependency \g /dev/null
VACUUM ANALYZE;
