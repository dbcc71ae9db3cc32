"""property_values.py -- typed values in JSON, and whether two answers are the same one."""
import json
import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from property_sql import EPOCH, time_text


def json_value(members):
    """{name: (value, type)} as one line of JSON; numerics keep their scale."""
    parts = []
    for name, (v, t) in members.items():
        if v is None:
            text = "null"
        elif t == "numeric":
            text = format(v, "f")
        elif t == "time":
            text = '"%s"' % time_text(v)
        else:
            text = json.dumps(v, ensure_ascii=False)
        parts.append('"%s": %s' % (name, text))
    return "{" + ", ".join(parts) + "}"


def read_value(v, t):
    """A value of an answer (numbers as they were written) by its type."""
    if v is None or t in ("bool", "text"):
        return v
    if t in ("int4", "int8"):
        return int(v)
    if t == "numeric":
        return Decimal(v)
    if t == "float8":
        return float(v)
    when = datetime.fromisoformat(v.replace("Z", "+00:00"))
    return (when.replace(tzinfo=when.tzinfo or timezone.utc) - EPOCH) // timedelta(microseconds=1)


def near(a, b):
    """Floats agree to 1e-12 of their size; sums that cancel, to 1e-9."""
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (a != a and b != b)


def same(a, b, loose=False):
    if a is None or b is None or isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float):
        return isinstance(b, float) and near(a, b)
    if isinstance(a, Decimal):
        return isinstance(b, Decimal) and a == b and (loose or a.as_tuple().exponent == b.as_tuple().exponent)
    return a == b


def sort_key(v):
    """Values that are the same have equal keys; the order itself means nothing."""
    if isinstance(v, bool) or v is None or isinstance(v, str):
        return str(v)
    if isinstance(v, int):
        return "%030d" % v
    if isinstance(v, Decimal):
        return format(v.normalize(), "f") + " " * -v.as_tuple().exponent
    return "%.6e" % v if v != 0 else "0"


def key(row):
    return [sort_key(v) for v in row]


def shown(row):
    return "(" + ", ".join("NULL" if v is None else str(v) for v in row) + ")"


def differ(columns, want, have, ordered, loose=False):
    """None, or what is missing and what should not be there.  loose: 1.0 may stand for 1.00."""
    names = [n for n, _ in columns]
    if not ordered:
        want, have = sorted(want, key=key), sorted(have, key=key)
    if len(want) == len(have) and all(len(a) == len(b) and all(same(x, y, loose) for x, y in zip(a, b)) for a, b in zip(want, have)):
        return None
    left = list(have)
    missing = []
    for w in want:
        hit = next((i for i, h in enumerate(left) if len(h) == len(w) and all(same(x, y, loose) for x, y in zip(w, h))), None)
        if hit is None:
            missing.append(w)
        else:
            del left[hit]
    if not missing and not left:
        return "the order differs: expected %s..." % ", ".join(map(shown, want[:3])) if ordered else None
    return "%d rows expected, %d came; missing %s; unexpected %s\n    columns %s" % (
        len(want), len(have), ", ".join(map(shown, missing[:3])) or "none", ", ".join(map(shown, left[:3])) or "none", ", ".join(names))
