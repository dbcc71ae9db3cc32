"""relations.py -- what a query means, said again in plain Python (see reference.py): a tree of the classes below.

tools/property draws such a tree, prints it as SQL for the engine (and for PostgreSQL), and asks run() for the rows.  A row is a dict;
the key WM holds the watermark that judges it (None: before all time), ROW which row of the input it was.
"""
from collections import Counter

from reference import Agg, Ambiguous, aggregate, evaluate

WM, ROW = "\0watermark", "\0row"


class World:
    """How rows come.  live: as a stream, where a ttl forgets and a lookup sees what has come (else all is there before the
    question); cut: {stream: how many of its rows have come}; feeds: {stream: for each row how many rows of each stream came
    before the step that brought it, or None where that step brought several streams}."""

    def __init__(self):
        self.live, self.cut, self.feeds = False, None, None

    def key(self):
        return self.live, self.cut and tuple(sorted(self.cut.items()))


WORLD = World()


class Relation:
    """Rows, their columns [(name, type)], and the columns that move with the watermark: {name: offset}."""

    def __init__(self, columns, rows, times):
        self.columns, self.rows, self.times = columns, rows, times


class Stream:
    """An input: rows in the order they came; delay None: nothing is late."""

    def __init__(self, name, columns, rows, time=None, delay=None):
        self.name, self.columns, self.rows, self.time, self.delay = name, columns, rows, time, delay


def standing(log):
    """The rows that changes [(op, row)] of a stream with the key `id` leave."""
    stands = {}
    for op, row in log:
        stands.pop(row["id"], None)
        if op not in ("-", "d"):
            stands[row["id"]] = row
    return list(stands.values())


class Table:
    def __init__(self, stream):
        self.stream = stream

    def present(self):
        """The rows that have come; of a stream with a key those that stand."""
        s, cut = self.stream, WORLD.cut
        if cut is None:
            return s.rows
        return standing(s.log[:cut[s.name]]) if hasattr(s, "log") else s.rows[:cut[s.name]]

    def read(self, told):
        s, top, rows = self.stream, None, []
        delay = s.delay if s.delay is not None else getattr(s, "tight", None)
        for number, r in enumerate(self.present()):
            judged = {**r, ROW: number}
            judged[WM] = None if top is None or delay is None else top - delay
            rows.append(judged)
            t = r.get(s.time)
            if t is not None and (top is None or t > top):
                top = t
        return Relation(s.columns, rows, {s.time: 0} if s.time and s.delay is not None else {})


def bounds(kind, t, slide, size):
    """The windows [start, end) that hold t, aligned to 1970-01-01."""
    if kind == "cumulate":
        start = t - t % size
        return [(start, start + slide * k) for k in range(1, size // slide + 1) if start + slide * k > t]
    out, start = [], t - t % slide
    while start + size > t:
        out.append((start, start + size))
        start -= slide
    return out[::-1]


class Window:
    """tumble, hop, cumulate: each row once for each window that holds its time.  `where` is applied before."""

    def __init__(self, kind, source, time, slide, size):
        self.kind, self.source, self.time, self.slide, self.size = kind, source, time, slide, size

    def read(self, told):
        src, rows = self.source.read(told), []
        for r in src.rows:
            if r[self.time] is not None:
                for start, end in bounds(self.kind, r[self.time], self.slide, self.size):
                    rows.append({**r, "window_start": start, "window_end": end})
        times = dict(src.times)
        if self.time in times:
            times["window_end"] = times[self.time]
        return Relation(src.columns + [("window_start", "time"), ("window_end", "time")], rows, times)


class Session:
    """Rows of one key that come within `gap` of each other; grouped at once, for a session is known at its end.  It is open
    until the watermark has passed its end, which a row may still lie on."""

    def __init__(self, source, time, gap, keys):
        self.source, self.time, self.gap, self.keys = source, time, gap, keys

    def read(self, told):
        src, sessions = self.source.read(told), []
        shift = src.times.get(self.time)
        for r in src.rows:
            t, key = r[self.time], tuple(r[k] for k in self.keys)
            if t is None:
                continue
            wm = None if shift is None or r[WM] is None else r[WM] + shift
            near = [s for s in sessions if s["key"] == key and (wm is None or s["last"] + self.gap >= wm)
                    and s["first"] - self.gap <= t <= s["last"] + self.gap]
            if not near and wm is not None and t + self.gap < wm:
                told["late"] += 1
                told["late_windows"] += 1
                continue
            one = {"key": key, "first": t, "last": t, "rows": [r]}
            for s in near:
                one = {"key": key, "first": min(one["first"], s["first"]), "last": max(one["last"], s["last"]),
                       "rows": s["rows"] + one["rows"]}
                sessions.remove(s)
            sessions.append(one)
        rows = [{**r, "window_start": s["first"], "window_end": s["last"] + self.gap, WM: None}
                for s in sessions for r in s["rows"]]
        return Relation(src.columns + [("window_start", "time"), ("window_end", "time")], rows, {})


def lives(rows, ttl):
    """The rows of one key in the runs between which it was forgotten: when one meets a watermark that is more than ttl beyond
    all that those before it met."""
    out, touched = [], None
    for r in rows:
        idle = out and ttl is not None and WORLD.live and None not in (touched, r[WM]) and r[WM] > touched + ttl
        if not out or idle:
            out.append([])
        out[-1].append(r)
        touched = r[WM] if touched is None or r[WM] is None else max(touched, r[WM])
    return out


class Select:
    """items [(name, Expr)]; where; distinct.  Times pass through columns and column + interval."""

    ttl = None

    def __init__(self, source, items, where=None, distinct=False, alias="t"):
        self.source, self.items, self.where, self.distinct, self.alias = source, items, where, distinct, alias

    def read(self, told):
        src, rows, times = self.source.read(told), [], {}
        for r in src.rows:
            if self.where is None or evaluate(self.where, r) is True:
                rows.append({**{n: evaluate(e, r) for n, e in self.items}, WM: r[WM], ROW: r.get(ROW)})
        for n, e in self.items:
            if e.op == "col" and e.value in src.times:
                times[n] = src.times[e.value]
            if e.op in ("+", "-") and e.type == "time" and e.args[0].op == "col" and e.args[0].value in src.times:
                times[n] = src.times[e.args[0].value] + (e.args[1].value if e.op == "+" else -e.args[1].value)
        columns = [(n, e.type) for n, e in self.items]
        if self.distinct:
            seen = {}
            for r in rows:
                seen.setdefault(tuple(r[n] for n, _ in columns), []).append(r)
            rows, times = [{**run[0], WM: None} for same in seen.values() for run in lives(same, self.ttl)], {}
        return Relation(columns, rows, times)


class Group:
    """keys [(name, Expr)], calls [(name, Agg)], having over both's names; rows late for their window are left out.
    sets: lists of names of keys (GROUPING SETS), or None."""

    alias, ttl = "t", None

    def __init__(self, source, keys, calls, where=None, having=None, sets=None):
        self.source, self.keys, self.calls, self.where, self.having, self.sets = source, keys, calls, where, having, sets

    def read(self, told):
        src, groups = self.source.read(told), {}
        late, kept = set(), set()
        windowed = any(e.op == "col" and e.value in ("window_start", "window_end") for _, e in self.keys)
        for r in src.rows:
            if self.where is not None and evaluate(self.where, r) is not True:
                continue
            if windowed and "window_end" in src.times and r[WM] is not None and r["window_end"] is not None:
                if r["window_end"] <= r[WM] + src.times["window_end"]:
                    told["late_windows"] += 1
                    late.add(r[ROW])
                    continue
                kept.add(r[ROW])
            key = tuple(evaluate(e, r) for _, e in self.keys)
            for i, names in enumerate(self.sets or [None]):
                part = key if names is None else tuple(v if n in names else None for (n, _), v in zip(self.keys, key))
                groups.setdefault((i, part), []).append(r)
        told["late"] += len(late - kept)
        for i, names in enumerate(self.sets or [[n for n, _ in self.keys]]):
            if not names:
                groups.setdefault((i, (None,) * len(self.keys)), [])
        rows = []
        for key, members in [(key, run) for (_, key), all_ in groups.items() for run in lives(all_, self.ttl) or [[]]]:
            r = dict(zip((n for n, _ in self.keys), key))
            r.update((n, aggregate(a, members)) for n, a in self.calls)
            if self.having is None or evaluate(self.having, r) is True:
                rows.append({**r, WM: None})
        columns = [(n, e.type) for n, e in self.keys] + [(n, a.type) for n, a in self.calls]
        return Relation(columns, rows, {})


class Union:
    def __init__(self, *sources):
        self.sources = sources

    def read(self, told):
        parts = [s.read(told) for s in self.sources]
        names = [n for n, _ in parts[0].columns]
        rows = [{**{n: r[m] for n, (m, _) in zip(names, p.columns)}, WM: None} for p in parts for r in p.rows]
        return Relation(parts[0].columns, rows, {})


class TooMany(Exception):
    """More rows than a naive evaluation should hold."""


class Join:
    """kind inner, left, right, full, cross; `on` pairs of columns that are equal, and maybe a condition over both sides;
    columns come out as l.NAME and r.NAME."""
    MOST = 4000

    def __init__(self, kind, left, right, on, residual=None):
        self.kind, self.left, self.right, self.on, self.residual = kind, left, right, on, residual

    def read(self, told):
        l, r = self.left.read(told), self.right.read(told)
        rows, matched, by_key = [], set(), {}
        none_l, none_r = {n: None for n, _ in l.columns}, {n: None for n, _ in r.columns}
        for i, b in enumerate(r.rows):
            by_key.setdefault(tuple(b[y] for _, y in self.on), []).append((i, b))

        def both(a, b):
            return {**{"l." + n: a[n] for n, _ in l.columns}, **{"r." + n: b[n] for n, _ in r.columns}, WM: None}
        for a in l.rows:
            found = False
            key = tuple(a[x] for x, _ in self.on)
            for i, b in by_key.get(key, []) if None not in key else []:
                pair = both(a, b)
                if self.residual is None or evaluate(self.residual, pair) is True:
                    rows.append(pair)
                    matched.add(i)
                    found = True
            if len(rows) > self.MOST:
                raise TooMany
            if not found and self.kind in ("left", "full"):
                rows.append(both(a, none_r))
        if self.kind in ("right", "full"):
            rows += [both(none_l, b) for i, b in enumerate(r.rows) if i not in matched]
        return Relation([("l." + n, t) for n, t in l.columns] + [("r." + n, t) for n, t in r.columns], rows, {})


class SetOp:
    """kind union, intersect, except; all: with as many copies as PostgreSQL's ALL keeps."""

    def __init__(self, kind, all_, left, right):
        self.kind, self.all, self.left, self.right = kind, all_, left, right

    def read(self, told):
        l, r = self.left.read(told), self.right.read(told)
        names = [n for n, _ in l.columns]
        a = Counter(tuple(x[n] for n in names) for x in l.rows)
        b = Counter(tuple(x[n] for n, _ in r.columns) for x in r.rows)
        if not self.all:
            a, b = Counter(set(a)), Counter(set(b))
        out = {"union": a + b if self.all else a | b, "intersect": a & b}.get(self.kind)
        if out is None:
            out = a - b
        return Relation(l.columns, [{**dict(zip(names, k)), WM: None} for k, n in out.items() for _ in range(n)], {})


class View:
    """A query with a name: read once in each world."""

    def __init__(self, name, query):
        self.name, self.query, self.held = name, query, {}

    def read(self, told):
        key = WORLD.key()
        if key not in self.held:
            self.held[key] = self.query.read(Counter())
        return Relation(self.held[key].columns, self.held[key].rows, {})


def ordered(rows, keys):
    """keys [(name, descending, nulls_first)]."""
    rows = list(rows)
    for name, descending, nulls_first in reversed(keys):
        some = sorted((r for r in rows if r[name] is not None), key=lambda r: r[name], reverse=descending)
        none = [r for r in rows if r[name] is None]
        rows = none + some if nulls_first else some + none
    return rows


class Over:
    """calls [(name, function, type, arg, partition, order, frame)]; frame None (PostgreSQL's default), (rows before, rows
    after), None for unbounded; ("rows", n): up to the row itself; or ("range", us): in the order of a time, from that long
    before on.  The columns of the source and one for each call come out."""

    def __init__(self, source, calls):
        self.source, self.calls = source, calls

    def read(self, told):
        src = self.source.read(told)
        rows = [dict(r) for r in self.seen(src, told)]
        for name, function, type_, arg, partition, order, frame in self.calls:
            parts = {}
            for r in rows:
                parts.setdefault(tuple(r[p] for p in partition), []).append(r)
            for part in parts.values():
                for run in self.runs(ordered(part, order)):
                    self.one(run, name, function, type_, arg, [n for n, _, _ in order], frame)
        return Relation(src.columns + [(c[0], c[2]) for c in self.calls], rows, {})

    def seen(self, src, told):
        return src.rows

    def runs(self, part):
        return [part]

    @staticmethod
    def one(part, name, function, type_, arg, order, frame):
        keys = [tuple(r[n] for n in order) for r in part]
        out = []
        for i, r in enumerate(part):
            first, last = keys.index(keys[i]), len(keys) - 1 - keys[::-1].index(keys[i])
            if function == "row_number":
                out.append(i + 1)
            elif function == "rank":
                out.append(first + 1)
            elif function == "dense_rank":
                out.append(len(set(keys[:first])) + 1)
            elif function in ("lag", "lead"):
                at = i - 1 if function == "lag" else i + 1
                out.append(evaluate(arg, part[at]) if 0 <= at < len(part) else None)
            else:
                within = Over.frame(part, keys, i, last, frame)
                out.append(evaluate(arg, within[0]) if function == "first_value" else aggregate(Agg(function, type_, arg), within))
        for r, v in zip(part, out):
            r[name] = v

    @staticmethod
    def frame(part, keys, i, last, frame):
        """The rows that row i sees; `last` is the last that the order leaves equal to it."""
        if frame is None:
            return part[:last + 1]
        if frame[0] == "range":
            at = keys[i][0]
            return [r for r, k in zip(part, keys) if (k[0] is None if at is None else k[0] is not None and at - frame[1] <= k[0] <= at)]
        if frame[0] == "rows":
            frame = (frame[1], 0)
        return part[0 if frame[0] is None else max(0, i - frame[0]):None if frame[1] is None else i + frame[1] + 1]


class First:
    """DISTINCT ON (on): the first row by `order`, which begins with `on` and is total."""

    ttl = None

    def __init__(self, source, on, order):
        self.source, self.on, self.order = source, on, order

    def read(self, told):
        src, parts = self.source.read(told), {}
        for r in src.rows:
            parts.setdefault(tuple(r[n] for n in self.on), []).append(r)
        rows = [{**ordered(run, self.order)[0], WM: None} for part in parts.values() for run in lives(part, self.ttl)]
        return Relation(src.columns, rows, {})


class Sort:
    """keys [(name, descending, nulls_first)], total by construction unless ties; limit and offset may be None.
    ties: all rows come that the keys leave equal to the last."""

    def __init__(self, source, keys, limit=None, offset=None, ties=False):
        self.source, self.keys, self.limit, self.offset, self.ties = source, keys, limit, offset, ties

    def read(self, told):
        src = self.source.read(told)
        rows = ordered(src.rows, self.keys)
        first = self.offset or 0
        last = len(rows) if self.limit is None else min(first + self.limit, len(rows))
        if self.ties and 0 < first < len(rows) and self.key(rows[first]) == self.key(rows[first - 1]):
            raise Ambiguous
        while self.ties and first < last < len(rows) and self.key(rows[last]) == self.key(rows[last - 1]):
            last += 1
        return Relation(src.columns, rows[first:last], {})

    def key(self, row):
        return [row[n] for n, _, _ in self.keys]


def run(query, live=False):
    """(columns, rows as lists, counts) of a query; live: as rows come."""
    told = Counter()
    WORLD.live = live
    try:
        out = query.read(told)
    finally:
        WORLD.live = False
    return out.columns, [[r[n] for n, _ in out.columns] for r in out.rows], told


def fold(changes):
    """The bag that changes [(op, row)] add up to; raises when a row is taken back that was never given."""
    bag = Counter()
    for op, row in changes:
        bag[row] += -1 if op == "-" else 1
        if bag[row] < 0:
            raise ValueError("taken back but never given: %r" % (row,))
    return sorted(row for row, n in bag.items() for _ in range(n))


def closed_by_watermark(stream):
    """The watermark when the input is read but not ended: what --no-flush closes."""
    seen = [r[stream.time] for r in stream.rows if r[stream.time] is not None]
    return max(seen) - stream.delay if seen else None
