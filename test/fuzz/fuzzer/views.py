"""Random schemas and view trees: what pg_tviews accepts must be exact."""
import psycopg2

from . import drive, random_schema
from .random_schema import Rel
from .random_view import ViewMaker


class Tally:
    """Views offered and accepted, and why the others were refused."""

    def __init__(self):
        self.offered = self.accepted = 0
        self.reasons = {}

    def refuse(self, message):
        reason = message.splitlines()[0].replace("ERROR:", "").strip()
        words = " ".join(w for w in reason.split() if '"' not in w)
        self.reasons[words] = self.reasons.get(words, 0) + 1

    def summary(self):
        lines = [f"{self.accepted} of {self.offered} random views accepted"]
        lines += [f"  {count:4d} x {reason}" for reason, count in sorted(self.reasons.items(), key=lambda r: -r[1])]
        return "\n".join(lines)


def run(dsn, rng, seed, options, oracle, tally):
    """One seed.  Raises drive.Failure with the whole setup as SQL."""
    setup = ["CREATE EXTENSION pg_tviews"]
    try:
        connection = psycopg2.connect(dsn)
        connection.autocommit = True
        with connection.cursor() as cur:
            accepted = build(cur, rng, setup, tally)
        connection.close()
        drive.load_oracle(dsn, oracle)
        drive.check(dsn)
        sessions = options.sessions or rng.choice([1, 3])
        count = options.transactions if sessions > 1 else min(options.transactions, 40)
        _, statements, refused = drive.drive(dsn, seed, sessions, seconds=options.seconds, transactions=count, check_each=sessions == 1,
                                             truncate=True, echo=options.echo, prepare=sessions > 1)
        return f"{accepted} views, {sessions} sessions, {statements} statements, {refused} refused"
    except drive.Failure as failure:
        failure.setup = ";\n".join(setup) + ";\n"
        raise


def build(cur, rng, setup, tally):
    schema = random_schema.make(rng)
    for statement in schema.statements:
        cur.execute(statement)
        setup.append(statement)
    rels, accepted = list(schema.rels), 0
    maker = ViewMaker(rng, rels)
    for n in range(2):                      # plain views, to be nested
        if rng.random() < 0.6:
            query, cols = make_query(cur, maker, "pk_w", 0)
            statement = f'CREATE VIEW public."w {n}" AS {query}'
            execute(cur, statement)
            setup.append(statement)
            rels.append(Rel(f'public."w {n}"', cols, "pk_w", grouped_by_key=False))
    for n in range(rng.randint(3, 6)):
        entity = f"e{n}" if rng.random() < 0.8 else f"E {n}"
        where = rng.choice(["public", '"App"'])
        table = f'{where}."tv_{entity}"'
        query, cols = make_query(cur, maker, f"pk_{entity}")
        tally.offered += 1
        statement = cur.mogrify("SELECT pg_tviews_create(%s, %s)", (table, query)).decode()
        if rng.random() < 0.3 and entity[0] == "e":
            statement = f"CREATE TABLE {table} AS {query}"
        try:
            cur.execute(statement)
        except psycopg2.Error as error:
            if error.pgcode != "0A000":
                raise drive.Failure(f"{error.pgcode} {error} in: {statement}") from error
            tally.refuse(str(error))
            setup.append(f"-- refused: {str(error).splitlines()[0]}\n-- {statement}\nSELECT 1")
            continue
        setup.append(statement)
        tally.accepted += 1
        accepted += 1
        rels.append(Rel(table, cols, f"pk_{entity}"))
    return accepted


def execute(cur, statement):
    try:
        cur.execute(statement)
    except psycopg2.Error as error:
        raise drive.Failure(f"the generator made a wrong statement: {error} in: {statement}") from error


def make_query(cur, maker, key, depth=1):
    """A view that is not too slow (joins may multiply rows): (query, columns)."""
    while True:
        query, cols = maker.query(key, depth)
        cur.execute("SET statement_timeout = '100ms'")
        try:
            check_key(cur, query, key)
            return query, cols
        except psycopg2.errors.QueryCanceled:
            pass
        finally:
            reset_timeout(cur)


def reset_timeout(cur):
    try:
        cur.execute("RESET statement_timeout")
    except psycopg2.errors.QueryCanceled:   # the timeout was on its way
        cur.execute("RESET statement_timeout")


def check_key(cur, query, key):
    """The generator's own promise: the query runs and its key is unique and not null."""
    try:
        cur.execute(f'SELECT count(*) - count(DISTINCT "{key}"), count(q::text) FROM ({query}) q')
    except psycopg2.errors.QueryCanceled:
        raise
    except psycopg2.Error as error:
        raise drive.Failure(f"the generator made a wrong query: {error} in: {query}") from error
    if cur.fetchone()[0] != 0:
        raise drive.Failure(f"the generator made a view whose key is not unique: {query}")
