"""sql_cases.py -- the .test files of tests/sql: what stands in them, and whether an answer is the expected one.

A file is paragraphs with empty lines between them; lines that begin with # are comments:

    input NAME (column type, ...) [watermark DELAY_MS on COLUMN] [key (a, b)]
    {"column": value, ...}            rows, one JSON object a line

    query [ordered] [no-flush] [weir]
    SQL, of as many lines as it needs
    ----
    [cell, ...]                       rows, one JSON array a line, cells as `weir query -o jsonl` writes them
      or  error: WORDS                it is refused; each line that follows stands in what it says, too (a hint, say)
      or  same                        and a second statement below, which gives the same rows

Inputs stay for the rest of the file.  `ordered`: rows in this order.  `no-flush`: what the watermark alone lets out.
`weir`: nothing to ask PostgreSQL; statements with windows over streams are never asked there.
"""
import glob
import math
import os
import re

from postgres import Number, read_json

WINDOWS = re.compile(r"\b(tumble|hop|session|cumulate|dedup)\s*\(|\bread_(json|csv)\b", re.I)


class Case:
    def __init__(self, path, line, flags, sql, expect, inputs):
        self.path, self.line, self.flags, self.sql, self.expect, self.inputs = path, line, flags, sql, expect, inputs
        self.name = "%s:%d" % (path, line)
        self.error = [x.strip() for x in expect] if expect and expect[0].startswith("error:") else None
        if self.error:
            self.error[0] = self.error[0][6:].strip()
        self.same = "\n".join(expect[1:]) if expect and expect[0] == "same" else None

    def rows(self):
        return [read_json(x) for x in self.expect]

    def for_postgres(self):
        return "weir" not in self.flags and "no-flush" not in self.flags and not WINDOWS.search(self.sql + (self.same or ""))


def paragraphs(path):
    """[(line number, lines)]"""
    found, cur = [], []
    for n, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("#"):
            continue
        if line.strip():
            cur = cur or [n]
            cur.append(line)
        elif cur:
            found.append((cur[0], cur[1:]))
            cur = []
    return found + ([(cur[0], cur[1:])] if cur else [])


def parse_input(path, line, lines):
    m = re.match(r"input (\w+) \((.*?)\)(?: watermark (\d+) on (\w+))?(?: key \(([^()]*)\))?$", lines[0])
    if not m:
        raise SystemExit("%s:%d: not an input line" % (path, line))
    columns = [c.strip().split(" ", 1) for c in re.split(r",\s*(?![^(]*\))", m.group(2))]
    key = [k.strip() for k in m.group(5).split(",")] if m.group(5) else None
    schema = {"columns": columns, "time_column": m.group(4), "watermark_delay_ms": int(m.group(3)) if m.group(3) else None,
              "primary_key": key}
    return m.group(1), {"schema": schema, "rows": lines[1:]}


def parse(path):
    inputs, cases = {}, []
    for line, lines in paragraphs(path):
        head = lines[0].split()
        if head[0] == "input":
            name, value = parse_input(path, line, lines)
            inputs = {**inputs, name: value}
        elif head[0] == "query" and "----" in lines:
            cut = lines.index("----")
            cases.append(Case(path, line, head[1:], "\n".join(lines[1:cut]), lines[cut + 1:], inputs))
        else:
            raise SystemExit("%s:%d: a paragraph is an `input`, or a `query` with ---- before its answer" % (path, line))
    return cases


def files(word=""):
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    return [os.path.relpath(p) for p in sorted(glob.glob(root + "/tests/sql/*/*.test")) if word in p]


def used(case, sql):
    """The inputs a statement names."""
    return {n: i for n, i in case.inputs.items() if re.search(r"\b%s\b" % n, sql)}


def same_cell(a, b):
    """Texts to the letter, numbers to the digit; floats that were summed agree to 1e-12."""
    if isinstance(a, Number) and isinstance(b, Number) and a != b:
        digits = min(len(re.sub(r"[eE].*|[^0-9]", "", x).lstrip("0")) for x in (a, b))
        return digits >= 15 and math.isclose(float(a), float(b), rel_tol=1e-12)
    return type(a) is type(b) and a == b


def differs(case, rows, want):
    """None, or what is missing and what should not be there."""
    left, missing = list(rows), []
    if len(rows) == len(want) and "ordered" in case.flags and all(map(same_row, rows, want)):
        return None
    for w in want:
        hit = next((i for i, r in enumerate(left) if same_row(r, w)), None)
        if hit is None:
            missing.append(w)
        else:
            del left[hit]
    if missing or left:
        return "missing %s, unexpected %s" % (missing[:4], left[:4])
    return "the order differs: %s" % rows[:8] if "ordered" in case.flags else None


def same_row(a, b):
    return len(a) == len(b) and all(map(same_cell, a, b))
