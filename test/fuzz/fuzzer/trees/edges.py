"""How two relations of a random view are joined: plain equalities, expressions, documents, arrays, composite keys."""
from ..schema import quote


class Edges:
    """The part of the maker that finds join conditions.  Uses rng, may(), rels and `used` of the maker."""

    def condition(self, near, n, far, f):
        """An SQL condition between link `n` of alias `near` and link `f` of alias `far`."""
        forms = {n.form, f.form}
        if forms == {"pair"}:
            self.used.add("composite join")
            return " AND ".join(self.equal(n.of(near, i), f.of(far, i)) for i in range(2))
        if forms == {"time"}:
            self.used.add("date_trunc")
            if self.may("cast", 0.3):
                return self.equal(f"{n.of(near)}::date", f"{f.of(far)}::date")
            return self.equal(f"date_trunc('day', {n.of(near)})", f"date_trunc('day', {f.of(far)})")
        if forms == {"text"}:
            if self.may("lower", 0.6):
                return self.equal(f"lower({n.of(near)})", f"lower({f.of(far)})")
            return self.equal(n.of(near), f.of(far))
        if "json" in forms:
            self.used.add("json")
            return self.equal(self.as_text(near, n), self.as_text(far, f))
        if forms == {"column", "array"}:
            (c_alias, c), (a_alias, a) = ((near, n), (far, f)) if n.form == "column" else ((far, f), (near, n))
            return self.element(c.of(c_alias), a.of(a_alias))
        if self.may("is not distinct", 0.1):
            return f"{n.of(near)} IS NOT DISTINCT FROM {f.of(far)}"
        if n.type == f.type and self.may("cast", 0.08) and n.type in ("integer", "bigint", "uuid", "date"):
            return self.equal(f"{n.of(near)}::text", f"{f.of(far)}::text")
        return self.equal(n.of(near), f.of(far))

    def as_text(self, alias, link):
        if link.form == "json":
            return self.rng.choice([f"({link.of(alias)} ->> 'ref')", f"({link.of(alias)} #>> '{{ref}}')"])
        return f"{link.of(alias)}::text"

    def element(self, column, array):
        forms = {"any array": f"{column} = ANY({array})", "array contains": f"{array} @> ARRAY[{column}]", "unnest": f"{column} IN (SELECT unnest({array}))"}
        form = self.rng.choice(sorted(set(forms) & self.enabled))
        self.used.add(form)
        return forms[form]

    def equal(self, left, right):
        return f"{left} = {right}" if self.rng.random() < 0.6 else f"{right} = {left}"

    def partner(self, scope, unique=False, rels=None, mergeable=False):
        """(near alias, far relation, condition maker) or None.  `unique`: at most one far row for each near row."""
        for _ in range(40):
            alias, rel = self.rng.choice(scope)
            far = self.rng.choice(rels or self.rels)
            pairs = [(n, f) for n in rel.links for f in far.links
                     if n.domain == f.domain and (not unique or (f.unique and n.form in ("column", "json", "pair")))
                     and (not mergeable or n.form == f.form == "column")]
            pairs = [(n, f) for n, f in pairs if self.allowed(n) and self.allowed(f)]
            if not pairs:
                continue
            n, f = self.rng.choice(pairs)
            if "array" in (n.form, f.form) and (n.form == f.form or "json" in (n.form, f.form) or n.type != f.type):
                continue
            if "array" in (n.form, f.form) and not self.enabled & {"any array", "array contains", "unnest"}:
                continue
            self.touch(far)
            if mergeable:
                return alias, far, lambda a, n=n, f=f, alias=alias: f"{n.of(alias)} = {f.of(a)}"
            return alias, far, lambda a, n=n, f=f, alias=alias: self.condition(alias, n, a, f)
        return None

    def allowed(self, link):
        need = {"json": "json", "time": "date_trunc", "pair": "composite join"}.get(link.form)
        return need is None or need in self.enabled

    def touch(self, rel):
        self.used |= rel.features

    @staticmethod
    def key_of(alias, rel):
        return [f"{alias}.{quote(k)}" for k in rel.key]
