"""property_pipeline.py -- the queries of a property round as views of one pipeline, tested with `weir test`."""
import json
import re
import subprocess

from property_sql import Printer, time_text, type_name
from property_values import json_value
from relations import Group, Select, Sort, Table, Union

HOUR = 3600 * 1000000


def eligible(case):
    """Views that append or change by key; their answer does not hang on how two streams were interleaved."""
    if case.wide:
        return True
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
    if case.wide or case.kind not in ("window", "session") or not case.rows or q.having is not None:
        return False
    return not any(map(reads_bounds, [q.where] + [e for _, a in q.calls for e in (a.arg, a.where)]))


def expected(case):
    rows = []
    for r in getattr(case, "live", case.rows):
        rows.append(json_value({n: (v, t) for (n, t), v in zip(case.columns, r)}))
    return "[ " + ", ".join(rows) + " ]"


def json_row(op, row, columns):
    return json_value({**({"_op": (op, "text")} if op else {}), **{c: (row[c], t) for c, t in columns if c in row}})


def feeds(rnd, streams, one_slot):
    """Steps that feed every row: pieces of one stream or of two at once, restarts and other numbers of workers between."""
    left = {s.name: list(s.log if hasattr(s, "log") else [(None, r) for r in s.rows]) for s in streams}
    columns = {s.name: s.columns for s in streams}
    sizes = rnd.choice([[1, 2, 10, 100], [1], [2, 5], [100]] if not one_slot else [[1, 10, 100], [100]])
    out = []

    def piece(name):
        n = rnd.choice(sizes)
        rows = ", ".join(json_row(op, r, columns[name]) for op, r in left[name][:n])
        left[name] = left[name][n:]
        return "%s: [ %s ]" % (name, rows)
    while any(left.values()):
        names = [n for n in left if left[n]]
        if len(names) > 1 and rnd.random() < 0.3:
            out.append("      - feed_together: { %s }" % ", ".join(map(piece, names)))
        else:
            out.append("      - feed: { %s }" % piece(rnd.choice(names)))
        if rnd.random() < 0.1:
            out.append(rnd.choice(["      - restart: true", "      - workers: %d" % rnd.choice([1, 2, 3, 4])]))
    return out


def scheduled(streams, schedule):
    """The steps of a schedule."""
    left = {s.name: list(s.log if hasattr(s, "log") else [(None, r) for r in s.rows]) for s in streams}
    columns, out = {s.name: s.columns for s in streams}, []

    def piece(name, n):
        rows, left[name] = left[name][:n], left[name][n:]
        return "%s: [ %s ]" % (name, ", ".join(json_row(op, r, columns[name]) for op, r in rows))
    for step in schedule.steps:
        if step[0] in ("feed", "together"):
            pieces = [piece(n, count) for n, count in step[1] if n in columns]
            if pieces:
                out.append("      - %s: { %s }" % ("feed_together" if len(pieces) > 1 else "feed", ", ".join(pieces)))
        else:
            out.append({"restart": "      - restart: true", "workers": "      - workers: %s" % step[-1],
                        "advance": "      - advance: %sms" % step[-1]}[step[0]])
    return out


def names_of(case):
    """The views that give this case: every other one stands twice, and what the two do is run once."""
    return ["v%d" % case.number] + (["again%d" % case.number] if case.number % 2 == 0 else [])


def header(c, rnd):
    """What a view says besides its SQL."""
    if hasattr(c, "options"):
        return ", ".join(c.options)
    emit = "emit: changes, " if c.wide else ""
    if isinstance(c.query, Group) and not c.wide:
        windowed = c.kind in ("window", "session", "cascade")
        emit = "emit: %s, " % (rnd.choice(["final", "changes"]) if c.kind == "window" else "final" if windowed else "changes")
    return emit + "state: { unbounded: true }"


def test_head(rnd, schedule):
    """The test's name and manner; has it buffers of one slot?"""
    one_slot = rnd.random() < 0.3 if schedule is None else schedule.one_slot
    workers = rnd.choice([1, 2, 3]) if schedule is None else schedule.workers
    head = ["tests:", "  - name: all", "    workers: %d" % workers] + ["    buffers: 1"] * one_slot
    return head + (['    clock: "%s"' % time_text(schedule.clock)] if schedule is not None else []) + ["    steps:"], one_slot


def write(path, rnd, streams, cases, schedule):
    """The file; the line of each view."""
    used = {s.name for s in streams} if cases[0].wide else set().union(*[streams_of(c.query) for c in cases])
    streams = [s for s in streams if s.name in used]
    out, lines = ["name: drawn", "sources:"], {}
    for s in streams:
        columns = ", ".join("%s %s" % (n, type_name(t)) for n, t in s.columns)
        delay = (s.delay if s.delay is not None else getattr(s, "tight", HOUR)) // 1000
        key = "key: id, " if hasattr(s, "log") else ""
        key += "idle_timeout: 10h, " if schedule is not None else ""
        out.append("  %s: { push: {}, %scolumns: %s, watermark: \"ts - interval '%d milliseconds'\" }" % (s.name, key, json.dumps(columns), delay))
    out.append("views:")
    for c in cases:
        said = header(c, rnd)
        for name in names_of(c):
            out.append("  %s: { %s, sql: %s }" % (name, said, json.dumps(Printer("weir", views=True).query(c.query))))
            lines[len(out)] = c
    head, one_slot = test_head(rnd, schedule)
    out += head + (feeds(rnd, streams, one_slot) if schedule is None else scheduled(streams, schedule))
    out.append("      - end: true")
    for c in cases:
        for name in names_of(c):
            out.append("      - expect: { %s: %s }" % (name, expected(c)))
            if getattr(c, "late", None) is not None:
                out.append("      - expect_counts: { %s: { late: %d } }" % (name, c.late))
            elif counted(c):
                out.append("      - expect_counts: { %s: { late: %d, late_windows: %d } }" % (name, c.told["late"], c.told["late_windows"]))
    open(path, "w", encoding="utf-8").write("\n".join(out) + "\n")
    return lines


def without(cases, gone):
    """The cases that neither are refused nor read what is."""
    left = []
    for c in cases:
        text = Printer("weir", views=True).query(c.query)
        if c in gone or any(re.search(r"\bv%d\b" % g.number, text) for g in gone):
            gone.append(c)
        else:
            left.append(c)
    return left


def check(weir, folder, rnd, streams, cases, schedule, refusals, refused):
    """What is wrong, as text, or None; what Weir says it cannot do is left out and counted."""
    cases = [c for c in cases if eligible(c)]
    path, state, said = folder + "/pipeline.yaml", rnd.getstate(), ""
    while cases:
        rnd.setstate(state)
        lines = write(path, rnd, streams, cases, schedule)
        try:
            p = subprocess.run([weir, "test", "--seed", str(rnd.randrange(1, 1000)), path], stdin=subprocess.DEVNULL, capture_output=True, timeout=240)
        except subprocess.TimeoutExpired:
            return "pipeline: no answer in 240 s"
        if p.returncode == 0:
            return None
        said = (p.stdout + p.stderr).decode("utf-8", "replace").strip()
        gone = []
        for line, message in re.findall(r"^[^\n]*pipeline\.yaml:(\d+):\d+: error: ([^\n]*)", said, re.M):
            known = next((r for r in refusals if re.search(r, message)), None)
            if known is not None and int(line) in lines:
                gone.append(lines[int(line)])
                refused["view: " + message] += 1
        running = re.search(r"^ *v(\d+)/\S*: (.*)$", said, re.M)
        known = next((r for r in refusals if running and re.search(r, running.group(2))), None)
        if not gone and known is not None:
            gone = [c for c in cases if c.number == int(running.group(1))]
            refused["running view: " + running.group(2)] += 1
        if not gone:
            return "pipeline (exit %d): %s" % (p.returncode, said[:1500])
        cases = without(cases, gone)
    return None
