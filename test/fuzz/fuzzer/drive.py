"""Runs sessions against a database that has TVIEWs, then asks the oracle."""
import random
import threading
import time
import traceback

import psycopg2

from .schema import read_tables
from .session import Log, Session
from .statements import Generator


class Failure(Exception):
    pass


def load_oracle(dsn, path):
    with psycopg2.connect(dsn) as connection, connection.cursor() as cur, open(path, encoding="utf-8") as text:
        cur.execute(text.read())
    connection.close()


def check(dsn, wait="60 s"):
    """Waits until everything is applied; raises Failure when a TVIEW differs from its view or a key is parked."""
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cur:
            cur.execute("SELECT pg_tviews_wait(%s)", (wait,))
            applied = cur.fetchone()[0]
            cur.execute("SELECT tview, missing, extra FROM tviews_oracle()")
            differs = cur.fetchall()
            cur.execute("SELECT entity, key, reason FROM pg_tviews_deferred_keys LIMIT 20")
            deferred = cur.fetchall()
            cur.execute("SELECT entity, key, sqlstate, message FROM pg_tview_parked_keys LIMIT 20")
            parked = cur.fetchall()
    finally:
        connection.close()
    problems = [] if applied else [f"pg_tviews_wait({wait}) timed out"]
    problems += [f"{tview}: {missing} rows missing, {extra} rows too many" for tview, missing, extra in differs]
    problems += [f"deferred: {row}" for row in deferred] + [f"parked: {row}" for row in parked]
    if problems:
        raise Failure("\n".join(problems))


KILL = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'pg_tviews refresh worker' AND datname = current_database()")


def disturb(dsn, seed, log, over, actions):
    """Every now and then: the worker dies, a TVIEW is dropped and made again, refreshed or compared beside the writers."""
    rng = random.Random(f"{seed}/disturb")
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cur:
        cur.execute("SET lock_timeout = '1s'")
        while not over.wait(rng.uniform(0.05, 0.4)):
            text = rng.choice([KILL, *actions])
            try:
                cur.execute(text)
                log.add("disturb", text)
            except psycopg2.Error as error:
                log.add("disturb", text, f"{error.pgcode} {str(error).splitlines()[0]}")
                cur.execute("ROLLBACK")
                if not (error.pgcode or "08000").startswith(("40", "55")):
                    raise Failure(f"{error.pgcode} {error} in: {text}") from error
    connection.close()


def drive(dsn, seed, sessions, seconds=None, transactions=None, check_each=False, truncate=True, echo=False, prepare=True, disturbances=None,
          tables=read_tables, check_end=True):
    """Drives `sessions` threads for a time or a number of transactions each; returns (log, statements, failed statements).
    `tables`: from a connection to the tables to write."""
    log = Log(echo)
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    known = tables(connection)
    connection.close()
    deadline = time.monotonic() + seconds if seconds else None
    errors, workers, totals = [], [], [0, 0]

    def work(index):
        try:
            rng = random.Random(f"{seed}/{index}")
            session = Session(f"s{index}", dsn, rng, Generator(rng, known, truncate), log, prepare)
            while not errors and (time.monotonic() < deadline if deadline else session.transactions < transactions):
                session.transaction()
                if check_each and not session.prepared:
                    check(dsn, "10 s")
            session.close()
            totals[0] += session.count
            totals[1] += session.failed
        except Exception as error:   # reported by the caller, with the log
            errors.append(error if isinstance(error, Failure) else Failure(f"session s{index}: {error}\n{traceback.format_exc()}"))

    over = threading.Event()

    def work_disturb():
        try:
            disturb(dsn, seed, log, over, disturbances)
        except Exception as error:
            errors.append(error if isinstance(error, Failure) else Failure(f"disturb: {error}\n{traceback.format_exc()}"))

    disturber = threading.Thread(target=work_disturb)
    if disturbances is not None:
        disturber.start()
    for index in range(sessions):
        workers.append(threading.Thread(target=work, args=(index,)))
        workers[-1].start()
    for worker in workers:
        worker.join()
    over.set()
    if disturbances is not None:
        disturber.join()
    if not errors and check_end:
        try:
            check(dsn)
        except Failure as error:
            errors.append(error)
    if errors:
        errors[0].log = log
        raise errors[0]
    return log, totals[0], totals[1]
