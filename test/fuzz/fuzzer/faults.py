"""Faults of a running server: what the soak does to it beside the writers."""
import os
import signal
import subprocess
import time

import psycopg2

WORKER = "backend_type = 'pg_tviews refresh worker' AND datname = current_database()"
LONG = "backend_type = 'pg_tviews long refresh' AND datname = current_database()"
WRITER = "application_name = 'soak writer'"
LAUNCHER = "backend_type = 'pg_tviews launcher'"

# Settings that force rare branches, for one round: name, values.
SETTINGS = [("pg_tviews.debug_drop_pushes", ["on"]), ("pg_tviews.debug_journal_switch_kb", ["8", "64"]), ("pg_tviews.batch_size", ["1", "7", "100"]),
            ("pg_tviews.enabled", ["off"]), ("pg_tviews.batch_delay", ["5ms"]), ("pg_tviews.sweep_interval", ["10ms"]), ("pg_tviews.lock_timeout", ["20ms"]),
            ("pg_tviews.long_refresh_threshold", ["0"])]


class Server:
    """The server under test; runs as its owner."""

    def __init__(self, data, bindir, dsn, log):
        self.data, self.bindir, self.dsn, self.log = data, bindir, dsn, log

    def connect(self, seconds=60, dsn=None):
        """A connection, as soon as the server gives one."""
        end = time.monotonic() + seconds
        while True:
            try:
                connection = psycopg2.connect(dsn or self.dsn, application_name="soak")
                connection.autocommit = True
                return connection
            except psycopg2.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def run(self, text, lock_timeout="1s"):
        connection = self.connect()
        try:
            with connection.cursor() as cur:
                cur.execute(f"SET lock_timeout = '{lock_timeout}'")
                cur.execute(text)
                return cur.fetchall() if cur.description else []
        finally:
            connection.close()

    def restart(self):
        """kill -9 of everything, as far as what is on disk goes."""
        pg_ctl = [os.path.join(self.bindir, "pg_ctl"), "-s", "-w", "-D", self.data]
        subprocess.run([*pg_ctl, "-m", "immediate", "stop"], check=False, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([*pg_ctl, "-l", self.log, "-t", "60", "start"], check=True, timeout=90, stdout=subprocess.DEVNULL)

    def signal(self, who, number):
        for (pid,) in self.run(f"SELECT pid FROM pg_stat_activity WHERE {who} ORDER BY random() LIMIT 1"):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def stop_worker_for(self, seconds):
        for (pid,) in self.run(f"SELECT pid FROM pg_stat_activity WHERE {WORKER}"):
            try:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(seconds)
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def call(self, function, who):
        self.run(f"SELECT {function}(pid) FROM (SELECT pid FROM pg_stat_activity WHERE {who} ORDER BY random() LIMIT 1) p")

    def hold(self, text, seconds):
        """A transaction that stays open."""
        connection = self.connect()
        try:
            with connection.cursor() as cur:
                cur.execute("SET lock_timeout = '500ms'; BEGIN")
                cur.execute(text)
                time.sleep(seconds)
                cur.execute("ROLLBACK")
        finally:
            connection.close()

    def set(self, name, value):
        self.run(f"ALTER SYSTEM SET {name} = '{value}'")
        self.run("SELECT pg_reload_conf()")

    def reset(self):
        self.run("ALTER SYSTEM RESET ALL")
        self.run("SELECT pg_reload_conf()")


def faults(server, rng, tables, actions):
    """Name and function of each fault; the functions may meet a server that is going down."""
    second = server.dsn.replace("dbname=", "dbname=second_")

    def other_database():
        connection = server.connect(dsn=second)
        with connection.cursor() as cur:
            cur.execute(rng.choice(["DROP EXTENSION IF EXISTS pg_tviews CASCADE; CREATE EXTENSION pg_tviews; CREATE TABLE IF NOT EXISTS tb_x (pk_x int PRIMARY KEY);"
                                    "DROP TABLE IF EXISTS tv_x; CREATE TABLE tv_x AS SELECT pk_x FROM tb_x",
                                    "INSERT INTO tb_x SELECT g FROM generate_series(1, 50) g ON CONFLICT DO NOTHING", "DELETE FROM tb_x"]))
        connection.close()

    table = lambda: rng.choice(tables)
    name, values = rng.choice(SETTINGS)
    paused = "(SELECT table_oid::regclass::text FROM pg_tview_meta ORDER BY random() LIMIT 1)"
    seconds = rng.uniform(0.2, 1.5)
    return [
        ("kill -9 of the worker", lambda: server.signal(WORKER, signal.SIGKILL)),
        ("kill -9 of a writer", lambda: server.signal(WRITER, signal.SIGKILL)),
        ("kill -9 of a long refresh", lambda: server.signal(LONG, signal.SIGKILL)),
        ("termination of a long refresh", lambda: server.call("pg_terminate_backend", LONG)),
        ("immediate stop", server.restart),
        ("SIGSTOP of the worker", lambda: server.stop_worker_for(seconds)),
        ("termination of the worker", lambda: server.call("pg_terminate_backend", WORKER)),
        ("termination of a writer", lambda: server.call("pg_terminate_backend", WRITER)),
        ("termination of the launcher", lambda: server.call("pg_terminate_backend", LAUNCHER)),
        ("cancel of the worker", lambda: server.call("pg_cancel_backend", WORKER)),
        ("cancel of a writer", lambda: server.call("pg_cancel_backend", WRITER)),
        ("a table locked", lambda: server.hold(f"LOCK TABLE {table()} IN {rng.choice(['ACCESS EXCLUSIVE', 'SHARE'])} MODE", seconds)),
        ("rows locked", lambda: server.hold(f"SELECT FROM {table()} LIMIT 20 FOR UPDATE", seconds)),
        ("an idle snapshot", lambda: server.hold("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()", seconds)),
        (f"{name} = {values[0]}...", lambda: server.set(name, rng.choice(values))),
        ("DDL", lambda: server.run(rng.choice(actions))),
        ("pause and resume", lambda: server.run(rng.choice(["SELECT pg_tviews_pause()", f"SELECT pg_tviews_pause({paused})", "SELECT pg_tviews_resume()"]))),
        ("a second database", other_database),
    ]
