"""Random view trees: every row is found by one key, every output is determined by the rows (aggregates are ordered)."""
from .random_schema import Col, Rel
from .schema import quote

AGGREGATES = {"integer": ["sum", "max", "min"], "bigint": ["sum", "max"], "numeric": ["sum"], "text": ["max", "min"],
              "timestamp with time zone": ["max", "min"], "boolean": ["bool_or", "bool_and"]}


class ViewMaker:
    def __init__(self, rng, rels):
        self.rng, self.rels = rng, rels
        self.aliases = 0
        self.ctes = []

    def alias(self):
        self.aliases += 1
        return f"a{self.aliases}" if self.rng.random() < 0.9 else f'"A {self.aliases}"'

    def chance(self, p):
        return self.rng.random() < p

    # -- pieces
    def partner(self, scope):
        """(near expression, far relation, far column) of a possible join, or None."""
        for _ in range(20):
            near_alias, near = self.rng.choice(scope)
            links = near.links()
            far = self.rng.choice(self.rels)
            if not links:
                continue
            col = self.rng.choice(links)
            matches = [c for c in far.links() if c.domain == col.domain]
            if matches:
                return f"{near_alias}.{quote(col.name)}", far, self.rng.choice(matches)
        return None

    def unique_partner(self, scope):
        for _ in range(20):
            found = self.partner(scope)
            if found and found[2].name == found[1].key:
                return found
        return None

    def equal(self, left, right):
        if self.chance(0.02):
            return f"{left} IS NOT DISTINCT FROM {right}"
        return f"{left} = {right}" if self.chance(0.6) else f"{right} = {left}"

    def source(self, rel):
        """The relation itself, or a sub-select over it that hides some of its rows."""
        if self.chance(0.85):
            return rel.sql
        inner = self.alias()
        columns = ", ".join(f"{inner}.{quote(c.name)}" for c in rel.cols)
        where = self.filters([(inner, rel)], 0.4)
        tail = f" WHERE {' AND '.join(where)}" if where else ""
        return f"(SELECT {self.rng.choice(['', '', 'DISTINCT ']) if not rel.of_type('json') else ''}{columns} FROM {rel.sql} {inner}{tail})"

    def filter(self, alias, rel):
        col = self.rng.choice(rel.cols)
        name = f"{alias}.{quote(col.name)}"
        if col.type in ("integer", "bigint"):
            return self.rng.choice([f"{name} > {self.rng.randint(-1, 5)}", f"{name} % 3 <> 1", f"{name} IN (0, 1, 2, 5, 7)", f"{name} IS NOT NULL"])
        if col.type == "numeric":
            return f"coalesce({name}, 0) < {self.rng.randint(1, 200)}"
        if col.type == "boolean":
            return self.rng.choice([name, f"{name} IS NOT TRUE"])
        if col.type == "text":
            return self.rng.choice([f"{name} <> 'a'", f"length({name}) > 2", f"{name} IS NOT NULL", f"{name} LIKE 'w%'"])
        return f"{name} IS NOT NULL"

    def filters(self, scope, p):
        return [self.filter(*self.rng.choice(scope)) for _ in range(2) if self.chance(p)]

    def aggregate(self, alias, rel, extra=""):
        """An aggregate over the rows of `alias`: (expression, type)."""
        col = self.rng.choice(rel.cols)
        name, key = f"{alias}.{quote(col.name)}", f"{alias}.{quote(rel.key)}"
        where = f" FILTER (WHERE {self.filter(alias, rel)})" if self.chance(0.25) else ""
        draw = self.rng.random()
        if draw < 0.25 or col.type not in AGGREGATES:
            return f"count({self.rng.choice(['*', key, 'DISTINCT ' + name]) if col.type != 'jsonb' else '*'}){where}", "bigint"
        if draw < 0.45:
            return f"jsonb_agg({name} ORDER BY {key}{extra}){where}", "jsonb"
        if draw < 0.55:
            return f"array_agg({name} ORDER BY {name}, {key}{extra}){where}", "array"
        function = self.rng.choice(AGGREGATES[col.type])
        result = {"sum": "bigint" if col.type == "integer" else "numeric"}.get(function, col.type)
        return f"{function}({name}){where}", result

    def body(self, scope, near, far, far_col, depth):
        """FROM and WHERE of a sub-select correlated with the scope: (text, alias)."""
        alias = self.alias()
        text, inner = f"FROM {self.source(far)} {alias}", [(alias, far)]
        if self.chance(0.35):
            found = self.unique_partner(inner)
            if found:
                second = self.alias()
                text += f" {self.rng.choice(['JOIN', 'LEFT JOIN'])} {self.source(found[1])} {second} ON {self.equal(found[0], f'{second}.{quote(found[2].name)}')}"
                inner.append((second, found[1]))
        where = [self.equal(near, f"{alias}.{quote(far_col.name)}")] + self.filters(inner, 0.25)
        if depth > 0 and self.chance(0.2):
            nested = self.sub_condition(inner + scope, depth - 1)
            if nested:
                where.append(nested)
        return f"{text} WHERE {' AND '.join(where)}", alias

    def sub_condition(self, scope, depth):
        found = self.partner(scope)
        if not found:
            return None
        near, far, far_col = found
        if self.chance(0.35):
            alias = self.alias()
            where = self.filters([(alias, far)], 0.5)
            tail = f" WHERE {' AND '.join(where)}" if where else ""
            column = f"{alias}.{quote(far_col.name)}"
            return f"{near} IN (SELECT {column} FROM {far.sql} {alias}{tail})"
        body, _ = self.body(scope, near, far, far_col, depth)
        return f"{self.rng.choice(['EXISTS', 'EXISTS', 'NOT EXISTS'])} (SELECT 1 {body})"

    def sub_value(self, scope, depth):
        """A correlated sub-select as a value: (expression, type)."""
        found = self.partner(scope)
        if not found:
            return None
        near, far, far_col = found
        draw = self.rng.random()
        if draw < 0.15:
            condition = self.sub_condition(scope, depth)
            return (condition, "boolean") if condition else None
        body, alias = self.body(scope, near, far, far_col, depth)
        col = self.rng.choice(far.cols)
        value, key = f"{alias}.{quote(col.name)}", f"{alias}.{quote(far.key)}"
        if draw < 0.35 and col.type != "jsonb":
            return f"ARRAY(SELECT {value} {body} ORDER BY {value}, {key})", "array"
        if draw < 0.5:
            return f"(SELECT {value} {body} ORDER BY {key} DESC LIMIT 1)", col.type
        expression, result = self.aggregate(alias, far)
        return f"(SELECT {expression} {body})", result

    def derived(self, scope):
        """A sub-select in FROM with one row per join value: (join text, alias, relation)."""
        found = self.partner(scope)
        if not found:
            return None
        near, far, far_col = found
        inner, alias = self.alias(), self.alias()
        group = f"{inner}.{quote(far_col.name)}"
        where = self.filters([(inner, far)], 0.2)
        tail = f" WHERE {' AND '.join(where)}" if where else ""
        draw = self.rng.random()
        if draw < 0.3:
            body, inner = self.body(scope, near, far, far_col, 1)
            first, first_type = self.aggregate(inner, far)
            second, second_type = self.aggregate(inner, far)
            join = self.rng.choice([f"LEFT JOIN LATERAL (SELECT {first} x, {second} y {body}) {alias} ON true",
                                    f"CROSS JOIN LATERAL (SELECT {first} x, {second} y {body}) {alias}"])
            return join, alias, Rel("", [Col("x", first_type), Col("y", second_type)], "x")
        if draw < 0.36:
            body, inner = self.body(scope, near, far, far_col, 1)
            col = self.rng.choice(far.cols)
            top = f"SELECT {inner}.{quote(col.name)} v, {inner}.{quote(far.key)} k {body} ORDER BY {inner}.{quote(far.key)} LIMIT 3"
            join = f"CROSS JOIN LATERAL (SELECT jsonb_agg(t.v ORDER BY t.k) x, count(*) y FROM ({top}) t) {alias}"
            return join, alias, Rel("", [Col("x", "jsonb"), Col("y", "bigint")], "x")
        if draw < 0.45:
            body, inner = self.body(scope, near, far, far_col, 1)
            col = self.rng.choice(far.cols)
            join = (f"{self.rng.choice(['LEFT JOIN', 'JOIN'])} LATERAL (SELECT {inner}.{quote(col.name)} x {body} "
                    f"ORDER BY {inner}.{quote(col.name)}, {inner}.{quote(far.key)} LIMIT 1) {alias} ON true")
            return join, alias, Rel("", [Col("x", col.type, col.domain)], "x")
        if draw < 0.52:
            col = self.rng.choice(far.cols)
            text = (f"SELECT {group} g, {inner}.{quote(col.name)} x, row_number() OVER (PARTITION BY {group} ORDER BY {inner}.{quote(far.key)}) n "
                    f"FROM {far.sql} {inner}{tail}")
            rel = Rel("", [Col("g", far_col.type, far_col.domain), Col("x", col.type), Col("n", "bigint")], "g")
            return f"LEFT JOIN ({text}) {alias} ON {self.equal(f'{alias}.g', near)} AND {alias}.n = 1", alias, rel
        if draw < 0.65:
            col = self.rng.choice(far.cols)
            text = (f"SELECT DISTINCT ON ({group}) {group} g, {inner}.{quote(col.name)} x FROM {far.sql} {inner}{tail} "
                    f"ORDER BY {group}, {inner}.{quote(far.key)} DESC")
            rel = Rel("", [Col("g", far_col.type, far_col.domain), Col("x", col.type)], "g")
        else:
            first, first_type = self.aggregate(inner, far)
            having = " HAVING count(*) > 1" if self.chance(0.15) else ""
            text = f"SELECT {group} g, {first} x, count(*) n FROM {far.sql} {inner}{tail} GROUP BY {group}{having}"
            rel = Rel("", [Col("g", far_col.type, far_col.domain), Col("x", first_type), Col("n", "bigint")], "g")
        if self.chance(0.35):
            self.ctes.append(f"c{len(self.ctes)} AS ({text})")
            source = f"c{len(self.ctes) - 1}"
        else:
            source = f"({text})"
        return f"{self.rng.choice(['LEFT JOIN', 'LEFT JOIN', 'JOIN'])} {source} {alias} ON {self.equal(f'{alias}.g', near)}", alias, rel

    # -- whole views
    def joins(self, text, scope, many):
        """Adds joins to `text` and their relations to `scope`; `many`: rows may multiply (the view is grouped)."""
        not_null, where = False, []
        for _ in range(self.rng.randint(0, 3)):
            if not many and self.chance(0.35):
                made = self.derived(scope)
                if made:
                    text, scope[len(scope):] = f"{text} {made[0]}", [(made[1], made[2])]
                continue
            found = self.partner(scope) if many else self.unique_partner(scope)
            if not found:
                continue
            near, far, far_col = found
            alias = self.alias()
            on = self.equal(near, f"{alias}.{quote(far_col.name)}")
            kind = self.rng.choices(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"], [4, 5, 1, 1, 1])[0]
            far_sql = self.source(far)
            if kind == "CROSS JOIN":   # the condition stands in WHERE
                text += f" CROSS JOIN {far_sql} {alias}"
                where.append(on)
                scope.append((alias, far))
                continue
            other = self.partner(scope) if self.chance(0.12) else None
            if other and other[1] is far and kind != "FULL JOIN":
                on += f" AND {self.equal(other[0], f'{alias}.{quote(other[2].name)}')}"
            if kind != "FULL JOIN" and self.chance(0.2):
                on += f" AND {self.filter(alias, far)}"
            if kind == "RIGHT JOIN":
                preserved = f"({text})" if " JOIN " in text else text
                text = f"{far_sql} {alias} RIGHT JOIN {preserved} ON {on}"
            else:
                text = f"{text} {kind} {far_sql} {alias} ON {on}"
            not_null = not_null or kind == "FULL JOIN"
            scope.append((alias, far))
        return text, not_null, where

    def query(self, key_name, depth=1):
        """(query, columns) of a view whose unique column is `key_name`."""
        self.ctes = []
        root = self.rng.choice(self.rels)
        alias = self.alias()
        scope = [(alias, root)]
        grouped = self.chance(0.3)
        text, not_null, join_where = self.joins(f"{root.sql} {alias}", scope, grouped)
        key = f"{alias}.{quote(root.key)}"
        key_column = root.key_column()
        outputs, cols = [f"{key} AS {quote(key_name)}"], [Col(key_name, key_column.type, key_column.domain)]
        group = [key]
        for n in range(self.rng.randint(2, 5)):
            from_alias, rel = self.rng.choice(scope)
            col = self.rng.choice(rel.cols)
            expression, result, domain = f"{from_alias}.{quote(col.name)}", col.type, col.domain
            if grouped and (from_alias != alias or not root.grouped_by_key):
                expression, result = self.aggregate(from_alias, rel, f", {key}") if from_alias != alias and rel.key else (None, None)
                domain = None
                if expression is None:
                    continue
            elif self.chance(0.45):
                made = self.sub_value([(alias, root)] if grouped else scope, depth)
                if made and (not grouped or root.grouped_by_key):
                    (expression, result), domain = made, None
            name = f"c{n}" if self.chance(0.85) else f"Col {n}"
            if self.chance(0.2) and result != "array":
                expression, result, domain = f"jsonb_build_object('v', {expression}, 'k', {key})", "jsonb", None
            outputs.append(f"{expression} AS {quote(name)}")
            cols.append(Col(name, result, domain if result in ("integer", "bigint", "uuid", "text") else None))
        where = join_where + ([f"{key} IS NOT NULL"] if not_null else [])
        where += self.filters(scope, 0.2)
        if self.chance(0.2):
            condition = self.sub_condition(scope, depth)
            where += [condition] if condition else []
        query = (f"WITH {', '.join(self.ctes)} " if self.ctes else "") + f"SELECT {', '.join(outputs)} FROM {text}"
        query += f" WHERE {' AND '.join(where)}" if where else ""
        query += f" GROUP BY {', '.join(group)}" if grouped else ""
        return query, [c for c in cols if c.type != "array"]
