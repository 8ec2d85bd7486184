"""The soak: rounds of random writes beside random faults; after each the oracle and the conservation law."""
import random
import re
import threading
import time

import psycopg2

from . import drive, shapes
from .faults import Server, faults
from .schema import read_tables
from .session import Log, Session, Unexpected
from .statements import Generator

# What a session meets when it, or the server under it, is ended or cancelled.
ENDED = ("08", "57")
BAD_LOG = re.compile(r"TRAP:|PANIC:|terminated by signal (?!9:)")
CHECKS = [
    ("not applied", "SELECT 1 WHERE NOT pg_tviews_wait('60 s')"),
    ("differs", "SELECT tview, missing, extra FROM tviews_oracle()"),
    ("deferred", "SELECT entity, key, reason FROM pg_tviews_deferred_keys LIMIT 5"),
    ("parked", "SELECT entity, key, sqlstate, message FROM pg_tview_parked_keys LIMIT 5"),
    ("not fresh", "SELECT entity, state FROM pg_tview_meta WHERE state <> 'fresh'"),
    ("lost", "SELECT * FROM tviews_conservation()"),
    ("journal", "SELECT journal_rows FROM pg_tviews_queue_realtime WHERE database = current_database() AND journal_rows > 0"),
    ("orphan trigger", "SELECT tgrelid::regclass FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid WHERE proname = 'pg_tviews_capture' "
                       "AND NOT EXISTS (SELECT FROM pg_tview_meta WHERE table_oid = tgrelid OR tgrelid = ANY (dependencies))"),
]


def write(server, seed, known, log, over, errors):
    """One writer, which connects again whenever it is thrown out."""
    rng = random.Random(seed)
    while not over.is_set() and not errors:
        try:
            session = Session("w", server.dsn + " application_name='soak writer'", rng, Generator(rng, known), log, True)
            while not over.is_set() and not errors:
                session.transaction()
            session.connection.close()
        except Unexpected as error:
            if not error.code.startswith(ENDED):
                errors.append(str(error))
        except psycopg2.Error as error:   # of the connection itself, or of a look at the keys
            if (error.pgcode or "08").startswith(("42", "XX")):
                errors.append(f"{error.pgcode} {error}")
            time.sleep(0.1)


def settle(server, rng):
    """Ends the prepared transactions, in another order than they were prepared in."""
    names = [name for (name,) in server.run("SELECT quote_literal(gid) FROM pg_prepared_xacts WHERE database = current_database()")]
    rng.shuffle(names)
    for name in names:
        server.run(f"{rng.choice(['COMMIT', 'ROLLBACK'])} PREPARED {name}")


def check(server):
    end = time.monotonic() + 60
    while True:
        problems = []
        for what, text in CHECKS:
            rows = server.run(text, "60s")
            problems += [f"{what}: {rows[:3]}"] if rows else []
        # Deferred keys (a lock, a crash) have their time; the rest must hold at once.
        if not problems or time.monotonic() > end or any(not p.startswith(("deferred", "parked", "not fresh", "differs")) for p in problems):
            break
        time.sleep(0.2)
    with open(server.log, encoding="utf-8", errors="replace") as text:
        problems += [line.strip() for line in text if BAD_LOG.search(line)]
    if problems:
        raise drive.Failure("\n".join(problems))


def one_round(server, rng, known, tables, actions, log):
    """Writers for a few seconds, one to four faults at random moments; returns the names of the faults."""
    over, errors, done = threading.Event(), [], []
    writers = [threading.Thread(target=write, args=(server, rng.getrandbits(32), known, log, over, errors)) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(rng.randint(1, 4)):
            time.sleep(rng.uniform(0, 0.6))
            name, fault = rng.choice(faults(server, rng, tables, actions))
            done.append(name)
            try:
                fault()
            except psycopg2.Error as error:
                # Locks that do not come, sessions that die with the server, a second database in between.
                if (error.pgcode or "08").startswith("XX"):
                    raise drive.Failure(f"{name}: {error.pgcode} {error}") from error
        time.sleep(rng.uniform(0, 0.4))
    finally:
        over.set()
        for writer in writers:
            writer.join(120)
    if any(writer.is_alive() for writer in writers):
        errors.append("a writer hangs")
    if errors:
        raise drive.Failure(f"{errors[0]}\nafter: {', '.join(done)}")
    server.reset()
    if rng.random() < 0.3:
        return done   # prepared transactions stay, with their locks; the next round settles both
    settle(server, rng)
    server.run("SELECT pg_tviews_resume()", "60s")
    try:
        check(server)
    except drive.Failure as failure:
        raise drive.Failure(f"{failure}\nafter: {', '.join(done)}") from failure
    return done


def run(dsn, seed, options, folder, oracle):
    """Rounds until the time is over; returns their number.  Raises drive.Failure."""
    rng, log = random.Random(seed), Log(options.echo)
    server = Server(options.data, options.bindir, dsn, options.server_log)
    makes = shapes.load(dsn, folder, options.size)
    drive.load_oracle(dsn, oracle)
    connection = server.connect()
    known = read_tables(connection)
    connection.close()
    tables, actions = [table.name for table in known], shapes.disturbances(makes)
    end, rounds, counts = time.monotonic() + options.minutes * 60, 0, {}
    while time.monotonic() < end:
        rounds += 1
        try:
            for name in one_round(server, rng, known, tables, actions, log):
                counts[name] = counts.get(name, 0) + 1
        except drive.Failure as failure:
            failure.log = log
            raise drive.Failure(f"seed {seed}, round {rounds}: {failure}") from failure
        log.lines.clear()
    print("\n".join(f"{count:6} {name}" for name, count in sorted(counts.items())), flush=True)
    return rounds
