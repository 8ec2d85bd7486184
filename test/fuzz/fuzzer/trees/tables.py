"""A random schema with rows: many key types, composite keys, junctions, partitions, inheritance, documents and arrays of ids."""
from ..schema import quote
from ..values import literal
from .markup import opt
from .model import Col, Link, Rel

KEY_TYPES = {   # feature suffix: (declared type, value number i, weight)
    "integer": ("integer", lambda t, i: str(i), 5),
    "bigint": ("bigint", lambda t, i: str(i), 2),
    "uuid": ("uuid", lambda t, i: f"00000000-0000-4000-8{t:03d}-{i:012d}", 3),
    "text": ("text", lambda t, i: f"k{i}", 1),
    "text collated": ('text COLLATE "C"', lambda t, i: f"K {i}", 1),
    "text nocase": ("text COLLATE main.nocase", lambda t, i: f"k{i}" if i % 2 else f"K{i}", 0.6),
    "date": ("date", lambda t, i: f"2026-01-{1 + i % 28:02d}", 1),
    "timestamptz": ("timestamp with time zone", lambda t, i: f"2026-01-02 {i % 24:02d}:30:00+00", 1),
    "enum": ("main.mood", lambda t, i: f"m{i % 24}", 1),
    "domain": ("main.positive", lambda t, i: str(i + 1), 1),
    "numeric": ("numeric", lambda t, i: f"{i}.50" if i % 3 else f"{i}.0", 1),
}
NAMES = [("main", "author"), ("App", "book"), ("main", "city"), ("main", "Deal"), ("App", "author"), ("main", "event log"), ("App", "firm")]
PRELUDE = ["CREATE SCHEMA main", 'CREATE SCHEMA "App"',
           "CREATE COLLATION main.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
           "CREATE TYPE main.mood AS ENUM (" + ", ".join(f"'m{i}'" for i in range(24)) + ")",
           "CREATE DOMAIN main.positive AS integer CHECK (VALUE > 0)",
           "CREATE FUNCTION main.plus(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT coalesce(a, 0) + coalesce(b, 0)'"]


class Base(Rel):
    """A base table of the generator."""
    number = 0
    kind = "plain"
    key_kind = None         # of KEY_TYPES; None for composite keys
    values_of = None        # value number i of the first key column


def make(rng, may):
    """(statements, relations, how to make values: (table, column) -> function of rng).  `may(feature, p)` draws a feature."""
    out, tables, makers = list(PRELUDE), [], {}
    for number in range(rng.randint(3, 6)):
        one_table(rng, may, number, out, tables, makers)
    for table in list(tables):
        if len(table.key) == 1 and table.parents() and may("table function", 0.5):
            own, parent = table.parents()[0]
            name = f"main.kids_{table.number}"
            out.append(f"CREATE FUNCTION {name}(k {own.type.split(' COLLATE')[0]}) RETURNS SETOF {table.sql} LANGUAGE sql STABLE AS "
                       f"'SELECT c.* FROM {table.sql} c WHERE c.{quote(parent.columns[0])} = k'")
            table.kids = name
    return out, tables, makers


def one_table(rng, may, number, out, tables, makers):
    where, name = NAMES[number]
    table = Base(f"{quote(where)}.{quote('tb_' + name)}", [], [])
    table.number, columns = number, []
    parents = [t for t in tables if len(t.key) == 1]
    if len(parents) >= 2 and may("junction", 0.2):
        table.kind, table.key = "junction", ["fk_a", "fk_b"]
        for column, parent in zip(table.key, rng.sample(parents, 2)):
            add_reference(rng, table, columns, column, parent, makers, "NOT NULL", rng.random() < 0.6)
    elif parents and may("composite primary key", 0.15):
        table.kind, table.key = "composite", ["fk_a", "nr"]
        add_reference(rng, table, columns, "fk_a", rng.choice(parents), makers, "NOT NULL", rng.random() < 0.6)
        columns.append("nr integer NOT NULL")
        table.cols.append(Col("nr", "integer", nullable=False))
        makers[table.sql, "nr"] = lambda r, top=0: str(r.randint(1, 3))
    elif parents and may("no primary key", 0.1):
        table.kind = "keyless"
    else:
        add_key(rng, may, table, columns, name)
    if len(table.key) == 2:
        table.links.append(Link("pair", table.key, table.sql, "", True))
    add_links(rng, may, table, columns, parents, tables, makers)
    add_plain(rng, may, table, columns, makers)
    create(rng, may, table, columns, out)
    tables.append(table)
    fill(rng, table, out, makers)


def add_key(rng, may, table, columns, name):
    kinds = [k for k in KEY_TYPES if k == "integer" or may(f"key {k}", 1)]
    table.key_kind = rng.choices(kinds, [KEY_TYPES[k][2] for k in kinds])[0]
    declared, value, _ = KEY_TYPES[table.key_kind]
    table.key, table.features = [f"pk_{name}"], {f"key {table.key_kind}"} if table.key_kind != "integer" else set()
    table.values_of = lambda i: literal(value(table.number, i))
    columns.append(f"{quote(table.key[0])} {declared} NOT NULL")
    kind = declared.split(" COLLATE")[0]
    table.cols.append(Col(table.key[0], kind, table.sql, table.key_kind != "text nocase", False))
    table.links.append(Link("column", table.key, table.sql, kind, True))


def add_reference(rng, table, columns, name, parent, makers, tail, constraint=True):
    """A column that holds keys of `parent` (maybe of the table itself)."""
    declared = KEY_TYPES[parent.key_kind][0]
    wider = parent.key_kind == "integer" and not constraint and rng.random() < 0.3
    declared = "bigint" if wider else declared
    actions = ["CASCADE", "NO ACTION"] if tail else ["CASCADE", "SET NULL", "NO ACTION"]
    text = f"{quote(name)} {declared} {tail}"
    if constraint and parent.kind != "inherited":
        text += opt(f" REFERENCES {parent.sql} ON DELETE {rng.choice(actions)} ON UPDATE CASCADE" + rng.choice(["", " DEFERRABLE INITIALLY DEFERRED"]))
    columns.append(text)
    kind = declared.split(" COLLATE")[0]
    table.cols.append(Col(name, kind, parent.sql, parent.key_kind != "text nocase", not tail))
    table.links.append(Link("column", [name], parent.sql, kind))
    makers[table.sql, name] = lambda r, top=18: parent.values_of(r.randint(1, top))
    table.features |= {f"key {parent.key_kind}"} if parent.key_kind != "integer" else set()


def add_links(rng, may, table, columns, parents, tables, makers):
    own = [table] if len(table.key) == 1 else []
    for n in range(rng.randint(1, 2)):
        if parents + own:
            parent = rng.choice(own * 2 + parents)
            add_reference(rng, table, columns, f"fk_{n}" if rng.random() < 0.8 else f"Parent {n}", parent, makers,
                          "NOT NULL" if parent is not table and rng.random() < 0.25 else "", rng.random() < 0.6)
    pairs = [t for t in tables if len(t.key) == 2]
    if pairs and may("composite join", 0.4):
        target = rng.choice(pairs)
        for n, key in enumerate(target.key):
            col = target.col(key)
            columns.append(f"pair_{n} {col.type}" + (" COLLATE main.nocase" if not col.plain else ""))
            table.cols.append(Col(f"pair_{n}", col.type, col.domain, col.plain))
            makers[table.sql, f"pair_{n}"] = makers[target.sql, key]
        table.links.append(Link("pair", ["pair_0", "pair_1"], target.sql))
    if parents + own and may("document", 0.3):
        parent = rng.choice(parents + own)
        columns.append("doc jsonb")
        table.cols.append(Col("doc", "jsonb"))
        table.links.append(Link("json", ["doc"], parent.sql))
        makers[table.sql, "doc"] = lambda r, top=0: document(r, parent)
    if parents + own and may("array of ids", 0.3):
        parent = rng.choice(parents + own)
        kind = KEY_TYPES[parent.key_kind][0].split(" COLLATE")[0]
        if parent.key_kind != "text nocase":
            columns.append(f"refs {kind}[]")
            table.cols.append(Col("refs", kind + "[]"))
            table.links.append(Link("array", ["refs"], parent.sql, kind))
            makers[table.sql, "refs"] = lambda r, top=0: "ARRAY[" + ", ".join(r.choice([parent.values_of(r.randint(1, 18)), parent.values_of(r.randint(1, 9)), "NULL"])
                                                                       for _ in range(r.randint(0, 3))) + f"]::{kind}[]"


def document(rng, parent):
    ref = parent.values_of(rng.randint(1, 18))[1:-1].replace("''", "'")
    return rng.choice([f"'{{\"ref\": \"{ref}\", \"n\": {rng.randint(0, 5)}}}'", f"'{{\"ref\": \"{ref}\"}}'", "'{\"ref\": null}'", "'{\"n\": 1}'", "'[1]'", "'7'"])


def add_plain(rng, may, table, columns, makers):
    columns.append("kind integer NOT NULL DEFAULT 0")
    table.cols.append(Col("kind", "integer", nullable=False))
    makers[table.sql, "kind"] = lambda r, top=0: str(r.randint(0, 3))
    for name, kind, domain in rng.sample([("name", "text", None), ("code", "text", "code"), ("Amount", "numeric", None), ("flag", "boolean", None),
                                          ("at", "timestamp with time zone", "at"), ("tags", "text[]", None)], rng.randint(2, 5)):
        columns.append(f"{quote(name)} {kind}")
        table.cols.append(Col(name, kind, domain))
        if domain == "code":
            table.links.append(Link("text", ["code"], "code", "text"))
            makers[table.sql, "code"] = lambda r, top=0: r.choice(["'a'", "'A'", "'b'", "'B'", "'c'", "''", "'Ł'", "'ł'"])
        elif domain == "at":
            table.links.append(Link("time", ["at"], "at", kind))
            makers[table.sql, "at"] = lambda r, top=0: f"'2026-01-0{r.randint(1, 4)} {r.randint(0, 23)}:{r.randint(0, 59)}:00+00'"
    if any(c.name == "name" for c in table.cols) and may("generated column", 0.3):
        columns.append("shout text GENERATED ALWAYS AS (upper(name)) STORED")
        table.cols.append(Col("shout", "text"))


def create(rng, may, table, columns, out):
    """CREATE TABLE, its partitions or children, its indexes."""
    head = ["gone integer"] if rng.random() < 0.2 else []
    key = ", ".join(quote(k) for k in table.key)
    lines = ", ".join(head + columns)
    tail = f", PRIMARY KEY ({key})" if key else ""
    hashable = table.key and "GENERATED ALWAYS" not in lines
    if hashable and may("partitioned", 0.15):
        table.features.add("partitioned")
        out.append(f"CREATE TABLE {table.sql} ({lines}{tail}) PARTITION BY HASH ({key})")
        out.append(f"CREATE TABLE main.leaf_{table.number}_0 PARTITION OF {table.sql} FOR VALUES WITH (MODULUS 2, REMAINDER 0)")
        plain = [c.split(" REFERENCES")[0].rstrip("⟦ ") for c in head + columns]
        out.append(f"CREATE TABLE main.leaf_{table.number}_1 ({', '.join(reversed(plain))})")
        out.append(f"ALTER TABLE {table.sql} ATTACH PARTITION main.leaf_{table.number}_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)")
    elif table.key_kind in ("integer", "bigint") and not any(c.domain == table.sql for c in table.cols[1:]) and may("inherited", 0.12):
        table.features.add("inherited")
        table.kind, table.primary_key = "inherited", False
        pk = quote(table.key[0])
        out.append(f"CREATE TABLE {table.sql} ({lines}{tail}, CHECK ({pk} % 2 = 0) NO INHERIT)")
        out.append(f"CREATE TABLE main.child_{table.number} (extra text, CHECK ({pk} % 2 = 1), PRIMARY KEY ({pk})) INHERITS ({table.sql})")
    else:
        out.append(f"CREATE TABLE {table.sql} ({lines}{tail})")
    if head:
        out.append(f"ALTER TABLE {table.sql} DROP COLUMN gone")
    for link in table.links:
        if link.form == "column" and not link.unique and rng.random() < 0.5:
            out.append(f"CREATE INDEX ON {table.sql} ({quote(link.columns[0])})")
    if any(c.name == "shout" for c in table.cols):
        table.features.add("generated column")
    if table.kind in ("junction", "keyless"):
        table.features.add({"junction": "junction", "keyless": "no primary key"}[table.kind])


def fill(rng, table, out, makers):
    rows = {}
    names = [c for c in table.cols if c.name != "shout"]
    for i in range(1, rng.randint(6, 15)):
        row = {}
        for col in names:
            make = makers.get((table.sql, col.name))
            if table.key == [col.name]:
                row[col.name] = table.values_of(i)
            elif make and (not col.nullable or rng.random() < 0.85):
                row[col.name] = make(rng, 5)
            else:
                row[col.name] = "NULL" if make or col.nullable and rng.random() < 0.2 else simple(rng, col.type)
        rows.setdefault(tuple(row[k] for k in table.key) or i, row)
    insert = f"INSERT INTO %s ({', '.join(quote(c.name) for c in names)}) VALUES %s ON CONFLICT DO NOTHING"
    lines = ["(" + ", ".join(row.values()) + ")" for row in rows.values()]
    if table.kind == "inherited":
        child = [line for line, row in zip(lines, rows.values()) if int(row[table.key[0]].strip("'")) % 2]
        lines = [line for line in lines if line not in child]
        out.append(insert % (f"main.child_{table.number}", child[0] + "".join(opt(", " + line) for line in child[1:])))
    out.append(insert % (table.sql, lines[0] + "".join(opt(", " + line) for line in lines[1:])))


def simple(rng, kind):
    return {"text": lambda: f"'w{rng.randint(0, 6)}'", "numeric": lambda: rng.choice(["1.0", "1.00", "0", str(rng.randint(0, 99))]),
            "boolean": lambda: rng.choice(["true", "false"]), "text[]": lambda: rng.choice(["'{}'", "'{a}'", "'{a,b}'", "'{b,NULL}'"])}.get(kind, lambda: "NULL")()
