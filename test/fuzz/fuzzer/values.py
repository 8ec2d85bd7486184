"""Random values of a column's type, as SQL text."""

WORDS = ["", "a", "open", "paid", "sent", "draft", "free", "pro", "approved", "Łódź", "O'Brien", "tab\there", "x" * 300, "null"]


def literal(text):
    if text is None:
        return "NULL"
    if "\\" in text or "\t" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''").replace("\t", "\\t") + "'"
    return "'" + text.replace("'", "''") + "'"


def uuid(rng):
    h = f"{rng.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def timestamp(rng):
    return f"2026-{rng.randint(1, 2):02d}-{rng.randint(1, 27):02d} {rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:00+00"


def fresh(rng, column_type, unique):
    """A value of the type that need not exist already."""
    t = column_type
    if t.endswith("[]"):
        inner = [fresh(rng, t[:-2], False) for _ in range(rng.randint(0, 3))]
        return "ARRAY[" + ", ".join(inner) + "]::" + t
    if t in ("integer", "bigint", "smallint"):
        return str(rng.randint(10000, 30000) if unique else rng.randint(-2, 12))
    if t == "main.mood":
        return f"'m{rng.randint(0, 23)}'"
    if t == "main.positive":
        return str(rng.randint(1, 40))
    if t == "numeric":
        return rng.choice(["1.0", "1.00", "1", "0", "99.95", str(rng.randint(0, 500)), f"{rng.random() * 100:.2f}"])
    if t in ("double precision", "real"):
        return rng.choice(["0", "'-0'::float8", "1.5", str(rng.randint(-5, 5))])
    if t == "boolean":
        return rng.choice(["true", "false"])
    if t == "uuid":
        return literal(uuid(rng))
    if t.startswith("timestamp"):
        return literal(timestamp(rng))
    if t == "date":
        return literal(timestamp(rng)[:10])
    if t in ("jsonb", "json"):
        return literal(rng.choice(['{}', '{"a": 1}', '{"a": 1.0}', '{"name": "D%d"}' % rng.randint(0, 9), '[]', 'null']))
    if t == "inet":
        return literal(f"10.1.{rng.randint(0, 3)}.{rng.randint(1, 9)}")
    if t == "daterange":
        return rng.choice(["'empty'", "'[2026-01-01,)'", f"'[2026-01-{rng.randint(1, 28):02d},2026-03-01)'"])
    if t == "bytea":
        return "'\\x%04x'" % rng.getrandbits(16)
    if unique:
        return literal(f"{rng.choice(WORDS[:9])}-{rng.getrandbits(40):x}")
    return literal(rng.choice(WORDS)) if rng.random() < 0.5 else literal(f"w{rng.randint(0, 9)}")


def value(rng, table, column, tables):
    """A value for one column: a foreign key that exists (mostly), a value already seen, a new one, or NULL."""
    if column.nullable and rng.random() < 0.15:
        return "NULL"
    if column.make and rng.random() < 0.6:
        return column.make(rng)
    if column.name in table.foreign_keys and rng.random() < 0.97:
        target_name, target_column = table.foreign_keys[column.name]
        target = tables.get(target_name)
        if target and target.keys and target.primary_key == [target_column]:
            return literal(rng.choice(target.keys)[0])
    unique = column.name in table.unique_columns() and len(table.primary_key) < 2
    if column.pool and not unique and rng.random() < 0.5:
        return literal(rng.choice(column.pool))
    return fresh(rng, column.type, unique)
