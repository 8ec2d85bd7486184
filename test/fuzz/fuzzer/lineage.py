"""Lineage alone, without workers: do the captured OLD and NEW values of each statement lead to every key whose view row changed?"""
import psycopg2

from . import drive, random_schema
from .random_schema import Rel
from .random_view import ViewMaker
from .schema import quote, read_tables
from .statements import Generator


class View:
    def __init__(self, cur, name, key, query, tables):
        self.name, self.key, self.query = name, key, query
        cur.execute("SELECT base_table::oid, capture_columns, kind, used_columns, mapping_query FROM pg_tviews_derive(%s::regclass, ARRAY[%s])", (name, key))
        self.paths = cur.fetchall()
        self.tables = tables

    def rows(self, cur):
        cur.execute(f"SELECT {quote(self.key)}::text, md5(v::text) FROM {self.name} v")
        return set(cur.fetchall())

    def affected(self, cur, before, after):
        """Keys that the paths give for the difference of the base tables, or None for the whole TVIEW."""
        keys = set()
        for relation, columns, kind, used, query in self.paths:
            table = self.tables[relation]
            names = [c.name for c in table.columns]
            values = captured(table, names, columns, used, before[relation], after[relation])
            if kind == "full":
                if before[relation] != after[relation]:
                    return None
                continue
            if kind != "partition":
                values = {v for v in values if None not in v}
            if kind == "key":
                keys |= {v[0] for v in values}
            elif values:
                keys |= self.mapped(cur, table, columns, query, values)
        return keys

    def mapped(self, cur, table, columns, query, values):
        types = [table.column(c).type + "[]" for c in columns]
        cur.execute(f"PREPARE mapping ({', '.join(types)}) AS {query}")
        arrays = [list(column) for column in zip(*values)]
        try:
            cur.execute("EXECUTE mapping (" + ", ".join(f"%s::{t}" for t in types) + ")", arrays)
            return {str(row[0]) for row in cur.fetchall()}
        finally:
            cur.execute("DEALLOCATE mapping")


def captured(table, names, columns, used, before, after):
    """What the trigger would note: OLD and NEW values of the capture columns, unless no used column changed."""
    key = names.index(table.primary_key[0])
    old = {row[key]: row for row in before - after}
    new = {row[key]: row for row in after - before}
    values = set()
    for name in old.keys() | new.keys():
        images = [row for row in (old.get(name), new.get(name)) if row]
        if len(images) == 2 and used is not None and all(images[0][names.index(u)] == images[1][names.index(u)] for u in used):
            continue
        values |= {tuple(row[names.index(c)] for c in columns) for row in images}
    return values


def contents(cur, tables):
    result = {}
    for table in tables.values():
        cur.execute(f"SELECT {', '.join(quote(c.name) + '::text' for c in table.columns)} FROM {table.name}")
        result[table.oid] = set(cur.fetchall())
    return result


def run(dsn, rng, options, tally):
    """One seed: 5 views, 2 x --transactions statements."""
    setup = ["CREATE EXTENSION pg_tviews"]
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    cur = connection.cursor()
    try:
        views, tables = build(cur, rng, setup, tally)
        generator = Generator(rng, list(tables.values()), truncate=False)
        session = drive.Session("lineage", dsn, rng, generator, drive.Log(options.echo), False)
        before, rows = contents(cur, tables), {v: v.rows(cur) for v in views}
        for _ in range(2 * options.transactions):
            session.refresh_keys()
            statement = generator.next()
            session.run(statement)
            after = contents(cur, tables)
            for view in views:
                now = view.rows(cur)
                changed = {key for key, _ in rows[view] ^ now}
                affected = view.affected(cur, before, after)
                if affected is not None and changed - affected:
                    raise drive.Failure(f"{view.name}: keys {sorted(changed - affected)} changed, found only {sorted(affected)}, by: {statement}\n"
                                        f"{view.query}\n" + "\n".join(map(str, view.paths)))
                rows[view] = now
            before = after
        session.close()
        return f"{len(views)} views, {session.count} statements"
    except drive.Failure as failure:
        failure.setup = ";\n".join(setup) + ";\n"
        failure.log = session.log if "session" in locals() else drive.Log()
        raise
    finally:
        connection.close()


def build(cur, rng, setup, tally):
    from .views import execute, make_query
    schema = random_schema.make(rng)
    for statement in schema.statements:
        execute(cur, statement)
        setup.append(statement)
    tables = {t.oid: t for t in read_tables(cur.connection)}
    rels, views = list(schema.rels), []
    maker = ViewMaker(rng, rels)
    for n in range(6):
        key = f"pk_e{n}"
        query, cols = make_query(cur, maker, key)
        statement = f"CREATE VIEW v_e{n} AS {query}"
        execute(cur, statement)
        setup.append(statement)
        tally.offered += 1
        try:
            views.append(View(cur, f"v_e{n}", key, query, tables))
            tally.accepted += 1
        except psycopg2.Error as error:
            if error.pgcode != "0A000":
                raise drive.Failure(f"{error.pgcode} {error} on {statement}") from error
            tally.refuse(str(error))
            setup[-1] = f"-- refused: {str(error).splitlines()[0]}\n{statement}"
        if n < 2:
            rels.append(Rel(f"v_e{n}", cols, key, grouped_by_key=False))
    return views, tables
