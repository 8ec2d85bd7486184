"""What there is to alter, read from the catalog before each command: names move all the time."""
from dataclasses import dataclass

from ..schema import quote

# Names that a careless generator of SQL breaks on.
HOSTILE = ["Mixed Case", 'quo"te', "dot.ted", "per%s%I", "$1", "back\\slash", "Łódź", "select", "ein'strich", "x" * 63, "ü" * 31, "a" * 62 + "b", "tab\tbed"]
ROLES = ("fz_a", "fz_b")

RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relispartition, pg_get_userbyid(c.relowner), m.entity IS NOT NULL, v.entity IS NOT NULL,
       EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_tview_meta m ON m.table_oid = c.oid LEFT JOIN pg_tview_meta v ON v.view_oid = c.oid
WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname NOT IN ('public', 'information_schema', 'pg_catalog', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_temp%'
ORDER BY c.oid"""


@dataclass
class Relation:
    oid: int
    schema: str
    bare: str
    kind: str
    is_partition: bool
    owner: str
    is_tview: bool
    is_view_of_tview: bool
    has_parent: bool

    @property
    def name(self):
        return f"{quote(self.schema)}.{quote(self.bare)}"


class Catalog:
    """Picks at random from what exists; None when there is nothing of the kind."""

    def __init__(self, cur, rng):
        self.cur, self.rng = cur, rng
        self.relations = [Relation(*row) for row in self.rows(RELATIONS)]
        self.base = [r for r in self.relations if r.kind in "rp" and not r.is_tview]
        self.tviews = [r for r in self.relations if r.is_tview]

    def rows(self, text):
        self.cur.execute(text)
        return self.cur.fetchall()

    def pick(self, items):
        items = list(items)
        return self.rng.choice(items) if items else None

    def one(self, text):
        """A value of the first column."""
        row = self.pick(self.rows(text))
        return row[0] if row else None

    def schema(self):
        return self.one("SELECT nspname FROM pg_namespace WHERE nspname NOT IN ('public', 'information_schema', 'late') AND nspname NOT LIKE 'pg\\_%' ORDER BY oid")

    def columns(self, relation):
        return self.rows("SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
                         f"WHERE attrelid = {relation.oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum")

    def column(self, relation):
        row = self.pick(self.columns(relation))
        return row[0] if row else "none"

    def key(self, relation):
        """The single column that is the primary key, or None."""
        return self.one("SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
                        f"WHERE i.indrelid = {relation.oid} AND i.indisprimary AND i.indnatts = 1")

    def parents(self, relation):
        """Foreign keys of one column out of the relation: column, referenced oid, its column."""
        return self.rows("SELECT a.attname, k.confrelid, f.attname FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] "
                         "JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1] "
                         f"WHERE k.contype = 'f' AND k.conrelid = {relation.oid} AND cardinality(k.conkey) = 1 AND k.conparentid = 0 ORDER BY k.oid")

    def children(self, relation):
        return self.rows("SELECT a.attname, k.conrelid FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] "
                         f"WHERE k.contype = 'f' AND k.confrelid = {relation.oid} AND cardinality(k.conkey) = 1 AND k.conparentid = 0 ORDER BY k.oid")

    def by_oid(self, oid):
        return next((r for r in self.relations if r.oid == oid), None)

    def fresh(self, prefix):
        """A name that is not there: mostly plain, now and then hostile."""
        number = self.rng.randint(0, 999)
        if self.rng.random() < 0.25:
            name = self.rng.choice(HOSTILE)
            return (f"{prefix}{name}" if self.rng.random() < 0.5 else name).encode()[:63].decode(errors="ignore")
        return f"{prefix}{number}"
