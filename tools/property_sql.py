"""property_sql.py -- trees of relations.py as SQL: for Weir, and with windows spelt out for PostgreSQL."""
from datetime import datetime, timedelta, timezone

from relations import First, Group, Join, Over, Select, Session, SetOp, Sort, Table, Union, View, Window
from timed import AsOf, AsOfVersions, Bucket, Corrected, Dedup, Lookup

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
    if frame[0] == "range":
        return " RANGE BETWEEN %s PRECEDING AND CURRENT ROW" % interval(frame[1])
    if frame[0] == "rows":
        return " ROWS BETWEEN %s PRECEDING AND CURRENT ROW" % ("UNBOUNDED" if frame[1] is None else frame[1])
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
        if e.op == "now":  # in a view it moves; asked of what is all there it is one moment
            return "now()" if self.views else "timestamptz '%s'" % time_text(e.value)
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
        where = " FILTER (WHERE %s)" % self.expr(a.where) if a.where is not None else ""
        if a.more is not None:
            return self.ordered_call(a, where)
        return "%s(%s%s)" % (a.name, "DISTINCT " if a.distinct else "", "*" if a.arg is None else self.expr(a.arg)) + where

    def ordered_call(self, a, where):
        """Aggregates for which the order of the values counts; arrays come as text."""
        x, m = self.expr(a.arg), a.more
        order = "ORDER BY %s%s" % (x, " DESC" if m.get("descending") else "")
        if a.name in ("percentile_cont", "percentile_disc", "mode"):
            if a.name == "percentile_cont" and self.weir and m.get("median"):
                return "median(%s)%s" % (x, where)
            return "%s(%s) WITHIN GROUP (%s)%s" % (a.name, m.get("fraction", ""), order, where)
        distinct = "DISTINCT " if a.distinct else ""
        if a.name == "string_agg":
            return "string_agg(%s%s, '%s' %s)%s" % (distinct, x, m["separator"], order, where)
        if a.name == "array_agg":
            return "CAST(array_agg(%s%s %s)%s AS text)" % (distinct, x, order, where)
        if self.weir:
            return ("CAST(%s(%s, %d)%s AS text)" % (a.name, x, m["k"], where) if "k" in m
                    else "%s(%s, %s)%s" % (a.name, x, self.expr(m["by"]), where))
        down = " DESC" if a.name.startswith("max") else ""
        also = "%s IS NOT NULL" % (x if "k" in m else self.expr(m["by"]))
        where = " FILTER (WHERE %s%s)" % (also, " AND " + self.expr(a.where) if a.where is not None else "")
        if "k" in m:
            return "CAST((array_agg(%s ORDER BY %s%s)%s)[1:%d] AS text)" % (x, x, down, where, m["k"])
        return "(array_agg(%s ORDER BY %s%s)%s)[1]" % (x, self.expr(m["by"]), down, where)

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
        if isinstance(s, AsOf):
            return self.as_of(s)
        if isinstance(s, AsOfVersions):
            return self.as_of_versions(s)
        if isinstance(s, Dedup):
            return "%s AS %s" % (self.dedup(s) if self.weir else "(%s)" % self.dedup_emulated(s), alias)
        if isinstance(s, Join):
            on = ["l.%s = r.%s" % pair for pair in s.on] + ([self.expr(s.residual)] if s.residual is not None else [])
            right = self.source(s.right, "r")
            if isinstance(s, Lookup) and self.weir:
                right = "lookup(%s) AS r" % self.named(s.right)
            return "%s %s JOIN %s%s" % (self.source(s.left, "l"), s.kind.upper(), right,
                                        " ON " + (" AND ".join(on) or "true") if s.kind != "cross" else "")
        if isinstance(s, View) and self.views and s.name is not None:
            return "%s AS %s" % (s.name, alias)
        return "(%s) AS %s" % (self.query(s), alias)

    def named(self, s):
        """s as an argument of tumble(), asof() and such."""
        if isinstance(s, Table):
            return s.stream.name
        return s.name if isinstance(s, View) and self.views and s.name is not None else "(%s)" % self.query(s)

    def as_of(self, s):
        pairs = [("l." + x, "r." + y) for x, y in s.on]
        on = ["%s = %s" % (b, a) for a, b in pairs] + ["r.%s %s l.%s" % (s.rt, "<" if s.strict else "<=", s.lt)]
        if s.reach is not None:
            on.append("r.%s %s l.%s - %s" % (s.rt, ">" if s.reach_strict else ">=", s.lt, interval(s.reach)))
        if s.residual is not None:
            on.append(self.expr(s.residual))
        left, on = self.source(s.left, "l"), " AND ".join(on)
        if self.weir and s.form == "asof":
            return "%s %s JOIN asof(%s) AS r ON %s" % (left, s.kind.upper(), self.named(s.right), on)
        last = ", r.id DESC" if s.known and not self.weir else ""
        inner = "LATERAL (SELECT r.* FROM %s WHERE %s ORDER BY r.%s DESC%s LIMIT 1) AS r" % (self.source(s.right, "r"), on, s.rt, last)
        if s.kind == "left":
            return "%s LEFT JOIN %s ON true" % (left, inner)
        return "%s, %s" % (left, inner) if s.form == "comma" else "%s CROSS JOIN %s" % (left, inner)

    def as_of_versions(self, s):
        """For PostgreSQL over NAME_log, the history: columns seq and op, and those of the stream."""
        v, less = s.right, "<" if s.strict else "<="
        items = ", ".join("%s AS %s" % (self.expr(e), n) for n, e in v.items)
        asked = [] if s.reach is None else ["r.ts >= l.%s - %s" % (s.lt, interval(s.reach))]
        asked += [self.expr(s.residual)] if s.residual is not None else []
        where = " WHERE " + self.expr(v.where) if v.where is not None else ""
        left = self.source(s.left, "l")
        if self.weir:
            bare = not where and all(e.op == "col" and e.value == n for n, e in v.items) and len(v.items) == len(v.stream.columns)
            return "%s %s JOIN asof(%s) AS r ON %s" % (left, s.kind.upper(), v.stream.name if bare else
                                                       "(SELECT %s FROM %s AS t%s)" % (items, v.stream.name, where),
                                                       " AND ".join(["r.id = l." + s.key, "r.ts %s l.%s" % (less, s.lt)] + asked))
        log = v.stream.name + "_log"
        holds = ("(SELECT e.*, greatest(e.ts, (SELECT max(d.ts) FROM %s d WHERE d.id = e.id AND d.op = '-' AND d.seq < e.seq)) AS since "
                 "FROM %s e)" % (log, log))
        stood = ("SELECT h.* FROM %s AS h WHERE h.id = l.%s AND h.since %s l.%s ORDER BY since DESC, op, ts DESC, seq DESC LIMIT 1"
                 % (holds, s.key, less, s.lt))
        alive = " WHERE op = '+'" + (" AND " + self.expr(v.where) if v.where is not None else "")
        return "%s %s JOIN LATERAL (SELECT %s FROM (%s) AS t%s) AS r ON %s" % (left, s.kind.upper(), items, stood, alive,
                                                                             " AND ".join(asked) or "true")

    def dedup(self, s):
        keys = ", ".join(map(self.expr, s.keys))
        if s.named:
            return "dedup(%s, %s, span => %s, event_time => %s)" % (self.named(s.source), keys, interval(s.span), s.time)
        return "dedup(%s, %s, %s)" % (self.named(s.source), keys, interval(s.span))

    def dedup_emulated(self, s):
        """The first of each key, and again and again the first that comes a span later."""
        keys = ["dk%d" % i for i in range(len(s.keys))]
        named = ", ".join("%s AS %s" % (self.expr(e), k) for e, k in zip(s.keys, keys))
        same = " AND ".join("n.%s IS NOT DISTINCT FROM kept.%s" % (k, k) for k in keys)
        return ("WITH RECURSIVE src AS (SELECT q.*, %s FROM %s WHERE q.%s IS NOT NULL), kept AS ((SELECT DISTINCT ON (%s) * FROM src ORDER "
                "BY %s, %s) UNION ALL SELECT n.* FROM kept CROSS JOIN LATERAL (SELECT * FROM src AS n WHERE %s AND n.%s >= kept.%s + %s "
                "ORDER BY n.%s LIMIT 1) AS n) SELECT %s FROM kept"
                % (named, self.source(s.source, "q"), s.time, ", ".join(keys), ", ".join(keys), s.time, same, s.time, s.time,
                   interval(s.span), s.time, ", ".join(n for n in s.names)))

    def window(self, w):
        inner = self.named(w.source)
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
            if q.ties:
                return text + (" OFFSET %d" % q.offset if q.offset else "") + " FETCH FIRST %d ROWS WITH TIES" % q.limit
            text += " LIMIT %d" % q.limit if q.limit is not None else ""
            return text + (" OFFSET %d" % q.offset if q.offset else "")
        if isinstance(q, Corrected):
            return self.query(q.query)
        if isinstance(q, Dedup):
            return "SELECT * FROM " + self.source(q, "t")
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
            if isinstance(q.source, Bucket):
                return self.bucketed(q)
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

    def bucketed(self, q):
        """Groups of a Bucket: its piece of time is one of the keys."""
        b = q.source
        time = type(q.keys[0][1])("col", "time", value=("date_trunc('%s', %s)" % (b.unit, b.time)) if isinstance(b.unit, str) else
                                  "date_bin(%s, %s, %s)" % (interval(b.unit), b.time, ORIGIN))
        keys = [(n, time if e.value == "window_start" else e) for n, e in q.keys]
        return self.query(Group(b.source, keys, q.calls, q.where, q.having))

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
