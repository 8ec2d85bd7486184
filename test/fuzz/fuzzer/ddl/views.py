"""Random TVIEWs over the tables that are there now: joins, sums of children, functions, whole rows, views and TVIEWs in between."""
from ..schema import quote


def query(catalog, key_name):
    """A SELECT whose column `key_name` is unique, or None."""
    rng = catalog.rng
    sources = [r for r in catalog.relations if r.kind in "rp" and catalog.key(r)]
    root = catalog.pick(sources)
    if root is None:
        return None
    key = catalog.key(root)
    outputs, joins = [f"t.{quote(key)} AS {quote(key_name)}"], ""
    plain = [c for c, _, _ in catalog.columns(root) if c != key]
    for name in rng.sample(plain, min(len(plain), rng.randint(1, 3))):
        outputs.append(f"t.{quote(name)} AS {quote(f'o{len(outputs)}')}")
    parents = catalog.parents(root)
    if parents and rng.random() < 0.7:
        column, oid, referenced = rng.choice(parents)
        parent = catalog.by_oid(oid)
        if parent:
            joins += f" {rng.choice(['JOIN', 'LEFT JOIN'])} {parent.name} p ON p.{quote(referenced)} = t.{quote(column)}"
            outputs.append(f"p.{quote(catalog.column(parent))} AS {quote('p1')}")
            if rng.random() < 0.3:
                outputs.append("to_jsonb(p) AS whole")
    children = catalog.children(root)
    if children and rng.random() < 0.6:
        column, oid = rng.choice(children)
        child = catalog.by_oid(oid)
        if child:
            outputs.append(f"(SELECT count(*) FROM {child.name} c WHERE c.{quote(column)} = t.{quote(key)}) AS n")
            outputs.append(f"(SELECT max(c.{quote(catalog.column(child))}::text) FROM {child.name} c WHERE c.{quote(column)} = t.{quote(key)}) AS most")
    if rng.random() < 0.2:
        outputs.append("to_jsonb(t) AS doc")
    functions = catalog.rows("SELECT format('%I.%I', n.nspname, p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
                             "WHERE p.pronargs = 1 AND p.proargtypes[0] = 'int'::regtype AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'public' ORDER BY p.oid")
    if functions and rng.random() < 0.35:
        outputs.append(f"{rng.choice(functions)[0]}(t.{quote(key)}::int) AS f")
    return f"SELECT {', '.join(outputs)} FROM {root.name} t{joins}"


def create(catalog):
    rng, schema = catalog.rng, catalog.schema()
    if schema is None:
        return None
    entity = catalog.fresh("e").encode()[:55].decode(errors="ignore")
    text = query(catalog, f"pk_{entity}")
    if text is None:
        return None
    target = f"{quote(schema)}.{quote('tv_' + entity)}"
    if rng.random() < 0.5:
        return f"CREATE TABLE {target} AS {text}"
    options = rng.choice(["{}", '{"build": "background"}', '{"on_unkeyed": "full"}', '{"indexes": false}', '{"fillfactor": 70}'])
    return f"SELECT pg_tviews_create({literal(target)}, {literal(text)}, '{options}')"


def replace(catalog):
    tview = catalog.pick(catalog.tviews)
    if tview is None:
        return None
    key = catalog.one(f"SELECT key_columns[1] FROM pg_tview_meta WHERE table_oid = {tview.oid}")
    text = query(catalog, key)
    return text and f"SELECT pg_tviews_create_or_replace({literal(tview.name)}, {literal(text)})"


def literal(text):
    return ("E'" + text.replace("\\", "\\\\").replace("'", "''") + "'") if "\\" in text else "'" + text.replace("'", "''") + "'"
