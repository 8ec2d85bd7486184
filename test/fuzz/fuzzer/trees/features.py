"""The switches of the generator: what a random schema and a random view may contain."""

TABLES = ["junction", "composite primary key", "no primary key", "partitioned", "inherited", "generated column", "document", "array of ids",
          "key bigint", "key uuid", "key text", "key text collated", "key text nocase", "key date", "key timestamptz", "key enum", "key domain", "key numeric"]
JOINS = ["inner join", "left join", "right join", "full join", "using", "cross join", "lateral", "grouped sub-select", "sub-select in FROM"]
VALUES = ["scalar", "exists", "not exists", "in", "array", "top n", "filter", "distinct aggregate", "within group", "whole row", "recursive up", "recursive down",
          "table function", "sql function", "window value"]
EDGES = ["lower", "json", "cast", "date_trunc", "any array", "array contains", "unnest", "is not distinct", "composite join"]
SHAPES = ["row", "group", "composite key", "expression key", "union all", "union", "intersect", "except", "window", "distinct on", "partition exit"]
WRAPS = ["nested view", "cte", "tview", "unkeyed full", "min_interval", "settings", "unlogged", "partition_by", "background", "adopt", "clock", "replace"]
VIEWS = JOINS + VALUES + EDGES + SHAPES + WRAPS
ALL = TABLES + VIEWS

# What is always there, so that a class run alone still makes views.
CORE = {"row", "inner join", "left join", "scalar"}
# Needed by another feature to show at all.
NEEDS = {"json": ["document"], "any array": ["array of ids"], "array contains": ["array of ids"], "unnest": ["array of ids"], "composite join": ["composite primary key", "junction"]}


def choose(rng, features, alone=None):
    """The features of one view: all the common ones now and then, a few of the others."""
    if alone:
        return set(CORE) | {alone} | set(NEEDS.get(alone, []))
    chosen = set(CORE) | set(rng.sample(VIEWS, rng.randint(6, 16)))
    for feature in list(chosen):
        chosen |= set(NEEDS.get(feature, []))
    return chosen & (set(features) | CORE)
