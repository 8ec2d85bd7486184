-- The read side: three TVIEWs.  Each is an ordinary CREATE TABLE AS; pg_tviews keeps the table fresh from here on.
\set ON_ERROR_STOP on

-- A package document: maintainer, source, tags, dependencies by name, and how many packages depend on it.
CREATE TABLE tv_package AS
SELECT p.pk_package, p.id, p.identifier, p.section, p.fk_source, p.fk_maintainer,
       (SELECT count(*) FROM tb_dependency r WHERE r.fk_target = p.pk_package) AS reverse_dependencies,
       jsonb_build_object(
         'id', p.id, 'name', p.identifier, 'version', p.version, 'architecture', p.architecture, 'section', p.section,
         'priority', p.priority, 'installedSize', p.installed_size, 'homepage', p.homepage, 'summary', p.summary,
         'maintainer', jsonb_build_object('id', m.id, 'name', m.name, 'email', m.email),
         'source', jsonb_build_object('id', s.id, 'name', s.name),
         'tags', coalesce(t.list, '[]'::jsonb),
         'dependencies', coalesce(d.list, '[]'::jsonb)) AS data
  FROM tb_package p
  JOIN tb_maintainer m ON m.pk_maintainer = p.fk_maintainer
  JOIN tb_source s ON s.pk_source = p.fk_source
  LEFT JOIN LATERAL (
       SELECT jsonb_agg(g.facet || '::' || g.name ORDER BY g.facet, g.name) AS list
         FROM tb_package_tag pt JOIN tb_tag g ON g.pk_tag = pt.fk_tag
        WHERE pt.fk_package = p.pk_package) t ON true
  LEFT JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object('kind', e.kind, 'name', coalesce(q.identifier, e.target_name), 'version', e.constraint_version)
                        ORDER BY e.pk_dependency) AS list
         FROM tb_dependency e LEFT JOIN tb_package q ON q.pk_package = e.fk_target
        WHERE e.fk_package = p.pk_package) d ON true;

-- A maintainer document: the packages in their care.
CREATE TABLE tv_maintainer AS
SELECT m.pk_maintainer, m.id, m.name, count(p.pk_package) AS packages,
       jsonb_build_object('id', m.id, 'name', m.name, 'email', m.email,
         'installedSize', coalesce(sum(p.installed_size), 0),
         'packages', coalesce(jsonb_agg(p.identifier ORDER BY p.identifier) FILTER (WHERE p.pk_package IS NOT NULL), '[]'::jsonb)) AS data
  FROM tb_maintainer m LEFT JOIN tb_package p ON p.fk_maintainer = m.pk_maintainer
 GROUP BY m.pk_maintainer;

-- A TVIEW over a TVIEW: source documents composed of the finished package documents.
CREATE TABLE tv_source AS
SELECT s.pk_source, s.id, s.name, s.fk_maintainer, b.used_by,
       jsonb_build_object('id', s.id, 'name', s.name, 'binaries', coalesce(b.list, '[]'::jsonb)) AS data
  FROM tb_source s
  LEFT JOIN LATERAL (
       SELECT sum(tp.reverse_dependencies)::bigint AS used_by,
              jsonb_agg(jsonb_build_object('name', tp.identifier, 'version', tp.data->'version', 'maintainer', tp.data->'maintainer'->'name',
                                           'usedBy', tp.reverse_dependencies) ORDER BY tp.pk_package) AS list
         FROM tv_package tp WHERE tp.fk_source = s.pk_source) b ON true;
