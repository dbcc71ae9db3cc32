"""property_pipeline.py -- the queries of a property round as views of one pipeline, tested with `weir test`."""
import json
import subprocess

from property_sql import Printer, type_name
from property_values import json_value
from reference import Group, Select, Sort, Table, Union

HOUR = 3600 * 1000000


def eligible(case):
    """Views that append or change by key; their answer does not hang on how two streams were interleaved."""
    if isinstance(case.query, Sort) or case.kind in ("join", "plain_join", "union"):
        return False
    if isinstance(case.query, Group) and any(t == "float8" for _, t in case.columns):
        return False  # sums of floats agree but for their last digits; weir test compares all of them
    return not (isinstance(case.query, Select) and case.query.distinct)


def streams_of(query):
    if isinstance(query, Table):
        return {query.stream.name}
    out = set()
    for name in ("source", "left", "right"):
        if hasattr(query, name):
            out |= streams_of(getattr(query, name))
    for s in query.sources if isinstance(query, Union) else ():
        out |= streams_of(s)
    return out


def reads_bounds(e):
    """Does an expression read a window's bounds?"""
    return e is not None and (e.value in ("window_start", "window_end") or any(map(reads_bounds, e.args)))


def counted(case):
    """Are late rows counted as reference.py does?  Not where a condition may be found false before any row is judged, nor
    where bounds are read besides the keys: then each window's copy of a row is a row."""
    q = case.query
    if case.kind not in ("window", "session") or not case.rows or q.having is not None:
        return False
    return not any(map(reads_bounds, [q.where] + [e for _, a in q.calls for e in (a.arg, a.where)]))


def expected(case):
    rows = []
    for r in case.rows:
        rows.append(json_value({n: (v, t) for (n, t), v in zip(case.columns, r)}))
    return "[ " + ", ".join(rows) + " ]"


def write(path, rnd, streams, cases):
    used = set().union(*[streams_of(c.query) for c in cases])
    streams = [s for s in streams if s.name in used]
    out = ["name: drawn", "sources:"]
    for s in streams:
        columns = ", ".join("%s %s" % (n, type_name(t)) for n, t in s.columns)
        delay = (s.delay if s.delay is not None else HOUR) // 1000
        out.append("  %s: { push: {}, columns: %s, watermark: \"ts - interval '%d milliseconds'\" }" % (s.name, json.dumps(columns), delay))
    out.append("views:")
    for c in cases:
        emit = ""
        if isinstance(c.query, Group):
            windowed = c.kind in ("window", "session", "cascade")
            emit = "emit: %s, " % (rnd.choice(["final", "changes"]) if c.kind == "window" else "final" if windowed else "changes")
        out.append("  v%d: { %sstate: { unbounded: true }, sql: %s }" % (c.number, emit, json.dumps(Printer("weir").query(c.query))))
    out += ["tests:", "  - name: all", "    workers: %d" % rnd.choice([1, 2, 3]), "    steps:"]
    left = {s.name: list(s.rows) for s in streams}
    columns = {s.name: s.columns for s in streams}
    while any(left.values()):
        name = rnd.choice([n for n in left if left[n]])
        n = rnd.choice([1, 2, 10, 100])
        rows = ", ".join(json_value({c: (r[c], t) for c, t in columns[name]}) for r in left[name][:n])
        out.append("      - feed: { %s: [ %s ] }" % (name, rows))
        left[name] = left[name][n:]
        if rnd.random() < 0.1:
            out.append(rnd.choice(["      - restart: true", "      - workers: %d" % rnd.choice([1, 2, 3, 4])]))
    out.append("      - end: true")
    for c in cases:
        out.append("      - expect: { v%d: %s }" % (c.number, expected(c)))
        if counted(c):
            out.append("      - expect_counts: { v%d: { late: %d, late_windows: %d } }" % (c.number, c.told["late"], c.told["late_windows"]))
    open(path, "w", encoding="utf-8").write("\n".join(out) + "\n")


def check(weir, folder, rnd, streams, cases):
    """What is wrong, as text, or None."""
    cases = [c for c in cases if eligible(c)]
    if not cases:
        return None
    path = folder + "/pipeline.yaml"
    write(path, rnd, streams, cases)
    try:
        p = subprocess.run([weir, "test", path], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "pipeline: no answer in 60 s"
    if p.returncode:
        said = (p.stdout + p.stderr).decode("utf-8", "replace").strip()
        return "pipeline (exit %d): %s" % (p.returncode, said[:1500])
    return None
