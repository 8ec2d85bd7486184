"""FROM of a random view: joins that keep one row for each row of the first relation, or may multiply rows below a GROUP BY."""
from ..schema import quote
from .markup import opt
from .model import Col, Rel
from .values import SAFE


class Joins:
    def source(self, rel):
        """The relation itself, or a sub-select over it that hides some of its rows."""
        if "sub-select in FROM" not in self.enabled or self.rng.random() < 0.8:
            return rel.sql
        self.used.add("sub-select in FROM")
        alias = self.alias()
        names = ", ".join(f"{alias}.{quote(c.name)}" for c in rel.cols)
        distinct = "DISTINCT " if rel.key and self.rng.random() < 0.2 else ""
        return opt(f"(SELECT {distinct}{names} FROM {rel.sql} {alias} WHERE true{self.filters([(alias, rel)], 0.6)})", rel.sql)

    def joins(self, text, scope, many):
        """(FROM text, WHERE conditions, whether the first relation may be missing); new relations are appended to `scope`."""
        where, missing = "", False
        for _ in range(self.rng.randint(0, 3)):
            if not many and self.rng.random() < 0.35:
                made = self.derived(scope)
                if made:
                    text += opt(" " + made[0])
                    scope.append((made[1], made[2]))
                    continue
            kinds = {"inner join": 4, "left join": 5, "right join": 1, "full join": 1, "cross join": 1}
            kinds = {k: w for k, w in kinds.items() if k in self.enabled}
            kind = self.rng.choices(list(kinds), kinds.values())[0]
            found = self.partner(scope, unique=not many, mergeable=kind == "full join")
            if not found:
                continue
            self.used.add(kind)
            _, far, on = found
            alias, source = self.alias(), self.source(far)
            condition = on(alias)
            if kind == "cross join":
                text += f" CROSS JOIN {source} {alias}"
                where += f" AND {condition}"
            elif kind == "right join":
                text = f"{source} {alias} RIGHT JOIN ({text}) ON {condition}" if " JOIN " in text else f"{source} {alias} RIGHT JOIN {text} ON {condition}"
            elif kind == "full join":
                text, missing = f"{text} FULL JOIN {source} {alias} ON {condition}", True
            else:
                extra = opt(f" AND {self.filter(alias, far)}") if self.rng.random() < 0.2 else ""
                text += opt(f" {'LEFT JOIN' if kind == 'left join' else 'JOIN'} {source} {alias} ON {condition}{extra}")
            scope.append((alias, far))
        return text, where, missing

    def derived(self, scope):
        """A sub-select in FROM with at most one row for each row of the scope: (join text, alias, relation) or None."""
        kinds = [k for k in ("lateral", "grouped sub-select", "distinct on", "window") if k in self.enabled]
        if not kinds:
            return None
        kind, alias = self.rng.choice(kinds), self.alias()
        if kind == "lateral":
            return self.lateral(scope, alias)
        found = self.plain_pair(scope)
        if not found:
            return None
        self.used.add(kind)
        near, n, far, f = found
        inner = self.alias()
        group, (name, col) = f.of(inner), self.column(inner, far)
        beside, scope_in = "", [(inner, far)]
        if self.rng.random() < 0.3:
            second = self.partner(scope_in)
            if second:
                other = self.alias()
                beside = opt(f" {self.rng.choice(['JOIN', 'LEFT JOIN'])} {second[1].sql} {other} ON {second[2](other)}")
                scope_in.append((other, second[1]))
        where = f"{beside} WHERE true{self.filters(scope_in, 0.3)}"
        value = Col("x", col.type if col else "integer", None)
        order = ", ".join([f"{name}::text {SAFE}"] + [f"{k}::text {SAFE}" for k in self.key_of(inner, far)])
        cols, tail = [Col("g", f.type, f.domain, far.col(f.columns[0]).plain), value], ""
        if kind == "distinct on":
            text = f"SELECT DISTINCT ON ({group}) {group} AS g, {name} AS x FROM {far.sql} {inner}{where} ORDER BY {group}, {name}::text {SAFE}"
        elif kind == "window":
            text = f"SELECT {group} AS g, {name} AS x, row_number() OVER (PARTITION BY {group} ORDER BY {order}) AS n FROM {far.sql} {inner}{where}"
            tail = f" AND {alias}.n = 1"
            cols.append(Col("n", "bigint"))
        else:
            expression, value.type = self.aggregate(*self.rng.choice(scope_in))
            having = opt(" HAVING count(*) > 1") if self.rng.random() < 0.15 else ""
            text = f"SELECT {group} AS g, {expression} AS x FROM {far.sql} {inner}{where} GROUP BY {group}{having}"
        source = f"({text})"
        if self.may("cte", 0.35):
            name = f"w{len(self.ctes)}"
            self.ctes.append(f"{name} AS {self.rng.choice(['', '', 'MATERIALIZED ', 'NOT MATERIALIZED '])}({text})")
            source = name
        join = self.rng.choice(["LEFT JOIN", "JOIN"])
        rel = Rel("", cols, [], primary_key=False)
        return f"{join} {source} {alias} ON {self.equal(f'{alias}.g', n.of(near))}{tail}", alias, rel

    def plain_pair(self, scope):
        for _ in range(20):
            (alias, rel), far = self.rng.choice(scope), self.rng.choice(self.rels)
            pairs = [(n, f) for n in rel.links for f in far.links if n.form == f.form == "column" and n.domain == f.domain]
            if pairs:
                self.touch(far)
                n, f = self.rng.choice(pairs)
                return alias, n, far, f
        return None

    def lateral(self, scope, alias):
        made = self.body(scope, 1)
        if not made:
            return None
        self.used.add("lateral")
        text, inner, far = made
        name, col = self.column(inner, far)
        if self.may("top n", 0.4):
            join = f"LEFT JOIN LATERAL (SELECT {name} AS x {text} ORDER BY {name}::text {SAFE} LIMIT 1) {alias} ON true"
            return join, alias, Rel("", [Col("x", col.type if col else "integer")], [], primary_key=False)
        expression, kind = self.aggregate(inner, far)
        join = self.rng.choice(["LEFT JOIN LATERAL (%s) %s ON true", "CROSS JOIN LATERAL (%s) %s"]) % (f"SELECT {expression} AS x, count(*) AS y {text}", alias)
        return join, alias, Rel("", [Col("x", kind), Col("y", "bigint")], [], primary_key=False)

    def make_using(self, key_names):
        """A whole view over two relations merged by USING: (query, columns, key) or None."""
        pairs = [(a, b) for a in self.rels for b in self.rels if len(a.key) == len(b.key) == 1 and a.col(a.key[0]).domain == b.col(b.key[0]).domain
                 and a.col(a.key[0]).plain]
        if not pairs:
            return None
        a, b = self.rng.choice(pairs)
        self.touch(a), self.touch(b)
        self.used.add("using")
        kind, (va, ca), (vb, cb) = self.rng.choice(["FULL JOIN", "LEFT JOIN", "JOIN", "RIGHT JOIN"]), self.column("l", a), self.column("r", b)
        left = f"(SELECT {quote(a.key[0])} AS k, {va} AS x FROM {a.sql} l) l"
        right = f"(SELECT {quote(b.key[0])} AS k, {vb} AS y FROM {b.sql} r WHERE true{self.filters([('r', b)], 0.3)}) r"
        key = a.col(a.key[0])
        cols = [Col(key_names[0], key.type, key.domain, True, False), Col("x", ca.type if ca else "integer"), Col("y", cb.type if cb else "integer")]
        return f"SELECT k AS {quote(key_names[0])}, l.x, r.y FROM {left} {kind} {right} USING (k)", cols, [key_names[0]]
