"""Random DDL commands over what the catalog has now; each method gives a statement, or None when there is nothing to do it to."""
from ..schema import quote
from . import views
from .catalog import ROLES
from .views import literal


class Commands:
    """`next` gives one statement.  Weights: what makes things comes more often than what takes them away."""

    WEIGHTS = {"create_tview": 8, "replace_tview": 3, "drop_tview": 2, "drop_table": 1, "drop_schema": 0.4, "drop_type": 0.5, "drop_function": 0.6,
               "drop_view": 1, "drop_column": 3, "add_column": 3, "rename_column": 4, "rename_table": 4, "rename_schema": 1.5, "rename_view": 2,
               "rename_view_column": 1, "set_schema": 3, "alter_type": 3, "alter_enum": 1.5, "alter_composite": 1, "alter_domain": 1, "owner": 2,
               "reassign": 0.7, "drop_owned": 0.4, "replace_view": 1.5, "storage": 2, "index": 2, "drop_constraint": 1.5, "partition": 4,
               "inherit": 2, "rule": 0.6, "triggers": 2, "own_trigger": 1, "row_security": 0.7, "function": 2, "comment": 0.7, "create_table": 2,
               "truncate": 1, "maintenance": 0.7, "rewrite": 1.5, "refresh": 1.5, "default": 1, "column_storage": 1, "replica": 0.7, "grants": 1}

    def __init__(self, catalog):
        self.catalog, self.rng = catalog, catalog.rng

    def next(self):
        while True:
            kind = self.rng.choices(list(self.WEIGHTS), self.WEIGHTS.values())[0]
            statement = getattr(self, kind)()
            if statement:
                return statement

    # -- parts
    def any(self, kinds="rp"):
        return self.catalog.pick(r for r in self.catalog.relations if r.kind in kinds)

    def base(self):
        return self.catalog.pick(self.catalog.base)

    def table(self):
        return self.base() if self.rng.random() < 0.75 else self.catalog.pick(self.catalog.tviews) or self.base()

    def cascade(self, often=0.5):
        return " CASCADE" if self.rng.random() < often else ""

    def type_name(self, kind):
        return self.catalog.one("SELECT format('%I.%I', n.nspname, t.typname) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
                                "LEFT JOIN pg_class c ON c.oid = t.typrelid "
                                f"WHERE t.typtype = '{kind}' AND (c.relkind IS NULL OR c.relkind = 'c') AND n.nspname NOT LIKE 'pg\\_%' "
                                "AND n.nspname NOT IN ('information_schema', 'public') ORDER BY t.oid")

    def function_name(self):
        return self.catalog.one("SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
                                "WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'public') ORDER BY p.oid")

    def on(self, relation, action):
        return relation and f"ALTER {'VIEW' if relation.kind == 'v' else 'TABLE'} {relation.name} {action}"

    # -- TVIEWs
    def create_tview(self):
        return views.create(self.catalog)

    def replace_tview(self):
        return views.replace(self.catalog)

    def drop_tview(self):
        tview = self.catalog.pick(self.catalog.tviews)
        if tview is None:
            return None
        if self.rng.random() < 0.5:
            return f"DROP TABLE {tview.name}{self.cascade()}"
        return f"SELECT pg_tviews_drop({literal(tview.name)}, cascade => {self.rng.choice(['true', 'false'])})"

    def refresh(self):
        tview = self.catalog.pick(self.catalog.tviews)
        return tview and f"SELECT pg_tviews_refresh({literal(tview.name)})"

    # -- taking away
    def drop_table(self):
        table = self.base()
        return table and f"DROP TABLE {table.name}{self.cascade(0.7)}"

    def drop_schema(self):
        schema = self.catalog.schema()
        return schema and f"DROP SCHEMA {quote(schema)} CASCADE"

    def drop_type(self):
        name = self.type_name(self.rng.choice("ecd"))
        return name and f"DROP TYPE {name}{self.cascade(0.7)}"

    def drop_function(self):
        name = self.function_name()
        return name and f"DROP FUNCTION {name}{self.cascade(0.7)}"

    def drop_view(self):
        view = self.any("v")
        return view and f"DROP VIEW {view.name}{self.cascade()}"

    def drop_column(self):
        table = self.table()
        return table and self.on(table, f"DROP COLUMN {quote(self.catalog.column(table))}{self.cascade(0.4)}")

    def drop_constraint(self):
        table = self.table()
        name = table and self.catalog.one(f"SELECT conname FROM pg_constraint WHERE conrelid = {table.oid}")
        return name and self.on(table, f"DROP CONSTRAINT {quote(name)}{self.cascade(0.4)}")

    def truncate(self):
        table = self.base()
        return table and f"TRUNCATE {table.name}{self.cascade()}"

    # -- columns and names
    def add_column(self):
        table = self.table()
        kind = self.rng.choice(["int DEFAULT 7", "text", "jsonb", "timestamptz DEFAULT clock_timestamp()", "int GENERATED ALWAYS AS (1) STORED", "serial"])
        return table and self.on(table, f"ADD COLUMN {quote(self.catalog.fresh('c'))} {kind}")

    def rename_column(self):
        table = self.table()
        return table and self.on(table, f"RENAME COLUMN {quote(self.catalog.column(table))} TO {quote(self.catalog.fresh('c'))}")

    def rename_view_column(self):
        view = self.any("v")
        return view and self.on(view, f"RENAME COLUMN {quote(self.catalog.column(view))} TO {quote(self.catalog.fresh('c'))}")

    def rename_table(self):
        table = self.table()
        return table and self.on(table, f"RENAME TO {quote(self.catalog.fresh('tv_' if table.is_tview and self.rng.random() < 0.7 else 'tb_'))}")

    def rename_view(self):
        view = self.any("v")
        return view and self.on(view, f"RENAME TO {quote(self.catalog.fresh('v_'))}")

    def rename_schema(self):
        schema = self.catalog.schema()
        return schema and f"ALTER SCHEMA {quote(schema)} RENAME TO {quote(self.catalog.fresh('s'))}"

    def set_schema(self):
        relation, schema = self.any("rpv"), self.catalog.schema()
        return relation and schema and self.on(relation, f"SET SCHEMA {quote(schema)}")

    def alter_type(self):
        table = self.table()
        kind = self.rng.choice(["bigint", "text", "numeric", "varchar(40)", "int"])
        column = table and quote(self.catalog.column(table))
        return table and self.on(table, f"ALTER COLUMN {column} TYPE {kind} USING {column}::text::{kind}")

    def default(self):
        table = self.table()
        what = self.rng.choice(["SET NOT NULL", "DROP NOT NULL", "DROP DEFAULT", "SET DEFAULT NULL"])
        return table and self.on(table, f"ALTER COLUMN {quote(self.catalog.column(table))} {what}")

    def column_storage(self):
        table = self.table()
        what = self.rng.choice(["SET STATISTICS 50", "SET STORAGE EXTERNAL", "SET (n_distinct = 5)", "SET COMPRESSION pglz"])
        return table and self.on(table, f"ALTER COLUMN {quote(self.catalog.column(table))} {what}")

    # -- types
    def alter_enum(self):
        name = self.type_name("e")
        value = name and self.catalog.one(f"SELECT enumlabel FROM pg_enum WHERE enumtypid = {literal(name)}::regtype")
        if not value:
            return None
        new = literal(self.catalog.fresh("m"))
        return f"ALTER TYPE {name} " + self.rng.choice([f"RENAME VALUE {literal(value)} TO {new}", f"ADD VALUE {new}"])

    def alter_composite(self):
        name = self.type_name("c")
        attribute = name and self.catalog.one(f"SELECT attname FROM pg_attribute WHERE attrelid = (SELECT typrelid FROM pg_type WHERE oid = {literal(name)}::regtype) "
                                              "AND attnum > 0 AND NOT attisdropped")
        if not attribute:
            return None
        cascade = self.cascade(0.7)
        return f"ALTER TYPE {name} " + self.rng.choice([f"ADD ATTRIBUTE {quote(self.catalog.fresh('a'))} int", f"DROP ATTRIBUTE {quote(attribute)}",
                                                        f"RENAME ATTRIBUTE {quote(attribute)} TO {quote(self.catalog.fresh('a'))}"]) + cascade

    def alter_domain(self):
        name = self.type_name("d")
        return name and f"ALTER DOMAIN {name} " + self.rng.choice([f"ADD CONSTRAINT {quote(self.catalog.fresh('k'))} CHECK (VALUE > -100) NOT VALID",
                                                                   f"RENAME TO {quote(self.catalog.fresh('d'))}", "SET DEFAULT 3"])

    # -- owners
    def owner(self):
        relation = self.any("rpv")
        return relation and self.on(relation, f"OWNER TO {self.rng.choice(ROLES + ('postgres',))}")

    def reassign(self):
        return f"REASSIGN OWNED BY {self.rng.choice(ROLES)} TO {self.rng.choice(ROLES + ('postgres',))}"

    def drop_owned(self):
        return f"DROP OWNED BY {self.rng.choice(ROLES)}{self.cascade(0.8)}"

    def grants(self):
        relation, role = self.any("rpv"), self.rng.choice(ROLES)
        return relation and self.rng.choice([f"GRANT SELECT, TRIGGER ON {relation.name} TO {role}", f"REVOKE ALL ON {relation.name} FROM {role}"])

    # -- views and functions
    def replace_view(self):
        view = self.catalog.pick(r for r in self.catalog.relations if r.kind == "v")
        if view is None:
            return None
        text = self.catalog.one(f"SELECT pg_get_viewdef({view.oid})").strip().rstrip(";")
        text = self.rng.choice([text, f"SELECT * FROM ({text}) x", f"SELECT *, 1 AS {quote(self.catalog.fresh('o'))} FROM ({text}) x",
                                f"SELECT * FROM ({text}) x WHERE x.{quote(self.catalog.column(view))} IS NOT NULL"])
        return f"CREATE OR REPLACE VIEW {view.name} AS {text}"

    def function(self):
        name = self.function_name()
        return name and f"ALTER FUNCTION {name} " + self.rng.choice(["IMMUTABLE", "STABLE", "VOLATILE", f"RENAME TO {quote(self.catalog.fresh('f'))}",
                                                                     f"SET SCHEMA {quote(self.catalog.schema() or 'none')}", "OWNER TO fz_a", "STRICT", "CALLED ON NULL INPUT"])

    def comment(self):
        relation = self.any("rpv")
        return relation and f"COMMENT ON {'VIEW' if relation.kind == 'v' else 'TABLE'} {relation.name} IS 'fuzz'"

    # -- storage
    def storage(self):
        table = self.table()
        return table and self.on(table, self.rng.choice(["SET LOGGED", "SET UNLOGGED", "SET TABLESPACE pg_default", "SET (fillfactor = 80)", "SET WITHOUT CLUSTER"]))

    def rewrite(self):
        table = self.table()
        return table and self.rng.choice([f"VACUUM FULL {table.name}", f"REINDEX TABLE {table.name}", f"REINDEX TABLE CONCURRENTLY {table.name}", f"CLUSTER {table.name}",
                                          f"ANALYZE {table.name}"])

    def maintenance(self):
        return self.rng.choice(["CHECKPOINT", "VACUUM pg_class", "DISCARD ALL", "DISCARD PLANS"])

    def index(self):
        table = self.table()
        if table is None:
            return None
        existing = self.catalog.one(f"SELECT i.indexrelid::regclass FROM pg_index i WHERE i.indrelid = {table.oid}")
        if existing and self.rng.random() < 0.6:
            return self.rng.choice([f"DROP INDEX {existing}", f"DROP INDEX CONCURRENTLY {existing}", f"ALTER INDEX {existing} RENAME TO {quote(self.catalog.fresh('i'))}"])
        return f"CREATE {self.rng.choice(['', 'UNIQUE '])}INDEX ON {table.name} ({quote(self.catalog.column(table))})"

    def replica(self):
        table = self.table()
        return table and self.on(table, self.rng.choice(["REPLICA IDENTITY FULL", "REPLICA IDENTITY DEFAULT", "REPLICA IDENTITY NOTHING"]))

    # -- partitions and children
    def partition(self):
        root = self.catalog.pick(r for r in self.catalog.base if r.kind == "p")
        if root is None:
            return None
        parts = [r for r in self.catalog.base if r.is_partition]
        loose = [r for r in self.catalog.base if not r.is_partition and r.kind == "r" and r.bare.startswith("part")]
        part, other = self.catalog.pick(parts), self.catalog.pick(loose)
        low = self.rng.randrange(0, 60, 10)
        bounds = f"FOR VALUES FROM ({low}) TO ({low + 10})"
        choices = [f"CREATE TABLE {quote(root.schema)}.{quote(f'part{low}_{self.rng.randint(0, 99)}')} PARTITION OF {root.name} {bounds}"]
        if part:
            choices += [f"ALTER TABLE {root.name} DETACH PARTITION {part.name}{self.rng.choice(['', ' CONCURRENTLY', ' FINALIZE'])}", f"DROP TABLE {part.name}",
                        f"TRUNCATE {part.name}"]
        if other:
            choices += [f"ALTER TABLE {root.name} ATTACH PARTITION {other.name} {bounds}"] * 2
        return self.rng.choice(choices)

    def inherit(self):
        child, parent = self.catalog.pick(r for r in self.catalog.base if r.kind == "r"), self.base()
        if not child or not parent or child is parent:
            return None
        return self.rng.choice([f"ALTER TABLE {child.name} INHERIT {parent.name}", f"ALTER TABLE {child.name} NO INHERIT {parent.name}",
                                f"CREATE TABLE {quote(parent.schema)}.{quote(self.catalog.fresh('tb_kid'))} () INHERITS ({parent.name})"])

    def create_table(self):
        schema = self.catalog.schema()
        if schema is None:
            return f"CREATE SCHEMA {quote(self.catalog.fresh('s'))}"
        name, parent = self.catalog.fresh("tb_"), self.base()
        key = parent and parent.kind == "r" and self.catalog.key(parent)
        link = f", fk_x int REFERENCES {parent.name}" if key else ""
        return f"CREATE TABLE {quote(schema)}.{quote(name)} ({quote(self.catalog.fresh('pk_'))} int PRIMARY KEY, v text, w int{link})"

    # -- triggers, rules, policies
    def rule(self):
        table = self.table()
        return table and f"CREATE OR REPLACE RULE fz AS ON UPDATE TO {table.name} DO ALSO NOTHING"

    def triggers(self):
        table = self.table()
        return table and self.on(table, self.rng.choice(["DISABLE", "ENABLE", "ENABLE", "ENABLE ALWAYS", "ENABLE REPLICA"]) + " TRIGGER " +
                                 self.rng.choice(["ALL", "USER", "pg_tviews_capture", "pg_tviews_capture_truncate", "pg_tviews_capture_root"]))

    def own_trigger(self):
        table = self.table()
        if table is None:
            return None
        name = self.rng.choice(["pg_tviews_capture", "pg_tviews_capture_truncate", "pg_tviews_capture_root"])
        return self.rng.choice([f"DROP TRIGGER {name} ON {table.name}", f"ALTER TRIGGER {name} ON {table.name} RENAME TO mine",
                                f"ALTER TRIGGER {name} ON {table.name} DEPENDS ON EXTENSION plpgsql"])

    def row_security(self):
        table = self.table()
        return table and self.on(table, self.rng.choice(["ENABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY"]))
