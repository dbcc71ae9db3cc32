"""reference.py -- what a query means, said again in plain Python: slow, naive, and sharing nothing with the engine.

tools/property draws a query as a tree of the classes below, prints it as SQL for the engine (and for PostgreSQL), and asks
run() for the rows.  Each rule here is written from docs/time.md and PostgreSQL's documentation, not from the engine.

Values: None, bool, int, Decimal (its exponent is the display scale), float, str; a timestamp is an int of microseconds.
A row is a dict; the key WM holds the watermark that judges it (None: before all time), ROW which row of the input it was.
"""
from collections import Counter
from decimal import Context, Decimal, ROUND_DOWN, ROUND_HALF_UP
import math

WM, ROW = "\0watermark", "\0row"
WIDE = Context(prec=2000, Emax=99999, Emin=-99999)
RANGE = {"int4": 2**31, "int8": 2**63}
SECOND = 1000000


class RowError(Exception):
    """The row cannot be processed: the query fails, as in PostgreSQL."""


# --- expressions ---

class Expr:
    """op: col, lit, a symbol or a function's name; type: int4 int8 numeric float8 text bool time."""
    __slots__ = ("op", "args", "type", "value")

    def __init__(self, op, type_, *args, value=None):
        self.op, self.type, self.args, self.value = op, type_, args, value


def ranged(v, type_):
    if v is not None and type_ in RANGE and not -RANGE[type_] <= v < RANGE[type_]:
        raise RowError("out of range")
    return v


def half_up(d, scale):
    """d with `scale` digits behind the point, halves away from zero."""
    return d.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP, context=WIDE)


def scale_of(d):
    return max(0, -d.as_tuple().exponent)


def plain(v):
    """numeric has no negative zero."""
    return v.copy_abs() if isinstance(v, Decimal) and v == 0 else v


def weight_and_digit(d):
    """The weight and the first digit of d in base 10,000, as PostgreSQL stores it."""
    if d == 0:
        return 0, 0
    top = abs(d).adjusted()
    weight = top // 4
    return weight, int(abs(d).scaleb(-4 * weight, context=WIDE).to_integral_value(ROUND_DOWN))


def divide(a, b):
    if b == 0:
        raise RowError("division by zero")
    wa, fa = weight_and_digit(a)
    wb, fb = weight_and_digit(b)
    weight = wa - wb - (1 if fa <= fb else 0)
    scale = min(1000, max(16 - weight * 4, scale_of(a), scale_of(b), 0))
    return half_up(WIDE.divide(a, b), scale)


def root(d, scale):
    """The square root of d with `scale` digits, rounded."""
    return half_up(d.sqrt(WIDE), scale)


def arithmetic(op, a, b, type_):
    if type_ == "numeric":
        a, b = Decimal(a), Decimal(b)
        if op == "/":
            return divide(a, b)
        if op == "%":
            if b == 0:
                raise RowError("division by zero")
            scale = max(scale_of(a), scale_of(b))
            return half_up(WIDE.subtract(a, WIDE.multiply(WIDE.divide_int(a, b), b)), scale)
        return {"+": WIDE.add, "-": WIDE.subtract, "*": WIDE.multiply}[op](a, b)
    if type_ == "float8":
        a, b = float(a), float(b)
        if op == "/" and b == 0:
            raise RowError("division by zero")
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[op]()
    if op in "/%" and b == 0:
        raise RowError("division by zero")
    whole = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if op in "/%" else 0
    return ranged({"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: whole,
                   "%": lambda: a - b * whole}[op](), type_)


def compare(op, a, b):
    if isinstance(a, float) or isinstance(b, float):
        a, b = float(a), float(b)
    return {"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def like(text, pattern):
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[i:], pattern[1:]) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and like(text[1:], pattern[1:])


def cast(v, source, type_):
    if type_ in RANGE:
        if source == "numeric":
            v = int(half_up(v, 0))
        elif source == "float8":
            v = int(Decimal(v).to_integral_value("ROUND_HALF_EVEN"))
        elif source == "bool":
            v = int(v)
        return ranged(int(v), type_)
    if type_ == "numeric":
        return Decimal(repr(v)) if isinstance(v, float) else Decimal(v)
    if type_ == "float8":
        return float(v)
    if type_ == "text":
        return {True: "true", False: "false"}[v] if isinstance(v, bool) else format(v, "f") if isinstance(v, Decimal) else str(v)
    raise AssertionError(type_)


def logic(op, e, row):
    """AND and OR of true, false and unknown."""
    decided = op == "or"
    values = [evaluate(a, row) for a in e.args]
    if decided in values:
        return decided
    return None if None in values else not decided


def evaluate(e, row):
    op = e.op
    if op == "col":
        return row[e.value]
    if op == "lit":
        return e.value
    if op in ("and", "or"):
        return logic(op, e, row)
    if op == "case":  # when, then, when, then, ..., else
        for i in range(0, len(e.args) - 1, 2):
            if evaluate(e.args[i], row) is True:
                return widen(evaluate(e.args[i + 1], row), e.type)
        return widen(evaluate(e.args[-1], row), e.type)
    if op == "coalesce":
        for a in e.args:
            v = evaluate(a, row)
            if v is not None:
                return widen(v, e.type)
        return None
    if op == "between":
        return logic("and", Expr("and", "bool", Expr(">=", "bool", *e.args[:2]), Expr("<=", "bool", e.args[0], e.args[2])), row)
    args = [evaluate(a, row) for a in e.args]
    if op == "is null":
        return args[0] is None
    if op == "is not null":
        return args[0] is not None
    if op == "is true":
        return args[0] is True
    if op == "distinct":
        return args[0] is not args[1] if None in args else not compare("=", *args)
    if op == "nullif":
        return None if None not in args and compare("=", *args) else args[0]
    if op in ("greatest", "least"):
        left = [widen(a, e.type) for a in args if a is not None]
        return None if not left else max(left) if op == "greatest" else min(left)
    if op == "in":  # the first is looked for among the others
        if args[0] is None:
            return None
        hits = [None if a is None else compare("=", args[0], a) for a in args[1:]]
        return True if True in hits else None if None in hits else False
    if op == "concat":
        return "".join(cast(v, a.type, "text") if not isinstance(v, bool) else "ft"[v]
                       for v, a in zip(args, e.args) if v is not None)
    if None in args:
        return None
    return strict(op, e, args)


def widen(v, type_):
    """A value as a member of a wider numeric type."""
    if v is None or isinstance(v, bool):
        return v
    if type_ == "numeric" and not isinstance(v, Decimal):
        return Decimal(v)
    return float(v) if type_ == "float8" else v


def strict(op, e, args):
    """Operators and functions that give NULL for a NULL."""
    if op in ("+", "-", "*", "/", "%") and len(args) == 2:
        if e.type == "time":
            return args[0] + args[1] if op == "+" else args[0] - args[1]
        return plain(arithmetic(op, args[0], args[1], e.type))
    if op in ("=", "<>", "<", "<=", ">", ">="):
        return compare(op, *args)
    value = {
        "-": lambda: ranged(args[0].copy_negate() if e.type == "numeric" else -args[0], e.type),
        "not": lambda: not args[0],
        "abs": lambda: ranged(abs(args[0]), e.type),
        "||": lambda: args[0] + args[1],
        "lower": lambda: args[0].lower(),
        "upper": lambda: args[0].upper(),
        "length": lambda: len(args[0]),
        "reverse": lambda: args[0][::-1],
        "left": lambda: args[0][:args[1]],
        "substr": lambda: args[0][args[1] - 1:args[1] - 1 + args[2]],
        "replace": lambda: args[0].replace(args[1], args[2]),
        "strpos": lambda: args[0].find(args[1]) + 1,
        "like": lambda: like(*args),
        "round": lambda: half_up(args[0], args[1] if len(args) > 1 else 0),
        "floor": lambda: Decimal(math.floor(args[0])),
        "ceil": lambda: Decimal(math.ceil(args[0])),
        "trunc": lambda: args[0].quantize(Decimal(1), rounding=ROUND_DOWN, context=WIDE),
        "sign": lambda: Decimal((args[0] > 0) - (args[0] < 0)),
        "cast": lambda: cast(args[0], e.args[0].type, e.type),
        "date_trunc": lambda: args[1] - args[1] % {"second": SECOND, "minute": 60 * SECOND, "hour": 3600 * SECOND}[args[0]],
        "epoch": lambda: Decimal(args[0]).scaleb(-6, context=WIDE).quantize(Decimal("0.000001"), context=WIDE),
    }[op]()
    return plain(value)


# --- aggregates ---

class Agg:
    def __init__(self, name, type_, arg=None, distinct=False, where=None):
        self.name, self.type, self.arg, self.distinct, self.where = name, type_, arg, distinct, where


def spread(values, name, type_):
    """Variance and standard deviation; `_pop` of all values, otherwise of a sample."""
    n = len(values)
    population = name.endswith("_pop")
    if n == 0 or (n == 1 and not population):
        return None
    deviation = name.startswith("stddev")
    if type_ == "float8":
        mean = math.fsum(values) / n
        v = math.fsum((x - mean) ** 2 for x in values) / (n if population else n - 1)
        return math.sqrt(v) if deviation else v
    values = [Decimal(v) for v in values]
    total = squares = Decimal(0)
    for v in values:
        total = WIDE.add(total, v)
        squares = WIDE.add(squares, WIDE.multiply(v, v))
    above = WIDE.subtract(WIDE.multiply(Decimal(n), squares), WIDE.multiply(total, total))
    if above <= 0:
        return Decimal(0)
    v = divide(above, Decimal(n * (n if population else n - 1)))
    return root(v, scale_of(v)) if deviation else v


def aggregate(a, rows):
    if a.where is not None:
        rows = [r for r in rows if evaluate(a.where, r) is True]
    if a.arg is None:
        return len(rows)
    values = [v for v in (evaluate(a.arg, r) for r in rows) if v is not None]
    if a.distinct:
        first = {}
        for v in values:
            first.setdefault(v, v)
        values = list(first.values())
    if a.name == "count":
        return len(values)
    if not values:
        return None
    if a.name == "min":
        return min(values)
    if a.name == "max":
        return max(values)
    if a.name in ("bool_and", "every"):
        return all(values)
    if a.name == "bool_or":
        return any(values)
    if a.name in ("sum", "avg"):
        if a.type == "float8":
            total = math.fsum(values)
            return total if a.name == "sum" else total / len(values)
        total = Decimal(0)
        for v in values:
            total = plain(WIDE.add(total, Decimal(v)))
        if a.name == "avg":
            return divide(total, Decimal(len(values)))
        return total if a.type == "numeric" else ranged(int(total), a.type)
    return spread(values, a.name, a.type)


# --- relations ---

class Relation:
    """Rows, their columns [(name, type)], and the columns that move with the watermark: {name: offset}."""

    def __init__(self, columns, rows, times):
        self.columns, self.rows, self.times = columns, rows, times


class Stream:
    """An input: rows in the order they came; delay None: nothing is late."""

    def __init__(self, name, columns, rows, time=None, delay=None):
        self.name, self.columns, self.rows, self.time, self.delay = name, columns, rows, time, delay


class Table:
    def __init__(self, stream):
        self.stream = stream

    def read(self, told):
        s, top, rows = self.stream, None, []
        for number, r in enumerate(s.rows):
            judged = {**r, ROW: number}
            judged[WM] = None if top is None or s.delay is None else top - s.delay
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
    """Rows of one key that come within `gap` of each other; grouped at once, for a session is known at its end."""

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
            near = [s for s in sessions if s["key"] == key and (wm is None or s["last"] + self.gap > wm)
                    and s["first"] - self.gap <= t <= s["last"] + self.gap]
            if not near and wm is not None and t + self.gap <= wm:
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


class Select:
    """items [(name, Expr)]; where; distinct.  Times pass through columns and column + interval."""

    def __init__(self, source, items, where=None, distinct=False):
        self.source, self.items, self.where, self.distinct = source, items, where, distinct

    def read(self, told):
        src, rows, times = self.source.read(told), [], {}
        for r in src.rows:
            if self.where is None or evaluate(self.where, r) is True:
                rows.append({**{n: evaluate(e, r) for n, e in self.items}, WM: r[WM], ROW: r.get(ROW)})
        for n, e in self.items:
            if e.op == "col" and e.value in src.times:
                times[n] = src.times[e.value]
            if e.op in "+-" and e.type == "time" and e.args[0].op == "col" and e.args[0].value in src.times:
                times[n] = src.times[e.args[0].value] + (e.args[1].value if e.op == "+" else -e.args[1].value)
        columns = [(n, e.type) for n, e in self.items]
        if self.distinct:
            seen = {}
            for r in rows:
                seen.setdefault(tuple(r[n] for n, _ in columns), {**r, WM: None})
            rows, times = list(seen.values()), {}
        return Relation(columns, rows, times)


class Group:
    """keys [(name, Expr)], calls [(name, Agg)], having over both's names; rows late for their window are left out."""

    def __init__(self, source, keys, calls, where=None, having=None):
        self.source, self.keys, self.calls, self.where, self.having = source, keys, calls, where, having

    def read(self, told):
        src, groups = self.source.read(told), {}
        late, kept = set(), set()
        windowed = any(e.op == "col" and e.value in ("window_start", "window_end") for _, e in self.keys)
        for r in src.rows:
            if self.where is not None and evaluate(self.where, r) is not True:
                continue
            if windowed and "window_end" in src.times and r[WM] is not None:
                if r["window_end"] <= r[WM] + src.times["window_end"]:
                    told["late_windows"] += 1
                    late.add(r[ROW])
                    continue
                kept.add(r[ROW])
            groups.setdefault(tuple(evaluate(e, r) for _, e in self.keys), []).append(r)
        told["late"] += len(late - kept)
        if not self.keys and not groups:
            groups[()] = []
        rows = []
        for key, members in groups.items():
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


class Join:
    """kind inner, left, right, full; `on` pairs of columns that are equal; columns come out as l.NAME and r.NAME."""

    def __init__(self, kind, left, right, on):
        self.kind, self.left, self.right, self.on = kind, left, right, on

    def read(self, told):
        l, r = self.left.read(told), self.right.read(told)
        rows, matched = [], set()
        none_l, none_r = {n: None for n, _ in l.columns}, {n: None for n, _ in r.columns}

        def both(a, b):
            return {**{"l." + n: a[n] for n, _ in l.columns}, **{"r." + n: b[n] for n, _ in r.columns}, WM: None}
        for a in l.rows:
            found = False
            for i, b in enumerate(r.rows):
                if all(a[x] is not None and b[y] is not None and compare("=", a[x], b[y]) for x, y in self.on):
                    rows.append(both(a, b))
                    matched.add(i)
                    found = True
            if not found and self.kind in ("left", "full"):
                rows.append(both(a, none_r))
        if self.kind in ("right", "full"):
            rows += [both(none_l, b) for i, b in enumerate(r.rows) if i not in matched]
        return Relation([("l." + n, t) for n, t in l.columns] + [("r." + n, t) for n, t in r.columns], rows, {})


class Sort:
    """keys [(name, descending, nulls_first)], total by construction; limit and offset may be None."""

    def __init__(self, source, keys, limit=None, offset=None):
        self.source, self.keys, self.limit, self.offset = source, keys, limit, offset

    def read(self, told):
        src = self.source.read(told)
        rows = list(src.rows)
        for name, descending, nulls_first in reversed(self.keys):
            some = sorted((r for r in rows if r[name] is not None), key=lambda r: r[name], reverse=descending)
            none = [r for r in rows if r[name] is None]
            rows = none + some if nulls_first else some + none
        first = self.offset or 0
        rows = rows[first:] if self.limit is None else rows[first:first + self.limit]
        return Relation(src.columns, rows, {})


def run(query):
    """(columns, rows as lists, counts) of a query."""
    told = Counter()
    out = query.read(told)
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
