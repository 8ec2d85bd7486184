"""A session that runs random transactions: savepoints, rollbacks, prepared transactions, all isolation levels."""
import threading

import psycopg2

from .schema import sample_keys

# What a statement of a valid program may meet: constraints, deadlocks, serialization failures, lock timeouts, bad casts of random text.
EXPECTED = ("23", "40", "55", "22", "21", "428C9", "25P02", "25006", "27000", "P0001")


class Log:
    """Statements of all sessions in the order in which they were sent; what a failure prints."""

    def __init__(self, echo=False):
        self.lines = []
        self.lock = threading.Lock()
        self.echo = echo

    def add(self, session, text, outcome=""):
        line = f"/* {session} */ {text};" + (f"  -- {outcome}" if outcome else "")
        with self.lock:
            self.lines.append(line)
        if self.echo:
            print(line, flush=True)


class Unexpected(Exception):
    """An error that no writer may meet."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Session:
    def __init__(self, name, dsn, rng, generator, log, prepare):
        self.name, self.rng, self.generator, self.log, self.prepare = name, rng, generator, log, prepare
        self.unique = f"{rng.getrandbits(32):x}"   # names of prepared transactions belong to the whole cluster
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = True   # BEGIN and COMMIT are statements of ours
        self.cur = self.connection.cursor()
        self.prepared = []
        self.count = self.failed = self.transactions = 0
        self.run("SET lock_timeout = '300ms'")
        self.run("SET deadlock_timeout = '50ms'", quiet=True)
        if rng.random() < 0.3:   # early flushes to the journal, in small transactions too
            self.run(f"SET pg_tviews.debug_transaction_keys = {rng.choice([1, 2, 5, 20])}")
        if rng.random() < 0.1:
            self.run("SET pg_tviews.synchronous = on")

    def run(self, text, quiet=False):
        """Runs one statement; False when it failed in an expected way."""
        self.count += 1
        try:
            self.cur.execute(text)
            self.log.add(self.name, text)
            return True
        except psycopg2.Error as error:
            code = error.pgcode or "08000"
            self.log.add(self.name, text, f"{code} {str(error).splitlines()[0]}")
            self.failed += 1
            if not quiet and not code.startswith(EXPECTED):
                raise Unexpected(code, f"{code} {error} in: {text}") from error
            return False

    def transaction(self):
        """One random transaction, from BEGIN to its end."""
        rng = self.rng
        self.transactions += 1
        self.refresh_keys()
        self.settle_prepared(0.4)
        if rng.random() < 0.25:   # autocommit
            self.run(self.generator.next())
            return
        level = rng.choices(["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"], [8, 1, 1])[0]
        self.run(f"BEGIN ISOLATION LEVEL {level}")
        savepoints = 0
        for _ in range(rng.randint(1, 8)):
            draw = rng.random()
            if draw < 0.15:
                savepoints += 1
                ok = self.run(f"SAVEPOINT s{savepoints}")
            elif draw < 0.22 and savepoints:
                ok = self.run(f"ROLLBACK TO SAVEPOINT s{savepoints}")
            elif draw < 0.27 and savepoints:
                ok = self.run(f"RELEASE SAVEPOINT s{savepoints}")
                savepoints -= 1
            else:
                ok = self.run(self.generator.next())
            if not ok:
                if not savepoints or rng.random() < 0.3:
                    self.run("ROLLBACK")
                    return
                self.run(f"ROLLBACK TO SAVEPOINT s{savepoints}")
        self.finish()

    def finish(self):
        draw = self.rng.random()
        if draw < 0.12:
            self.run("ROLLBACK")
        elif draw < 0.22 and self.prepare and len(self.prepared) < 2:
            name = f"fuzz_{self.unique}_{self.transactions}"
            if self.run(f"PREPARE TRANSACTION '{name}'"):
                self.prepared.append(name)
            else:
                self.run("ROLLBACK")
        else:
            if not self.run("COMMIT"):
                self.run("ROLLBACK")

    def settle_prepared(self, probability):
        while self.prepared and self.rng.random() < probability:
            name = self.prepared.pop(0)
            self.run(f"{self.rng.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])} PREPARED '{name}'")

    def refresh_keys(self):
        for table in self.generator.base + self.generator.tviews:
            table.uses += 1
            if table.uses > 25 or not table.keys:
                try:
                    sample_keys(self.cur, table)
                except psycopg2.errors.LockNotAvailable:   # somebody truncates
                    pass

    def close(self):
        self.settle_prepared(1.1)
        self.connection.close()
