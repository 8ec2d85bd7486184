"""Makes a random case while it runs: schema, TVIEWs, rounds of writes, each with a check at its end."""
import copy

import psycopg2

from .. import drive
from ..schema import read_tables
from ..session import Log, Session, Unexpected
from ..statements import Generator
from . import features, tables
from .case import Step, Wrong
from .tviews import one_tview, replacement
from .views import Maker


class Tally:
    """Per feature: views accepted and refused, and the reasons."""

    def __init__(self):
        self.accepted, self.refused, self.reasons, self.no_hint = {}, {}, {}, {}
        self.views = [0, 0]

    def note(self, used, reason, hint=True):
        self.views[0] += reason is None
        self.views[1] += 1
        for feature in used:
            counts = self.accepted if reason is None else self.refused
            counts[feature] = counts.get(feature, 0) + 1
        if reason is not None:
            counts = self.reasons if hint else self.no_hint
            counts[reason] = counts.get(reason, 0) + 1

    def summary(self):
        lines = [f"{self.views[0]} of {self.views[1]} random views accepted"]
        lines += [f"  {self.accepted.get(f, 0):4d} accepted {self.refused.get(f, 0):4d} refused  {f}" for f in features.ALL if f in self.accepted or f in self.refused]
        lines += [f"  {n:4d} x {reason}" for reason, n in sorted(self.reasons.items(), key=lambda r: -r[1])]
        lines += [f"  {n:4d} x without HINT: {reason}" for reason, n in sorted(self.no_hint.items(), key=lambda r: -r[1])]
        lines += [f"WARNING: never accepted: {f} ({n} views)" for f, n in sorted(self.refused.items()) if f not in self.accepted]
        return "\n".join(lines)


class Recorder(Log):
    def __init__(self, echo, steps):
        super().__init__(echo)
        self.steps = steps

    def add(self, session, text, outcome=""):
        super().add(session, text, outcome)
        self.steps.append(Step("write", text))


def build(bench, rng, tally, steps, only=None):
    """Schema and TVIEWs; appends the steps.  Returns (makers of values, the maker of views: `made` are its TVIEWs)."""
    bench.reset()
    wanted = set(rng.sample(features.TABLES, rng.randint(4, len(features.TABLES))))
    if only:
        wanted = {only} if only in features.TABLES else set(features.NEEDS.get(only, [])) | {"key uuid"}
    used = set()

    def may(feature, p):
        if feature not in wanted and feature in features.TABLES or rng.random() >= (max(p, 0.6) if feature == only else p):
            return False
        used.add(feature)
        return True

    statements, rels, makers = tables.make(rng, may)
    for statement in statements:
        steps.append(Step("setup", statement))
        error = bench.execute(steps[-1].sql())
        if error:
            raise Wrong("generator", f"{error} in: {steps[-1].sql()}")
    maker = Maker(rng, rels)
    maker.rels = list(rels)
    for n in range(rng.randint(4, 8)):
        one_tview(bench, rng, tally, steps, maker, n, only)
    return makers, maker


def writers(connection, makers):
    """The tables for the writers: with the values of the generator, leaves beside their roots."""
    known = read_tables(connection)
    for table in known:
        for column in table.columns:
            column.make = makers.get((unquoted(table.name), column.name))
    with connection.cursor() as cur:
        cur.execute("SELECT i.inhrelid::regclass::text, i.inhparent FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind = 'r' WHERE i.inhrelid::regclass::text LIKE 'main.leaf%'")
        for leaf, root in cur.fetchall():
            table = copy.copy(next(t for t in known if t.oid == root))
            table.name = leaf
            known.append(table)
    return known


def known_tables(bench, makers):
    connection = psycopg2.connect(bench.dsn)
    connection.autocommit = True
    known = writers(connection, makers)
    connection.close()
    return known


def unquoted(name):
    """The name as tables.py writes it: both parts quoted."""
    schema, _, table = name.partition(".")
    return ".".join(part if part.startswith('"') else f'"{part}"' for part in (schema, table))


def run(bench, rng, tally, options, steps):
    """One case; raises Wrong.  `steps` holds what was done, also then."""
    makers, maker = build(bench, rng, tally, steps, options.only)
    steps.append(Step("check"))
    bench.check()
    if not maker.made:
        return 0, 0
    session = Session("s", bench.dsn, rng, Generator(rng, known_tables(bench, makers)), Recorder(options.echo, steps), False)
    try:
        for n in range(options.rounds):
            if n and options.only == "replace" and rng.random() < 0.7:
                replacement(bench, rng, tally, steps, maker)
                session.generator = Generator(rng, known_tables(bench, makers))
            for _ in range(rng.randint(1, 4)):
                session.transaction()
            steps.append(Step("check"))
            bench.check()
    except Unexpected as error:
        raise Wrong(f"write {error.code}", str(error)) from error
    finally:
        session.close()
    return len(maker.made), session.count


def disturbed(bench, rng, seed, tally, options, steps):
    """One case with two sessions and a disturber; not repeatable."""
    makers, maker = build(bench, rng, tally, steps, options.only)
    made_views = [step for step in steps if step.table]
    actions = [text for step in made_views for text in (f"SELECT pg_tviews_refresh('{step.table}')", f"SELECT * FROM pg_tviews_verify('{step.table}')")]
    if made_views:   # the last one has no readers
        last = made_views[-1]
        actions += [f"BEGIN; SELECT pg_tviews_drop('{last.table}'); {last.sql()}; {end}" for end in ("COMMIT", "ROLLBACK")]
    for n, step in enumerate(s for s in steps if s.text.startswith("CREATE TABLE") and not s.table and "leaf_" not in s.text and "child_" not in s.text):
        table = step.text.split(" (")[0].removeprefix("CREATE TABLE ")
        actions += [f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS later integer DEFAULT {n}", f"ALTER TABLE {table} DROP COLUMN IF EXISTS later"]
    if not maker.made:
        return 0, 0
    try:
        log, count, _ = drive.drive(bench.dsn, seed, 2, transactions=options.rounds * 12, truncate=True, echo=options.echo, prepare=True, disturbances=actions,
                                    check_end=False, tables=lambda connection: writers(connection, makers))
    except drive.Failure as failure:
        raise Wrong("disturbed", str(failure)) from failure
    steps += [Step("write", line) for line in log.lines]
    bench.check()
    return len(maker.made), count
