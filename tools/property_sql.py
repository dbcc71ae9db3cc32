"""property_sql.py -- trees of relations.py as SQL: for Weir, and with windows spelt out for PostgreSQL."""
from datetime import datetime, timedelta, timezone

from relations import First, Group, Join, Over, Select, Session, SetOp, Sort, Table, Union, View, Window

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


def frame_text(frame):
    if frame is None:
        return ""
    ends = ["UNBOUNDED" if n is None else str(n) for n in frame]
    return " ROWS BETWEEN %s PRECEDING AND %s FOLLOWING" % tuple(ends)


def order_text(keys):
    return ", ".join("%s %s NULLS %s" % (n, "DESC" if d else "ASC", "FIRST" if f else "LAST") for n, d, f in keys)


class Printer:
    """dialect "weir" or "postgres"; views: named queries stand as their names, not as subqueries."""

    def __init__(self, dialect, views=False):
        self.weir, self.views = dialect == "weir", views

    def expr(self, e):
        if e.op == "col":
            return e.value
        if e.op == "outer":  # the rows around are called t, those of a join l and r
            return e.value if "." in e.value else "t." + e.value
        if e.op == "lit":
            return literal(e)
        a = [self.expr(x) for x in e.args]
        if e.op == "exists":
            return "EXISTS (%s)" % self.query(e.value)
        if e.op == "scalar_query":
            return "(%s)" % self.query(e.value)
        if e.op == "in_query":
            return "(%s IN (%s))" % (a[0], self.query(e.value))
        if e.op == "quantified":
            return "(%s %s %s (%s))" % (a[0], e.value[0], e.value[1].upper(), self.query(e.value[2]))
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

    def call(self, a):
        text = "%s(%s%s)" % (a.name, "DISTINCT " if a.distinct else "", "*" if a.arg is None else self.expr(a.arg))
        return text + (" FILTER (WHERE %s)" % self.expr(a.where) if a.where is not None else "")

    def over(self, name, function, type_, arg, partition, order, frame):
        head = function + ("()" if function in ("row_number", "rank", "dense_rank") else "(*)" if arg is None else "(%s)" % self.expr(arg))
        inside = ["PARTITION BY " + ", ".join(partition)] * bool(partition) + ["ORDER BY " + order_text(order)] * bool(order)
        return "%s OVER (%s%s) AS %s" % (head, " ".join(inside), frame_text(frame), name)

    def source(self, s, alias):
        """s as it stands in FROM."""
        if isinstance(s, Table):
            return "%s AS %s" % (s.stream.name, alias)
        if isinstance(s, (Window, Session)):
            return "%s AS %s" % ((self.window if self.weir else self.emulated)(s), alias)
        if isinstance(s, Join):
            on = ["l.%s = r.%s" % pair for pair in s.on] + ([self.expr(s.residual)] if s.residual is not None else [])
            return "%s %s JOIN %s%s" % (self.source(s.left, "l"), s.kind.upper(), self.source(s.right, "r"),
                                        " ON " + " AND ".join(on) if s.kind != "cross" else "")
        if isinstance(s, View) and self.views and s.name is not None:
            return "%s AS %s" % (s.name, alias)
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
        if isinstance(q, View):
            return "SELECT * FROM " + q.name if self.views and q.name is not None else self.query(q.query)
        if isinstance(q, Sort):
            text = "SELECT * FROM %s ORDER BY %s" % (self.source(q.source, "o"), order_text(q.keys))
            text += " LIMIT %d" % q.limit if q.limit is not None else ""
            return text + (" OFFSET %d" % q.offset if q.offset else "")
        if isinstance(q, First):
            return "SELECT DISTINCT ON (%s) * FROM %s ORDER BY %s" % (", ".join(q.on), self.source(q.source, "t"), order_text(q.order))
        if isinstance(q, Over):
            return "SELECT t.*, %s FROM %s" % (", ".join(self.over(*c) for c in q.calls), self.source(q.source, "t"))
        if isinstance(q, SetOp):
            return "(%s) %s%s (%s)" % (self.query(q.left), q.kind.upper(), " ALL" * q.all, self.query(q.right))
        if isinstance(q, Union):
            return " UNION ALL ".join(self.query(s) for s in q.sources)
        if isinstance(q, Select):
            items = ", ".join("%s AS %s" % (self.expr(e), n) for n, e in q.items)
            text = "SELECT %s%s FROM %s" % ("DISTINCT " if q.distinct else "", items, self.source(q.source, q.alias))
            return text + (" WHERE %s" % self.expr(q.where) if q.where is not None else "")
        if isinstance(q, Group):
            items = ["%s AS %s" % (self.expr(e), n) for n, e in q.keys] + ["%s AS %s" % (self.call(a), n) for n, a in q.calls]
            text = "SELECT %s FROM %s" % (", ".join(items), self.source(q.source, q.alias))
            text += " WHERE %s" % self.expr(q.where) if q.where is not None else ""
            if q.sets is not None:
                named = {n: self.expr(e) for n, e in q.keys}
                text += " GROUP BY GROUPING SETS (%s)" % ", ".join("(%s)" % ", ".join(named[n] for n in names) for names in q.sets)
            else:
                text += " GROUP BY %s" % ", ".join(self.expr(e) for _, e in q.keys) if q.keys else ""
            return text + (" HAVING %s" % self.having(q) if q.having is not None else "")
        if isinstance(q, Table):
            return "SELECT * FROM " + q.stream.name
        raise AssertionError(q)

    def having(self, q):
        """The condition over output names, written over what they stand for."""
        calls = dict(q.calls)

        def walk(e):
            if e.op == "col":
                return self.call(calls[e.value]) if e.value in calls else self.expr(dict(q.keys)[e.value])
            if e.op == "lit":
                return literal(e)
            inner = type(e)(e.op, e.type, *[type(e)("col", x.type, value=walk(x)) for x in e.args], value=e.value)
            return self.expr(inner)
        return walk(q.having)
