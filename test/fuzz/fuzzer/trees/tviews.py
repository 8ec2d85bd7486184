"""One random TVIEW: its query, its options, and the way it is made: by function, by CREATE TABLE AS, by adopting a table; replacing it."""
import json

from ..schema import quote
from . import features
from .case import Step, Wrong, refused

OPTIONS = {"unlogged": ("unlogged", True), "background": ("build", "background"), "min_interval": ("min_interval", "30 ms"), "clock": ("refresh_every", "1 hour"),
           "settings": ("settings", {"TimeZone": "Asia/Tokyo", "DateStyle": "German, DMY"}), "unkeyed full": ("on_unkeyed", "full"), "partition_by": None}


def one_tview(bench, rng, tally, steps, maker, n, only):
    """1 when the TVIEW was made, 0 when it was refused."""
    entity = f"e{n}" if rng.random() < 0.85 else f"E {n}"
    enabled = features.choose(rng, features.VIEWS, only if only in features.VIEWS else None)
    if only in features.TABLES:
        enabled |= {"group", "exists", "grouped sub-select", "any array", "json"}
    query, cols, key, used = find_query(bench, rng, maker, entity, enabled, only)
    table = f'{rng.choice(["main", quote("App")])}.{quote("tv_" + entity)}'
    if "nested view" in enabled and rng.random() < 0.5:
        query = nested_view(bench, rng, steps, maker, n, query, cols, key, used)
    options = choose_options(rng, enabled, used, key, entity, only)
    if "adopt" in enabled and rng.random() < 0.5:
        used.add("adopt")
        step = adoption(bench, rng, steps, table, query, key, options)
    else:
        step = Step("view", call("create", f"'{table}'", query, options), table)
        if not options and rng.random() < 0.4:
            step.text = f"CREATE TABLE {table} AS {query}"
    step.full = "on_unkeyed" in options
    if not make(bench, tally, steps, step, used):
        return 0
    maker.rels.append(maker.as_rel(table, cols, key, "tview"))
    maker.made.append((table, entity, len(key), options))
    return 1


def make(bench, tally, steps, step, used):
    """Runs the step; true when the TVIEW was made, false when it was refused."""
    error = bench.execute(step.sql())
    reason = refused(error, step.refusals) if error else None
    steps.append(step)
    if error and reason is None:
        raise Wrong(f"create {error.pgcode}", f"{error} in: {step.sql()}")
    tally.note(used, reason, bool(error and error.diag.message_hint))
    if error:
        step.table = ""
        return False
    bench.check_lineage(step)
    return True


def call(verb, table, query, options):
    text = ", '" + json.dumps(options).replace("'", "''") + "'" if options else ""
    body = query.replace("'", "''")
    return f"SELECT pg_tviews_{verb}({table}, '{body}'{text})"


def choose_options(rng, enabled, used, key, entity, only):
    options = {} if key == [f"pk_{entity}"] and rng.random() < 0.7 else {"key": key if len(key) > 1 or rng.random() < 0.5 else key[0]}
    for feature, option in OPTIONS.items():
        if feature in used or feature in enabled and (rng.random() < 0.25 or feature == only):
            used.add(feature)
            name, value = option or ("partition_by", f"{rng.choice(['HASH', 'RANGE', 'LIST'])} ({quote(rng.choice(key))})")
            options[name] = value
    return options


def nested_view(bench, rng, steps, maker, n, query, cols, key, used):
    """Makes the query a plain view; the query of the TVIEW over it."""
    view = f'main."w {n}"'
    steps.append(Step("setup", f"CREATE VIEW {view} AS {query}"))
    bench.execute(steps[-1].sql())
    if len(key) == 1:
        maker.rels.append(maker.as_rel(view, cols, key, "nested view"))
        maker.rels[-1].features |= used & {"clock"}
    used.add("nested view")
    return f"SELECT * FROM {view}" if rng.random() < 0.7 else f"SELECT w.* FROM {view} w"


def adoption(bench, rng, steps, table, query, key, options):
    """A table with some of the rows and a column of the user's own, and the step that adopts it."""
    for option in ("unlogged", "partition_by"):
        options.pop(option, None)
    names = ", ".join(quote(k) for k in key)
    for text in (f"SET pg_tviews.intercept_create_table_as = off; CREATE TABLE {table} AS {query}; SET pg_tviews.intercept_create_table_as = on",
                 f"ALTER TABLE {table} ADD COLUMN mine integer DEFAULT 5", f"CREATE UNIQUE INDEX ON {table} ({names})",
                 f"DELETE FROM {table} WHERE hashtext({quote(key[0])}::text) % 3 = {rng.randint(0, 3)}"):
        steps.append(Step("setup", text))
        bench.execute(steps[-1].sql())
    return Step("view", call("adopt", f"'{table}'", query, options), table)


def replacement(bench, rng, tally, steps, maker):
    """Gives one TVIEW another query."""
    table, entity, width, options = rng.choice(maker.made)
    for _ in range(10):
        query, _, key, used = find_query(bench, rng, maker, entity, features.choose(rng, features.VIEWS), None, "tview")
        if len(key) == width:
            break
    else:
        return
    options = {k: v for k, v in options.items() if k in ("key", "on_unkeyed")} | ({"refresh_every": "1 hour"} if "clock" in used else {})
    # Types that cannot be changed, columns that others use, another collation, and keys of another number of columns are refused too.
    step = Step("view", call("create_or_replace", f"'{table}'", query, options), refusals=("2BP01", "42P16", "42804", "42P21"))
    make(bench, tally, steps, step, {"replace"})


def find_query(bench, rng, maker, entity, enabled, only, without=None):
    """A view that runs, is not too slow and keeps the generator's promise about its key."""
    base = [r for r in maker.rels if ("tview" in enabled or "tview" not in r.features) and without not in r.features]
    for _ in range(60):
        everything, maker.rels = maker.rels, base
        try:
            query, cols, key = maker.query(entity, set(enabled), only if only in features.VIEWS else None)
        finally:
            maker.rels = everything
        names = ", ".join(quote(k) for k in key)
        plain = Step("view", query).sql()
        bench.execute("SET statement_timeout = '150ms'")
        error = bench.execute(f"SELECT count(*) - count(DISTINCT ({names})), count(*) FILTER (WHERE {' OR '.join(quote(k) + ' IS NULL' for k in key)}), "
                              f"count(q::text) FROM ({plain}) q")
        row = None if error else bench.cur.fetchone()
        bench.execute("SET statement_timeout = '60s'")
        if error and error.pgcode == "57014":
            continue
        if error or row[0] or row[1]:
            raise Wrong("generator", f"{error or row} in: {plain}")
        return query, cols, key, set(maker.used)
    raise Wrong("generator", "every view was too slow")
