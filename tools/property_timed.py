"""property_timed.py -- queries that go by time or by the order of arrival, and views on them: as-of joins, lookups, dedup, conditions on
now(), ttl, window functions in the order of event time, sessions, interval joins, ordered-set aggregates, first rows with ties.

A round has a schedule, drawn before its queries: in which steps the rows come, and when the clock is moved.  Each query has two
answers: of what is all there (`weir query`, PostgreSQL), and of what came in those steps (`weir test`).  They differ only where the
documentation says so: by ttl, in a lookup, where late rows correct.  What the rows leave open (reference.Ambiguous) is drawn again.
"""
from property_draw import BASE, SIZES, col, lit
from property_wide import KEYS, Wide, kept
from reference import Agg, Expr, SECOND
from relations import First, Group, Join, Over, Select, Session, SetOp, Sort, Table, TooMany, Union, View, WORLD, Window, standing
from timed import AsOf, AsOfVersions, Bucket, Corrected, Dedup, Lookup, Rolling, Versions

KINDS = ["asof", "asof", "asof", "versions", "versions", "lookup", "lookup", "lookup", "moving", "moving", "moving", "ttl", "ttl", "ttl", "dedup", "dedup",
         "rolling", "rolling", "session", "interval", "interval", "trunc", "window", "ties", "ties", "group", "group", "group",
         "join", "first", "rank", "over", "semi", "setop", "sets", "select"]
LATE = ["dedup", "dedup", "rolling", "rolling", "trunc", "window", "session", "corrected", "ttl"]
INLINE = ["group", "distinct", "setop", "join", "select", "semi", "first", "rank", "window", "ties", "top", "dedup", "asof"]
FRACTIONS = [0, 0.25, 0.5, 0.75, 1]


# --- what is known of a relation ---

class Facts:
    """insert: no row is taken back; times: columns with a watermark; prompt: what it gives, it gives in the step that brings the
    rows; streams: the names of those it reads."""

    def __init__(self, insert, times, prompt, streams):
        self.insert, self.times, self.prompt, self.streams = insert, times, prompt, streams


def below(e):
    """The relations of subqueries in an expression."""
    if e is None:
        return []
    own = [e.value] if e.op in ("exists", "in_query", "scalar_query") else [e.value[2]] if e.op == "quantified" else []
    return own + [r for a in e.args for r in below(a)]


def moves(e):
    return e is not None and (e.op == "now" or any(map(moves, e.args)))


def reads(e):
    """The columns an expression reads."""
    if e is None:
        return set()
    return {e.value} if e.op == "col" else set().union(*map(reads, e.args))


def conjuncts(e):
    return [x for a in e.args for x in conjuncts(a)] if e.op == "and" else [e]


def changes(*parts):
    return Facts(False, [], all(p.prompt for p in parts), set().union(*(p.streams for p in parts)))


def select_facts(q):
    f = facts(q.source)
    inner = [facts(r) for e in [q.where] + [e for _, e in q.items] for r in below(e)]
    if inner or q.distinct or moves(q.where):
        out = changes(f, *inner)
        out.prompt = out.prompt and not moves(q.where)
        return out
    times = []
    for n, e in q.items:
        base = e.args[0] if e.op in ("+", "-") and e.type == "time" else e
        if base.op == "col" and base.value in f.times:
            times.append(n)
    return Facts(f.insert, times, f.prompt, f.streams)


def join_facts(q):
    f, g = facts(q.left), facts(q.right)
    if isinstance(q, AsOf):
        return Facts(True, ["l." + q.lt], False, f.streams | g.streams)
    if isinstance(q, Lookup):
        return Facts(True, ["l." + n for n in f.times], False, f.streams | g.streams)
    if getattr(q, "bound", None) is None or not (f.insert and g.insert):
        return changes(f, g)
    return Facts(True, ["l." + q.bound[0], "r." + q.bound[1]], q.kind == "inner" and f.prompt and g.prompt, f.streams | g.streams)


def facts(q):
    if isinstance(q, Table):
        keyed = hasattr(q.stream, "log")
        return Facts(not keyed, [] if keyed else [q.stream.time], True, {q.stream.name})
    if isinstance(q, View):
        if q.name is not None and getattr(q, "final", False):
            f = facts(q.query.source.source)
            bounds = ("window_start", "window_end") if not isinstance(q.query.source, Session) else ("window_end",)
            times = [n for n, e in q.query.keys if e.op == "col" and e.value in bounds]
            return Facts(True, times, False, f.streams)
        f = facts(q.query)
        if isinstance(q.query, Group) and isinstance(q.query.source, (Window, Bucket)):
            f.prompt = q.name is not None and facts(q.query.source).prompt  # emit: changes is of a view's last step alone
        return f if not getattr(q, "forgets", False) else Facts(f.insert, f.times, False, f.streams)
    if isinstance(q, Select):
        return select_facts(q)
    if isinstance(q, AsOfVersions):
        f = facts(q.left)
        return Facts(True, ["l." + q.lt], False, f.streams | {q.right.stream.name})
    if isinstance(q, (Join, AsOf)):
        return join_facts(q)
    if isinstance(q, Union):
        parts = [facts(s) for s in q.sources]
        times = [n for n in parts[0].times if all(n in p.times for p in parts)]
        return Facts(all(p.insert for p in parts), times, all(p.prompt for p in parts), set().union(*(p.streams for p in parts)))
    if isinstance(q, SetOp):
        return changes(facts(q.left), facts(q.right))
    f = facts(q.query if isinstance(q, Corrected) else q.source)
    if isinstance(q, (Dedup, Rolling)):
        return Facts(True, [q.time], False, f.streams)  # rows wait for it: what else moved with the watermark is behind
    if isinstance(q, (Window, Bucket, Session)):
        return Facts(f.insert, f.times, f.prompt and not isinstance(q, Session), f.streams)
    inner = [facts(r) for r in below(getattr(q, "where", None))]
    out = changes(f, *inner)
    out.prompt = out.prompt and not moves(getattr(q, "where", None))
    if isinstance(q, Group) and (not q.keys or [] in (q.sets or []) or isinstance(q.source, (Window, Bucket))):
        out.prompt = False  # the answer of no rows has no moment of its own; a window within a view has its end
    if isinstance(q, First) and any(n in f.times for n in q.on):
        out.prompt = False  # the watermark ends it
    return out


# --- how the rows come ---

class Schedule:
    """steps: ("feed" or "together", [(stream, number of rows)]), ("restart",), ("workers", n), ("advance", ms).  clock, end: the
    moment at the beginning and after all steps, us."""

    def __init__(self, rnd, streams):
        self.one_slot, self.workers = rnd.random() < 0.3, rnd.choice([1, 2, 3])
        self.clock = self.end = BASE + rnd.randrange(0, 120) * SECOND // 2
        self.steps, self.came = [], {s.name: 0 for s in streams}
        self.feeds = {s.name: [] for s in streams}
        left = {s.name: len(s.log if hasattr(s, "log") else s.rows) for s in streams}
        sizes = rnd.choice([[1, 2, 10, 100], [1], [2, 5], [100]] if not self.one_slot else [[1, 10, 100], [100]])
        together, first = rnd.choice([0, 0, 0.3]), rnd.choice([None, None] + list(left))
        while any(left.values()):
            names = [first] if left.get(first) else [n for n in left if left[n]]
            many = len(names) > 1 and rnd.random() < together
            names = names if many else [rnd.choice(names)]
            self.feed([(n, min(left[n], rnd.choice(sizes))) for n in names], left)
            if rnd.random() < 0.1:
                self.steps.append(rnd.choice([("restart",), ("workers", rnd.choice([1, 2, 3, 4]))]))
            if rnd.random() < min(1, 8 / len(self.steps)) * 0.5:
                self.advance(rnd)
        for _ in range(rnd.choice([0, 1, 2])):
            self.advance(rnd)

    def feed(self, pieces, left):
        self.steps.append(("together" if len(pieces) > 1 else "feed", pieces))
        for n, count in pieces:
            self.feeds[n] += [dict(self.came) if len(pieces) == 1 else None] * count
            left[n] -= count
        for n, count in pieces:
            self.came[n] += count

    def advance(self, rnd):
        ms = rnd.choice([1, 500, 1000, 5000, 17000, 40000])
        self.steps.append(("advance", ms))
        self.end += ms * 1000


class Timed(Wide):
    def __init__(self, rnd):
        super().__init__(rnd)
        self.late = self.chance(0.15)

    # --- streams ---

    def all_streams(self):
        """Three; the first has no key, nor has any whose rows come late."""
        out = []
        for i in range(3):
            s = self.stream("s%d" % i)
            while (i == 0 or self.late) and hasattr(s, "log"):
                s = self.stream("s%d" % i)
            if self.late:
                s.delay = self.rnd.choice([0, 1000, 3000, 10000]) * 1000
                del s.tight
            out.append(s)
        self.streams, self.history = out, self.versions() if not self.late and self.chance(0.5) else None
        out = out + [self.history] * (self.history is not None)
        self.schedule = Schedule(self.rnd, out)
        WORLD.feeds = self.schedule.feeds
        return out

    def versions(self):
        """A stream with a key for as-of joins alone: all rows, those that delete, too, have times, which a watermark passes."""
        r, s, at, top, worst, last = self.rnd, self.stream("s3"), 0, 0, 0, {}
        s.log, keys = [], r.choice([1, 2, 5, 10])
        step, spread = r.choice([10, 300, 1000, 5000]), r.choice([0, 1000, 5000])
        for row in list(s.rows):
            at += r.randrange(0, step)
            ts = BASE + max(0, at - (r.randrange(0, spread) if spread else 0)) * 1000
            ts -= ts % r.choice([1, 1000, 1000000])
            row = {**row, "id": r.randrange(keys), "ts": ts}
            if self.chance(0.2) and row["id"] in last:  # behind all rows of its key
                row = {"id": row["id"], "ts": max(ts, last[row["id"]] + r.choice([1, 1000, 1000000]))}
            last[row["id"]] = max(last.get(row["id"], 0), row["ts"])
            top = max(top, row["ts"])
            worst = max(worst, top - row["ts"])
            s.log.append((r.choice("-d") if len(row) == 2 else r.choice([None, "+", "u"]), row))
        s.rows, s.history = standing(s.log), True
        s.tight = worst + r.choice([0, 0, 1000, 10000]) * 1000
        return s

    def appends(self):
        return [s for s in self.streams if not hasattr(s, "log")]

    # --- expressions ---

    def call(self, c, distinct_ok=True):
        if self.chance(0.65):
            return super().call(c, distinct_ok)
        r = self.rnd
        name = r.choice(["percentile_cont", "percentile_disc", "mode", "string_agg", "array_agg", "bit", "min_by", "max_by", "min_k",
                         "max_k", "sum"])
        types = {"percentile_cont": ("float8", "int4", "int8"), "string_agg": ("text",), "bit": ("int4", "int8"), "sum": ("float8",),
                 "array_agg": ("int4", "int8", "text"), "min_k": ("int4", "int8"), "max_k": ("int4", "int8")}.get(name, KEYS)
        found = [(n, t) for n, t in c if t in types]
        if not found:
            return super().call(c, distinct_ok)
        n, t = r.choice(found)
        where = self.expr(c, "bool", 1) if self.chance(0.2) else None
        more, distinct, given = {"descending": self.chance(0.4)}, False, t
        if name in ("bit", "sum"):
            return Agg(name if name == "sum" else r.choice(["bit_and", "bit_or", "bit_xor"]), t, col(n, t), False, where)
        if name.startswith("percentile"):
            more["fraction"] = r.choice(FRACTIONS)
            given = "float8" if name == "percentile_cont" else t
            if given == "float8" and self.chance(0.3):
                name, more = "percentile_cont", {"fraction": 0.5, "descending": False, "median": True}
                given = "float8"
                n, t = r.choice([x for x in c if x[1] in ("float8", "int4", "int8")])
        elif name in ("string_agg", "array_agg"):
            distinct, given, more["separator"] = self.chance(0.3), "text", r.choice([",", ""])
        elif name in ("min_by", "max_by"):
            other = r.choice([x for x in c if x[1] in KEYS and x[1] != "bool"] or [(n, t)])
            more = {"by": col(*other)}
        elif name in ("min_k", "max_k"):
            more, given = {"k": r.choice([1, 2, 5])}, "text"
        return Agg(name, given, col(n, t), distinct, where, more)

    def calls(self, c):
        """One ORDER BY inside aggregates: several different ones are refused."""
        out, seen = [], False
        for n, a in super().calls(c):
            ordered = a.name in ("string_agg", "array_agg")
            out.append((n, Agg("count", "int8") if ordered and seen else a))
            seen = seen or ordered
        return out

    # --- relations ---

    def relation(self, depth):
        if depth > 0 and self.chance(0.15):
            return self.drawn(self.rnd.choice(INLINE), depth - 1)
        return super().relation(depth)

    def drawn(self, kind, depth):
        found = getattr(self, "timed_" + kind, None)
        return found(depth) if found is not None else super().drawn(kind, depth)

    def flow(self, depth):
        """Rows that only come, and a time with a watermark among their columns; (tree, columns, times)."""
        r, appends = self.rnd.random(), self.appends()
        views = [(v, c) for v, c in self.views if facts(v).insert and facts(v).times]
        if not appends:
            raise TooMany
        if self.late:
            tree, c = self.base(self.rnd.choice(self.streams))
        elif views and r < 0.4:
            tree, c = self.rnd.choice(views)
        elif depth > 0 and r < 0.5:
            tree, c = self.timed_dedup(0)
        elif len(appends) > 1 and r < 0.6:
            a, b = self.rnd.sample(appends, 2)
            c = [x for x in a.columns if x in b.columns]
            tree = Union(*(Select(Table(s), [(n, col(n, t)) for n, t in c], self.where(s.columns, 0.3)) for s in (a, b)))
        else:
            tree, c = self.base(self.rnd.choice(appends))
        times = facts(tree).times
        return (tree, c, times) if times else self.flow(0)

    def finish(self, j, both, times, depth):
        """Columns of a join, with its time mostly; or groups of it."""
        if self.chance(0.2):
            return self.over_join(j, both, depth)
        picks = self.rnd.sample(both, min(len(both), self.rnd.choice([2, 3, 5])))
        items = [("c%d" % i, col(n, t) if self.chance(0.8) else self.expr(both, t, 1)) for i, (n, t) in enumerate(picks)]
        items += [("ts", col(times[0], "time"))] * self.chance(0.8)
        return Select(j, items, self.where(both, 0.2)), [(n, e.type) for n, e in items]

    def sides(self, c, d):
        return [("l." + n, t) for n, t in c] + [("r." + n, t) for n, t in d]

    def own(self, kind, c, d):
        """A condition on the right side alone, of an inner join on the left one, too; or None."""
        side = "l" if kind == "inner" and self.chance(0.3) else "r"
        own = self.expr([(side + "." + n, t) for n, t in (c if side == "l" else d)], "bool", 1) if self.chance(0.3) else None
        return own if own is not None and all(map(reads, conjuncts(own))) else None

    def timed_asof(self, depth):
        (left, c, lts), (right, d, rts) = self.flow(depth), self.flow(depth)
        r, kind, lt, rt = self.rnd, self.rnd.choice(["inner", "left", "left"]), self.rnd.choice(lts), self.rnd.choice(rts)
        on = self.on(c, d) if self.chance(0.85) else []
        own = self.own(kind, c, d)
        reach = r.choice(SIZES) * SECOND if self.chance(0.4) else None
        form = r.choice(["asof", "asof", "lateral", "comma"]) if kind == "inner" else r.choice(["asof", "asof", "lateral"])
        known = isinstance(right, Table) or (isinstance(right, Select) and isinstance(right.source, Table))
        known = known and "id" in [n for n, _ in d]
        j = AsOf(kind, left, right, on, lt, rt, self.chance(0.4), reach, self.chance(0.5), own, known, form)
        return self.finish(j, self.sides(c, d), ["l." + lt], depth)

    def timed_versions(self, depth):
        if self.history is None:
            return self.timed_asof(depth)
        left, c, times = self.flow(depth)
        s, r = self.history, self.rnd
        keys = [n for n, t in c if t == "int8"]
        if not keys:
            raise TooMany
        items = [(n, col(n, t)) for n, t in s.columns if n in ("id", "ts") or self.chance(0.8)]
        items = [(n, e if n in ("id", "ts") or self.chance(0.8) else self.expr(s.columns, e.type, 1)) for n, e in items]
        v = Versions(s, items, self.where(s.columns, 0.3))
        both = self.sides(c, v.columns)
        kind, lt = r.choice(["inner", "left", "left"]), r.choice(times)
        asked = [self.own(kind, c, v.columns)]
        asked += [Expr("=", "bool", col("r." + m, dict(c)[n]), col("l." + n, dict(c)[n])) for n, m in self.on(c, v.columns, 1) if self.chance(0.2)]
        asked = [e for e in asked if e is not None]
        residual = Expr("and", "bool", *asked) if len(asked) > 1 else asked[0] if asked else None
        reach = r.choice(SIZES) * SECOND if self.chance(0.3) else None
        j = AsOfVersions(kind, left, v, r.choice(keys), lt, self.chance(0.4), reach, residual)
        return self.finish(j, both, ["l." + lt], depth)

    def timed_lookup(self, depth):
        s = self.rnd.choice(self.appends())
        left, c = self.base(s)
        streams, views = self.streams, self.views
        self.streams = [x for x in streams if x is not s]
        self.views = [(v, d) for v, d in views if facts(v).prompt and s.name not in facts(v).streams]
        try:
            right, d = self.relation(1)
            while not facts(right).prompt or s.name in facts(right).streams:
                right, d = self.relation(1)
        finally:
            self.streams, self.views = streams, views
        both = self.sides(c, d)
        on = self.on(c, d) if self.chance(0.85) else []
        residual = self.expr(both, "bool", 1) if not on or self.chance(0.3) else None
        j = Lookup(self.rnd.choice(["inner", "left", "left"]), left, kept(right), on, residual, s.name)
        return self.finish(j, both, ["l.ts"], depth)

    def moving(self, t):
        """A condition of a time on now()."""
        r, now = self.rnd, Expr("now", "time", value=self.schedule.end)
        span = lit(r.choice(SIZES) * SECOND, "interval")
        kind = r.randrange(7)
        if kind == 0:
            return Expr("between", "bool", t, Expr("-", "time", now, span), now)
        if kind == 1:
            return Expr(r.choice(["<", "<="]), "bool", t, now)
        if kind == 2:
            return Expr(r.choice([">", ">="]), "bool", Expr("+", "time", t, span), now)
        if kind == 3:
            return Expr(r.choice(["<", "<="]), "bool", Expr("-", "interval", now, t), span)
        if kind == 4:
            return Expr(r.choice(["<", "<="]), "bool", Expr("-", "time", now, span), t)
        return Expr(r.choice([">", ">="]), "bool", t, Expr(r.choice("--+"), "time", now, span))

    def timed_moving(self, depth):
        source, c = self.timed()
        source, c = (source, c) if self.chance(0.7) else self.relation(depth)
        times = [n for n, t in c if t == "time"]
        if not times:
            return self.timed_moving(depth)
        parts = [self.moving(col(self.rnd.choice(times), "time")) for _ in range(self.rnd.choice([1, 1, 2]))]
        parts += [self.expr(c, "bool", 1)] * self.chance(0.3)
        self.rnd.shuffle(parts)
        where = Expr("and", "bool", *parts) if len(parts) > 1 else parts[0]
        if self.chance(0.4):
            return self.named(Group(source, self.plain_keys(c, 2), self.calls(c), where))
        items = [("c%d" % i, col(n, t)) for i, (n, t) in enumerate(c) if n == "id" or t == "time" or self.chance(0.6)]
        return Select(source, items, where, self.chance(0.2)), [(n, e.type) for n, e in items]

    def timed_ttl(self, depth):
        source, c = self.base(self.rnd.choice(self.appends()))
        ttl = self.rnd.choice([500, 1000, 1500, 5000, 20000, 3600000]) * 1000
        kind = self.rnd.choice(["group", "group", "distinct", "first", "rolling"])
        keys = self.plain_keys(c, 2)
        if kind == "rolling":
            tree, d = self.rolling(source, c, "ts", ttl)
        elif kind == "group" or not keys:
            tree, d = self.named(Group(source, keys or [("k0", Expr("%", "int8", col("id", "int8"), lit(3, "int8")))], self.calls(c), self.where(c, 0.3)))
            tree = self.having(tree) if self.chance(0.25) else tree
        elif kind == "distinct":
            tree, d = Select(source, keys, self.where(c, 0.3), True), [(n, e.type) for n, e in keys]
        else:
            on = [e.value for _, e in keys]
            tree, d = First(source, on, self.order(c, on)), c
        tree.ttl = ttl if kind != "rolling" else tree.ttl
        return tree, d

    def timed_dedup(self, depth):
        source, c, times = self.flow(depth)
        time = self.rnd.choice(times)
        keys = [e for _, e in self.plain_keys(c, 2)]
        if not keys:
            keys = [Expr("%", "int8", col("id", "int8"), lit(3, "int8")) if ("id", "int8") in c else lit(1, "int4")]
        span, names = self.rnd.choice(SIZES) * SECOND, [n for n, _ in c]
        named = not isinstance(source, Table) or self.chance(0.3)
        node = Dedup(source, keys, span, time, names, named)
        node.names = names
        if self.chance(0.3):
            return node, c
        items = [(n, col(n, t)) for n, t in c if n == time or self.chance(0.6)]
        where = self.where(c, 0.3)
        node.reads = set(n for n, _ in items) | reads(where)
        return Select(node, items, where), [(n, e.type) for n, e in items]

    def rolling(self, source, c, time, ttl=None):
        r, calls, told_apart = self.rnd, [], False
        partition = self.partition(c)
        if ttl is not None and not partition:
            return self.rolling(source, c, time)
        for _ in range(r.choice([1, 1, 2])):
            functions = ["rank", "dense_rank", "sum", "count", "min", "max", "avg"] + ["row_number", "lag", "first_value", "rows"] * (not told_apart)
            function, order, frame, arg, type_ = r.choice(functions), [(time, False, False)], None, None, "int8"
            rows = function in ("row_number", "lag", "first_value", "rows")
            function = r.choice(["sum", "count", "min", "max"]) if function == "rows" else function
            if function in ("lag", "first_value"):
                n, type_ = r.choice(c)
                arg = col(n, type_)
            elif function in ("sum", "avg", "min", "max"):
                t = r.choice([t for _, t in c if t in ("int4", "int8", "numeric")] or ["int8"])
                arg = self.pick(c, t) or lit(1, t)
                type_ = {"sum": {"int4": "int8"}.get(t, "numeric"), "avg": "numeric"}.get(function, t)
            if rows:  # a total order
                order += [o for o in self.order(c) if o[0] != time]
                frame = ("rows", r.choice([None, 0, 1, 3])) if function not in ("row_number", "lag") else None
            elif function not in ("rank", "dense_rank"):
                frame = r.choice([None, ("range", r.choice(SIZES) * SECOND), ("range", r.choice(SIZES) * SECOND)])
            told_apart = told_apart or rows
            calls.append((self.fresh("w"), function, type_, arg, partition, order, frame))
            partition = partition if ttl is not None or self.chance(0.6) else self.partition(c)
        return Rolling(source, calls, ttl), c + [(x[0], x[2]) for x in calls]

    def timed_rolling(self, depth):
        source, c, times = self.flow(depth)
        return self.rolling(source, c, self.rnd.choice(times))

    def timed_interval(self, depth):
        """l.TIME within a span of r.TIME, over rows that only come: what has no partner comes out when the bound has passed."""
        (left, c, lts), (right, d, rts) = self.flow(depth), self.flow(depth)
        r, lt, rt, both = self.rnd, self.rnd.choice(lts), self.rnd.choice(rts), self.sides(c, d)
        spans = [0, 0, 1, 2, 3, 5, 10, 30]
        a, b = col("l." + lt, "time"), col("r." + rt, "time")
        low, high = (lit(r.choice(spans) * SECOND, "interval") for _ in "ab")
        if self.chance(0.4):
            bound = Expr("between", "bool", a, Expr("-", "time", b, low), Expr("+", "time", b, high))
        else:
            bound = Expr("and", "bool", Expr(r.choice([">", ">="]), "bool", a, Expr("-", "time", b, low)),
                         Expr(r.choice(["<", "<="]), "bool", a, Expr("+", "time", b, high)))
        on = self.on(c, d) if self.chance(0.85) else []
        kind = r.choice(["inner", "inner", "left", "right", "full"]) if on else "inner"
        if kind != "full" and self.chance(0.2):
            bound = Expr("and", "bool", bound, self.expr(both, "bool", 1))
        j = Join(kind, left, right, on, bound)
        j.bound = (lt, rt)
        return self.finish(j, both, ["l." + lt], depth)

    def unbounded(self, source, c, times):
        """A flow without window_start and window_end, which a window's own would hide."""
        names = {n: "b%d" % i for i, (n, _) in enumerate(c) if n in ("window_start", "window_end")}
        if not names:
            return source, c, times
        items = [(names.get(n, n), col(n, t)) for n, t in c]
        return Select(source, items), [(n, e.type) for n, e in items], [names.get(n, n) for n in times]

    def timed_session(self, depth):
        source, c, times = self.unbounded(*self.flow(depth))
        keys = [e.value for _, e in self.plain_keys(c, 2)]
        w = Session(source, self.rnd.choice(times), self.rnd.choice(SIZES) * SECOND, keys)
        bounds = [(n, col(n, "time")) for n in ("window_start", "window_end")]
        return self.named(Group(w, bounds + [("k%d" % i, col(n, dict(c)[n])) for i, n in enumerate(keys)], self.calls(c)))

    def windowed(self, source, c, times):
        source, c, times = self.unbounded(source, c, times)
        w, _ = self.window(source, c)
        w.time = self.rnd.choice(times)
        return self.named(Group(w, self.window_keys(w) + self.plain_keys(c, 1), self.calls(c), self.where(c, 0.2)))

    def timed_window(self, depth):
        return self.windowed(*self.flow(depth))

    def timed_corrected(self, depth):
        s = self.rnd.choice(self.streams)
        tree, c = self.windowed(Table(s), s.columns, ["ts"])
        return Corrected(tree, s), c

    def timed_trunc(self, depth):
        source, c, times = self.unbounded(*self.flow(depth))
        unit = self.rnd.choice(["second", "minute"]) if self.chance(0.4) else self.rnd.choice(SIZES) * SECOND
        b = Bucket(source, self.rnd.choice(times), unit)
        return self.named(Group(b, [("m", col("window_start", "time"))] + self.plain_keys(c, 1), self.calls(c), self.where(c, 0.2)))

    def timed_ties(self, depth):
        source, c = self.relation(depth)
        few = [o for o in self.order(c) if dict(c)[o[0]] in ("text", "bool", "float8", "int4") or o[0] == "g"]
        order = (few or self.order(c))[:self.rnd.choice([1, 1, 2])]
        items = [(n, col(n, t)) for n, t in c]
        return Sort(Select(source, items, self.where(c, 0.3)), order, self.rnd.choice([1, 2, 5]), self.rnd.choice([None, None, 2]), True), c

    def query(self, streams, kinds):
        kinds = [k for k in kinds if not self.late or k in LATE] or LATE
        return super().query(streams, kinds)
