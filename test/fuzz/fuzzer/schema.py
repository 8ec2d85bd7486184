"""What the generator knows of a database: tables, columns, keys and foreign keys, read from the catalog."""
from dataclasses import dataclass, field


@dataclass
class Column:
    name: str
    type: str
    nullable: bool
    has_default: bool
    generated: bool     # GENERATED ALWAYS AS IDENTITY or AS (...) STORED: never given a value
    pool: list = field(default_factory=list)   # values seen in the seeded table
    make: object = None # function of rng that makes a value as SQL text


@dataclass
class Table:
    oid: int
    name: str           # quoted, schema-qualified
    columns: list
    primary_key: list
    unique_keys: list   # lists of column names
    foreign_keys: dict  # column name -> (table name, column name); single-column ones only
    is_tview: bool = False
    keys: list = field(default_factory=list)   # sample of primary keys
    uses: int = 0

    def column(self, name):
        return next(c for c in self.columns if c.name == name)

    def unique_columns(self):
        return {c for key in self.unique_keys for c in key}


TABLES = """
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname), c.relname LIKE 'tv\\_%%'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2"""

COLUMNS = """
SELECT a.attname, format_type(a.atttypid, NULL), NOT a.attnotnull, a.atthasdef OR a.attidentity <> '',
       a.attidentity = 'a' OR a.attgenerated <> ''
FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

UNIQUE = """
SELECT i.indisprimary, ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(n, o)
                             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.o)
FROM pg_index i WHERE i.indrelid = %s AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL"""

FOREIGN = """
SELECT a.attname, k.confrelid::regclass, format('%%I.%%I', n.nspname, r.relname), f.attname
FROM pg_constraint k
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE k.contype = 'f' AND k.conrelid = %s AND cardinality(k.conkey) = 1 AND k.conparentid = 0"""


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def read_tables(connection):
    """All user tables of the database (partitions through their root), with up to 20 distinct values of each column."""
    tables = []
    with connection.cursor() as cur:
        cur.execute(TABLES, ())
        for oid, name, is_tview in cur.fetchall():
            cur.execute(COLUMNS, (oid,))
            columns = [Column(*row) for row in cur.fetchall()]
            cur.execute(UNIQUE, (oid,))
            keys = cur.fetchall()
            cur.execute(FOREIGN, (oid,))
            foreign = {row[0]: (row[2], row[3]) for row in cur.fetchall()}
            primary = next((cols for is_primary, cols in keys if is_primary), [])
            table = Table(oid, name, columns, primary, [cols for _, cols in keys], foreign, is_tview)
            for column in columns:
                cur.execute(f"SELECT DISTINCT left({quote(column.name)}::text, 200) v FROM {name} "
                            f"WHERE {quote(column.name)} IS NOT NULL ORDER BY v LIMIT 20")
                column.pool = [row[0] for row in cur.fetchall()]
            sample_keys(cur, table)
            tables.append(table)
    return tables


def sample_keys(cur, table):
    """Refreshes the sample of primary keys, as text."""
    key = table.primary_key or [c.name for c in table.columns[:1]]
    cur.execute(f"SELECT {', '.join(quote(k) + '::text' for k in key)} FROM {table.name} "
                f"ORDER BY {', '.join(quote(k) for k in key)} LIMIT 2000")
    table.keys = cur.fetchall()
    table.uses = 0
