"""Runs seeds: random DDL with writes in between, in transactions and savepoints too; after each step nothing may be left behind."""
import os
import random
import threading
import time

import psycopg2

from ..drive import Failure, load_oracle
from ..schema import read_tables
from ..session import EXPECTED, Log
from ..statements import Generator
from .catalog import ROLES, Catalog
from .commands import Commands

# What a user may be told; internal errors and broken promises of the catalog he may not.
BAD_CODES = ("XX",)
BAD_TEXTS = ("cache lookup failed", "could not open relation with OID", "tuple concurrently")
# The server's own answers to commands that meet: known without pg_tviews, too.
RACES = ("tuple concurrently updated", "tuple concurrently deleted", "cache lookup failed", "could not open relation with OID", "could not find tuple for")

SETUP = '''
CREATE SCHEMA one; CREATE SCHEMA "Two ""x""";
CREATE TYPE one.mood AS ENUM ('sad', 'ok', 'glad');
CREATE TYPE one.pair AS (x int, y text);
CREATE DOMAIN one.small AS int CHECK (VALUE < 100000000);
CREATE FUNCTION one.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION one.g(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN ''g'' || $1; END';
CREATE FUNCTION one.body(int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 * 2;
CREATE TABLE one.tb_user (pk_user int PRIMARY KEY, name text, m one.mood, p one.pair, s one.small, extra int);
CREATE TABLE one.tb_post (pk_post int PRIMARY KEY, fk_user int REFERENCES one.tb_user, title text, n int NOT NULL DEFAULT 0);
CREATE TABLE "Two ""x""".tb_note (pk_note int PRIMARY KEY, fk_post int REFERENCES one.tb_post, body text, data jsonb);
CREATE TABLE one.tb_part (pk_part int PRIMARY KEY, fk_user int, v text) PARTITION BY RANGE (pk_part);
CREATE TABLE one.part0 PARTITION OF one.tb_part FOR VALUES FROM (0) TO (10);
CREATE TABLE one.part10 (fk_user int, v text, gone int, pk_part int NOT NULL); ALTER TABLE one.part10 DROP COLUMN gone;
ALTER TABLE one.tb_part ATTACH PARTITION one.part10 FOR VALUES FROM (10) TO (20);
CREATE TABLE one.tb_kid () INHERITS (one.tb_user);
CREATE FUNCTION one.h(int) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM one.tb_post WHERE fk_user = $1';
CREATE INDEX ON one.tb_post (fk_user); CREATE INDEX ON "Two ""x""".tb_note (fk_post);
INSERT INTO one.tb_user SELECT i, 'u' || i, 'ok', ROW(i, 'y'::text)::one.pair, i, i FROM generate_series(1, 6) i;
INSERT INTO one.tb_kid SELECT i, 'k' || i, 'sad', NULL, i, i FROM generate_series(50, 52) i;
INSERT INTO one.tb_post SELECT i, 1 + i % 6, 't' || i, i FROM generate_series(1, 15) i;
INSERT INTO "Two ""x""".tb_note SELECT i, 1 + i % 15, 'b' || i, jsonb_build_object('i', i) FROM generate_series(1, 30) i;
INSERT INTO one.tb_part SELECT i, 1 + i % 6, 'v' FROM generate_series(0, 19) i;
GRANT ALL ON SCHEMA one TO fz_a, fz_b; GRANT ALL ON ALL TABLES IN SCHEMA one TO fz_a, fz_b;
GRANT ALL ON SCHEMA "Two ""x""" TO fz_a, fz_b; GRANT ALL ON ALL TABLES IN SCHEMA "Two ""x""" TO fz_a, fz_b;
'''


class Runner:
    """One session: sends statements, judges their errors."""

    def __init__(self, dsn, name, seed, log, alone):
        self.name, self.log, self.alone = name, log, alone
        self.rng = random.Random(f"{seed}/{name}")
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = True
        self.cur = self.connection.cursor()
        self.prepare()
        self.count = self.refused = 0

    def prepare(self):
        self.cur.execute("SET client_min_messages = error; SET lock_timeout = '2s'; SET statement_timeout = '20s'; SET deadlock_timeout = '100ms'")

    def send(self, text, expected=None):
        """True when it worked.  Raises Failure on an error that no user should see; `expected`: the classes a writer may meet."""
        self.count += 1
        try:
            self.cur.execute(text)
            self.log.add(self.name, text)
            if text.startswith("DISCARD"):
                self.prepare()
            return True
        except psycopg2.Error as error:
            code, message = error.pgcode or "08000", str(error)
            self.log.add(self.name, text, f"{code} {message.splitlines()[0]}")
            self.refused += 1
            if code.startswith("08") or self.connection.closed:
                raise Failure(f"connection lost: {message} in: {text}") from error
            if not self.alone and any(race in message for race in RACES):
                return False
            if code.startswith(BAD_CODES) or any(bad in message for bad in BAD_TEXTS):
                raise Failure(f"{code} {message} in: {text}") from error
            # The server checks foreign keys as the referenced table's owner, who may have lost the schema.
            if expected and not code.startswith(expected) and not (code == "42501" and "SELECT 1 FROM ONLY" in message):
                raise Failure(f"a writer met {code} {message} in: {text}") from error
            return False

    def look(self, what):
        """What the generator reads may vanish while it looks, beside another session: None then."""
        try:
            return what()
        except psycopg2.Error as error:
            if self.alone or self.connection.closed:
                raise
            self.log.add(self.name, "-- a look at the catalog", f"{error.pgcode} {str(error).splitlines()[0]}")
            return None

    def ddl(self):
        text = self.look(lambda: Commands(Catalog(self.cur, self.rng)).next())
        if text is None:
            return None
        if self.rng.random() < 0.1 and not any(word in text for word in ("CONCURRENTLY", "VACUUM", "CHECKPOINT")):
            text = f"DO $fz$ BEGIN EXECUTE $q${text}$q$; EXCEPTION WHEN division_by_zero THEN NULL; END $fz$"
        return self.send(text)

    def write(self):
        if self.connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INERROR:
            return
        tables = self.look(lambda: [t for t in read_tables(self.connection) if t.columns])
        if tables and any(not t.is_tview for t in tables):
            # 42: the generator's idea of a table may be wrong for types it does not know
            self.send(Generator(self.rng, tables).next(), EXPECTED + ("428", "42804", "42883", "42P10", "0A000") + (() if self.alone else ("42",)))

    def in_error(self):
        return self.connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INERROR

    def step(self):
        """DDL alone, or a transaction of DDL and writes with savepoints, which may roll back."""
        if self.rng.random() < 0.6:
            self.ddl()
            self.write()
            return
        self.send("BEGIN" + self.rng.choice(["", "", "", " ISOLATION LEVEL REPEATABLE READ"]))
        saved = 0
        for _ in range(self.rng.randint(1, 5)):
            if self.in_error():
                if not saved:
                    break
                self.send("ROLLBACK TO s")
            kind = self.rng.random()
            if kind < 0.2:
                self.send("SAVEPOINT s")
                saved += 1
            elif kind < 0.3 and saved:
                self.send(self.rng.choice(["ROLLBACK TO s", "RELEASE s"]))
                saved = 0
            elif kind < 0.65:
                self.ddl()
            else:
                self.write()
        self.send(self.rng.choice(["COMMIT", "COMMIT", "ROLLBACK"]))

    def rows(self, text):
        self.cur.execute(text)
        return self.cur.fetchall()

    def check_orphans(self):
        left = self.rows("SELECT what, object FROM tviews_orphans()")
        if left:
            raise Failure("left behind: " + "; ".join(f"{what}: {thing}" for what, thing in left))

    def check(self):
        """Everything that is not said to be behind equals its view."""
        end = time.monotonic() + 30
        while True:
            self.cur.execute("SELECT pg_tviews_wait('15 s')")
            if not self.cur.fetchone()[0]:
                raise Failure(f"pg_tviews_wait timed out: {self.rows('SELECT state, waiting_for, last_error FROM pg_tviews_workers')}")
            behind = self.rows("SELECT entity, reason, sqlstate, message FROM pg_tview_deferred JOIN pg_tview_catalog USING (tview)")
            if all(reason == "failed" for _, reason, _, _ in behind) or time.monotonic() > end:
                break
            time.sleep(0.05)
        for entity, reason, code, message in behind:
            if reason != "failed" or (code or "").startswith(BAD_CODES) or any(bad in (message or "") for bad in BAD_TEXTS):
                raise Failure(f"{entity} is deferred: {reason} {code} {message}")
        differing = self.rows("SELECT m.table_oid::regclass, m.state, m.schema_name FROM pg_tview_meta m WHERE m.state = 'fresh' "
                              "AND m.table_oid NOT IN (SELECT tview FROM pg_tview_deferred)")
        try:
            wrong = self.rows("SELECT o.tview, o.missing, o.extra FROM tviews_oracle() o")
        except psycopg2.Error as error:   # a view of a degraded TVIEW may raise
            # 42501: of the view's owner, who lost a right; the next refresh degrades the TVIEW
            if error.pgcode != "42501" and not behind and not self.rows("SELECT 1 FROM pg_tview_meta WHERE state <> 'fresh'"):
                raise Failure(f"the oracle met {error}") from error
            return
        fresh = {str(name) for name, _, _ in differing}
        bad = [row for row in wrong if str(row[0]) in fresh]
        if bad:
            raise Failure("; ".join(f"{t}: {m} rows missing, {e} too many" for t, m, e in bad))


def new_database(database, seed, oracle, admin):
    admin(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    admin(f"CREATE DATABASE {database}")
    for role in ROLES:
        admin(f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    dsn = f"dbname={database}"
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cur:
        cur.execute("CREATE EXTENSION pg_tviews; CREATE SCHEMA late")
        cur.execute(SETUP)
    connection.close()
    load_oracle(dsn, oracle)
    load_oracle(dsn, os.path.join(os.path.dirname(oracle), "orphans.sql"))
    return dsn


def run(dsn, seed, options, log):
    """One seed; (statements, of them refused).  Raises Failure."""
    sessions = [Runner(dsn, f"s{i}", seed, log, (options.sessions or 1) == 1) for i in range(options.sessions or 1)]
    if len(sessions) > 1:
        return together(sessions, options)
    session = sessions[0]
    for number in range(options.steps):
        session.step()
        if session.in_error():
            session.send("ROLLBACK")
        session.check_orphans()
        if number % 5 == 4:
            session.check()
    session.check()
    return session.count, session.refused


def together(sessions, options):
    """The same by several sessions at once; looked at when they rest."""
    errors = []

    def work(session):
        try:
            for _ in range(8):
                if not errors:
                    session.step()
                    if session.in_error():
                        session.send("ROLLBACK")
        except (Failure, psycopg2.Error) as error:
            errors.append(error if isinstance(error, Failure) else Failure(str(error)))

    for _ in range(max(1, options.steps // 8)):
        threads = [threading.Thread(target=work, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        sessions[0].check_orphans()
        sessions[0].check()
    return sum(s.count for s in sessions), sum(s.refused for s in sessions)
