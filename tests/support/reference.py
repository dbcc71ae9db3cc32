"""reference.py -- what an expression means, said again in plain Python: slow, naive, and sharing nothing with the engine.

With relations.py and timed.py, which say what a query means, the evaluator that tools/property and others compare the engine with.  Each rule
is written from docs/time.md and PostgreSQL's documentation, not from the engine.

Values: None, bool, int, Decimal (its exponent is the display scale), float, str; a timestamp is an int of microseconds.
A row is a dict.  Subqueries are relations in Expr.value; the rows around them stand in OUTER.
"""
from decimal import Context, Decimal, ROUND_DOWN, ROUND_HALF_UP
import math

WIDE = Context(prec=2000, Emax=99999, Emin=-99999)
RANGE = {"int4": 2**31, "int8": 2**63}
SECOND = 1000000


class RowError(Exception):
    """The row cannot be processed: the query fails, as in PostgreSQL."""


# --- expressions ---

class Expr:
    """op: col, lit, now (its value the moment), outer, a kind of subquery, a symbol or a function's name; type: int4 int8
    numeric float8 text bool time interval."""
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


OUTER = []


def subquery(e, row):
    """exists; in_query: args[0] IN; quantified: args[0] OP ANY/ALL; scalar_query.  e.value is the relation (for quantified
    (operator, word, relation)), read anew for each row around it, whose columns are `outer` in it."""
    relation = e.value[2] if e.op == "quantified" else e.value
    OUTER.append(row)
    try:
        out = relation.read({"late": 0, "late_windows": 0})
    finally:
        OUTER.pop()
    if e.op == "exists":
        return bool(out.rows)
    name = out.columns[0][0]
    values = [r[name] for r in out.rows]
    if e.op == "scalar_query":
        if len(values) > 1:
            raise RowError("more than one row")
        return values[0] if values else None
    left = evaluate(e.args[0], row)
    operator, word = ("=", "any") if e.op == "in_query" else e.value[:2]
    hits = [None if v is None or left is None else compare(operator, left, v) for v in values]
    decided = word == "any"
    return decided if decided in hits else None if None in hits else not decided


def evaluate(e, row):
    op = e.op
    if op == "col":
        return row[e.value]
    if op in ("lit", "now"):
        return e.value
    if op == "outer":
        return OUTER[-1][e.value]
    if op in ("exists", "in_query", "quantified", "scalar_query"):
        return subquery(e, row)
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
        if e.type in ("time", "interval"):
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
    """more: of an ordered set, and of an aggregate with ORDER BY inside, {"descending": bool} and what else it takes: fraction
    (percentile_*), separator (string_agg), k (min_k, max_k), by (min_by, max_by: the argument that is compared)."""

    def __init__(self, name, type_, arg=None, distinct=False, where=None, more=None):
        self.name, self.type, self.arg, self.distinct, self.where, self.more = name, type_, arg, distinct, where, more


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


class Ambiguous(Exception):
    """The rows leave the answer open: which of several comes is nowhere said."""


def array_text(values):
    """An array as PostgreSQL prints it; of numbers and plain words alone."""
    def item(v):
        text = "NULL" if v is None else cast(v, None, "text") if not isinstance(v, str) else v
        quoted = isinstance(v, str) and (not v or v.upper() == "NULL" or any(c in v for c in ' {},"\\'))
        return '"%s"' % v if quoted else text
    return "{%s}" % ",".join(map(item, values))


def by_another(a, rows):
    """min_by, max_by: the argument where the other is smallest, or largest."""
    pairs = [(evaluate(a.more["by"], r), evaluate(a.arg, r)) for r in rows]
    pairs = [p for p in pairs if p[0] is not None]
    if not pairs:
        return None
    best = (min if a.name == "min_by" else max)(p[0] for p in pairs)
    found = [p[1] for p in pairs if p[0] == best]
    if any(v != found[0] for v in found):
        raise Ambiguous
    return found[0]


def in_order(a, rows):
    """Aggregates for which the order of the values counts; those that are equal cannot be told apart."""
    down = a.more.get("descending", False)
    found = [evaluate(a.arg, r) for r in rows]
    values = sorted((v for v in found if v is not None), reverse=down)
    if a.distinct:
        values = list(dict.fromkeys(values))
    if a.name == "array_agg":
        none = [None] * (len(found) - len(values)) if not a.distinct else [None][:len(found) - sum(v is not None for v in found)]
        return array_text(none + values if down else values + none) if found else None
    if not values:
        return None
    n, fraction = len(values), a.more.get("fraction")
    if a.name in ("min_k", "max_k"):
        return array_text(sorted(values, reverse=a.name == "max_k")[:a.more["k"]])
    if a.name == "string_agg":
        return a.more["separator"].join(values)
    if a.name == "mode":
        return max(dict.fromkeys(values), key=values.count)  # the first of those that are equally frequent
    if a.name == "percentile_disc":
        return values[max(math.ceil(fraction * n), 1) - 1]
    at = fraction * (n - 1)
    low, high = float(values[math.floor(at)]), float(values[math.ceil(at)])
    return low if math.floor(at) == math.ceil(at) else low + (at - math.floor(at)) * (high - low)


def bits(name, values):
    out = values[0]
    for v in values[1:]:
        out = out & v if name == "bit_and" else out | v if name == "bit_or" else out ^ v
    return out


def aggregate(a, rows):
    if a.where is not None:
        rows = [r for r in rows if evaluate(a.where, r) is True]
    if a.arg is None:
        return len(rows)
    if a.more is not None:
        return by_another(a, rows) if "by" in a.more else in_order(a, rows)
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
    if a.name in ("bit_and", "bit_or", "bit_xor"):
        return bits(a.name, values)
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
