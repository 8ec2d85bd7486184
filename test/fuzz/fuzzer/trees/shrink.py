"""Makes a failing case small: drops writes, TVIEWs, tables and parts of views as long as the same failure remains."""
from dataclasses import replace
import time

from .case import Step
from .markup import parts


def shrink(bench, steps, wrong, seconds):
    """(steps, what they end in), or None when running the steps again does not fail the same way."""
    deadline = time.monotonic() + seconds

    def fails(candidate):
        again = bench.run(candidate)
        return again if again and again.kind == wrong.kind else None

    last = fails(steps)
    if last is None:
        return None
    changed = True
    while changed and time.monotonic() < deadline:
        size = weight(steps)
        for split in (transactions, writes, views, checks, setups):
            steps, last = drop_units(steps, split(steps), fails, last, deadline)
        steps, last = drop_parts(steps, fails, last, deadline)
        changed = weight(steps) < size
    return steps, last


def weight(steps):
    return sum(1 + parts(s.text) - len(s.dropped) for s in steps)


def transactions(steps):
    """Indices of the writes, a transaction together."""
    units, current = [], []
    for i, step in enumerate(steps):
        if step.kind != "write":
            continue
        current.append(i)
        word = step.text.split(" ")[0]
        opened = steps[current[0]].text.startswith("BEGIN")
        if not opened or word in ("COMMIT", "ROLLBACK") and "TO SAVEPOINT" not in step.text:
            units.append(current)
            current = []
    return units + ([current] if current else [])


def writes(steps):
    return [[i] for i, s in enumerate(steps) if s.kind == "write"]


def views(steps):
    return [[i] for i, s in reversed(list(enumerate(steps))) if s.kind == "view"]


def checks(steps):
    return [[i] for i, s in enumerate(steps) if s.kind == "check"]


def setups(steps):
    return [[i] for i, s in reversed(list(enumerate(steps))) if s.kind == "setup"]


def drop_units(steps, units, fails, last, deadline):
    """Leaves out units, first in large chunks, then one by one."""
    kept, chunk = list(units), max(len(units) // 2, 1)
    while units and time.monotonic() < deadline:
        start = 0
        while start < len(kept) and time.monotonic() < deadline:
            fewer = kept[:start] + kept[start + chunk:]
            gone = {i for unit in units for i in unit} - {i for unit in fewer for i in unit}
            again = fails([s for i, s in enumerate(steps) if i not in gone])
            if again:
                kept, last = fewer, again
            else:
                start += chunk
        if chunk == 1:
            break
        chunk //= 2
    gone = {i for unit in units for i in unit} - {i for unit in kept for i in unit}
    return [s for i, s in enumerate(steps) if i not in gone], last


def drop_parts(steps, fails, last, deadline):
    """Leaves out the marked parts of views and of the setup."""
    order = sorted(range(len(steps)), key=lambda i: steps[i].kind != "view")
    for i in order:
        for part in range(parts(steps[i].text)):
            if part in steps[i].dropped or time.monotonic() > deadline:
                continue
            candidate = list(steps)
            candidate[i] = replace(steps[i], dropped=steps[i].dropped | {part})
            if candidate[i].sql() == steps[i].sql():
                continue
            again = fails(candidate)
            if again:
                steps, last = candidate, again
    return steps, last


def script(steps, title):
    """A script for psql that repeats the case: prints a row for each TVIEW that differs from its view, and the parked keys."""
    tables = [s.table for s in steps if s.table]
    lines = ["".join(f"-- {line}\n" for line in title.splitlines()), "CREATE EXTENSION IF NOT EXISTS pg_tviews;"]
    for step in steps if steps and steps[-1].kind == "check" else [*steps, Step("check")]:
        if step.kind != "check":
            lines.append(step.sql() + ";")
            continue
        lines.append("SELECT pg_tviews_wait('30 s') \\g /dev/null")
        for table in tables:
            view = table.replace('"tv_', '"v_')
            lines.append(f"SELECT '{table}' AS differs, d.* FROM ((TABLE {view} EXCEPT ALL TABLE {table}) UNION ALL (TABLE {table} EXCEPT ALL TABLE {view})) d;")
        lines.append("SELECT entity, key, sqlstate, message FROM pg_tview_parked_keys;")
    return "\n".join(lines) + "\n"
