"""What the generator knows of a relation: columns, keys, and the links by which it can be joined."""
from dataclasses import dataclass, field

from ..schema import quote


@dataclass
class Col:
    name: str
    type: str
    domain: str = None      # columns of one domain hold comparable values
    plain: bool = True      # may be used in expressions (not of a collation in which different texts are equal)
    nullable: bool = True


@dataclass
class Link:
    """One way to join: `form` is column, json, array, text, time or pair."""
    form: str
    columns: list
    domain: str
    type: str = ""
    unique: bool = False    # at most one row of the relation has the value

    def of(self, alias, n=0):
        return f"{alias}.{quote(self.columns[n])}"


@dataclass
class Rel:
    """Something a view can read: a table, a plain view, or the table of a TVIEW."""
    sql: str
    cols: list
    key: list                                   # columns that are unique and never NULL together; empty: none
    links: list = field(default_factory=list)
    features: set = field(default_factory=set)  # what using it means for the tally
    primary_key: bool = True                    # GROUP BY key carries the other columns

    def col(self, name):
        return next(c for c in self.cols if c.name == name)

    def values(self):
        return [c for c in self.cols if c.plain]

    def parents(self):
        """Links from a row to another row of the same relation."""
        own = [k for k in self.links if k.form == "column" and k.unique]
        return [(k, k2) for k in own for k2 in self.links if k2.form == "column" and not k2.unique and k2.domain == k.domain]


def derived_links(cols, key):
    """The links of a view's columns."""
    links = [Link("column", [c.name], c.domain, c.type, key == [c.name]) for c in cols if c.domain and c.domain not in ("code", "at")]
    links += [Link("text", [c.name], "code", "text") for c in cols if c.domain == "code"]
    links += [Link("time", [c.name], "at", c.type) for c in cols if c.domain == "at"]
    return links
