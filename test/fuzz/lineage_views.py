#!/usr/bin/python3
"""Random views against the lineage: prints each view for which a changed key is missed.

Usage: lineage_views.py CONNINFO SEED COUNT [ROUNDS [KIND]], KIND any, windows, recursions or rows.
The database needs the head of test/pgtap/lineage_cover.sql (tables,
change_something, misses); `lineage_views.py --setup FILE` prints that part as a script of its own.
Exit status 1 when anything was missed.
"""
import random
import sys

TABLES = ["u", "v", "w", "p", "n", '"Q t"', "g"]
# What a random view may run into: it is not executable, too slow, or compares types that do not compare.
HARMLESS = ("57014", "42P10", "42803", "0A000", "42804", "42P21", "42703", "22003", "42883")


class Generator:
    def __init__(self, rng):
        self.rng = rng
        self.aliases = 0

    def alias(self):
        self.aliases += 1
        return "a%d" % self.aliases

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        return self.rng.choice(items)

    def item(self, depth, outer, lateral):
        """One FROM item: (sql, the columns it offers)."""
        alias = self.alias()
        if depth > 0 and self.chance(0.35):
            is_lateral = bool(lateral) and self.chance(0.4)
            sql, count = self.query(depth - 1, outer + (lateral if is_lateral else []))
            return "%s(%s) %s" % ("LATERAL " if is_lateral else "", sql, alias), ["%s.c%d" % (alias, i) for i in range(1, count + 1)]
        if depth > 0 and self.chance(0.08):
            merged = ["m"] + ["%s_%s" % (side, c) for side in "lr" for c in ("id", "y", "z")]
            sql = "((SELECT x, id, y, z FROM %s) %s FULL JOIN (SELECT x, id, y, z FROM %s) %s USING (x)) %s(%s)" % (
                self.pick(["u", "v", "n"]), self.alias(), self.pick(["u", "v", "p"]), self.alias(), alias, ", ".join(merged))
            return sql, ["%s.%s" % (alias, c) for c in merged]
        return "%s %s" % (self.pick(TABLES), alias), ["%s.%s" % (alias, c) for c in ("id", "x", "y", "z")]

    def sublink(self, depth, scope):
        kind = self.pick(["EXISTS", "NOT EXISTS", "IN", "IN", "NOT IN", "scalar"])
        if kind in ("EXISTS", "NOT EXISTS"):
            return "%s (%s)" % (kind, self.query(depth - 1, scope)[0])
        if kind in ("IN", "NOT IN"):
            return "%s %s (%s)" % (self.pick(scope), kind, self.query(depth - 1, scope, width=1)[0])
        return "(SELECT count(*) FROM (%s) %s) > %d" % (self.query(depth - 1, scope)[0], self.alias(), self.rng.randint(0, 2))

    def condition(self, depth, left, right, outer):
        """One conjunct over the columns of two sides."""
        r = self.rng.random()
        if r < 0.62:
            sides = (left, right) if self.chance(0.5) else (right, left)
            if self.chance(0.2):
                return self.equality(self.pick(sides[0]), self.pick(sides[1]))
            return "%s = %s" % (self.pick(sides[0]), self.pick(sides[1]))
        if r < 0.70:
            side = self.pick([left, right])
            return "%s = %s" % (self.pick(side), self.pick(side))
        if r < 0.80 and outer:
            return "%s = %s" % (self.pick(left + right), self.pick(outer))
        if r < 0.85:
            return "%s < %s" % (self.pick(left), self.pick(right))
        if r < 0.93 and depth > 0:
            sublink = self.sublink(depth, left + right + outer)
            return "(%s OR %s = 3)" % (sublink, self.pick(left)) if self.chance(0.2) else sublink
        return "%s > 2" % self.pick(left + right)

    def equality(self, left, right):
        """An equality of expressions."""
        form = self.pick(["%s + 1 = %s", "coalesce(%s, 1) = %s", "%s = coalesce(%s, 2)", "%s::text = %s::text", "%s % 2 = %s", "%s = %s - 1", "nullif(%s, 2) = %s",
                          "%s IS NOT DISTINCT FROM %s", "%s IS NOT DISTINCT FROM %s", "%s = ANY (ARRAY[%s, 2])", "ARRAY[%s, 1] @> ARRAY[%s]"])
        return form.replace("% 2", "%% 2") % (left, right)

    def conditions(self, depth, left, right, outer, high=2):
        return " AND ".join(self.condition(depth, left, right, outer) for _ in range(1 if self.chance(0.75) else high))

    def join_tree(self, depth, outer, count, lateral=()):
        if count == 1:
            return self.item(depth, outer, list(lateral))
        left_count = self.rng.randint(1, count - 1)
        left, left_columns = self.join_tree(depth, outer, left_count)
        right, right_columns = self.join_tree(depth, outer, count - left_count, left_columns if count - left_count == 1 else ())
        kind = self.pick(["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        if right.startswith("LATERAL") and kind in ("RIGHT JOIN", "FULL JOIN"):
            kind = "LEFT JOIN"
        if kind == "FULL JOIN":  # the server wants mergeable conditions only
            on = " AND ".join("%s = %s" % (self.pick(left_columns), self.pick(right_columns)) for _ in range(self.rng.randint(1, 2)))
        elif right.startswith("LATERAL") and self.chance(0.5):
            on = "true"
        else:
            on = self.conditions(depth, left_columns, right_columns, outer)
        return "(%s %s %s ON %s)" % (left, kind, right, on), left_columns + right_columns

    def query(self, depth, outer, width=None, top=False):
        """A SELECT with columns c1 .. cn: (sql, n).  `outer`: columns of the enclosing levels."""
        if not top and depth > 0 and self.chance(0.08):
            count = width or self.rng.randint(1, 3)
            operation = self.pick(["UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL"])
            return "(%s) %s (%s)" % (self.query(depth - 1, outer, count)[0], operation, self.query(depth - 1, outer, count)[0]), count
        if depth > 0 and self.chance(0.1):
            return self.with_query(depth, outer, width)
        from_sql, columns = self.join_tree(depth, outer, self.pick([2, 2, 3, 3, 4] if top else [1, 1, 2, 2, 3]))
        return self.select(depth, outer, width, top, from_sql, columns)

    def with_query(self, depth, outer, width):
        """A CTE, read once or twice."""
        name, first, second = self.alias(), self.alias(), self.alias()
        inner, count = self.query(depth - 1, outer)
        columns = ["%s.c%d" % (first, i) for i in range(1, count + 1)]
        from_sql = "%s %s" % (name, first)
        if self.chance(0.6):
            other = self.pick([name, name] + TABLES)
            others = ["%s.c%d" % (second, i) for i in range(1, count + 1)] if other == name else ["%s.%s" % (second, c) for c in ("id", "x", "y")]
            from_sql = "(%s %s %s %s ON %s)" % (from_sql, self.pick(["JOIN", "LEFT JOIN", "RIGHT JOIN"]), other, second, self.conditions(0, columns, others, outer))
            columns = columns + others
        sql, out = self.select(depth - 1, outer, width, False, from_sql, columns)
        return "(WITH %s AS (%s) %s)" % (name, inner, sql), out

    def select(self, depth, outer, width, top, from_sql, columns):
        where = ""
        if self.chance(0.85 if outer else 0.3):
            where = " WHERE " + self.conditions(depth, columns, (outer or columns) if self.chance(0.9) else columns, outer)
        count = width or self.rng.randint(2, 4)
        chosen = [self.pick(columns) for _ in range(count)]
        if self.chance(0.15):
            chosen[0] = self.pick(["(%s + 1)", "coalesce(%s, 0)", "(%s * 2)", "(-%s)"]) % chosen[0]
        with_outer = list(chosen)
        if outer and not top and self.chance(0.1):
            with_outer[self.rng.randrange(count)] = self.pick(outer)
        extra = ""
        if top and depth > 0 and self.chance(0.4):
            extra = ", (SELECT count(*) FROM (%s) %s) AS e" % (self.query(depth - 1, columns + outer)[0], self.alias())

        def names(expressions):
            return ", ".join("%s AS c%d" % (e, i) for i, e in enumerate(expressions, 1))

        order = ", ".join("c%d" % i for i in range(1, count + 1))
        mode = self.pick(["plain"] * 4 + ["group", "group", "distinct", "distinct on", "window", "limit", "rollup"])
        if mode == "group":
            aggregates = [self.pick(["count(*)::int", "max(%s)" % self.pick(columns), "min(%s)" % self.pick(columns)]) for _ in range(count - 1)]
            keys = with_outer[:1 + self.rng.randint(0, 1)]
            outputs = (keys + aggregates)[:count]
            having = " HAVING count(*) > 1" if self.chance(0.2) else ""
            return "SELECT %s FROM %s%s GROUP BY %s%s" % (names(outputs), from_sql, where, ", ".join(keys), having), len(outputs)
        if mode == "rollup":
            return "SELECT %s FROM %s%s GROUP BY ROLLUP (%s)" % (names(chosen), from_sql, where, ", ".join(sorted(set(chosen)))), count
        if mode == "distinct":
            return "SELECT DISTINCT %s%s FROM %s%s" % (names(with_outer), extra, from_sql, where), count
        if mode == "distinct on":
            return "(SELECT DISTINCT ON (c1) %s FROM %s%s ORDER BY %s)" % (names(chosen), from_sql, where, order), count
        if mode == "window" and count > 1:
            partition = self.pick([chosen[0], self.pick(columns)])
            outputs = chosen[:-1] + ["rank() OVER (PARTITION BY %s ORDER BY %s)::int" % (partition, self.pick(columns))]
            return "SELECT %s FROM %s%s" % (names(outputs), from_sql, where), count
        if mode == "limit" and not top:
            return "(SELECT %s FROM %s%s ORDER BY %s LIMIT %d)" % (names(chosen), from_sql, where, order, self.rng.randint(1, 3)), count
        return "SELECT %s%s FROM %s%s" % (names(with_outer), extra, from_sql, where), count


class Windows(Generator):
    """Windows and DISTINCT ON at the top and in FROM, keyed by any column."""

    def windowed(self, depth, outer, width, top):
        from_sql, columns = self.join_tree(depth, outer, self.pick([1, 1, 2, 3]))
        where = " WHERE " + self.conditions(depth, columns, outer or columns, outer) if self.chance(0.3) else ""
        count = width or self.rng.randint(2, 3)
        chosen = ["%s AS c%d" % (self.pick(columns), i) for i in range(1, count + 1)]
        if self.chance(0.3):
            parts = [self.pick(columns) for _ in range(self.pick([1, 1, 2]))]
            order = ", ".join(parts + [self.pick(columns) for _ in range(2)] + ["c%d" % i for i in range(1, count + 1)])
            return "(SELECT DISTINCT ON (%s) %s FROM %s%s ORDER BY %s)" % (", ".join(parts), ", ".join(chosen), from_sql, where, order), count
        part = self.pick(columns)
        for i in range(self.pick([1, 1, 2]) if count > 1 else 0):
            parts = [part] + ([self.pick(columns)] if self.chance(0.2) else [])
            over = "OVER (PARTITION BY %s ORDER BY %s)" % (", ".join(parts), self.pick(columns))
            function = self.pick(["rank()", "max(%s)" % self.pick(columns), "count(*)"])
            if count - i > 1:
                chosen[count - 1 - i] = "(%s %s)::int AS c%d" % (function, over, count - i)
        group = ""
        if self.chance(0.15):
            keys = sorted(set(c.rsplit(" AS ", 1)[0] for c in chosen if "OVER" not in c) | {part})
            chosen = [c if "OVER" not in c else "(count(*) OVER (PARTITION BY %s))::int AS %s" % (part, c.rsplit(" AS ", 1)[1]) for c in chosen]
            group = " GROUP BY " + ", ".join(keys)
        return "SELECT %s FROM %s%s%s" % (", ".join(chosen), from_sql, where, group), count

    def query(self, depth, outer, width=None, top=False):
        if self.chance(0.6 if top else 0.4):
            return self.windowed(depth - 1, outer, width, top)
        return Generator.query(self, depth, outer, width, top)


class Recursions(Generator):
    """A scalar from a recursive CTE that is correlated to the row, in the output or in a condition."""

    def recursion(self, depth, scope):
        name, count = self.alias(), self.rng.randint(1, 3)
        branches = []
        for _ in range(self.pick([1, 1, 2])):
            if self.chance(0.5):
                branches.append("SELECT " + ", ".join(self.pick(scope) for _ in range(count)))
            else:
                from_sql, columns = self.join_tree(depth, scope, self.pick([1, 1, 2]))
                branches.append("SELECT %s FROM %s WHERE %s" % (", ".join(self.pick(columns) for _ in range(count)), from_sql, self.conditions(0, columns, scope, scope)))
        own = ["%s.r%d" % (name, i) for i in range(1, count + 1)]
        from_sql, columns = self.join_tree(depth, scope, self.pick([1, 1, 1, 2]))
        on = "%s = %s" % (self.pick(columns), self.pick(own))
        if self.chance(0.3):
            on += " AND " + self.condition(0, columns, own, scope)
        outputs = ", ".join(self.pick(columns + own) if self.chance(0.3) else self.pick(columns) for _ in range(count))
        names = ", ".join("r%d" % i for i in range(1, count + 1))
        return "(WITH RECURSIVE %s(%s) AS ((%s) UNION SELECT %s FROM %s JOIN %s ON %s) SELECT %s FROM %s)" % (
            name, names, " UNION ALL ".join(branches), outputs, from_sql, name, on, self.pick(["count(*)", "max(r1)", "sum(r%d)" % count]), name)

    def sublink(self, depth, scope):
        return "%s > 2" % self.recursion(depth - 1, scope) if self.chance(0.5) else Generator.sublink(self, depth, scope)

    def query(self, depth, outer, width=None, top=False):
        if not top:
            return Generator.query(self, depth, outer, width, top)
        from_sql, columns = self.join_tree(depth - 1, outer, self.pick([1, 1, 2, 3]))
        where = " WHERE " + self.conditions(depth - 1, columns, columns, outer) if self.chance(0.4) else ""
        return "SELECT %s AS c1, %s AS c2, %s AS e FROM %s%s" % (self.pick(columns), self.pick(columns), self.recursion(depth - 1, columns), from_sql, where), 2


class Rows(Generator):
    """FROM items that are no relations, sets of elements, constant keys."""

    def item(self, depth, outer, lateral):
        if self.chance(0.5):
            return super().item(depth, outer, lateral)
        alias, array = self.alias(), self.alias()
        forms = [("generate_series(1, 4) %(a)s(s)", ["%(a)s.s"]),
                 ("(VALUES (1, 2), (2, 3), (3, NULL)) %(a)s(s, o)", ["%(a)s.s", "%(a)s.o"]),
                 ("unnest(ARRAY[1, 2, NULL, 4]) %(a)s(s)", ["%(a)s.s"]),
                 ("(SELECT generate_series(1, 3) AS s) %(a)s", ["%(a)s.s"]),
                 ("(SELECT s + 1 AS s, s AS o FROM generate_series(0, 3) s) %(a)s", ["%(a)s.s", "%(a)s.o"]),
                 ("(SELECT unnest(arr) AS s, id, x FROM g) %(a)s", ["%(a)s.s", "%(a)s.s", "%(a)s.id", "%(a)s.x"]),
                 ("(SELECT generate_series(x, y) AS s, id, z FROM v) %(a)s", ["%(a)s.s", "%(a)s.s", "%(a)s.id", "%(a)s.z"]),
                 ("(g %(a)s CROSS JOIN LATERAL unnest(%(a)s.arr) %(b)s(s))", ["%(b)s.s", "%(b)s.s", "%(a)s.id", "%(a)s.x"]),
                 ("(g %(a)s LEFT JOIN LATERAL unnest(%(a)s.arr) %(b)s(s) ON %(b)s.s < 4)", ["%(b)s.s", "%(a)s.id"]),
                 ("(SELECT count(*)::int AS s, max(x) AS o FROM u) %(a)s", ["%(a)s.s", "%(a)s.o"])]
        sql, columns = self.pick(forms)
        names = {"a": alias, "b": array}
        return sql % names, [c % names for c in columns]

    def top(self):
        """A view and its key, which may be a constant."""
        if self.chance(0.7):
            sql, width = self.query(2, [], top=True)
            return sql, "{c1}" if self.chance(0.7) or width < 2 else "{c1,c2}"
        branches = ["SELECT '%s' AS c1, count(*) AS c2, max(s::text) AS c3, (%s) AS c4 FROM (%s) s" % (name, "SELECT sum(x) FROM v", self.query(1, [], top=True)[0])
                    for name in ("a", "b")[:self.rng.randint(1, 2)]]
        return " UNION ALL ".join(branches), "{c1}"


KINDS = {"any": Generator, "windows": Windows, "recursions": Recursions, "rows": Rows}


def candidate(rng, generator_class):
    """A view and its key: one column, two of them, or a feed with a constant in it."""
    generator = generator_class(rng)
    if generator_class is Rows:
        return generator.top()
    kind = rng.random()
    if kind < 0.75:
        sql, width = generator.query(2, [], top=True)
        return sql, "{c1}" if kind < 0.5 or width < 2 else "{c1,c2}"
    branches = ["SELECT '%s' AS c1, s.c1 AS c2, s::text AS c3 FROM (%s) s" % (name, generator.query(1, [], top=True)[0]) for name in "ab"]
    return " UNION ALL ".join(branches), "{c1,c2}"


def setup(path):
    head = open(path).read().split("CREATE TABLE shape ")[0]
    return "\n".join(line for line in head.splitlines() if line != "BEGIN;" and "EXTENSION IF NOT EXISTS pgtap" not in line)


def main():
    if sys.argv[1] == "--setup":
        print(setup(sys.argv[2]))
        return 0
    import psycopg2
    conninfo, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 60
    kind = KINDS[sys.argv[5] if len(sys.argv) > 5 else "any"]
    connection = psycopg2.connect(conninfo)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SET search_path = cover, public; SET statement_timeout = '5s'; SET client_min_messages = error")
    missed = checked = superfluous = keyed = full = pathless = errors = 0
    for i in range(seed, seed + count):
        sql, key = candidate(random.Random(i), kind)
        try:
            cursor.execute("DROP VIEW IF EXISTS candidate")
            cursor.execute("CREATE VIEW candidate AS " + sql)
            cursor.execute("SELECT setseed(%s)", (i % 997 / 997.0,))
            cursor.execute("SELECT count(*) FILTER (WHERE kind = 'full'), count(*) FILTER (WHERE kind <> 'full') FROM pg_tviews_derive('candidate', %s, true)", (key,))
            some_full, some_keyed = cursor.fetchone()
            if some_keyed == 0:
                pathless += 1
                continue
            cursor.execute("SELECT * FROM misses('candidate', %s, %s)", (key, rounds))
            row = cursor.fetchone()
        except psycopg2.Error as error:
            errors += 1
            if error.pgcode not in HARMLESS:
                print("seed %d: %s %s\n%s" % (i, error.pgcode, str(error).strip(), sql), flush=True)
            continue
        full += some_full
        keyed += some_keyed
        checked += row[1]
        superfluous += row[2]
        if row[0] is not None:
            missed += 1
            print("seed %d MISSED: %s\n%s" % (i, row[0], sql), flush=True)
            cursor.execute("SELECT base_table, capture_columns, kind, mapping_query, reason FROM pg_tviews_derive('candidate', %s, true)", (key,))
            for path in cursor.fetchall():
                print("   ", path, flush=True)
    print("views %d, errors %d, without any path %d; paths keyed %d, full %d; keys changed %d, superfluous %d; missed in %d views"
          % (count, errors, pathless, keyed, full, checked, superfluous, missed), flush=True)
    return 1 if missed else 0


sys.exit(main())
