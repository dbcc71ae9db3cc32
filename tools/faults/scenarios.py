# SPDX-License-Identifier: Apache-2.0
"""What Weir does while a fault comes: each scenario prepares a directory, runs the program, and says what the answer is.

A scenario's act() runs the program with the fault and returns a Result; its answer() is compared with that of a run without
one.  Where something is kept on disk, mend() runs the program again, without a fault, in the same directory, and
last() is what must then be there: nothing lost, nothing wrong.
"""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
import msgpack  # noqa: E402
from ports import free_ports  # noqa: E402
from weir_client import Client, WeirError  # noqa: E402


class Result:
    def __init__(self, code, out=b"", err=b"", answer=None):
        self.code, self.out, self.err, self.answer = code, out, err, answer  # code None: it hung


def at(second, ms=0):
    return "2026-01-01T00:%02d:%02d.%03dZ" % (second // 60 % 60, second % 60, ms)


def events(first, last):
    """Rows some of which are out of order, few late.  Those have a key of their own: whether a join still
    finds a partner for a late row depends on how its sources were interleaved."""
    for i in range(first, last):
        late = i % 97 == 96
        second = i // 4 - (3 if i % 11 == 0 else 0) - (40 if late else 0)
        yield {"id": i, "k": "key number 13 of late rows" if late else "key number %d of many" % (i * 7 % 13), "v": i * 31 % 101, "n": "%d.%02d" % (i % 50, i % 100), "ts": at(max(second, 0))}


def others(first, last):
    for i in range(first, last):
        yield {"id": i, "k": "key number %d of many" % (i * 5 % 13), "w": i * 17 % 89, "ts": at(i // 4)}


def changes(first, last):
    """A keyed source: rows that come, are replaced and go."""
    for i in range(first, last):
        if i % 9 == 8:
            yield {"_op": "-", "id": i * 3 % 40}
        else:
            yield {"id": i * 5 % 40, "team": "team %d" % (i % 4), "score": i * 13 % 37, "tags": ["t%d" % (i % 3), "u"], "ts": at(i // 8)}


def lines(path, rows, mode="w"):
    with open(path, mode, encoding="utf-8") as f:
        for r in rows:
            f.write(json.dumps(r) + "\n")


def rows_of(path):
    """The whole lines of a file of JSON."""
    out = []
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as f:
        for line in f:
            with contextlib.suppress(ValueError):  # a line that a crash tore
                if line.endswith("\n"):
                    out.append(json.loads(line))
    return out


def as_set(path):
    return sorted({json.dumps(r, sort_keys=True) for r in rows_of(path)})


def folded(path, *key):
    """Upserts: the last row of each key that stands."""
    out = {}
    for r in rows_of(path):
        k = json.dumps([r.get(c) for c in key])
        op = r.pop("_op", "+")
        if op == "-":
            out.pop(k, None)
        else:
            out[k] = json.dumps(r, sort_keys=True)
    return sorted(out.values())


class Scenario:
    name = None
    tells = False  # what went wrong stands on standard output
    keeps = False  # a data directory: mend() and last() are there
    rest = False  # only places whose call sites no scenario before it has been through
    ok = (0,)
    timeout = 20
    want = None  # what last() is to be, once that is known

    def __init__(self, weir, embed):
        self.weir, self.embed = weir, embed

    def prepare(self, d, clean):
        """Write what the run reads; clean runs the program without faults."""

    def spawn(self, d, args, env, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([self.weir, *args], cwd=d, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, d, args, env, data=None, **options):
        p = self.spawn(d, args, env, **{"stdin": subprocess.PIPE if data is not None else subprocess.DEVNULL, **options})
        try:
            try:
                out, err = p.communicate(data, timeout=self.timeout)
            except subprocess.TimeoutExpired as late:
                if b"waiting for room" in (late.stderr or b""):  # as long as the disk is full
                    raise
                out, err = p.communicate(timeout=5 * self.timeout)  # a slow machine is not a hang
            return Result(p.returncode, out, err)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(Exception):  # whatever it was doing goes to the log
                subprocess.run(["gdb", "-p", str(p.pid), "-batch", "-ex", "thread apply all bt 12"], capture_output=True, timeout=20)
            p.kill()
            out, err = p.communicate()
            return Result(None, out, err)

    def act(self, d, env):
        return self.run(d, self.args, env)

    def answer(self, d, result):
        return result.out

    def mend(self, d, env):
        return self.run(d, self.args, env)

    def last(self, d):
        return None


# --- questions ---

class Query(Scenario):
    sql, more, ordered = "", (), True

    def prepare(self, d, clean):
        lines(d + "/e.jsonl", events(0, 400))
        lines(d + "/f.jsonl", others(0, 300))
        with open(d + "/g.csv", "w", encoding="utf-8") as f:
            f.write("k,v,at\n" + "".join('"a, %d",%d,2026-01-01 00:00:%02d\n' % (i, i, i % 60) for i in range(200)) + 'broken,x\n"open\n')

    def act(self, d, env):
        return self.run(d, ["query", *self.more, self.sql], env)

    def answer(self, d, result):
        return result.out if self.ordered else b"\n".join(sorted(result.out.splitlines()))


class QueryGroup(Query):
    name = "query_group"
    sql = """SELECT k, count(*), sum(v), avg(n::numeric), min(ts), count(DISTINCT v), string_agg(v::text, ',' ORDER BY id),
             percentile_cont(0.5) WITHIN GROUP (ORDER BY v), array_agg(v ORDER BY id) FILTER (WHERE v > 90)
             FROM read_json('e.jsonl') WHERE v % 5 <> 0 GROUP BY k HAVING count(*) > 3 ORDER BY k"""


class QueryJoin(Query):
    name = "query_join"
    sql = """WITH b AS (SELECT k, max(w) AS top FROM read_json('f.jsonl') GROUP BY k)
             SELECT e.k, e.v, b.top, row_number() OVER (PARTITION BY e.k ORDER BY e.v, e.id) AS r, sum(e.v) OVER (ORDER BY e.id ROWS 3 PRECEDING) AS s
             FROM read_json('e.jsonl') e LEFT JOIN b ON e.k = b.k AND e.v < b.top WHERE EXISTS (SELECT 1 FROM read_json('f.jsonl') f WHERE f.w = e.v)
             ORDER BY e.k, r, e.id LIMIT 60"""


class QueryText(Query):
    name = "query_text"
    more = ("-o", "table", "-p", "key%")
    sql = """SELECT upper(k), regexp_replace(k, '[0-9]+', '#'), to_char(v, '999'), jsonb_build_object('k', k, 'v', ARRAY[v, id]) AS j, substr(k, 3, 7) || '!',
             date_trunc('minute', ts::timestamptz), ts::timestamptz + interval '1 day', CASE WHEN v > 50 THEN 'large' ELSE NULL END, coalesce(n, '0')::numeric * 1.1,
             v IN (1, 2, 3, 77), split_part(k, ' ', 3)::int + 1 FROM read_json('e.jsonl') WHERE k LIKE $1 ORDER BY id LIMIT 120"""


class QuerySets(Query):
    name = "query_sets"
    more = ("-o", "csv")
    sql = """(SELECT v, k FROM read_json('e.jsonl') UNION SELECT w, k FROM read_json('f.jsonl')) EXCEPT SELECT 7, 'x'
             INTERSECT ALL SELECT v, k FROM (SELECT DISTINCT ON (k) v, k FROM read_json('e.jsonl') ORDER BY k, id) q ORDER BY 1, 2"""


class QueryCsv(Query):
    name = "query_csv"
    more = ("-o", "markdown")
    sql = "SELECT count(*), max(k), min(at), count(DISTINCT v) FROM read_csv('g.csv') WHERE v < '5'"


class QueryWindows(Query):
    name = "query_windows"
    sql = """SELECT date_bin('10 s', ts::timestamptz, '2026-01-01') AS w, k, count(*), stddev(v), grouping(k) FROM read_json('e.jsonl')
             GROUP BY GROUPING SETS ((1, 2), (1)) ORDER BY 1, 2 LIMIT 80"""


class Explain(Scenario):
    name = "explain"
    args = ["explain", "p.yaml"]

    def prepare(self, d, clean):
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write(PIPELINE.format(once=""))


class Check(Scenario):
    """A file with a mistake of each kind: all are told."""
    name = "check_bad"
    ok = (1,)
    args = ["check", "bad.yaml"]

    def prepare(self, d, clean):
        with open(d + "/bad.yaml", "w", encoding="utf-8") as f:
            f.write("""name: bad
sources:
  e: { file: { path: e.jsonl, folow: true }, columns: "k text, v bigint, ts timestamptz", watermark: "ts - interval '5 parsecs'" }
  f: { kafka: { brokers: "${NOBODY:-x}", topic: t, properties: { plugin.library.paths: x } }, format: jsonn, columns: "a bogus" }
  g: { tcp: { listen: nowhere }, columns: "k bigint", late: sometimes, buffer: 12 }
  h: { push: {} }
views:
  a: { sql: "SELECT nothing FROM e" }
  b: { sql: "SELECT count(*) FROM e GROUP BY" }
  c: { sql: "SELECT v::date + '1' FROM e JOIN nowhere USING (k)", emit: never, limits: { memory: lots } }
  d: { sql: "SELECT sum(v) FROM e" }
sinks:
  s: { from: nobody, file: { path: x } }
  t: { from: a }
unknown: [ 1, 2 ]
""")

    def answer(self, d, result):
        return result.out + result.err


class BadYaml(Check):
    name = "bad_yaml"

    def prepare(self, d, clean):
        with open(d + "/bad.yaml", "w", encoding="utf-8") as f:
            f.write("name: [unclosed\nsources: {\n\t- x\n")


class BadSql(Query):
    name = "bad_sql"
    ok = (1,)
    sql = "SELECT k, sum(v) OVER (ORDER BY nothing) FROM read_json('e.jsonl') GROUP BY k"

    def answer(self, d, result):
        return result.out + result.err


class Tests(Scenario):
    """weir test: a virtual clock, restarts on other worker counts."""
    name = "test"
    tells = True
    args = ["test", "t.yaml"]

    def prepare(self, d, clean):
        with open(d + "/t.yaml", "w", encoding="utf-8") as f:
            f.write("""name: tested
sources:
  bids: { push: {}, columns: "auction bigint, price numeric(12,2), ts timestamptz", watermark: "ts - interval '5 seconds'", late: dead_letter }
  users: { push: {}, key: id, columns: "id bigint, team text, score bigint" }
views:
  per_auction: { sql: "SELECT window_start, auction, count(*) AS bids, max(price) AS top FROM tumble(bids, ts, interval '10 seconds') GROUP BY window_start, auction" }
  visits: { sql: "SELECT window_start, window_end, auction, count(*) AS n FROM session(bids, ts, interval '8 seconds', auction) GROUP BY window_start, window_end, auction" }
  teams: { sql: "SELECT team, count(*) AS n, max(score) AS top FROM users GROUP BY team" }
  best: { sql: "SELECT id, team, score FROM users ORDER BY score DESC, id LIMIT 2", state: { unbounded: true } }
tests:
  - name: windows
    steps:
      - feed: { bids: [ { auction: 1, price: "5.00", ts: "2026-01-01T00:00:01Z" }, { auction: 2, price: "1", ts: "2026-01-01T00:00:02Z" } ] }
      - workers: 3
      - feed: { bids: [ { auction: 1, price: "7.5", ts: "2026-01-01T00:00:09Z" }, { auction: 1, price: "1", ts: "2026-01-01T00:00:30Z" }, { auction: 1, price: "1", ts: "2026-01-01T00:00:03Z" } ] }
      - restart: true
      - end: true
      - expect: { per_auction: [ { auction: 1, bids: 2, top: "7.50" }, { auction: 2, bids: 1 }, { auction: 1, bids: 1 } ] }
      - expect_counts: { per_auction: { late: 1 } }
      - expect: { visits: [ { auction: 1, n: 2 }, { auction: 1, n: 1 }, { auction: 2, n: 1 } ] }
  - name: tables
    steps:
      - feed: { users: [ { id: 1, team: a, score: 5 }, { id: 2, team: a, score: 7 }, { id: 3, team: b, score: 6 } ] }
      - restart: true
      - feed: { users: [ { _op: "-", id: 2 } ] }
      - expect: { teams: [ { team: a, n: 1, top: 5 }, { team: b, n: 1, top: 6 } ], best: [ { id: 1 }, { id: 3 } ] }
""")

    def answer(self, d, result):  # how long it took differs
        return [line.split(b" (")[0] for line in result.out.splitlines() if b"passed" not in line]


# --- pipelines ---

PIPELINE = """
name: all
sources:
  e: {{ file: {{ path: e.jsonl{once} }}, columns: "id bigint, k text, v bigint, n numeric(8,2), ts timestamptz", watermark: "ts - interval '5 seconds'", idle_timeout: 0, late: dead_letter }}
  f: {{ file: {{ path: f.jsonl{once} }}, columns: "id bigint, k text, w bigint, ts timestamptz", watermark: "ts - interval '5 seconds'", idle_timeout: 0 }}
  u: {{ file: {{ path: u.jsonl{once} }}, key: id, columns: "id bigint, team text, score bigint, tags text[], ts timestamptz" }}
views:
  tumbled: {{ sql: "SELECT window_start, k, count(*) AS n, avg(v) AS a, sum(n) AS s FROM tumble(e, ts, interval '10 seconds') GROUP BY window_start, k" }}
  hopped: {{ sql: "SELECT window_start, sum(v) AS s, max(v) AS top, count(DISTINCT k) AS d FROM hop(e, ts, interval '10 seconds', interval '30 seconds') GROUP BY window_start" }}
  visits: {{ sql: "SELECT window_start, window_end, k, count(*) AS n, min(id) AS first FROM session(e, ts, interval '4 seconds', k) GROUP BY window_start, window_end, k" }}
  joined: {{ sql: "SELECT e.id, e.k, e.v, f.id AS other, f.w FROM e JOIN f ON e.k = f.k AND f.ts BETWEEN e.ts AND e.ts + interval '5 seconds'" }}
  left_over: {{ sql: "SELECT e.id, f.id AS other FROM e LEFT JOIN f ON e.k = f.k AND f.w = e.v AND f.ts BETWEEN e.ts - interval '3 seconds' AND e.ts WHERE e.k <> 'key number 13 of late rows'" }}
  teams: {{ state: {{ unbounded: true }}, sql: "SELECT team, count(*) AS n, max(score) AS top, sum(score) AS s FROM u GROUP BY team" }}
  mates: {{ state: {{ unbounded: true }}, sql: "SELECT a.id, b.id AS mate, a.team FROM u a JOIN u b ON a.team = b.team AND a.score = b.score AND a.id < b.id" }}
  best: {{ sql: "SELECT id, team, score FROM (SELECT *, row_number() OVER (PARTITION BY team ORDER BY score DESC, id) AS r FROM u) q WHERE r <= 2" }}
  running: {{ sql: "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY ts RANGE interval '10 seconds' PRECEDING) AS s FROM e" }}
  tagged: {{ sql: "SELECT id, t.tag FROM u, unnest(tags) AS t(tag) WHERE score > 20" }}
  failing: {{ sql: "SELECT id, 100 / v AS q FROM e" }}
  failed: {{ sql: "SELECT code, \\"row\\" FROM failing.dead_letter" }}
sinks:
  s1: {{ from: tumbled, file: {{ path: tumbled.out }} }}
  s2: {{ from: hopped, file: {{ path: hopped.out }} }}
  s3: {{ from: joined, file: {{ path: joined.out }} }}
  s4: {{ from: left_over, file: {{ path: left_over.out }} }}
  s5: {{ from: teams, file: {{ path: teams.out }}, changes: upsert }}
  s6: {{ from: mates, file: {{ path: mates.out }}, changes: upsert }}
  s7: {{ from: best, file: {{ path: best.out }}, changes: upsert }}
  s8: {{ from: visits, file: {{ path: visits.out }} }}
  s9: {{ from: running, file: {{ path: running.out }} }}
  s10: {{ from: tagged, file: {{ path: tagged.out }} }}
  s11: {{ from: failed, file: {{ path: failed.out }} }}
  s12: {{ from: tumbled.late, file: {{ path: late.out }} }}
checkpoint: {{ dir: data, interval: 20ms }}
"""
SETS = ("tumbled", "hopped", "joined", "left_over", "visits", "running", "failed", "late")
FOLDS = {"teams": ("team",), "mates": ("id", "mate"), "best": ("id",)}


def part(text, views):
    """The pipeline with some of its views and their sinks."""
    out, keep = [], None
    for line in text.splitlines():
        words = line.strip().split(":")
        if line.startswith("  ") and not line.startswith("   "):
            if line.startswith("  s") and "from:" in line:
                keep = line.split("from:")[1].split(",")[0].strip().split(".")[0] in views
            elif "sql:" in line:
                keep = words[0] in views
            else:
                keep = words[0] in ("e", "f", "u")
            if not keep:
                continue
        out.append(line)
    return "\n".join(out) + "\n"


class Once(Scenario):
    """A bounded run with a data directory."""
    keeps = True
    views, sizes, workers = (), (300, 200, 150), 2

    @property
    def args(self):
        return ["run", "--once", "-q", "-w", str(self.workers), "p.yaml"]

    def prepare(self, d, clean):
        lines(d + "/e.jsonl", events(0, self.sizes[0]))
        lines(d + "/f.jsonl", others(0, self.sizes[1]))
        lines(d + "/u.jsonl", changes(0, self.sizes[2]))
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write(part(PIPELINE.format(once=""), self.views))

    def answer(self, d, result):
        return self.last(d)

    def last(self, d):
        out = {}
        for v in self.views:
            if v in FOLDS:
                out[v] = folded("%s/%s.out" % (d, v), *FOLDS[v])
            elif v in SETS:
                out[v] = as_set("%s/%s.out" % (d, v))
        if "failed" in out:  # when it failed is no part of the answer
            out["failed"] = sorted({json.dumps([r["code"], r["row"]], sort_keys=True) for r in rows_of(d + "/failed.out")})
        return out


class OnceWindows(Once):
    name = "once_windows"
    views = ("tumbled", "hopped", "visits", "running", "late")


class OnceJoins(Once):
    name = "once_joins"
    views = ("joined", "left_over", "failing", "failed")


class OnceChanges(Once):
    name = "once_changes"
    views = ("teams", "mates", "best")


class Again(Once):
    """A run that goes on from a checkpoint, with more rows and other workers; there is an older checkpoint, too."""
    name = "again"
    views = ("tumbled", "hopped", "visits", "joined", "left_over", "teams", "mates", "best", "running")
    workers = 3

    def prepare(self, d, clean):
        super().prepare(d, clean)
        for n in (0, 30):
            r = self.run(d, ["run", "--once", "-q", "-w", "2", "p.yaml"], clean)
            assert r.code == 0, r.err
            lines(d + "/e.jsonl", events(self.sizes[0] + n, self.sizes[0] + n + 30), "a")
            lines(d + "/f.jsonl", others(self.sizes[1] + n, self.sizes[1] + n + 30), "a")
            lines(d + "/u.jsonl", changes(self.sizes[2] + n, self.sizes[2] + n + 30), "a")


def minds_sigterm(pid):
    """It has come so far that SIGTERM ends it in order: on a busy machine that takes a while."""
    try:
        caught = next(line for line in open("/proc/%d/status" % pid) if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


class Follow(Once):
    """Files that grow, slowly read; checkpoints on the way; ended by SIGTERM."""
    name = "follow"
    views = ("tumbled", "joined", "teams")
    slow = "700 3000"

    def prepare(self, d, clean):
        super().prepare(d, clean)
        with open(d + "/follow.yaml", "w", encoding="utf-8") as f:
            f.write(part(PIPELINE.format(once=", follow: true"), self.views))

    def act(self, d, env):
        return self.follow(d, {**env, "WEIR_FAULT_SLOW": self.slow}, lambda begun: time.time() - begun > 0.35)

    def follow(self, d, env, over):
        p, begun = self.spawn(d, ["run", "-q", "-w", str(self.workers), "follow.yaml"], env), time.time()
        while p.poll() is None and not (over(begun) and (minds_sigterm(p.pid) or time.time() - begun > self.timeout)):
            time.sleep(0.01)
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
        try:
            out, err = p.communicate(timeout=self.timeout)
            return Result(p.returncode, out, err)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            return Result(None, out, err)

    def answer(self, d, result):
        return None  # how far it came is a matter of luck

    def mend(self, d, env):
        return self.follow(d, env, lambda begun: time.time() - begun > (120 if self.want else 15) or
                           self.want and time.time() - begun > 0.4 and self.last(d) == self.want)


class Formats(Scenario):
    """CSV, TSV, lines, MessagePack and Debezium in; CSV, MessagePack, lines out; a file that is rotated; dead letters."""
    name = "formats"
    keeps = True
    args = ["run", "--once", "-q", "-w", "2", "p.yaml"]
    text = """
name: formats
sources:
  c: { file: { path: c.csv }, format: { csv: { header: true } }, columns: "k text, v bigint, b boolean, f double precision, at timestamp" }
  t: { file: { path: t.tsv }, format: tsv, columns: "k text, v numeric" }
  l: { file: { path: l.txt }, format: line, columns: "line text" }
  m: { file: { path: m.msgpack }, format: msgpack, columns: "k text, v bigint, a bigint[]" }
  d: { file: { path: d.jsonl }, format: debezium, key: id, columns: "id bigint, name text" }
views:
  cs: { sql: "SELECT k, v, b, f, at FROM c" }
  ts: { sql: "SELECT k, v * 2 AS v FROM t" }
  ls: { sql: "SELECT upper(line) AS line FROM l" }
  ms: { sql: "SELECT k, v, a FROM m" }
  ds: { sql: "SELECT id, name FROM d" }
sinks:
  a: { from: cs, file: { path: cs.out }, format: { csv: { header: true } } }
  b: { from: ts, file: { path: ts.out } }
  g: { from: ls, file: { path: ls.out, rotate: 1kB }, format: line }
  h: { from: ms, file: { path: ms.out }, format: msgpack }
  i: { from: ms, file: { path: ms2.out } }
  j: { from: ds, file: { path: ds.out }, changes: upsert }
  k: { from: c.dead_letter, file: { path: dead.out } }
checkpoint: { dir: data, interval: 1s }
"""

    def prepare(self, d, clean):
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write(self.text)
        with open(d + "/c.csv", "w", encoding="utf-8") as f:
            f.write("k,v,b,f,at\n" + "".join('"a ""%d""\n",%s,%s,%s,2026-01-01 00:00:%02d\n' % (i, i if i % 17 else "x", "t" if i % 2 else "", i / 3, i % 60) for i in range(150)))
        with open(d + "/t.tsv", "w", encoding="utf-8") as f:
            f.write("".join("k\\t%d\t%s\n" % (i, i / 4 if i % 7 else "\\N") for i in range(150)))
        with open(d + "/l.txt", "w", encoding="utf-8") as f:
            f.write("".join("line %d of the file\n" % i for i in range(150)))
        with open(d + "/m.msgpack", "wb") as f:
            for i in range(150):
                f.write(msgpack.packb({"k": "k%d" % i, "v": i, "a": [i, None, 2]} if i % 19 else {"k": 1, "v": "x"}))
        with open(d + "/d.jsonl", "w", encoding="utf-8") as f:
            for i in range(100):
                row = {"id": i % 30, "name": "name %d" % i}
                f.write(json.dumps({"op": "d", "before": row} if i % 7 == 6 else {"op": "c", "after": row}) + "\n")

    def last(self, d):
        out = {"lines": [], "msgpack": set(), "csv": sorted(set(open(d + "/cs.out", encoding="utf-8").read().split('"a ""'))) if os.path.exists(d + "/cs.out") else []}
        for name in sorted(os.listdir(d)):
            if name.startswith("ls.out"):
                out["lines"] += open(d + "/" + name, encoding="utf-8").read().splitlines()
        out["lines"] = sorted(set(out["lines"]))
        with contextlib.suppress(FileNotFoundError), open(d + "/ms.out", "rb") as f:
            out["msgpack"] = sorted(set(re.split(rb"(?=\x83\xa1k)", f.read())))  # each a map of three
        out["ts"], out["ms"], out["ds"] = as_set(d + "/ts.out"), as_set(d + "/ms2.out"), folded(d + "/ds.out", "id")
        out["dead"] = sorted({json.dumps([r["offset"], r["code"], r["message"]]) for r in rows_of(d + "/dead.out")})
        return out

    def answer(self, d, result):
        return self.last(d)


class Pipe(Scenario):
    """Standard input to standard output."""
    name = "pipe"
    args = ["run", "--once", "-q", "-w", "2", "-i", "e=-", "-O", "big=-", "p.yaml"]

    def prepare(self, d, clean):
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write("""
sources:
  e: { file: { path: nowhere }, columns: "id bigint, k text, v bigint" }
views:
  big: { sql: "SELECT id, k, v + 1 AS v FROM e WHERE v > 20" }
""")

    def act(self, d, env):
        return self.run(d, self.args, env, "".join(json.dumps(r) + "\n" for r in events(0, 400)).encode())

    def answer(self, d, result):
        return sorted(result.out.splitlines())


class Show(Scenario):
    """The generator, shown as a table."""
    name = "nexmark_show"
    args = ["run", "--once", "-q", "-w", "2", "--show", "per_second", "-o", "csv", "p.yaml"]

    def prepare(self, d, clean):
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write("""
sources:
  bid: { nexmark: { relation: bid, events: 2000, rate: 1000/s }, watermark: "datetime - interval '1 second'" }
  auction: { nexmark: { relation: auction, events: 2000, rate: 1000/s }, watermark: "datetime - interval '1 second'" }
views:
  per_second: { sql: "SELECT b.auction, count(*) AS bids, max(a.category) AS c FROM bid b JOIN auction a ON a.id = b.auction AND b.datetime BETWEEN a.datetime AND a.datetime + interval '10 seconds' GROUP BY b.auction", emit: changes, state: { unbounded: true } }
""")

    def answer(self, d, result):
        bag = {}
        for line in result.out.decode().splitlines():
            op, _, row = line.partition(",")
            bag[row] = bag.get(row, 0) + (1 if op == "+" else -1)
        return sorted(r for r, n in bag.items() if n)


class New(Scenario):
    name = "new_help"

    def act(self, d, env):
        for args in (["new", "kafka-agg"], ["help", "functions"], ["help", "kafka"]):
            r = self.run(d, args, env)
            if r.code != 0:
                return r
        return r


class Embed(Scenario):
    """The library in a program: load, push, subscribe, ask, checkpoint, restore."""
    name = "embed"
    keeps = True
    right = None

    def act(self, d, env):
        return self.run(d, ["data"], env, executable=self.embed)

    def mend(self, d, env):
        return self.act(d, env)

    def answer(self, d, result):
        if b"restored" in result.out:
            return None  # how much the first life kept is a matter of luck
        rows = b"\n".join(sorted(result.out.splitlines()))  # two workers: whose rows come first is one, too
        Embed.right = Embed.right or rows  # the first run has no fault
        return Embed.right if b"restored an older one" in result.err else rows  # it was told: nothing pushes the rows again


# --- a process that serves ---

class Served(Scenario):
    """A process that runs until SIGTERM; talk() is what clients do.  A client whose connection breaks tries again, and says so."""
    text = ""
    workers = 2

    def prepare(self, d, clean):
        pass

    def act(self, d, env):
        self.http, self.tcp, self.raw = free_ports(3)
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write(self.text % {"http": self.http, "tcp": self.tcp, "raw": self.raw, "dir": d})
        p = self.spawn(d, ["run", "-q", "-w", str(self.workers), "--data", "data", "p.yaml"], env, **self.stdin())
        said, answer = [], None
        readers = [threading.Thread(target=lambda f=f: said.append((f, f.read()))) for f in (p.stdout, p.stderr)]
        for t in readers:
            t.start()
        deadline, hung = time.time() + self.timeout, False
        try:
            answer = self.talk(d, p, deadline)
        except Gone:
            pass
        except TimeoutError:
            hung = p.poll() is None
        if p.poll() is None and not hung:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(15)
            except subprocess.TimeoutExpired:
                hung = True
        if hung:
            p.kill()
        p.wait()
        for t in readers:
            t.join()
        texts = {f: text for f, text in said}
        return Result(None if hung else p.returncode, texts[p.stdout], texts[p.stderr], answer)

    def stdin(self):
        return {}

    def answer(self, d, result):
        return result.answer

    def retry(self, p, deadline, what):
        """what(), again when the connection breaks; gives up when the process has ended."""
        while True:
            try:
                return what()
            except (OSError, WeirError, http.client.HTTPException, EOFError, ValueError):
                if p.poll() is not None:
                    raise Gone() from None
                if time.time() > deadline:
                    raise TimeoutError() from None
                time.sleep(0.02)


class Gone(Exception):
    """The process has ended."""


SHOP = """
name: shop
sources:
  orders: { push: {}, columns: "id bigint NOT NULL, item text, amount numeric(12,2), ts timestamptz", watermark: "ts - interval '1 second'" }
  prices: { file: { path: prices.jsonl }, key: item, columns: "item text, price bigint" }
views:
  large: { sql: "SELECT id, item, amount FROM orders WHERE amount > 100" }
  totals: { emit: changes, sql: "SELECT item, count(DISTINCT id) AS orders FROM orders GROUP BY item", state: { unbounded: true } }
  priced: { sql: "SELECT item, price * 2 AS twice FROM prices" }
serve: { http: 127.0.0.1:%(http)d, tcp: 127.0.0.1:%(tcp)d%(more)s }
"""


class ServeTcp(Served):
    """Subscribers with a snapshot and resume, pushes, in JSON and MessagePack."""
    name = "serve_tcp"
    text = SHOP.replace("%(more)s", "")
    encoding, secure = "json", {}

    def client(self):
        return Client("127.0.0.1:%d" % self.tcp, timeout=2, encoding=self.encoding, **self.secure)

    def prepare(self, d, clean):
        lines(d + "/prices.jsonl", ({"item": "item %d" % (i % 9), "price": i} for i in range(40)))

    def talk(self, d, p, deadline):
        rows = [{"id": i, "item": "item %d" % (i % 3), "amount": "%d.50" % (i * 10), "ts": at(i)} for i in range(30)]

        def push():
            with self.client() as c:
                c.push("orders", rows)

        def large():
            with self.client() as c:
                sub, got = c.subscribe("large", snapshot=True), set()
                for change in sub:
                    got.add(change.row["id"])
                    if got == set(range(10, 30)):
                        return sorted(got)
                raise EOFError()

        def totals():
            with self.client() as c:
                sub, got = c.subscribe("totals", snapshot=True, upserts=True), {}
                for change in sub:
                    got[change.row["item"]] = change.row.get("orders") if change.op == "+" else None
                    if got == {"item 0": 10, "item 1": 10, "item 2": 10}:
                        return sorted(got)
                raise EOFError()

        def why():
            with self.client() as c:
                return c.why("large") and c.why("priced") and True
        self.retry(p, deadline, push)
        out = [self.retry(p, deadline, large), self.retry(p, deadline, totals), self.retry(p, deadline, why)]
        out.append(self.retry(p, deadline, large))
        return out


class ServeMsgpack(ServeTcp):
    name = "serve_msgpack"
    encoding = "msgpack"


class ServeTls(ServeTcp):
    name = "serve_tls"

    def prepare(self, d, clean):
        super().prepare(d, clean)
        run = lambda *a: subprocess.run(["openssl", *a], cwd=d, check=True, capture_output=True)
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", "k.pem", "-out", "c.pem",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
        os.chmod(d + "/k.pem", 0o600)

    def act(self, d, env):
        self.text = SHOP.replace("%(more)s", ", tls: { cert: c.pem, key: k.pem }")
        self.secure = {"ca": d + "/c.pem"}
        return super().act(d, env)


class ServeHttp(Served):
    """Health, metrics, status, why, explain, SSE; a file follows."""
    name = "serve_http"
    text = SHOP.replace("%(more)s", "")

    def prepare(self, d, clean):
        lines(d + "/prices.jsonl", ({"item": "item %d" % (i % 9), "price": i} for i in range(40)))

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.http, timeout=2)
        try:
            c.request("GET", path)
            r = c.getresponse()
            body = r.read()
            if r.status >= 500:
                raise EOFError()
            return r.status, body
        finally:
            c.close()

    def talk(self, d, p, deadline):
        out = []
        for path in ("/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/views/totals/why", "/api/v1/views/large/explain", "/nowhere"):
            out.append(self.retry(p, deadline, lambda path=path: self.get(path)[0]))
        metrics = self.retry(p, deadline, lambda: self.get("/metrics"))[1]
        return out + [b"weir_pipeline_running" in metrics]


class TcpIn(Served):
    """Connections that send records, rows to a file."""
    name = "tcp_in"
    text = """
name: tcp_in
sources:
  e: { tcp: { listen: 127.0.0.1:%(raw)d, connections: 10 }, columns: "k bigint, t text" }
views:
  v: { sql: "SELECT k, t FROM e" }
sinks:
  out: { from: v, file: { path: v.out } }
"""

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.raw), 2)

    def talk(self, d, p, deadline):
        want = set(range(200))

        def send():
            with self.connect() as s:
                s.sendall("".join('{"k":%d,"t":"row %d"}\n' % (i, i) for i in sorted(want)).encode())
            stop = time.time() + 1.5
            while time.time() < stop and p.poll() is None:
                if {r["k"] for r in rows_of(d + "/v.out")} >= want:
                    return True
                time.sleep(0.01)
            raise EOFError()  # the connection broke: at most once, so it is sent again
        self.retry(p, deadline, send)
        bad = [r for r in rows_of(d + "/v.out") if r != {"k": r.get("k"), "t": "row %s" % r.get("k")}]
        return [bad]


class Sub(Scenario):
    """weir sub, why, ls, top --once and push as clients: the fault is theirs."""
    name = "clients"
    server = None

    def prepare(self, d, clean):
        lines(d + "/prices.jsonl", ({"item": "item %d" % (i % 9), "price": i} for i in range(40)))

    def act(self, d, env):
        http_port, tcp = free_ports(2)
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write(SHOP.replace("%(more)s", "") % {"http": http_port, "tcp": tcp})
        clean = {k: v for k, v in env.items() if not k.startswith("WEIR_FAULT")}
        server = subprocess.Popen([self.weir, "run", "-q", "-w", "1", "p.yaml"], cwd=d, env=clean, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", tcp)).close()
                    break
                time.sleep(0.01)
            out = []
            address = "127.0.0.1:%d" % tcp
            for args in (["sub", "priced", "--snapshot", "-n", "40", "-o", "csv"], ["why", "totals"], ["ls"], ["sub", "nobody"]):
                r = self.run(d, [args[0], "-s", address, *args[1:]], env)
                if r.code is None or r.code != (0 if args[-1] != "nobody" else 1):
                    return r
                out.append(r.out if args[0] == "sub" else b"")
            return Result(0, repr(out).encode(), b"")
        finally:
            server.terminate()
            server.wait()


class Kafka(Scenario):
    """The practice broker: a topic in, a topic out, in one process."""
    name = "dev_kafka"
    args = ["run", "-q", "-w", "2", "-d", "data", "--dev-kafka", "--show", "back", "-o", "csv", "p.yaml"]
    timeout = 40

    def prepare(self, d, clean):
        lines(d + "/e.jsonl", events(0, 60))
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write("""
sources:
  e: { file: { path: e.jsonl }, columns: "id bigint, k text, v bigint" }
  b: { kafka: { brokers: "${KAFKA}", topic: t, start: earliest }, columns: "id bigint, k text, v bigint" }
views:
  back: { sql: "SELECT id, v FROM b" }
sinks:
  out: { from: e, kafka: { brokers: "${KAFKA}", topic: t, key: k } }
""")

    def act(self, d, env):
        p = self.spawn(d, self.args, env)
        rows, said = [], []
        t = threading.Thread(target=lambda: [rows.append(line) for line in p.stdout])
        e = threading.Thread(target=lambda: said.append(p.stderr.read()))
        t.start()
        e.start()
        deadline = time.time() + self.timeout
        while p.poll() is None and len(set(rows)) < 61 and time.time() < deadline:
            time.sleep(0.02)
        hung = p.poll() is None and len(set(rows)) < 61
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                hung = True
                p.kill()
        p.wait()
        t.join()
        e.join()
        return Result(None if hung else p.returncode, b"".join(sorted(set(rows))), said[0])


ALL = [QueryGroup, QueryJoin, QueryText, QuerySets, QueryCsv, QueryWindows, Explain, Check, BadYaml, BadSql, Tests, OnceWindows, OnceJoins, OnceChanges,
       Again, Follow, Formats, Pipe, Show, New, Embed, ServeTcp, ServeMsgpack, ServeTls, ServeHttp, TcpIn, Sub, Kafka]
