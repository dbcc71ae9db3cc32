"""timed.py -- relations.py goes on: what goes by time or by the order of arrival.  As-of joins, lookups, dedup, window functions in
the order of event time, aggregates that late rows correct."""
from collections import Counter

from reference import Ambiguous, evaluate
from relations import Join, Over, Relation, ROW, WM, WORLD


def contents(row, columns):
    return tuple(row[n] for n, _ in columns)


class AsOf:
    """kind inner or left; each left row with the last right row at or before its time `lt`: strict, before it; reach, us or
    None: not more than that before (reach_strict: less).  `on` pairs of columns; residual over the right row (of an inner join
    over the left one, too) says which right rows count.  Of right rows of one time the one that came last is taken, where
    that is known: `known`.  form: how it is written."""

    def __init__(self, kind, left, right, on, lt, rt, strict=False, reach=None, reach_strict=False, residual=None, known=False,
                 form="asof"):
        self.kind, self.left, self.right, self.on, self.lt, self.rt = kind, left, right, on, lt, rt
        self.strict, self.reach, self.reach_strict, self.residual = strict, reach, reach_strict, residual
        self.known, self.form = known, form

    def counts(self, a, b, pair):
        t, u = a[self.lt], b[self.rt]
        if t is None or u is None or any(a[x] is None or a[x] != b[y] for x, y in self.on):
            return False
        if u > t or (self.strict and u == t):
            return False
        if self.reach is not None and (u < t - self.reach or (self.reach_strict and u == t - self.reach)):
            return False
        return self.residual is None or evaluate(self.residual, pair) is True

    def read(self, told):
        l, r = self.left.read(told), self.right.read(told)
        rows, none = [], {n: None for n, _ in r.columns}
        if len(l.rows) * len(r.rows) > 40000:
            raise Ambiguous

        def both(a, b):
            return {**{"l." + n: a[n] for n, _ in l.columns}, **{"r." + n: b[n] for n, _ in r.columns}, WM: None}
        for a in l.rows:
            found = [b for b in r.rows if self.counts(a, b, both(a, b))]
            if found:
                last = max(b[self.rt] for b in found)
                found = [b for b in found if b[self.rt] == last]
                if not self.known and any(contents(b, r.columns) != contents(found[0], r.columns) for b in found):
                    raise Ambiguous
                rows.append(both(a, found[-1]))
            elif self.kind == "left":
                rows.append(both(a, none))
        return Relation([("l." + n, t) for n, t in l.columns] + [("r." + n, t) for n, t in r.columns], rows, {})


class Versions:
    """A stream with a key as it stood at each time: `log` [(op, row)], all with a time.  A row holds from its time, but not before
    the last deletion of its key that came before it, until the next one holds or a deletion's time; of rows that hold from one
    moment the one with the latest time, of these the one that came last.  items, where: what is asked of the row that stands."""

    def __init__(self, stream, items, where=None):
        self.stream, self.items, self.where = stream, items, where
        self.columns, ended, self.events = [(n, e.type) for n, e in items], {}, []
        for seq, (op, r) in enumerate(stream.log):
            if op in ("-", "d"):
                ended[r["id"]] = r["ts"]
                self.events.append((r["id"], r["ts"], False, r["ts"], seq, None))
            else:
                self.events.append((r["id"], max(r["ts"], ended.get(r["id"], r["ts"])), True, r["ts"], seq, r))

    def at(self, key, t, strict):
        """The row of the key that stood at t (just before it), or None."""
        past = [e for e in self.events if e[0] == key and (e[1] < t or (e[1] == t and not strict))]
        return max(past, key=lambda e: e[1:5])[5] if past else None


class AsOfVersions:
    """kind inner or left; each left row with the row of `right`, a Versions, whose key is its column `key`, as it stood at its
    time `lt`.  reach: how old that row may be; residual is asked of both.  Columns come out as l.NAME and r.NAME."""

    def __init__(self, kind, left, right, key, lt, strict, reach, residual):
        self.kind, self.left, self.right, self.key, self.lt = kind, left, right, key, lt
        self.strict, self.reach, self.residual = strict, reach, residual

    def partner(self, a):
        t = a[self.lt]
        v = self.right.at(a[self.key], t, self.strict) if None not in (t, a[self.key]) else None
        if v is None or (self.right.where is not None and evaluate(self.right.where, v) is not True):
            return None
        return v if self.reach is None or v["ts"] >= t - self.reach else None

    def read(self, told):
        l, rows = self.left.read(told), []
        for a in l.rows:
            v = self.partner(a)
            pair = {"l." + n: a[n] for n, _ in l.columns}
            pair.update(("r." + n, None if v is None else evaluate(e, v)) for n, e in self.right.items)
            if v is not None and self.residual is not None and evaluate(self.residual, pair) is not True:
                v = None
                pair.update(("r." + n, None) for n, _ in self.right.items)
            if v is not None or self.kind == "left":
                rows.append({**pair, WM: None})
        return Relation([("l." + n, t) for n, t in l.columns] + [("r." + n, t) for n, t in self.right.columns], rows, {})


class Lookup(Join):
    """Inner or left: each left row with the right side as it stands when the row comes; asked of what is all there, a join.
    The left side is rows of one stream, selected."""

    def __init__(self, kind, left, right, on, residual, stream):
        super().__init__(kind, left, right, on, residual)
        self.stream = stream

    def read(self, told):
        if not WORLD.live:
            return super().read(told)
        l, out = self.left.read(told), None
        for r in l.rows:
            cut = WORLD.feeds[self.stream][r[ROW]]
            if cut is None:
                raise Ambiguous
            part = Join(self.kind, Given(l.columns, [r]), At(self.right, cut), self.on, self.residual).read(told)
            out = Relation(part.columns, (out.rows if out else []) + part.rows, {})
        return out or Join(self.kind, self.left, self.right, self.on, self.residual).read(told)


class Given:
    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows

    def read(self, told):
        return Relation(self.columns, self.rows, {})


class At:
    """A relation when only so much of each stream has come."""

    def __init__(self, source, cut):
        self.source, self.cut = source, cut

    def read(self, told):
        before, WORLD.cut = WORLD.cut, self.cut
        try:
            return self.source.read(Counter())
        finally:
            WORLD.cut = before


class Dedup:
    """keys [Expr]: rows in the order of their times, but none of a key within the span after the last that came out.  Rows of
    one key and time are told apart by nobody: they have to be equal in `reads`, the columns somebody reads."""

    def __init__(self, source, keys, span, time, reads, named=False):
        self.source, self.keys, self.span, self.time, self.reads, self.named = source, keys, span, time, reads, named

    def read(self, told):
        src, last, rows = self.source.read(told), {}, []
        shift = src.times.get(self.time)
        for r in sorted((r for r in src.rows if r[self.time] is not None), key=lambda r: r[self.time]):
            t, key = r[self.time], tuple(evaluate(e, r) for e in self.keys)
            if shift is not None and r[WM] is not None and t < r[WM] + shift:
                told["late"] += 1
                continue
            before = last.get(key)
            if before is not None and before[self.time] == t and any(before[n] != r[n] for n in self.reads):
                raise Ambiguous
            if before is None or t >= before[self.time] + self.span:
                last[key] = r
                rows.append({**r, WM: None})
        return Relation(src.columns, rows, {})


class Rolling(Over):
    """Over in the order of an event time: as rows come, one behind its watermark is late.  ttl, us or None: as rows come, one that comes
    more than that after the one before it in its partition sees nothing before it, and one without a time is left out."""

    def __init__(self, source, calls, ttl=None):
        super().__init__(source, calls)
        self.ttl, self.time = ttl, calls[0][5][0][0]

    def seen(self, src, told):
        shift, rows = src.times.get(self.time), []
        for r in src.rows:
            t = r[self.time]
            if t is None and self.ttl is not None and WORLD.live:
                continue
            if WORLD.live and None not in (t, shift, r[WM]) and t < r[WM] + shift:
                told["late"] += 1
                continue
            rows.append(r)
        return rows

    def runs(self, part):
        out = []
        for r in part:
            if not out or (self.ttl is not None and WORLD.live and r[self.time] - out[-1][-1][self.time] > self.ttl):
                out.append([])
            out[-1].append(r)
        return out


class Bucket:
    """Each row with the piece of time, `unit` ("second", "minute" or us) long, that holds its time; grouped by, as rows
    come, a piece closes like a window.  A row without a time has none."""

    def __init__(self, source, time, unit):
        self.source, self.time, self.unit = source, time, unit

    def read(self, told):
        src, times = self.source.read(told), {}
        size = {"second": 1000000, "minute": 60000000}.get(self.unit, self.unit)
        rows = []
        for r in src.rows:
            start = None if r[self.time] is None else r[self.time] - r[self.time] % size
            rows.append({**r, "window_start": start, "window_end": None if start is None else start + size})
        if self.time in src.times and WORLD.live:
            times = {**src.times, "window_end": src.times[self.time]}
        return Relation(src.columns + [("window_start", "time"), ("window_end", "time")], rows, times)


class Corrected:
    """Windows that late rows correct: as rows come, none is late; asked of what is all there they are left out as ever."""

    def __init__(self, query, stream):
        self.query, self.stream = query, stream

    def read(self, told):
        if not WORLD.live:
            return self.query.read(told)
        delay, self.stream.delay = self.stream.delay, None
        try:
            return self.query.read(told)
        finally:
            self.stream.delay = delay
