"""Random views: the shapes of the top level, each with a key that is unique and never NULL."""
from ..schema import quote
from .edges import Edges
from .joins import Joins
from .markup import opt
from .model import Col, Rel, derived_links
from .values import SAFE, Values


class Maker(Edges, Values, Joins):
    """Makes one view at a time; `used` says afterwards which features it has."""

    def __init__(self, rng, rels):
        self.rng, self.rels = rng, rels
        self.aliases, self.ctes, self.used, self.enabled, self.alone = 0, [], set(), set(), None
        self.made = []   # TVIEWs: (table, entity, number of key columns, options)

    def alias(self):
        self.aliases += 1
        return f"a{self.aliases}" if self.rng.random() < 0.92 else f'"A {self.aliases}"'

    def may(self, feature, p):
        """Draws a feature: never one that is switched off, more often the one that is run alone."""
        if feature not in self.enabled or self.rng.random() >= (max(p, 0.6) if feature == self.alone else p):
            return False
        self.used.add(feature)
        return True

    def query(self, entity, enabled, alone=None):
        """(query, columns, key columns) of a view for a TVIEW `entity`."""
        shapes = [s for s in ("row", "group", "composite key", "expression key", "union all", "union", "intersect", "except", "window", "distinct on",
                              "partition exit", "using") if s in enabled]
        while True:
            self.aliases, self.ctes, self.used, self.enabled, self.alone = 0, [], set(), enabled, alone
            shape = self.rng.choice(shapes) if alone not in shapes or self.rng.random() < 0.2 else alone
            made = getattr(self, "make_" + shape.replace(" ", "_"))([f"pk_{entity}", "k2"])
            if made and (alone is None or alone in self.used or self.rng.random() < 0.02):
                self.used.add(shape)
                query, cols, key = made
                ctes = f"WITH {', '.join(self.ctes)} " if self.ctes else ""
                return ctes + query, [c for c in cols if c.type != "array"], key

    def as_rel(self, sql, cols, key, feature=None):
        """The relation that a view or a TVIEW is for the views above it."""
        return Rel(sql, cols, key, derived_links(cols, key), {feature} if feature else set(), primary_key=False)

    # -- the parts of a SELECT
    def root(self, test=lambda rel: True):
        fitting = [r for r in self.rels if r.key and test(r)]
        if not fitting:
            return None
        rel = self.rng.choice(fitting)
        self.touch(rel)
        return self.alias(), rel

    def key_outputs(self, alias, rel, names):
        names = names[:len(rel.key)]
        cols = [rel.col(k) for k in rel.key]
        if len(names) > 1:
            self.used.add("composite key")
        return ([f"{e} AS {quote(n)}" for e, n in zip(self.key_of(alias, rel), names)],
                [Col(n, c.type, c.domain if len(names) == 1 else None, c.plain, False) for n, c in zip(names, cols)])

    def outputs(self, scope, count, alias, rel, grouped):
        texts, cols = [], []
        for n in range(count):
            made = self.output(scope, alias, rel, grouped)
            if made:
                name = f"c{n}" if self.rng.random() < 0.85 else f"Col {n}"
                texts.append(opt(f", {made[0]} AS {quote(name)}"))
                cols.append(Col(name, *made[1:]))
        return "".join(texts), cols

    def output(self, scope, alias, rel, grouped):
        """(expression, type, domain, plain) of one output column, or None."""
        own = not grouped or rel.primary_key
        if grouped and (not own or self.rng.random() < 0.6):
            from_alias, far = self.rng.choice(scope)
            return *self.aggregate(from_alias, far), None, True
        if self.rng.random() < 0.45:
            made = self.sub_value([(alias, rel)] if grouped else scope, 1)
            if made:
                return *made, None, True
        from_alias, far = (alias, rel) if grouped else self.rng.choice(scope)
        if not grouped and far.key and self.may("window value", 0.3):
            order = ", ".join(f"{k}::text" for a, r in scope for k in self.key_of(a, r))   # of all: rows may have multiplied
            return f"row_number() OVER (PARTITION BY {self.column(alias, rel)[0]} ORDER BY {order})", "bigint", None, True
        if far.sql and self.may("whole row", 0.2):
            return f"to_jsonb({from_alias})", "jsonb", None, True
        if self.may("sql function", 0.2):
            numbers = [c for c in far.cols if c.type == "integer"]
            if numbers:
                return f"main.plus({from_alias}.{quote(numbers[0].name)}, {from_alias}.{quote(self.rng.choice(numbers).name)})", "integer", None, True
        col = self.rng.choice(far.cols)
        name = f"{from_alias}.{quote(col.name)}"
        if col.plain and self.rng.random() < 0.25:
            return f"jsonb_build_object('v', {name})", "jsonb", None, True
        return name, col.type, col.domain, col.plain

    # -- shapes
    def make_row(self, names):
        root = self.root()
        scope = [root]
        text, where, missing = self.joins(f"{root[1].sql} {root[0]}", scope, False)
        keys, key_cols = self.key_outputs(*root, names)
        outputs, cols = self.outputs(scope, self.rng.randint(2, 5), *root, False)
        where += "".join(f" AND {k} IS NOT NULL" for k in self.key_of(*root)) if missing else ""
        where += self.filters(scope, 0.2)
        if self.rng.random() < 0.25:
            condition = self.sub_condition(scope, 1)
            where += opt(f" AND {condition}") if condition else ""
        if self.may("clock", 0.4):
            where += opt(" AND now() > '2020-01-01'")
        return f"SELECT {', '.join(keys)}{outputs} FROM {text} WHERE true{where}", key_cols + cols, [c.name for c in key_cols]

    def make_group(self, names):
        root = self.root()
        scope = [root]
        text, where, missing = self.joins(f"{root[1].sql} {root[0]}", scope, True)
        keys, key_cols = self.key_outputs(*root, names)
        outputs, cols = self.outputs(scope, self.rng.randint(2, 4), *root, True)
        where += "".join(f" AND {k} IS NOT NULL" for k in self.key_of(*root)) if missing else ""
        having = opt(" HAVING count(*) > 1") if self.rng.random() < 0.1 else ""
        return (f"SELECT {', '.join(keys)}{outputs} FROM {text} WHERE true{where}{self.filters(scope, 0.2)} "
                f"GROUP BY {', '.join(self.key_of(*root))}{having}", key_cols + cols, [c.name for c in key_cols])

    def make_composite_key(self, names):
        """A parent and its children, keyed by both."""
        root = self.root(lambda r: len(r.key) == 1)
        found = self.partner([root], rels=[r for r in self.rels if len(r.key) == 1]) if root else None
        if not found:
            return None
        self.used.add("composite key")
        alias, far = self.alias(), found[1]
        scope = [root, (alias, far)]
        keys = [root[1].col(root[1].key[0]), far.col(far.key[0])]
        outputs, cols = self.outputs(scope, self.rng.randint(1, 3), *root, False)
        text = f"SELECT {self.key_of(*root)[0]} AS {quote(names[0])}, {self.key_of(alias, far)[0]} AS {quote(names[1])}{outputs}"
        text += f" FROM {root[1].sql} {root[0]} JOIN {self.source(far)} {alias} ON {found[2](alias)} WHERE true{self.filters(scope, 0.3)}"
        return text, [Col(n, c.type, None, c.plain, False) for n, c in zip(names, keys)] + cols, list(names)

    def make_expression_key(self, names):
        """Groups by an expression, or by a column and an expression."""
        rel = self.rng.choice(self.rels)
        links = {k.form: k for k in rel.links if k.form in ("text", "time", "column")}
        alias = self.alias()
        choices = []
        if "text" in links:
            choices.append(([f"lower({links['text'].of(alias)})"], ["text"]))
        if "time" in links:
            choices.append(([f"date_trunc('day', {links['time'].of(alias)})"], ["timestamp with time zone"]))
        if "column" in links and "time" in links and rel.col(links["column"].columns[0]).plain:
            choices.append(([links["column"].of(alias), f"({links['time'].of(alias)})::date"], [links["column"].type, "date"]))
        if not choices:
            return None
        self.touch(rel)
        self.used.add("expression key")
        keys, kinds = self.rng.choice(choices)
        outputs = "".join(opt(f", {self.aggregate(alias, rel)[0]} AS c{n}") for n in range(self.rng.randint(1, 2)))
        not_null = "".join(f" AND {k} IS NOT NULL" for k in keys)
        heads = ", ".join(f"{k} AS {quote(n)}" for k, n in zip(keys, names))
        used = names[:len(keys)]
        self.used |= {"composite key"} if len(keys) > 1 else set()
        return (f"SELECT {heads}{outputs} FROM {rel.sql} {alias} WHERE true{not_null}{self.filters([(alias, rel)], 0.3)} GROUP BY {', '.join(keys)}",
                [Col(n, t, None, True, False) for n, t in zip(used, kinds)], list(used))

    def branch(self, rel, outputs):
        alias = self.alias()
        self.touch(rel)
        scope = [(alias, rel)]
        text, where, missing = self.joins(f"{rel.sql} {alias}", scope, False)
        where += "".join(f" AND {k} IS NOT NULL" for k in self.key_of(alias, rel)) if missing else ""
        return f"SELECT {outputs(alias, scope)} FROM {text} WHERE true{where}{self.filters(scope, 0.3)}"

    def make_union_all(self, names):
        """Branches told apart by a discriminator, or by a prefix of the key."""
        rels = [r for r in self.rels if len(r.key) == 1 and r.col(r.key[0]).plain]
        if not rels:
            return None
        self.used.add("union all")
        prefix, branches = self.rng.random() < 0.3, []
        for n in range(self.rng.randint(2, 3)):
            rel = self.rng.choice(rels)

            def outputs(alias, scope, n=n, rel=rel):
                key = f"{self.key_of(alias, rel)[0]}::text"
                head = f"'{n}-' || {key} AS {quote(names[0])}" if prefix else f"'kind {n}' AS {quote(names[0])}, {key} AS {quote(names[1])}"
                return f"{head}, to_jsonb({self.column(*self.rng.choice(scope))[0]}) AS c"
            branches.append(self.branch(rel, outputs))
        key = names[:1] if prefix else list(names)
        self.used.add("expression key" if prefix else "composite key")
        return " UNION ALL ".join(branches), [Col(n, "text", None, True, False) for n in key] + [Col("c", "jsonb")], key

    def set_operation(self, names, operation):
        links = [(r, k) for r in self.rels for k in r.links if k.form == "column" and r.col(k.columns[0]).plain]
        first = self.rng.choice(links) if links else None
        second = [(r, k) for r, k in links if first and k.domain == first[1].domain and k.type == first[1].type]
        if not second:
            return None
        self.used.add(operation)
        texts = []
        for rel, link in (first, self.rng.choice(second)):
            alias = self.alias()
            self.touch(rel)
            texts.append(f"SELECT {link.of(alias)} AS {quote(names[0])} FROM {rel.sql} {alias} WHERE {link.of(alias)} IS NOT NULL{self.filters([(alias, rel)], 0.5)}")
        col = Col(names[0], first[1].type, first[1].domain, True, False)
        return f" {operation.upper()} ".join(texts), [col], names[:1]

    def make_union(self, names):
        return self.set_operation(names, "union")

    def make_intersect(self, names):
        return self.set_operation(names, "intersect")

    def make_except(self, names):
        return self.set_operation(names, "except")

    def partitioned_rows(self, names, keyed_by_partition):
        """A relation with a column to partition by: (alias, relation, link, key outputs, key columns) or None."""
        root = self.root(lambda r: any(k.form == "column" and not k.unique for k in r.links))
        if not root:
            return None
        alias, rel = root
        link = self.rng.choice([k for k in rel.links if k.form == "column" and not k.unique])
        if keyed_by_partition:
            col = rel.col(link.columns[0])
            return alias, rel, link, [f"{link.of(alias)} AS {quote(names[0])}"], [Col(names[0], link.type, link.domain, col.plain, False)]
        keys, cols = self.key_outputs(alias, rel, names)
        return alias, rel, link, keys, cols

    def beside(self, alias, rel):
        """FROM and WHERE of rows of `rel`, each once, maybe with others joined to them."""
        scope = [(alias, rel)]
        text, where, missing = self.joins(f"{rel.sql} {alias}", scope, False) if self.rng.random() < 0.4 else (f"{rel.sql} {alias}", "", False)
        where += "".join(f" AND {k} IS NOT NULL" for k in self.key_of(alias, rel)) if missing else ""
        return f"{text} WHERE true{where}{self.filters(scope, 0.3)}"

    def make_window(self, names):
        """Rows ranked within a partition, keyed by the row; maybe only the first ones."""
        made = self.partitioned_rows(names, False)
        if not made:
            return None
        alias, rel, link, keys, cols = made
        order = ", ".join([f"{self.column(alias, rel)[0]}::text {SAFE}"] + [f"{k}::text {SAFE}" for k in self.key_of(alias, rel)])
        function = self.rng.choice(["row_number()", "rank()", "count(*)", "sum({0}.kind)" if any(c.name == "kind" for c in rel.cols) else "count(*)"]).format(alias)
        text = (f"SELECT {', '.join(keys)}, {link.of(alias)} AS p, {function} OVER (PARTITION BY {link.of(alias)} ORDER BY {order}) AS n "
                f"FROM {self.beside(alias, rel)}")
        cols = cols + [Col("p", link.type, link.domain, rel.col(link.columns[0]).plain), Col("n", "bigint")]
        if self.rng.random() < 0.4:
            text = f"SELECT {', '.join(quote(c.name) for c in cols)} FROM ({text}) w WHERE n <= {self.rng.randint(1, 3)}"
        return text, cols, [c.name for c in cols[:-2]]

    def make_distinct_on(self, names, partition=False):
        """One row of each partition, keyed by the row or by the partition."""
        made = self.partitioned_rows(names, partition)
        if not made:
            return None
        alias, rel, link, keys, cols = made
        order = ", ".join([f"{self.column(alias, rel)[0]}::text {SAFE} DESC"] + [f"{k}::text {SAFE}" for k in self.key_of(alias, rel)])
        value, col = self.column(alias, rel)
        return (f"SELECT DISTINCT ON ({link.of(alias)}) {', '.join(keys)}, {value} AS x "
                f"FROM {self.beside(alias, rel)} AND {link.of(alias)} IS NOT NULL ORDER BY {link.of(alias)}, {order}",
                cols + [Col("x", col.type if col else "integer")], [c.name for c in cols])

    def make_partition_exit(self, names):
        return self.make_distinct_on(names, True)
