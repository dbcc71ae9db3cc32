"""property_wide.py -- queries whose answers change as rows come: joins, grouping, sets, subqueries, ranks, one on top of the other.

A relation is drawn as (tree, columns [(name, type)]); what it reads may be a stream, an earlier query of the round (by its name:
a view on a view) or a relation drawn on the spot.  Values stay small and of one scale, so that no row fails on the way to the
answer and no answer hangs on the order of rows.
"""
from decimal import Decimal

from property_draw import BASE, Draw, SIZES, col, lit
from reference import Agg, Expr, SECOND
from relations import First, Group, Join, Over, Select, SetOp, Sort, Stream, Table, View

COLUMNS = [("id", "int8"), ("k", "text"), ("g", "int8"), ("i", "int4"), ("n", "numeric"), ("f", "float8"), ("b", "bool"), ("ts", "time")]
KINDS = ["group", "group", "sets", "distinct", "setop", "join", "join", "interval", "semi", "scalar", "rank", "over", "first", "top",
         "window", "select"]
KEYS = ("text", "int8", "bool", "numeric", "float8", "int4")


def kept(node):
    """Read once, however often a subquery asks."""
    return View(None, node) if not isinstance(node, (Table, View)) else node


class Wide(Draw):
    def __init__(self, rnd):
        super().__init__(rnd)
        self.views, self.numbers = [], 0

    # --- streams ---

    def value(self, type_, narrow=False):
        r = self.rnd
        if type_ == "float8":
            return r.choice([0.0, 0.25, 1.5, -2.0, 100.75])
        if type_ == "numeric":
            return Decimal(r.choice([r.randrange(-300, 300), r.randrange(-3, 4) * 100])).scaleb(-2)
        if type_ == "text":
            return r.choice(["a", "b", "c", "B", "", "\u6c34\u306e", "quite long text here"])
        if type_ in ("int4", "int8"):
            return r.randrange(0, 5) if narrow else r.choice([r.randrange(-20, 100), r.randrange(-3, 4)])
        return super().value(type_, narrow)

    def stream(self, name, late=False):
        r, rows, at, worst, top = self.rnd, [], 0, 0, None
        columns = COLUMNS[:1] + [c for c in COLUMNS[1:7] if self.chance(0.8)] + COLUMNS[7:]
        nulls, step, spread = r.choice([0, 0.1, 0.4]), r.choice([10, 300, 1000, 5000]), r.choice([0, 1000, 5000, 20000])
        grain = r.choice([1, 1, 500, 1000]) * 1000  # whole seconds meet bounds exactly
        for i in range(r.choice([0, 3, 8, 20, 30, 40, 60, 60, 100])):
            if rows and self.chance(0.15):
                rows.append({**rows[-1], "id": i if self.chance(0.5) else rows[-1]["id"]})
                continue
            at += r.randrange(0, step)
            row = {n: None if self.chance(nulls) else self.value(t, n in ("k", "g")) for n, t in columns}
            row["id"] = i
            if row["ts"] is not None:
                row["ts"] = BASE + max(0, at - (r.randrange(0, spread) if spread else 0)) * 1000
                row["ts"] -= row["ts"] % grain
                top = max(top or 0, row["ts"])
                worst = max(worst, top - row["ts"])
            rows.append(row)
        stream = Stream(name, columns, rows, "ts", None)
        if self.chance(0.35):
            return self.keyed(stream)
        stream.tight = worst + r.choice([0, 0, 1000, 10000]) * 1000  # a watermark that makes no row late, and moves
        return stream

    def keyed(self, stream):
        """Rows that replace each other by id, and go: `log` is what comes, the rows are what stands at the end."""
        r, stands = self.rnd, {}
        stream.log, stream.tight = [], 3600 * SECOND  # an old row behind the watermark would be late
        most = max(1, len(stream.rows) // r.choice([1, 2, 4]))
        for row in stream.rows:
            row = {**row, "id": r.randrange(most)}
            stream.log.append((r.choice([None, None, "+", "c", "u"]), row))
            stands[row["id"]] = row
            if self.chance(0.25):
                gone = r.choice(list(stands) + [r.randrange(most)])
                stream.log.append((r.choice("-d"), {"id": gone} if self.chance(0.5) else stands.get(gone, {"id": gone})))
                stands.pop(gone, None)
        stream.rows = list(stands.values())
        return stream

    # --- expressions ---

    def draw_float8(self, c, d):
        return self.pick(c, "float8") or lit(self.value("float8"), "float8")

    def draw_text(self, c, d):
        if self.chance(0.3):
            return Expr("cast", "text", self.expr(c, self.rnd.choice(["int4", "int8", "bool"]), d))
        e = super().draw_text(c, d)
        shown = [a.type for a in e.args if e.op in ("cast", "concat")]
        return e if "numeric" not in shown else self.pick(c, "text") or lit("a", "text")

    def draw_numeric(self, c, d):
        return self.pick(c, "numeric") or super().draw_numeric(c, d)

    def call(self, c, distinct_ok=True):
        r = self.rnd
        name = r.choice(["count", "count", "sum", "sum", "avg", "min", "max", "min", "max", "bool_and", "bool_or", "stddev", "var_pop"])
        where = self.expr(c, "bool", 1) if self.chance(0.2) else None
        if name == "count" and self.chance(0.5):
            return Agg("count", "int8", None, False, where)
        types = [t for _, t in c]
        if name in ("bool_and", "bool_or"):
            return Agg(name, "bool", self.expr(c, "bool", 1), False, where)
        if name in ("count", "min", "max"):
            t = r.choice([t for t in types if name == "count" or t != "bool"] or ["int8"])
            return Agg(name, "int8" if name == "count" else t, self.pick(c, t) or lit(1, t), name == "count" and self.chance(0.4), where)
        t = r.choice(["int4", "int8", "numeric"])
        arg = self.pick(c, t) if self.chance(0.7) else None
        arg = arg or self.expr(c, t, 1)
        named = {"int4": "int8", "int8": "numeric"} if name == "sum" else {"int4": "numeric", "int8": "numeric"}
        return Agg(name, named.get(t, t), arg, name in ("sum", "avg") and self.chance(0.15), where)

    # --- relations ---

    def fresh(self, word):
        """A column's name that no relation below has."""
        self.numbers += 1
        return "%s%d" % (word, self.numbers)

    def relation(self, depth):
        """Something to read from."""
        r = self.rnd.random()
        if depth > 0 and r < 0.3:
            return self.drawn(self.rnd.choice(["group", "distinct", "setop", "join", "select", "semi", "first", "rank", "window"]), depth - 1)
        if self.views and r < 0.55:
            return self.rnd.choice(self.views)
        s = self.rnd.choice(self.streams)
        if self.chance(0.25):
            items = [(n, col(n, t)) for n, t in s.columns if n == "id" or self.chance(0.7)]
            return Select(Table(s), items, self.expr(s.columns, "bool", 1)), [(n, e.type) for n, e in items]
        return Table(s), s.columns

    def drawn(self, kind, depth):
        return getattr(self, "wide_" + kind)(depth)

    def plain_keys(self, c, most):
        """Columns to group by, under their names."""
        names = [(n, t) for n, t in c if t in KEYS]
        self.rnd.shuffle(names)
        return [("k%d" % i, col(n, t)) for i, (n, t) in enumerate(names[:self.rnd.randrange(0, most + 1)])]

    def named(self, group):
        return group, [(n, e.type) for n, e in group.keys] + [(n, a.type) for n, a in group.calls]

    def wide_select(self, depth):
        source, c = self.relation(depth)
        items = [("c%d" % i, self.expr(c, self.rnd.choice([t for _, t in c]), 2)) for i in range(self.rnd.choice([1, 2, 4]))]
        return Select(source, items, self.where(c, 0.6)), [(n, e.type) for n, e in items]

    def wide_group(self, depth):
        source, c = self.relation(depth)
        g = Group(source, self.plain_keys(c, 2) or self.keys(c), self.calls(c), self.where(c, 0.3))
        return self.named(self.having(g) if self.chance(0.25) else g)

    def wide_sets(self, depth):
        source, c = self.relation(depth)
        g = Group(source, self.plain_keys(c, 3), self.calls(c), self.where(c, 0.2))
        names = [n for n, _ in g.keys]
        g.sets = [[n for n in names if self.chance(0.5)] for _ in range(self.rnd.randrange(1, 4))]
        if any(n not in sum(g.sets, []) for n in names):
            g.sets.append(names)
        return self.named(g)

    def wide_distinct(self, depth):
        source, c = self.relation(depth)
        items = [("c%d" % i, e) for i, (_, e) in enumerate(self.plain_keys(c, 3))] or [("c0", self.expr(c, "int8", 1))]
        return Select(source, items, self.where(c, 0.3), True), [(n, e.type) for n, e in items]

    def wide_setop(self, depth):
        types = self.rnd.choice([["text"], ["int8"], ["text", "int8"], ["int8", "bool"], ["numeric"], ["int4", "text"]])

        def part(d):
            source, c = self.relation(d)
            items = [("c%d" % i, self.pick(c, t) or self.expr(c, t, 1)) for i, t in enumerate(types)]
            return Select(source, items, self.where(c, 0.3))
        node = part(depth)
        for _ in range(self.rnd.choice([1, 1, 2])):
            node = SetOp(self.rnd.choice(["union", "intersect", "except"]), self.chance(0.5), node, part(depth - 1))
        return node, [("c%d" % i, t) for i, t in enumerate(types)]

    def on(self, c, d, most=2):
        """Pairs of columns of one type."""
        pairs = [(n, m) for n, t in c for m, u in d if t == u and t in KEYS and (n == m or self.chance(0.2))]
        self.rnd.shuffle(pairs)
        return pairs[:self.rnd.randrange(1, most + 1)]

    def over_join(self, j, c, depth):
        if self.chance(0.3):
            return self.named(Group(j, self.plain_keys(c, 2), self.calls(c), self.where(c, 0.2)))
        picks = self.rnd.sample(c, min(len(c), self.rnd.choice([2, 3, 5])))
        items = [("c%d" % i, col(n, t) if self.chance(0.8) else self.expr(c, t, 1)) for i, (n, t) in enumerate(picks)]
        return Select(j, items, self.where(c, 0.25)), [(n, e.type) for n, e in items]

    def wide_join(self, depth):
        left, c = self.relation(depth)
        right, d = self.relation(depth - 1)
        on = self.on(c, d)
        both = [("l." + n, t) for n, t in c] + [("r." + n, t) for n, t in d]
        kind = self.rnd.choice(["inner", "inner", "left", "right", "full"])
        if not on:
            kind = "cross"
        residual = self.expr(both, "bool", 1) if on and self.chance(0.3) and kind != "full" else None
        return self.over_join(Join(kind, left, right, on, residual), both, depth)

    def timed(self):
        """Something with a time: a stream, or a view that has one, rows that change among them."""
        views = [(v, c) for v, c in self.views if any(t == "time" for _, t in c)]
        if views and self.chance(0.3):
            return self.rnd.choice(views)
        s = self.rnd.choice(self.streams)
        return Table(s), s.columns

    def wide_interval(self, depth):
        """l.TIME within a span of r.TIME, on keys or not."""
        (a, c), (b, d) = self.timed(), self.timed()
        lt, rt = (self.rnd.choice([n for n, t in x if t == "time"]) for x in (c, d))
        both = [("l." + n, t) for n, t in c] + [("r." + n, t) for n, t in d]
        spans = [0, 0, 1, 2, 3, 5, 10, 30]
        before, after = self.rnd.choice(spans) * SECOND, self.rnd.choice(spans) * SECOND
        r = col("r." + rt, "time")
        bound = Expr("between", "bool", col("l." + lt, "time"), Expr("-", "time", r, lit(before, "interval")), Expr("+", "time", r, lit(after, "interval")))
        on = self.on(c, d) if self.chance(0.85) else []
        kind = self.rnd.choice(["inner", "inner", "left", "right", "full"]) if on else "inner"
        return self.over_join(Join(kind, a, b, on, bound), both, depth)

    def subrelation(self, depth, c):
        """(relation, its columns, a condition of its rows that ties them to the rows around or None)."""
        inner, d = self.relation(depth - 1)
        inner = kept(inner)
        pairs = self.on(d, c, 1)
        tied = None
        if pairs and self.chance(0.75):
            n, m = pairs[0]
            tied = Expr("=", "bool", col(n, dict(d)[n]), Expr("outer", dict(c)[m], value=m))
        own = self.expr(d, "bool", 1) if self.chance(0.3) else None
        both = [e for e in (tied, own) if e is not None]
        return inner, d, Expr("and", "bool", *both) if len(both) == 2 else both[0] if both else None

    def question(self, c, depth):
        """A condition with a subquery in it."""
        inner, d, where = self.subrelation(depth, c)
        kind = self.rnd.choice(["exists", "exists", "in_query", "in_query", "quantified"])
        if kind == "exists":
            e = Expr("exists", "bool", value=Select(inner, [("one", lit(1, "int4"))], where, False, "u"))
        else:
            pairs = self.on(d, c, 1)
            n, m = pairs[0] if pairs else (d[0][0], None)
            t = dict(d)[n]
            left = col(m, t) if m else lit(self.value(t), t)
            query = Select(inner, [("one", col(n, t))], where, False, "u")
            word = (self.rnd.choice(["<", ">=", "<>", "="]), self.rnd.choice(["any", "all"]), query)
            e = Expr(kind, "bool", left, value=query if kind == "in_query" else word)
        return Expr("not", "bool", e) if self.chance(0.4) else e

    def wide_semi(self, depth):
        source, c = self.relation(depth)
        where = self.question(c, depth)
        if self.chance(0.3):
            where = Expr(self.rnd.choice(["and", "and", "or"]), "bool", where, self.expr(c, "bool", 1) if self.chance(0.7) else self.question(c, depth))
        picks = self.rnd.sample(c, min(len(c), 3))
        return Select(source, [("c%d" % i, col(n, t)) for i, (n, t) in enumerate(picks)], where), [("c%d" % i, t) for i, (_, t) in enumerate(picks)]

    def wide_scalar(self, depth):
        source, c = self.relation(depth)
        inner, d, where = self.subrelation(depth, c)
        call = self.call(d)
        group = Group(inner, [], [("one", call)], where)
        group.alias = "u"
        e = Expr("scalar_query", call.type, value=group)
        picks = self.rnd.sample(c, min(len(c), 2))
        items = [("c%d" % i, col(n, t)) for i, (n, t) in enumerate(picks)]
        if self.chance(0.5):
            items.append((self.fresh("s"), e))
            return Select(source, items, self.where(c, 0.2)), [(n, x.type) for n, x in items]
        t = call.type
        other = self.pick(c, t) or lit(self.constant(t), t)
        where = Expr(self.rnd.choice(["=", "<", ">=", "<>"]), "bool", other, e)
        return Select(source, items, where), [(n, x.type) for n, x in items]

    def order(self, c, first=()):
        """A total order: every column, those of `first` before."""
        rest = [n for n, _ in c if n not in first]
        self.rnd.shuffle(rest)
        return [(n, self.chance(0.4), self.chance(0.5)) for n in list(first) + rest]

    def partition(self, c):
        names = [n for n, t in c if t in KEYS and n != "id"]
        self.rnd.shuffle(names)
        return names[:self.rnd.choice([0, 1, 1, 1, 2])]

    def wide_rank(self, depth):
        """The first n of each group."""
        source, c = self.relation(depth)
        function = self.rnd.choice(["row_number", "row_number", "rank", "dense_rank"])
        order = self.order(c)
        if function != "row_number":  # few values, so that rows tie
            order = ([o for o in order if dict(c)[o[0]] in ("text", "bool", "float8", "int4") or o[0] == "g"] or order)[:self.rnd.choice([1, 1, 2])]
        nth = self.fresh("nth")
        over = Over(source, [(nth, function, "int8", None, self.partition(c), order, None)])
        items = [(n, col(n, t)) for n, t in c if self.chance(0.8)] or [(c[0][0], col(*c[0]))]
        items += [(nth, col(nth, "int8"))] * self.chance(0.5 if function == "row_number" else 0.8)
        n = lit(self.rnd.choice([1, 1, 2, 3, 10]), "int8")
        return Select(over, items, Expr(self.rnd.choice(["<=", "<=", "<", "="]), "bool", col(nth, "int8"), n)), [(n, e.type) for n, e in items]

    def wide_over(self, depth):
        source, c = self.relation(depth)
        calls, told_apart = [], False  # equal rows are told apart by one call alone: two could do it differently
        for i in range(self.rnd.choice([1, 1, 2])):
            functions = ["rank", "dense_rank", "sum", "count", "min", "max", "avg"] + ["row_number", "lag", "lead"] * (not told_apart)
            function = self.rnd.choice(functions)
            order, frame, arg, type_ = self.order(c), None, None, "int8"
            if function in ("lag", "lead"):
                n, type_ = self.rnd.choice(c)
                arg = col(n, type_)
            elif function in ("sum", "avg", "min", "max"):
                t = self.rnd.choice([t for _, t in c if t in ("int4", "int8", "numeric")] or ["int8"])
                arg = self.pick(c, t) or lit(1, t)
                type_ = {"sum": {"int4": "int8"}.get(t, "numeric"), "avg": "numeric"}.get(function, t)
            elif function in ("rank", "dense_rank"):
                order = order[:1]
            if function in ("sum", "avg", "min", "max", "count"):
                frame = self.rnd.choice([None, None, (None, 0), (2, 0), (1, 1), (0, None)]) if not told_apart else None
                if frame is None:
                    order = order[:self.rnd.randrange(0, 3)]
                    if not order:
                        frame = (None, None) if self.chance(0.2) else None
            told_apart = told_apart or frame is not None or function in ("row_number", "lag", "lead")
            calls.append((self.fresh("w"), function, type_, arg, self.partition(c), order, frame))
        return Over(source, calls), c + [(x[0], x[2]) for x in calls]

    def wide_first(self, depth):
        source, c = self.relation(depth)
        on = self.partition(c) or [c[0][0]]
        return First(source, on, self.order(c, on)), c

    def wide_top(self, depth):
        source, c = self.relation(depth)
        items = [(n, col(n, t)) for n, t in c]
        return Sort(Select(source, items, self.where(c, 0.3)), self.order(c), self.rnd.choice([1, 3, 10]), self.rnd.choice([None, None, 2])), c

    def wide_window(self, depth):
        s = self.rnd.choice(self.streams)
        w, c = self.window(Table(s), s.columns)
        w.time = "ts"
        g = Group(w, self.window_keys(w) + self.plain_keys(s.columns, 1), self.calls(s.columns))
        return self.named(g)

    def query(self, streams, kinds):
        """(kind, tree, columns)."""
        self.streams = streams
        kind = self.rnd.choice(kinds)
        return (kind,) + self.drawn(kind, self.rnd.choice([0, 0, 1, 1, 2]))
