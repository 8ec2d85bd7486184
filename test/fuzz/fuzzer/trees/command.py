"""Runs seeds of random cases, shrinks what fails and writes it as a script."""
import os
import random
import time

import psycopg2

from . import generate
from .case import Bench, Wrong
from .shrink import script, shrink


def run_seeds(seeds, options, oracle, admin):
    """The number of failed seeds.  One database for all; it is made anew after a failure."""
    database, bench, failed, count = f"fuzz_trees_{os.getpid()}", None, 0, 0
    started, tally = time.monotonic(), generate.Tally()
    for seed in seeds:
        if options.minutes and time.monotonic() - started > options.minutes * 60:
            break
        count += 1
        bench = bench or new_bench(database, options, oracle, admin)
        begin, steps, rng = time.monotonic(), [], random.Random(f"{seed}/{options.only}")
        try:
            if options.disturb:
                made, statements = generate.disturbed(bench, rng, seed, tally, options, steps)
            else:
                made, statements = generate.run(bench, rng, tally, options, steps)
            print(f"seed {seed} ok: {made} views, {statements} statements, {time.monotonic() - begin:.1f} s", flush=True)
        except Wrong as wrong:
            failed += 1
            print(f"seed {seed} FAILED: {wrong}", flush=True)
            report(seed, wrong, steps, options, lambda: new_bench(database, options, oracle, admin))
            bench = None
    print(tally.summary(), flush=True)
    admin(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    print(f"{count - failed} of {count} seeds passed, {time.monotonic() - started:.0f} s", flush=True)
    return failed


def new_bench(database, options, oracle, admin):
    for attempt in range(30):   # after a crash the server needs a while
        try:
            admin(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            break
        except psycopg2.OperationalError:
            time.sleep(1)
    admin(f"CREATE DATABASE {database}")
    with psycopg2.connect(f"dbname={database}") as connection, connection.cursor() as cur, open(oracle, encoding="utf-8") as text:
        cur.execute("CREATE EXTENSION pg_tviews")
        cur.execute(text.read())
    connection.close()
    return Bench(f"dbname={database}", options.server_log)


def report(seed, wrong, steps, options, bench):
    """Writes the case as it was, shrunk if it repeats."""
    title = f"test/fuzz/run trees --seed {seed}" + (f" --only '{options.only}'" if options.only else "") + f"\n{wrong}"
    path = os.path.join(options.out, f"fuzz-trees-{seed}.sql")
    if not options.disturb and wrong.kind != "generator" and options.shrink > 0:
        small = shrink(bench(), steps, wrong, options.shrink)
        if small is None:
            title += "\ndid not fail again when its statements were repeated"
        else:
            steps, title = small[0], f"{title}\nshrunk: {small[1]}"
    with open(path, "w", encoding="utf-8") as text:
        text.write(script(steps, title))
    print(f"reproduction: {path} ({len(steps)} steps)", flush=True)
