"""The outputs of a random view: aggregates, correlated sub-selects, whole rows; each is determined by the rows it reads."""
from ..schema import quote
from .markup import opt

SAFE = 'COLLATE "C"'


class Values:
    """The part of the maker that writes expressions."""

    def filter(self, alias, rel):
        col = self.rng.choice(rel.values() or rel.cols)
        name = f"{alias}.{quote(col.name)}"
        if not col.plain:
            return f"{name} IS NOT NULL"
        if col.type in ("integer", "bigint"):
            return self.rng.choice([f"{name} > {self.rng.randint(-1, 5)}", f"{name} % 3 <> 1", f"{name} IN (0, 1, 2, 5, 7)", f"{name} IS NOT NULL"])
        if col.type == "numeric":
            return f"coalesce({name}, 0) < {self.rng.randint(1, 90)}"
        if col.type == "boolean":
            return self.rng.choice([name, f"{name} IS NOT TRUE"])
        if col.type == "text":
            return self.rng.choice([f"{name} <> 'a'", f"length({name}) > 1", f"{name} LIKE 'w%'"])
        return f"{name} IS NOT NULL"

    def filters(self, scope, p):
        return "".join(opt(f" AND {self.filter(*self.rng.choice(scope))}") for _ in range(2) if self.rng.random() < p)

    def column(self, alias, rel):
        """(expression, column) of a value that may stand in other expressions."""
        cols = rel.values()
        if not cols:
            return "1", None
        col = self.rng.choice(cols)
        return f"{alias}.{quote(col.name)}", col

    def aggregate(self, alias, rel):
        """(expression, type) over the rows of `alias`; ordered by the text of the value, so that ties do not show."""
        name, col = self.column(alias, rel)
        kind = col.type if col else "integer"
        where = f" FILTER (WHERE {self.filter(alias, rel)})" if self.may("filter", 0.3) else ""
        if kind == "integer" and self.may("within group", 0.4):
            return self.rng.choice([f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {name})", f"mode() WITHIN GROUP (ORDER BY {name})"]) + opt(where), "integer"
        if self.may("distinct aggregate", 0.2) and kind != "jsonb":
            return f"count(DISTINCT {name})" + opt(where), "bigint"
        if self.may("whole row", 0.15):
            return f"jsonb_agg(to_jsonb({alias}) ORDER BY {alias}::text {SAFE})" + opt(where), "jsonb"
        draw = self.rng.random()
        if draw < 0.25:
            return f"count({self.rng.choice(['*', name])})" + opt(where), "bigint"
        if draw < 0.5:
            return f"jsonb_agg({name} ORDER BY {name}::text {SAFE})" + opt(where), "jsonb"
        if draw < 0.6:
            return f"string_agg({name}::text, ',' ORDER BY {name}::text {SAFE})" + opt(where), "text"
        if kind == "boolean":
            return f"bool_or({name})" + opt(where), kind
        if kind in ("integer", "bigint", "numeric") and draw < 0.8:
            return f"sum({name})" + opt(where), "bigint" if kind == "integer" else "numeric"
        if kind in ("integer", "bigint", "numeric", "date", "timestamp with time zone"):
            return f"max({name})" + opt(where), kind
        return f"min({name}::text {SAFE})" + opt(where), "text"

    def body(self, scope, depth, rels=None):
        """FROM and WHERE of a sub-select correlated with the scope: (text, alias, relation) or None."""
        found = self.partner(scope, rels=rels)
        if not found:
            return None
        _, far, on = found
        alias = self.alias()
        text, inner = f"FROM {self.source(far)} {alias}", [(alias, far)]
        if self.rng.random() < 0.35:
            second = self.partner(inner, unique=self.rng.random() < 0.6)   # aggregates and orders by value: rows may multiply
            if second:
                other = self.alias()
                text += opt(f" {self.rng.choice(['JOIN', 'LEFT JOIN'])} {self.source(second[1])} {other} ON {second[2](other)}")
                inner.append((other, second[1]))
        text += f" WHERE {on(alias)}{self.filters(inner, 0.25)}"
        if depth > 0 and self.rng.random() < 0.2:
            nested = self.sub_condition(inner + scope, depth - 1)
            text += opt(f" AND {nested}") if nested else ""
        return text, alias, far

    def sub_condition(self, scope, depth):
        kinds = [k for k in ("exists", "not exists", "in") if k in self.enabled]
        if not kinds:
            return None
        kind = self.rng.choice(kinds)
        if kind == "in":
            for _ in range(20):
                (near, rel), far = self.rng.choice(scope), self.rng.choice(self.rels)
                pairs = [(n, f) for n in rel.links for f in far.links if n.form == f.form == "column" and n.domain == f.domain]
                if pairs:
                    self.touch(far)
                    self.used.add(kind)
                    (n, f), alias = self.rng.choice(pairs), self.alias()
                    return f"{n.of(near)} IN (SELECT {f.of(alias)} FROM {self.source(far)} {alias} WHERE true{self.filters([(alias, far)], 0.4)})"
            return None
        made = self.body(scope, depth)
        if not made:
            return None
        self.used.add(kind)
        return f"{kind.upper()} (SELECT 1 {made[0]})"

    def sub_value(self, scope, depth):
        """A correlated sub-select as a value: (expression, type) or None."""
        draw = self.rng.random()
        if draw < 0.12:
            condition = self.sub_condition(scope, depth)
            return (f"({condition})", "boolean") if condition else None
        if draw < 0.4:
            made = self.recursion(scope)
            if made:
                return made
        if self.may("table function", 0.3):
            made = self.table_function(scope)
            if made:
                return made
        made = self.body(scope, depth)
        if not made:
            return None
        text, alias, far = made
        name, col = self.column(alias, far)
        if self.may("array", 0.25) and col and col.type[-2:] != "[]":
            return f"ARRAY(SELECT {name} {text} ORDER BY {name}::text {SAFE})", "array"
        if self.may("top n", 0.25):
            return f"(SELECT {name} {text} ORDER BY {name}::text {SAFE} LIMIT 1)", col.type if col else "integer"
        if self.may("top n", 0.15):
            return f"(SELECT jsonb_agg(t.v ORDER BY t.v::text {SAFE}) FROM (SELECT {name} AS v {text} ORDER BY {name}::text {SAFE} DESC LIMIT 3) t)", "jsonb"
        if not self.may("scalar", 1):
            return None
        expression, kind = self.aggregate(alias, far)
        return f"(SELECT {expression} {text})", kind

    def table_function(self, scope):
        near = [(a, r, k) for a, r in scope for k in r.links if k.form == "column"]
        for _ in range(10):
            table = self.rng.choice(self.rels)
            fits = [(a, k) for a, _, k in near if getattr(table, "kids", None) and k.domain == table.sql and k.type == table.links[0].type]
            if fits:
                self.touch(table)
                (a, k), alias = self.rng.choice(fits), self.alias()
                expression, kind = self.aggregate(alias, table)
                return f"(SELECT {expression} FROM {table.kids}({k.of(a)}) {alias})", kind
        return None

    def recursion(self, scope):
        """A correlated walk up or down a self-reference."""
        near = [(a, r, own, parent) for a, r in scope for own, parent in r.parents()]
        kinds = [k for k in ("recursive up", "recursive down") if k in self.enabled]
        if not near or not kinds:
            return None
        (alias, rel, own, parent), kind = self.rng.choice(near), self.rng.choice(kinds)
        self.used.add(kind)
        w, x = self.alias(), self.alias()
        pk, up = quote(own.columns[0]), quote(parent.columns[0])
        link = f"{x}.{pk} = {w}.parent" if kind == "recursive up" else f"{x}.{up} = {w}.pk"
        start = f"{alias}.{up} = {x}.{pk}" if kind == "recursive up" else f"{alias}.{pk} = {x}.{up}"
        counted = self.rng.random() < 0.5
        level, step, stop = (", 0", f", {w}.level + 1", f" WHERE {w}.level < 4") if counted else ("", "", "")
        base = f"SELECT {alias}.{pk}, {alias}.{up}{level}" if self.rng.random() < 0.4 else f"SELECT {x}.{pk}, {x}.{up}{level} FROM {rel.sql} {x} WHERE {start}"
        name = self.rng.choice([c for c in rel.values()] or [rel.cols[0]])
        value = f"(SELECT jsonb_agg({w}.pk ORDER BY {w}.pk::text {SAFE}) FROM {w})"
        if name.plain and self.rng.random() < 0.5:
            y = self.alias()
            value = f"(SELECT jsonb_agg({y}.{quote(name.name)} ORDER BY {y}.{quote(name.name)}::text {SAFE}) FROM {w} JOIN {rel.sql} {y} ON {y}.{pk} = {w}.pk)"
        columns = "(pk, parent, level)" if counted else "(pk, parent)"
        recursive = f"SELECT {x}.{pk}, {x}.{up}{step} FROM {rel.sql} {x} JOIN {w} ON {link}{stop}"
        return f"(WITH RECURSIVE {w}{columns} AS ({base} {'UNION ALL' if counted else 'UNION'} {recursive}) {value[1:]}", "jsonb"
