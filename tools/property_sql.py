"""property_sql.py -- trees of reference.py as SQL: for Weir, and with windows spelt out for PostgreSQL."""
from datetime import datetime, timedelta, timezone

from reference import Group, Join, Select, Session, Sort, Table, Union, Window

NAMES = {"int4": "integer", "int8": "bigint", "float8": "double precision", "time": "timestamptz", "bool": "boolean"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
ORIGIN = "timestamptz '1970-01-01 00:00:00+00'"


def type_name(t):
    return NAMES.get(t, t)


def time_text(us):
    return (EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def interval(us):
    return "interval '%s milliseconds'" % ("%.3f" % (us / 1000)).rstrip("0").rstrip(".")


def literal(e):
    v = e.value
    if e.type == "interval":
        return interval(v)
    if v is None:
        return "NULL::" + type_name(e.type)
    if e.type == "text":
        return "'" + v.replace("'", "''") + "'"
    if e.type == "bool":
        return "true" if v else "false"
    if e.type == "time":
        return "timestamptz '%s'" % time_text(v)
    if e.type == "float8":
        return "'%r'::float8" % v
    text = format(v, "f") if e.type == "numeric" else str(v)
    text = "(%s)" % text if text[0] == "-" else text
    whole = e.type == "numeric" and "." not in text
    return text + ("::bigint" if e.type == "int8" else "::numeric" if whole else "")


def expr(e):
    if e.op == "col":
        return e.value
    if e.op == "lit":
        return literal(e)
    a = [expr(x) for x in e.args]
    if e.op in ("and", "or"):
        return "(" + (" %s " % e.op.upper()).join(a) + ")"
    if e.op == "not":
        return "(NOT %s)" % a[0]
    if e.op == "case":
        whens = " ".join("WHEN %s THEN %s" % (a[i], a[i + 1]) for i in range(0, len(a) - 1, 2))
        return "CASE %s ELSE %s END" % (whens, a[-1])
    if e.op in ("is null", "is not null", "is true"):
        return "(%s %s)" % (a[0], e.op.upper())
    if e.op == "distinct":
        return "(%s IS DISTINCT FROM %s)" % tuple(a)
    if e.op == "in":
        return "(%s IN (%s))" % (a[0], ", ".join(a[1:]))
    if e.op == "between":
        return "(%s BETWEEN %s AND %s)" % tuple(a)
    if e.op == "like":
        return "(%s LIKE %s)" % tuple(a)
    if e.op == "cast":
        return "CAST(%s AS %s)" % (a[0], type_name(e.type))
    if e.op == "epoch":
        return "extract(epoch FROM %s)" % a[0]
    if not e.op[0].isalpha():
        return "(- %s)" % a[0] if len(a) == 1 else "(%s %s %s)" % (a[0], e.op, a[1])
    return "%s(%s)" % (e.op, ", ".join(a))


def call(a):
    text = "%s(%s%s)" % (a.name, "DISTINCT " if a.distinct else "", "*" if a.arg is None else expr(a.arg))
    return text + (" FILTER (WHERE %s)" % expr(a.where) if a.where is not None else "")


class Printer:
    """dialect "weir" or "postgres"."""

    def __init__(self, dialect):
        self.weir = dialect == "weir"

    def source(self, s, alias):
        """s as it stands in FROM."""
        if isinstance(s, Table):
            return "%s AS %s" % (s.stream.name, alias)
        if isinstance(s, (Window, Session)):
            return "%s AS %s" % ((self.window if self.weir else self.emulated)(s), alias)
        if isinstance(s, Join):
            on = " AND ".join("l.%s = r.%s" % pair for pair in s.on)
            return "%s %s JOIN %s ON %s" % (self.source(s.left, "l"), s.kind.upper(), self.source(s.right, "r"), on)
        return "(%s) AS %s" % (self.query(s), alias)

    def window(self, w):
        inner = w.source.stream.name if isinstance(w.source, Table) else "(%s)" % self.query(w.source)
        if isinstance(w, Session):
            return "session(%s)" % ", ".join([inner, w.time, interval(w.gap)] + w.keys)
        sizes = [w.size] if w.kind == "tumble" else [w.slide, w.size]
        return "%s(%s)" % (w.kind, ", ".join([inner, w.time] + [interval(x) for x in sizes]))

    def emulated(self, w):
        inner, t = self.source(w.source, "q"), "q." + w.time
        if isinstance(w, Session):
            by = "PARTITION BY %s" % ", ".join("q." + k for k in w.keys) if w.keys else ""
            names = ", ".join(w.keys + ["part"])
            marked = ("SELECT q.*, CASE WHEN %s - lag(%s) OVER (%s ORDER BY %s) <= %s THEN 0 ELSE 1 END AS fresh FROM %s "
                      "WHERE %s IS NOT NULL" % (t, t, by, t, interval(w.gap), inner, t))
            parts = "SELECT q.*, sum(fresh) OVER (%s ORDER BY %s) AS part FROM (%s) q" % (by, t, marked)
            return ("(SELECT q.*, min(%s) OVER (PARTITION BY %s) AS window_start, max(%s) OVER (PARTITION BY %s) + %s AS "
                    "window_end FROM (%s) q)" % (t, names, t, names, interval(w.gap), parts))
        size, slide = interval(w.size), interval(w.slide)
        if w.kind == "cumulate":
            base = "date_bin(%s, %s, %s)" % (size, t, ORIGIN)
            return ("(SELECT q.*, %s AS window_start, %s + nth * %s AS window_end FROM %s CROSS JOIN generate_series(1, %d) nth "
                    "WHERE %s + nth * %s > %s)" % (base, base, slide, inner, w.size // w.slide, base, slide, t))
        start = "date_bin(%s, %s, %s) - nth * %s" % (slide, t, ORIGIN, slide)
        return ("(SELECT q.*, %s AS window_start, %s + %s AS window_end FROM %s CROSS JOIN generate_series(0, %d) nth "
                "WHERE %s + %s > %s)" % (start, start, size, inner, -(-w.size // w.slide), start, size, t))

    def query(self, q):
        if isinstance(q, Sort):
            keys = ", ".join("%s %s NULLS %s" % (n, "DESC" if d else "ASC", "FIRST" if f else "LAST") for n, d, f in q.keys)
            text = "SELECT * FROM %s ORDER BY %s" % (self.source(q.source, "o"), keys)
            text += " LIMIT %d" % q.limit if q.limit is not None else ""
            return text + (" OFFSET %d" % q.offset if q.offset else "")
        if isinstance(q, Union):
            return " UNION ALL ".join(self.query(s) for s in q.sources)
        if isinstance(q, Select):
            items = ", ".join("%s AS %s" % (expr(e), n) for n, e in q.items)
            text = "SELECT %s%s FROM %s" % ("DISTINCT " if q.distinct else "", items, self.source(q.source, "t"))
            return text + (" WHERE %s" % expr(q.where) if q.where is not None else "")
        if isinstance(q, Group):
            items = ["%s AS %s" % (expr(e), n) for n, e in q.keys] + ["%s AS %s" % (call(a), n) for n, a in q.calls]
            text = "SELECT %s FROM %s" % (", ".join(items), self.source(q.source, "t"))
            text += " WHERE %s" % expr(q.where) if q.where is not None else ""
            text += " GROUP BY %s" % ", ".join(expr(e) for _, e in q.keys) if q.keys else ""
            return text + (" HAVING %s" % self.having(q) if q.having is not None else "")
        if isinstance(q, Table):
            return "SELECT * FROM " + q.stream.name
        raise AssertionError(q)

    @staticmethod
    def having(q):
        """The condition over output names, written over what they stand for."""
        calls = dict(q.calls)

        def walk(e):
            if e.op == "col":
                return call(calls[e.value]) if e.value in calls else expr(dict(q.keys)[e.value])
            if e.op == "lit":
                return literal(e)
            inner = type(e)(e.op, e.type, *[type(e)("col", x.type, value=walk(x)) for x in e.args], value=e.value)
            return expr(inner)
        return walk(q.having)
