"""One case: the steps that make a schema, TVIEWs and writes; running them again; what is wrong afterwards."""
from dataclasses import dataclass
import time

import psycopg2

from ..session import EXPECTED
from .markup import render

# Answers to what the writers do, and to views whose key is only NOT NULL because of what the generator writes.
EXPECTED_WARNINGS = ("there is no transaction in progress", "may become NULL", "there is already a transaction")
SCHEMAS = 'main, "App"'


@dataclass
class Step:
    kind: str               # setup, view, write, check
    text: str = ""          # marked (markup.py)
    table: str = ""         # of a TVIEW that the step makes
    full: bool = False      # the TVIEW may be refreshed as a whole
    refusals: tuple = ()    # SQLSTATEs with which it may be refused
    dropped: frozenset = frozenset()

    def sql(self):
        return render(self.text, self.dropped)


class Wrong(Exception):
    """What failed: `kind` is what shrinking keeps the same."""

    def __init__(self, kind, detail):
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


class Bench:
    """The database in which cases run, one after another; `log` is the server's log, if it can be read."""

    def __init__(self, dsn, log=None):
        self.dsn, self.log = dsn, log
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = True
        self.cur = self.connection.cursor()
        self.cur.execute("SET client_min_messages = error; SET statement_timeout = '60s'")
        self.offset = self.log_size()

    def log_size(self):
        if not self.log:
            return 0
        with open(self.log, "rb") as text:
            return text.seek(0, 2)

    def reset(self):
        """Takes away what the last case left."""
        self.cur.execute("ROLLBACK")
        self.cur.execute(f"DROP SCHEMA IF EXISTS {SCHEMAS} CASCADE")
        self.cur.execute("SELECT count(*) FROM pg_tview_meta")
        if self.cur.fetchone()[0]:
            raise Wrong("left over", "DROP SCHEMA CASCADE left TVIEWs behind")
        self.offset = self.log_size()

    def execute(self, text, cur=None):
        """None, or the error of an SQL statement."""
        cur = cur or self.cur
        try:
            cur.execute(text)
            return None
        except psycopg2.Error as error:
            if cur.connection.closed:
                raise Wrong("crash", f"{error} in: {text}") from error
            return error

    def rows(self, text):
        self.cur.execute(text)
        return self.cur.fetchall()

    def check(self, full=()):
        """Raises Wrong unless everything is applied and equal, nothing is parked, no lineage is full unasked, the log has no warning."""
        try:
            end = time.monotonic() + 40
            while True:
                if not self.rows("SELECT pg_tviews_wait('30 s')")[0][0]:
                    raise Wrong("wait", f"pg_tviews_wait timed out; {self.rows('SELECT state, waiting_for, last_error FROM pg_tviews_workers')}")
                deferred = self.rows("SELECT entity, key, reason FROM pg_tviews_deferred_keys LIMIT 5")
                if not any(row[2] in ("coalesced", "refreshing", "locked") for row in deferred) or time.monotonic() > end:
                    break
                time.sleep(0.02)
            differs = self.rows("SELECT tview, missing, extra FROM tviews_oracle()")
            parked = self.rows("SELECT entity, key, sqlstate, message FROM pg_tview_parked_keys LIMIT 5")
            state = self.rows("SELECT entity, state FROM pg_tview_meta WHERE state <> 'fresh'") if not deferred else []
        except psycopg2.Error as error:
            raise Wrong("crash" if self.connection.closed else f"check {error.pgcode}", str(error)) from error
        if differs:
            raise Wrong("differs", "; ".join(f"{t}: {m} rows missing, {e} too many" for t, m, e in differs))
        if parked:
            raise Wrong(f"parked {parked[0][2]}", str(parked))
        if deferred or state:
            raise Wrong("deferred", f"{deferred} {state}")
        self.check_log()

    def check_lineage(self, step):
        """A TVIEW that was accepted without on_unkeyed has a path from each table."""
        if step.table and not step.full:
            kinds = self.rows(f"SELECT base_table::text FROM pg_tviews_explain('{step.table}') WHERE kind = 'full'")
            if kinds:
                raise Wrong("full", f"{step.table} is refreshed as a whole: {kinds}")

    def check_log(self):
        if not self.log:
            return
        with open(self.log, encoding="utf-8", errors="replace") as text:
            text.seek(self.offset)
            lines = [line for line in text if any(word in line for word in ("WARNING:", "PANIC:", "TRAP:")) and not any(word in line for word in EXPECTED_WARNINGS)]
        if lines:
            raise Wrong("warning", lines[0].strip())

    def run(self, steps):
        """Runs a recorded case from an empty database: the Wrong it ends in, or None.  Statements may fail as they did.
        The writes come from a session of their own, as they did."""
        writer = psycopg2.connect(self.dsn)
        writer.autocommit = True
        try:
            with writer.cursor() as cur:
                self.reset()
                for step in steps:
                    self.run_step(step, cur)
                self.run_step(Step("check"), cur)
        except Wrong as wrong:
            return wrong
        finally:
            writer.close()
        return None

    def run_step(self, step, writer):
        if step.kind == "check":
            self.execute("ROLLBACK", writer)   # shrinking may have dropped the COMMIT
            self.check()
            return
        error = self.execute(step.sql(), writer if step.kind == "write" else None)
        if error and step.kind == "view" and refused(error, step.refusals) is None:
            raise Wrong(f"create {error.pgcode}", str(error))
        if error and step.kind == "write" and not error.pgcode.startswith(EXPECTED):
            raise Wrong(f"write {error.pgcode}", str(error))
        if step.kind == "view" and not error:
            self.check_lineage(step)


# SQLSTATEs of a refusal; each comes with a HINT.
REFUSALS = ("0A000",)


def refused(error, more=()):
    """The reason when the error is a refusal of the view, else None."""
    if error.pgcode not in REFUSALS + more:
        return None
    reason = str(error).splitlines()[0].replace("ERROR:", "").strip()
    if error.pgcode in more:
        reason = f"{error.pgcode} {reason}"
    return " ".join(w for w in reason.split() if '"' not in w and "." not in w)
