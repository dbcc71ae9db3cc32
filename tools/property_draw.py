"""property_draw.py -- random streams, rows and queries for tools/property, from one seeded generator."""
from decimal import Decimal

from reference import Agg, Expr, SECOND
from relations import Group, Join, Select, Session, Sort, Stream, Table, Union, Window

BASE = 1767225600 * SECOND  # 2026-01-01
NUMBERS = ("int4", "int8", "numeric", "float8")
COLUMNS = [("id", "int8"), ("k", "text"), ("g", "int8"), ("i", "int4"), ("n", "numeric"), ("f", "float8"), ("b", "bool"),
           ("ts", "time"), ("other", "time")]
TEXTS = ["", "a", "b", "ab", "B", "x_y", "50%", "O'Neil", "\u6c34\u306e", "quite long text here"]
SIZES = [1, 2, 3, 5, 7, 10, 30, 60]


def lit(v, type_):
    return Expr("lit", type_, value=v)


def col(name, type_):
    return Expr("col", type_, value=name)


class Draw:
    def __init__(self, rnd):
        self.rnd = rnd

    def chance(self, p):
        return self.rnd.random() < p

    # --- streams ---

    def value(self, type_, narrow=False):
        r = self.rnd
        if type_ == "text":
            return r.choice(TEXTS[:4] if narrow else TEXTS)
        if type_ == "bool":
            return r.choice([True, False])
        if type_ in ("int4", "int8"):
            return r.randrange(0, 5) if narrow else r.choice([r.randrange(-20, 100), r.randrange(-3, 4), r.randrange(-30000, 30000)])
        if type_ == "numeric":
            return r.choice([Decimal(r.randrange(-500, 2000)).scaleb(-2), Decimal(r.randrange(-9, 10)),
                             Decimal(r.randrange(-10**6, 10**6)).scaleb(-r.randrange(0, 5)), Decimal("0.00")])
        if type_ == "float8":
            return r.randrange(-400, 400) / 4
        return BASE + r.randrange(0, 120000) * 1000

    def stream(self, name, late):
        r, rows, at = self.rnd, [], 0
        columns = COLUMNS[:1] + [c for c in COLUMNS[1:7] if self.chance(0.75)] + COLUMNS[7:8] + COLUMNS[8:] * self.chance(0.3)
        nulls = r.choice([0, 0.1, 0.4])
        step = r.choice([10, 300, 1000, 5000])
        spread = r.choice([0, 1000, 5000, 20000])
        for i in range(r.choice([0, 1, 3, 20, 60, r.randrange(60, 300)])):
            if rows and self.chance(0.1):
                rows.append({**rows[-1], "id": i})
                continue
            at += r.randrange(0, step)
            row = {n: None if self.chance(nulls) else self.value(t, n in ("k", "g")) for n, t in columns}
            row["id"] = i
            if row["ts"] is not None:
                row["ts"] = BASE + max(0, at - (r.randrange(0, spread) if spread else 0)) * 1000
                if self.chance(0.1):  # times on the bounds of windows
                    row["ts"] -= row["ts"] % (r.choice([1, 5, 10]) * SECOND)
            rows.append(row)
        delay = r.choice([0, 1000, 3000, 10000]) * 1000 if late else None
        return Stream(name, columns, rows, "ts", delay)

    # --- expressions over columns [(name, type)] ---

    def pick(self, columns, type_):
        names = [n for n, t in columns if t == type_]
        return col(self.rnd.choice(names), type_) if names else None

    def expr(self, columns, type_, depth=2):
        r = self.rnd
        leaf = self.pick(columns, type_) if self.chance(0.8) else None
        if depth <= 0 or self.chance(0.3):
            return leaf or lit(None if self.chance(0.08) else self.constant(type_), type_)
        if self.chance(0.15):
            return self.general(columns, type_, depth - 1)
        return getattr(self, "draw_" + type_)(columns, depth - 1)

    def constant(self, type_):
        if type_ in ("int4", "int8"):
            return self.rnd.randrange(-10, 30)
        return self.value(type_)

    def general(self, c, type_, d):
        """What every type has."""
        kind = self.rnd.choice(["case", "coalesce", "nullif", "case", "greatest", "least"])
        if kind == "case":
            args = []
            for _ in range(self.rnd.choice([1, 1, 2])):
                args += [self.expr(c, "bool", d), self.expr(c, type_, d)]
            return Expr("case", type_, *args, self.expr(c, type_, d))
        if kind == "nullif":
            return Expr("nullif", type_, self.expr(c, type_, d), self.expr(c, type_, d))
        if type_ == "bool":
            kind = "coalesce"
        return Expr(kind, type_, *[self.expr(c, type_, d) for _ in range(self.rnd.choice([2, 2, 3]))])

    def draw_int4(self, c, d):
        kind = self.rnd.randrange(8)
        if kind == 0:
            return Expr("length", "int4", self.expr(c, "text", d))
        if kind == 1:
            return Expr("strpos", "int4", self.expr(c, "text", d), lit(self.rnd.choice(["a", "b", "_", "te"]), "text"))
        if kind == 2:
            return Expr("cast", "int4", self.expr(c, "bool", d))
        return self.whole(c, "int4", d)

    def draw_int8(self, c, d):
        if self.chance(0.12):
            source = self.rnd.choice(["numeric", "float8", "int4"])
            return Expr("cast", "int8", self.expr(c, source, d))
        return self.whole(c, "int8", d)

    def whole(self, c, type_, d):
        kind = self.rnd.randrange(7)
        left = self.expr(c, type_, d)
        if kind == 0:
            return Expr("abs", type_, left)
        if kind == 1:
            return Expr("-", type_, left)
        if kind == 2:
            divisor = lit(self.rnd.choice([2, 3, 7, -4]), type_)
            if self.chance(0.5):
                divisor = Expr("nullif", type_, self.expr(c, type_, d), lit(0, type_))
            return Expr(self.rnd.choice("/%"), type_, left, divisor)
        right = self.expr(c, type_ if type_ == "int4" or self.chance(0.7) else "int4", d)
        return Expr(self.rnd.choice("+-*"), type_, left, right)

    def draw_numeric(self, c, d):
        kind = self.rnd.randrange(9)
        left = self.expr(c, "numeric", d)
        if kind == 0:
            return Expr(self.rnd.choice(["abs", "floor", "ceil", "trunc", "sign", "-"]), "numeric", left)
        if kind == 1:
            return Expr("round", "numeric", left, lit(self.rnd.randrange(0, 4), "int4"))
        if kind == 2:
            return Expr(self.rnd.choice("/%"), "numeric", left, lit(self.rnd.choice([Decimal("3"), Decimal("0.7"), Decimal("-12.25")]), "numeric"))
        if kind == 3:
            return Expr("cast", "numeric", self.expr(c, self.rnd.choice(["int4", "int8"]), d))
        if kind == 4:
            return Expr("epoch", "numeric", self.expr(c, "time", d))
        right = self.expr(c, self.rnd.choice(["numeric", "numeric", "int8"]), d)
        return Expr(self.rnd.choice("+-*"), "numeric", left, right)

    def draw_float8(self, c, d):
        if self.chance(0.3):
            return Expr("cast", "float8", self.expr(c, self.rnd.choice(["int4", "int8", "numeric"]), d))
        if self.chance(0.3):
            return Expr(self.rnd.choice(["abs", "-"]), "float8", self.expr(c, "float8", d))
        return Expr(self.rnd.choice("+-*"), "float8", self.expr(c, "float8", d), self.expr(c, self.rnd.choice(["float8", "int4"]), d))

    def draw_text(self, c, d):
        r, kind = self.rnd, self.rnd.randrange(9)
        left = self.expr(c, "text", d)
        if kind == 0:
            return Expr("substr", "text", left, lit(r.randrange(1, 4), "int4"), lit(r.randrange(0, 4), "int4"))
        if kind == 1:
            return Expr("left", "text", left, lit(r.randrange(0, 4), "int4"))
        if kind == 2:
            return Expr("replace", "text", left, lit(r.choice(["a", "b", "x"]), "text"), lit(r.choice(["", "zz"]), "text"))
        if kind == 3:
            return Expr("concat", "text", left, self.expr(c, r.choice(["int4", "numeric", "bool", "text"]), d))
        if kind == 4:
            return Expr("cast", "text", self.expr(c, r.choice(["int4", "int8", "numeric", "bool"]), d))
        if kind < 7:
            return Expr(r.choice(["lower", "upper", "reverse"]), "text", left)
        return Expr("||", "text", left, self.expr(c, "text", d))

    def draw_bool(self, c, d):
        r, kind = self.rnd, self.rnd.randrange(12)
        if kind < 2:
            return Expr(r.choice(["and", "or"]), "bool", *[self.expr(c, "bool", d) for _ in range(r.choice([2, 2, 3]))])
        if kind == 2:
            return Expr("not", "bool", self.expr(c, "bool", d))
        t = r.choice(["text", "int4", "int8", "numeric", "float8", "time", "bool"])
        if kind == 3:
            return Expr(r.choice(["is null", "is not null"]), "bool", self.expr(c, t, d))
        if kind == 4:
            return Expr("like", "bool", self.expr(c, "text", d), lit(r.choice(["a%", "%b", "_", "%e%", "a_", "%", ""]), "text"))
        if kind == 5:
            return Expr("in", "bool", self.expr(c, t, d), *[lit(None if self.chance(0.1) else self.value(t, True), t) for _ in range(r.choice([1, 2, 4]))])
        if kind == 6:
            return Expr("between", "bool", *[self.expr(c, t, d) for _ in range(3)])
        if kind == 7:
            return Expr("distinct", "bool", self.expr(c, t, d), self.expr(c, t, d))
        if kind == 8:
            return Expr("is true", "bool", self.expr(c, "bool", d))
        u = t if t not in NUMBERS or self.chance(0.6) else r.choice(NUMBERS)
        return Expr(r.choice(["=", "<>", "<", "<=", ">", ">="]), "bool", self.expr(c, t, d), self.expr(c, u, d))

    def draw_time(self, c, d):
        if self.chance(0.3):
            return Expr("date_trunc", "time", lit(self.rnd.choice(["second", "minute", "hour"]), "text"), self.expr(c, "time", d))
        return Expr(self.rnd.choice("+-"), "time", self.expr(c, "time", d), lit(self.rnd.choice(SIZES) * SECOND, "interval"))

    # --- queries ---

    def call(self, c, distinct_ok=True):
        r = self.rnd
        name = r.choice(["count", "count", "sum", "sum", "avg", "min", "max", "bool_and", "bool_or", "stddev", "variance", "var_pop", "stddev_pop"])
        where = self.expr(c, "bool", 1) if self.chance(0.25) else None
        if name == "count" and self.chance(0.6):
            return Agg("count", "int8", None, False, where)
        if name in ("bool_and", "bool_or"):
            return Agg(name, "bool", self.expr(c, "bool", 1), False, where)
        if name in ("count", "min", "max"):
            t = r.choice([t for _, t in c if name == "count" or t != "bool"])
            arg = self.pick(c, t) if self.chance(0.6) else self.expr(c, t, 1)
            return Agg(name, "int8" if name == "count" else t, arg, name == "count" and self.chance(0.5), where)
        t = r.choice(NUMBERS)
        arg = self.expr(c, t, 1)
        types = {"int4": "int8", "int8": "numeric"} if name == "sum" else {"int4": "numeric", "int8": "numeric"}
        distinct = name in ("sum", "avg") and t != "float8" and self.chance(0.15)
        return Agg(name, types.get(t, t), arg, distinct, where)

    def calls(self, c):
        return [("a%d" % i, self.call(c)) for i in range(self.rnd.choice([1, 2, 3]))]

    def keys(self, c, most=2):
        out = []
        for i in range(self.rnd.randrange(0, most + 1)):
            t = self.rnd.choice(["text", "int8", "bool", "numeric", "int4"])
            e = self.pick(c, t)
            if e is None or self.chance(0.2):
                e = Expr("%", "int8", col("id", "int8"), lit(3, "int8")) if ("id", "int8") in c else None
            if e is not None:
                out.append(("k%d" % i, e))
        return out

    def having(self, group):
        names = [(n, a.type) for n, a in group.calls]
        group.having = self.draw_bool(names, 1)
        return group

    def where(self, c, p=0.4):
        return self.expr(c, "bool", 2) if self.chance(p) else None

    def base(self, stream):
        """A stream, or a selection of it that keeps its time."""
        if self.chance(0.6):
            return Table(stream), stream.columns
        keep = [c for c in stream.columns if c[0] in ("id", "ts") or self.chance(0.7)]
        items = [(n, col(n, t)) for n, t in keep if n != "ts"]
        ts = col("ts", "time")
        items.append(("ts", ts if self.chance(0.6) else Expr(self.rnd.choice("+-"), "time", ts, lit(self.rnd.choice(SIZES) * SECOND, "interval"))))
        return Select(Table(stream), items, self.where(stream.columns)), [(n, e.type) for n, e in items]

    def window(self, source, c):
        r = self.rnd
        time = "other" if ("other", "time") in c and self.chance(0.15) else "ts"
        kind = r.choice(["tumble", "tumble", "hop", "hop", "cumulate"])
        size = r.choice(SIZES) * SECOND
        slide = size if kind == "tumble" else r.choice([s for s in SIZES if s * SECOND <= size and size // s <= 20 * SECOND]) * SECOND
        if kind == "cumulate":
            slide = size // r.choice([d for d in (1, 2, 3, 4, 5, 10) if size % d == 0])
        return Window(kind, source, time, slide, size), c + [("window_start", "time"), ("window_end", "time")]

    def window_keys(self, w):
        """Both bounds, or the one that tells windows apart: those of cumulate share their start."""
        keys = [(n, col(n, "time")) for n in ("window_start", "window_end")]
        return keys if w.kind == "cumulate" else self.rnd.choice([keys, keys[:1], keys[1:], keys])

    def query_select(self, s):
        source, c = self.base(s[0])
        types = [t for _, t in COLUMNS]
        items = [("c%d" % i, self.expr(c, self.rnd.choice(types), 3)) for i in range(self.rnd.choice([1, 2, 4]))]
        return Select(source, items, self.where(c, 0.6), self.chance(0.15))

    def query_group(self, s):
        source, c = self.base(s[0])
        g = Group(source, self.keys(c), self.calls(c), self.where(c))
        return self.having(g) if self.chance(0.25) else g

    def query_window(self, s):
        source, c = self.base(s[0])
        w, c = self.window(source, c)
        g = Group(w, self.window_keys(w) + self.keys(c), self.calls(c), self.where(c, 0.25))
        return self.having(g) if self.chance(0.2) else g

    def query_session(self, s):
        source, c = self.base(s[0])
        keys = [k for k in ("k", "g") if any(k == n for n, _ in c) and self.chance(0.5)]
        w = Session(source, "ts", self.rnd.choice(SIZES) * SECOND, keys)
        named = [(n, col(n, t)) for n, t in c if n in keys]
        bounds = [(n, col(n, "time")) for n in ("window_start", "window_end")]
        return Group(w, bounds + named, self.calls(c), None)

    def query_cascade(self, s):
        """Windows over windows: per key, then over all keys of a window."""
        source, c = self.base(s[0])
        w, c = self.window(source, c)
        inner = Group(w, [(n, col(n, "time")) for n in ("window_start", "window_end")] + self.keys(c, 1), self.calls(c))
        names = [(n, e.type) for n, e in inner.keys] + [(n, a.type) for n, a in inner.calls]
        return Group(inner, [("window_start", col("window_start", "time"))], self.calls(names))

    def query_join(self, s):
        """Two windowed aggregates of the same windows, joined on the window and maybe a key."""
        a, b = s[0], s[1]
        w, c = self.window(Table(a), a.columns)
        v, d = Window(w.kind, Table(b), "ts", w.slide, w.size), b.columns
        w.time = "ts"
        bounds = [(n, col(n, "time")) for n in ("window_start", "window_end")]
        shared = [n for n, t in a.columns if (n, t) in b.columns and n in ("k", "g")]
        key = [(n, col(n, dict(a.columns)[n])) for n in shared[:1] if self.chance(0.7)]
        left, right = Group(w, bounds + key, self.calls(a.columns)), Group(v, bounds + key, self.calls(d))
        on = [(n, n) for n, _ in bounds + key]
        j = Join(self.rnd.choice(["inner", "inner", "left", "right", "full"]), left, right, on)
        items = [("o%d" % i, col(side + "." + n, x.type)) for i, (side, n, x) in enumerate(
            [("l", n, x) for n, x in left.keys + left.calls] + [("r", n, x) for n, x in right.keys + right.calls])]
        return Select(j, items)

    def query_plain_join(self, s):
        """Two bounded inputs, joined on keys."""
        a, b = s[0], s[1]
        shared = [n for n, t in a.columns if (n, t) in b.columns and n in ("k", "g", "i", "id")]
        on = [(n, n) for n in self.rnd.sample(shared, min(len(shared), self.rnd.choice([1, 1, 2])))]
        j = Join(self.rnd.choice(["inner", "inner", "left", "right", "full"]), Table(a), Table(b), on)
        c = [("l." + n, t) for n, t in a.columns] + [("r." + n, t) for n, t in b.columns]
        if self.chance(0.4):
            return Group(j, self.keys(c), self.calls(c))
        return Select(j, [("c%d" % i, self.expr(c, self.rnd.choice([t for _, t in c]), 1)) for i in range(3)], self.where(c, 0.3))

    def query_union(self, s):
        c = [x for x in s[0].columns if x in s[1].columns]
        parts = [Select(Table(x), [(n, col(n, t)) for n, t in c], self.where(x.columns, 0.3)) for x in s[:2]]
        u = Union(*parts)
        if s[0].delay is None and s[1].delay is None and self.chance(0.7):
            w, c = self.window(u, c)
            return Group(w, self.window_keys(w) + self.keys(c), self.calls(c))
        return Group(u, self.keys(c), self.calls(c)) if self.chance(0.5) else u

    def query(self, streams, kinds):
        s = list(streams)
        self.rnd.shuffle(s)
        kind = self.rnd.choice(kinds)
        q = getattr(self, "query_" + kind)(s)
        return kind, q

    def sorted(self, q, columns):
        keys = [(n, self.chance(0.4), self.chance(0.5)) for n, _ in columns]
        self.rnd.shuffle(keys)
        return Sort(q, keys, self.rnd.choice([None, 1, 5, 10]), self.rnd.choice([None, None, 2]))
