"""Random statements over a schema: every kind of write an application makes, and some it should not."""
from .schema import quote
from .values import literal, value

# Kind and weight.  TRUNCATE and direct writes to tv_ tables are rare, as in life.
KINDS = {"insert": 14, "insert_many": 5, "upsert": 8, "update_row": 22, "update_bulk": 6, "move": 12, "touch": 4,
         "delete_row": 8, "delete_bulk": 2, "merge": 3, "block": 4, "chain": 3, "write_tview": 3, "truncate": 0.4}


class Generator:
    def __init__(self, rng, tables, truncate=True):
        self.rng = rng
        self.tables = {t.name: t for t in tables}
        self.base = [t for t in tables if not t.is_tview]
        self.tviews = [t for t in tables if t.is_tview]
        self.kinds = {k: w for k, w in KINDS.items() if (truncate or k != "truncate") and (self.tviews or k != "write_tview")}

    def next(self):
        """One statement as text; retries until the chosen kind fits the chosen table."""
        while True:
            kind = self.rng.choices(list(self.kinds), self.kinds.values())[0]
            statement = getattr(self, kind)(self.rng.choice(self.base))
            if statement:
                return statement

    # -- parts
    def writable(self, table):
        return [c for c in table.columns if not c.generated]

    def row(self, table):
        """Column list and one VALUES row; columns with a default are often left out."""
        columns = [c for c in self.writable(table) if not (c.has_default and self.rng.random() < 0.6)]
        return columns, [value(self.rng, table, c, self.tables) for c in columns]

    def by_key(self, table, alias=""):
        """A condition that finds one row by its primary key, or None when the table looked empty."""
        if not table.keys:
            return None
        names = table.primary_key or [table.columns[0].name]
        return " AND ".join(f"{alias}{quote(n)} = {literal(v)}" for n, v in zip(names, self.rng.choice(table.keys)))

    def bulk(self, table):
        """A condition that finds a part of the table."""
        column = self.rng.choice(table.columns)
        if column.pool and self.rng.random() < 0.5:
            return f"{quote(column.name)}::text = {literal(self.rng.choice(column.pool))}"
        modulus = self.rng.choice([2, 5, 9])
        return f"hashtext({quote(table.columns[0].name)}::text) % {modulus} = {self.rng.randrange(modulus)}"

    def assignments(self, table, columns, count):
        chosen = self.rng.sample(columns, min(count, len(columns)))
        return ", ".join(f"{quote(c.name)} = {value(self.rng, table, c, self.tables)}" for c in chosen)

    def plain_columns(self, table):
        return [c for c in self.writable(table) if c.name not in table.foreign_keys and c.name not in table.unique_columns()]

    # -- kinds
    def insert(self, table):
        columns, row = self.row(table)
        if not columns:
            return f"INSERT INTO {table.name} DEFAULT VALUES"
        return f"INSERT INTO {table.name} ({', '.join(quote(c.name) for c in columns)}) VALUES ({', '.join(row)})"

    def insert_many(self, table):
        columns, row = self.row(table)
        if not columns:
            return None
        rows = [row] + [[value(self.rng, table, c, self.tables) for c in columns] for _ in range(self.rng.randint(1, 8))]
        names = ", ".join(quote(c.name) for c in columns)
        return f"INSERT INTO {table.name} ({names}) VALUES " + ", ".join("(" + ", ".join(r) + ")" for r in rows) + " ON CONFLICT DO NOTHING"

    def upsert(self, table):
        keys = [k for k in table.unique_keys if not any(table.column(c).generated for c in k)]
        plain = self.plain_columns(table)
        if not keys:
            return None
        key = self.rng.choice(keys)
        columns = [c for c in self.writable(table) if c.name in key or not c.has_default or self.rng.random() < 0.5]
        row = [literal(self.rng.choice(c.pool)) if c.name in key and c.pool else value(self.rng, table, c, self.tables) for c in columns]
        action = "DO NOTHING" if not plain or self.rng.random() < 0.2 else f"DO UPDATE SET {self.assignments(table, plain, 2)}"
        return (f"INSERT INTO {table.name} ({', '.join(quote(c.name) for c in columns)}) VALUES ({', '.join(row)}) "
                f"ON CONFLICT ({', '.join(quote(k) for k in key)}) {action}")

    def update_row(self, table):
        where = self.by_key(table)
        columns = self.writable(table)
        if not where or not columns:
            return None
        return f"UPDATE {table.name} SET {self.assignments(table, columns, self.rng.randint(1, 3))} WHERE {where}"

    def update_bulk(self, table):
        columns = self.plain_columns(table)
        if not columns:
            return None
        return f"UPDATE {table.name} SET {self.assignments(table, columns, 1)} WHERE {self.bulk(table)}"

    def move(self, table):
        """Moves rows to another parent."""
        columns = [c for c in self.writable(table) if c.name in table.foreign_keys]
        where = self.by_key(table) if self.rng.random() < 0.8 else self.bulk(table)
        if not columns or not where:
            return None
        return f"UPDATE {table.name} SET {self.assignments(table, columns, self.rng.randint(1, 2))} WHERE {where}"

    def touch(self, table):
        """An UPDATE that changes nothing."""
        columns = self.writable(table)
        name = quote(self.rng.choice(columns).name) if columns else None
        return f"UPDATE {table.name} SET {name} = {name} WHERE {self.bulk(table)}" if name else None

    def delete_row(self, table):
        where = self.by_key(table)
        return f"DELETE FROM {table.name} WHERE {where}" if where else None

    def delete_bulk(self, table):
        modulus = self.rng.choice([20, 60])
        return f"DELETE FROM {table.name} WHERE hashtext({quote(table.columns[0].name)}::text) % {modulus} = {self.rng.randrange(modulus)}"

    def merge(self, table):
        plain = self.plain_columns(table)
        if len(table.primary_key) != 1 or not table.keys or not plain:
            return None
        key = quote(table.primary_key[0])
        values = ", ".join(f"({literal(self.rng.choice(table.keys)[0])})" for _ in range(3))
        key_type = table.column(table.primary_key[0]).type
        return (f"MERGE INTO {table.name} t USING (SELECT DISTINCT v::{key_type} k FROM (VALUES {values}) s(v)) s ON t.{key} = s.k "
                f"WHEN MATCHED AND hashtext(s.k::text) % 3 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET {self.assignments(table, plain, 1)}")

    def block(self, table):
        """A PL/pgSQL block with an exception handler: a subtransaction that may roll back."""
        other = self.rng.choice(self.base)
        first, second = self.update_row(table), self.delete_row(other)
        if not first or not second:
            return None
        fail = "RAISE EXCEPTION 'undo';" if self.rng.random() < 0.5 else ""
        return f"DO $block$ BEGIN {first}; BEGIN {second}; {fail} EXCEPTION WHEN OTHERS THEN NULL; END; END $block$"

    def chain(self, table):
        """One statement that writes two tables."""
        other = self.rng.choice(self.base)
        first, second = self.update_row(table), self.update_row(other)
        if not first or not second or other is table:
            return None
        return f"WITH w AS ({first} RETURNING 1) {second}"

    def write_tview(self, _):
        """A user's direct write to a read model: it must heal."""
        tview = self.rng.choice(self.tviews)
        where = self.by_key(tview)
        columns = [c for c in tview.columns if c.type == "jsonb"]
        if not where:
            return None
        if columns and self.rng.random() < 0.7:
            return f"UPDATE {tview.name} SET {quote(columns[0].name)} = '{{\"forged\": true}}' WHERE {where}"
        return f"DELETE FROM {tview.name} WHERE {where}"

    def truncate(self, table):
        return f"TRUNCATE {table.name} CASCADE"
