"""The TVIEWs of test/shapes that this version keeps."""
import os
import re
import subprocess

# view, key option: in the order in which they must be made (9 reads two TVIEWs).
ACCEPTED = [("crm.v_user", None), ("blog.v_post", None), ("blog.v_post_thread", "pk_post"), ("shop.v_order", None), ("blog.v_post_tags", "pk_post"),
            ("crm.v_user_stats", "pk_user"), ("crm.v_organization_dashboard", "pk_organization"), ("ops.v_allocation", "id"), ("blog.v_comment", None)]


def psql(dsn, *arguments):
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, *arguments], check=True, stdout=subprocess.DEVNULL)


def load(dsn, folder, n):
    """Creates schema, rows, views and TVIEWs; returns the statements that make the TVIEWs."""
    psql(dsn, "-f", os.path.join(folder, "schema.sql"))
    psql(dsn, "-v", f"n={n}", "-f", os.path.join(folder, "seed.sql"))
    with open(os.path.join(folder, "views.sql"), encoding="utf-8") as text:
        views = {name: query for name, query in re.findall(r"create view (\S+) as\s(.*?;)", text.read(), re.S)}
    made = []
    for view, key in ACCEPTED:
        table = view.replace(".v_", ".tv_")
        make = (f"CREATE TABLE {table} AS SELECT * FROM {view}" if key is None else
                f"SELECT pg_tviews_create('{table}', 'SELECT * FROM {view}', '{{\"key\": \"{key}\"}}')")
        psql(dsn, "-c", f"create view {view} as {views[view]}", "-c", make)
        made.append(make)
    return made


def disturbances(makes):
    """Statements that drop and make, refresh or compare TVIEWs beside the writers."""
    leaf = next(make for make in makes if "crm.tv_user_stats" in make)
    reader = next(make for make in makes if "blog.tv_comment" in make)
    return [f"BEGIN; DROP TABLE crm.tv_user_stats; {leaf}; COMMIT", f"BEGIN; SELECT pg_tviews_drop('blog.tv_comment'); {reader}; COMMIT",
            f"BEGIN; DROP TABLE crm.tv_user_stats; {leaf}; ROLLBACK", "SELECT pg_tviews_refresh('shop.tv_order')", "SELECT * FROM pg_tviews_verify('blog.tv_post')"]
