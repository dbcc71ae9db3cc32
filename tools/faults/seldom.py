# SPDX-License-Identifier: Apache-2.0
"""Scenarios of what is done seldom: clients' SQL, sockets in the file system, secrets, damaged and journalled checkpoints, files that are
moved, servers that hang up, the less usual SQL."""
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

from scenarios import SHOP, Again, Follow, Gone, Once, Query, Result, Scenario, Served, ServeTcp, TcpIn, as_set, changes, events, folded, free_ports, lines, others, rows_of
from weir_client import Client


class Several(Query):
    """Commands of the program in turn, each with what comes in at its standard input."""
    commands = ()

    def prepare(self, d, clean):
        super().prepare(d, clean)
        lines(d + "/u.jsonl", changes(0, 100))
        with open(d + "/h.csv", "w", encoding="utf-8") as f:
            f.write("a,a,,a_1,a\n1,2,3,4,5\n6,7,,9,10\n")
        with open(d + "/numbers.jsonl", "w", encoding="utf-8") as f:
            for x in ("1.5", "22", "1.25", "NaN", "123456789012345678901234567890.5", "7e20", "0.000001"):
                f.write('{"n":"%s","c":"ab","f":"0.%s1"}\n' % (x, "0" * 20))
        with open(d + "/numbers.schema", "w", encoding="utf-8") as f:
            json.dump({"columns": [["n", "numeric"], ["c", "char(5)"], ["f", "real"]]}, f)
        with open(d + "/top.sql", "w", encoding="utf-8") as f:
            f.write("WITH best AS (SELECT k, max(v) AS top FROM bids GROUP BY k) SELECT k, top FROM best\n")
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write("""name: p
sources:
  bids: { file: { path: e.jsonl }, columns: "id bigint, k text, v bigint, ts timestamptz", watermark: "ts" }
  everything: { nexmark: { events: 100 } }
  u: { file: { path: u.jsonl }, key: id, columns: "id bigint, team text, score bigint" }
views:
  top: { sql_file: top.sql, state: { unbounded: true } }
  teams: { sql: "SELECT team, count(*) AS n FROM u GROUP BY team", state: { unbounded: true } }
  kinds: { sql: "SELECT event_type, count(*) AS n FROM everything GROUP BY event_type" }
tests:
  - name: top
    steps:
      - feed: { bids: [ { id: 1, k: a, v: 1, ts: "2026-01-01T00:00:01Z" } ] }
      - expect: { top: [ { k: a, top: 1 } ] }
""")

    def act(self, d, env):
        out = []
        for args, data in self.commands:
            r = self.run(d, [a.format(d=d) for a in args], env, data(d) if data else None)
            if r.code != 0:
                return r
            out.append(r.out)
        return Result(0, b"\n".join(out), b"")


E_AND_F = ("-i", "e=e.jsonl", "-i", "f=f.jsonl")


def ask(sql, *more, data=None):
    return ["query", *more, sql], data


class QueryLateral(Several):
    name = "query_lateral"
    commands = [ask(s, *E_AND_F) for s in (
        "SELECT e.id, x.n FROM e, LATERAL (VALUES (e.v), (e.id * 2)) x(n) WHERE e.id < 2 ORDER BY 1, 2",
        """SELECT e.id, x.n FROM e, LATERAL (SELECT f.id AS n FROM f WHERE f.w = e.v UNION ALL SELECT f.w FROM f WHERE f.w > e.v + 80) x
           WHERE e.id < 4 ORDER BY 1, 2""",
        """SELECT e.id, x.n, x.r, y.c FROM e, LATERAL (SELECT f.id AS n, row_number() OVER (PARTITION BY f.k ORDER BY f.id) AS r FROM f WHERE f.w < e.v) x,
           LATERAL (SELECT f.k, count(*) AS c FROM f WHERE f.w < e.v GROUP BY f.k) y WHERE e.id < 4 ORDER BY 1, 2, 3, 4 LIMIT 5""",
        """SELECT e.id, x.n FROM e, LATERAL (SELECT f.id AS n FROM f LEFT JOIN (SELECT * FROM f WHERE w < 10) g ON f.k = g.k AND g.w < e.v WHERE f.w = e.v) x
           WHERE e.id < 40 ORDER BY 1, 2 LIMIT 5""",
        "SELECT e.id, l.id FROM e, LATERAL (SELECT f.id FROM f LEFT JOIN f g ON f.id = g.w AND g.k = e.k WHERE f.k = e.k) l ORDER BY 1, 2 LIMIT 5",
        "SELECT e.id, l.w FROM e LEFT JOIN LATERAL (SELECT w FROM f WHERE f.k = e.k AND f.ts <= e.ts ORDER BY f.ts DESC LIMIT 1) l ON true ORDER BY 1 LIMIT 5",
        "SELECT e.id, l.w FROM e LEFT JOIN LATERAL (SELECT g.w FROM f g JOIN f h ON g.id = h.id AND h.w > 3 WHERE g.k = e.k LIMIT 2) l ON true ORDER BY 1, 2 LIMIT 5")]


class QueryJoins(Several):
    name = "query_joins"
    commands = [ask(s, *E_AND_F) for s in (
        "SELECT e.id, f.id FROM e FULL JOIN f ON e.k = f.k AND (e.v < f.w OR e.id = f.id) WHERE e.id IS NULL OR e.id < 3 ORDER BY 1, 2 LIMIT 9",
        "SELECT e.id, f.id FROM e FULL JOIN f ON e.v < f.w - 80 ORDER BY 1, 2 LIMIT 9",
        "SELECT e.id, f.id FROM e FULL JOIN f ON e.k = f.k AND EXISTS (SELECT 1 FROM f g WHERE g.id = f.id AND g.w > e.v) ORDER BY 1, 2 LIMIT 9",
        "SELECT e.id FROM e LEFT JOIN LATERAL (SELECT g.w FROM f g LEFT JOIN f h ON g.id = h.w AND h.k = e.k WHERE g.k = e.k AND g.id < e.v) l ON true ORDER BY 1 LIMIT 5",
        "SELECT e.id FROM e WHERE EXISTS (SELECT 1 FROM f JOIN f g ON f.k = g.k AND f.w < g.w WHERE f.k = e.k AND g.id = e.v) ORDER BY 1 LIMIT 9",
        "SELECT e.id FROM e WHERE NOT EXISTS (SELECT 1 FROM f LEFT JOIN f g ON f.k = g.k WHERE f.w = e.v) ORDER BY 1 LIMIT 9",
        "SELECT id FROM e WHERE (k, v) IN (SELECT k, w FROM f) OR (id, v) IN ((1, 31), (2, 62)) OR v IN (id, 7) ORDER BY 1 LIMIT 9",
        """SELECT id, window_start, count(*) OVER (PARTITION BY window_start, k) FROM session(e, ts, interval '2 seconds', k) ORDER BY id LIMIT 9""",
        "SELECT k, window_start, count(*) FROM session(e, ts, interval '2 seconds', partition_by => k) GROUP BY 1, 2, window_end ORDER BY 1, 2 LIMIT 9")]


class QueryValues(Several):
    name = "query_values"
    commands = [ask(s, *more) for s, more in (
        ("SELECT * FROM upper('a') WITH ORDINALITY", ()),
        ("""SELECT pg_typeof(1.5), concat_ws(',', VARIADIC ARRAY['a', 'b']), format('%s-%s', VARIADIC ARRAY['x', 'y']), to_char(1234.5, '9.99EEEE'),
            to_char(12e3::float8, '9.9EEEE'), to_char('-Infinity'::float8, '999'), to_char(1.5::float8, '99.9'), to_char('NaN'::float8, '99')""", ()),
        ("SELECT regexp_split_to_array('a b c d e f g h i j k', ' '), normalize('é', NFD), array_positions(ARRAY[1, 2, 1], 1), array_fill(7, ARRAY[2, 3])", ()),
        ("""SELECT to_char(a * 1.5, '9.99EEEE'), to_char(a::float8, '9.9EEEE'), to_char(a / 3.0::float8, '99.9'), to_char(CASE WHEN a > 1 THEN 'NaN' ELSE '-Infinity' END::float8, '999'),
            regexp_split_to_array('a b c d e f g h i j ' || a, ' '), normalize('é' || a, NFD), array_positions(ARRAY[a, 2, 1], 1), array_fill(a, ARRAY[2, 3])
            FROM generate_series(1, 3) AS t(a)""", ()),
        ("""SELECT approx_count_distinct(a), array_agg(ARRAY[a, 1]) FILTER (WHERE a < 3), percentile_cont(0.5) WITHIN GROUP (ORDER BY a),
            mode() WITHIN GROUP (ORDER BY a % 100), jsonb_object_agg('k' || a, a) FILTER (WHERE a < 30) FROM generate_series(1, 3000) AS t(a)""", ()),
        ("SELECT sum(n), avg(n), max(n), min(c || '|'), sum(f), sum(n * n) FROM t", ("-i", "t=numbers.jsonl", "--schema", "t=numbers.schema")),
        ("SELECT n, c || '|', f FROM t ORDER BY n", ("-i", "t=numbers.jsonl", "--schema", "t=numbers.schema")),
        ("SELECT ('0.' || repeat('0', 150 + a) || '123456789')::float8, ('0.' || repeat('0', 40) || repeat('1', 100 + a))::real, 2::numeric ^ (500 + a) FROM generate_series(0, 1) t(a)", ()),
        ("SELECT a, a % 7 FROM generate_series(1, 40000) t(a) ORDER BY (a * 7919) % 60013 LIMIT 5", ()),
        ("EXPLAIN SELECT a FROM generate_series(1, 3) t(a)", ()))]


class Commands(Several):
    """What the command line is given besides: files to write to, pipes, reports, a view of a file, closed descriptors."""
    name = "commands"
    tells = True
    commands = [
        ask("SELECT * FROM read_csv('h.csv')", "-O", "out.csv", "-o", "csv"),
        ask("SELECT count(*), max(v) FROM e", "-i", "e=-", data=lambda d: open(d + "/e.jsonl", "rb").read()),
        ask("SELECT * FROM top ORDER BY k LIMIT 2", "-f", "p.yaml", "-i", "bids=e.jsonl"),
        ask("SELECT * FROM kinds ORDER BY 1", "-f", "p.yaml"),
        ask("SELECT team, n, sum(n) OVER (ORDER BY team) FROM teams ORDER BY n, team LIMIT 3", "-f", "p.yaml"),
        (["test", "--junit", "{d}/report.xml", "p.yaml"], None),
        (["explain", "{d}/p.yaml"], None),
    ]

    def act(self, d, env):
        r = super().act(d, env)
        if r.code != 0:
            return r
        last = self.run(d, ["query", "SELECT 1 AS x"], env, preexec_fn=lambda: os.close(0))
        with open(d + "/e.jsonl", "rb") as f:
            read = self.run(d, ["query", "-i", "e=-", "SELECT max(v) FROM e"], env, stdin=f)
        if read.code != 0:
            return read
        out = [line.split(b" (")[0] for line in r.out.splitlines() if b"passed" not in line] + [last.out, read.out, open(d + "/out.csv", "rb").read()]
        return Result(last.code, b"\n".join(out), last.err)


class Typo(Several):
    """A name that is nearly one of the pipeline's."""
    name = "typo"
    ok = (1,)

    def act(self, d, env):
        return self.run(d, ["query", "-f", "p.yaml", "SELECT * FROM topp"], env)

    def answer(self, d, result):
        return result.out + result.err


class Nobody(Scenario):
    """A client whom nobody hears."""
    name = "nobody"
    ok = (69,)
    args = ["ls", "-s", "127.0.0.1:1"]

    def answer(self, d, result):
        return result.out + result.err


class Secrets(Scenario):
    """A secret in a file of its own, a path relative to the file that names it, keys that nobody knows."""
    name = "secrets"
    args = ["check", "here/p.yaml"]

    def prepare(self, d, clean):
        os.makedirs(d + "/here/secrets")
        with open(d + "/here/secrets/token", "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write("a token of some length\n")
        with open(d + "/here/p.yaml", "w", encoding="utf-8") as f:
            f.write("""name: p
sources:
  e: { file: { path: e.jsonl }, columns: "k text, v bigint" }
  t: { tcp: { listen: 127.0.0.1:7098, tls: { cert: c.pem, key: k.pem } }, columns: "k text" }
views:
  v: { sql: "SELECT k, v FROM e" }
serve: { tcp: 127.0.0.1:7099, token: !secret token }
""")

    def answer(self, d, result):
        return result.out + result.err


class NoConnector(Secrets):
    """Connectors that are missing, unknown, and with options beside them."""
    name = "no_connector"
    ok = (1,)
    args = ["check", "p.yaml"]

    def prepare(self, d, clean):
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write("""name: p
sources:
  a: { fille: { path: e.jsonl }, columns: "k text" }
  b: { columns: "k text" }
  c: { file: { path: e.jsonl }, path: x, columns: "k text" }
  g: { file: { path: e.jsonl }, nonsense: x, columns: "k text" }
  d: { file: { path: e.jsonl }, colums: "k text", columns: "k text" }
  e: { kafka: { brokers: nowhere, topic: t, properties: { ssl.ca.location: nowhere.pem } }, columns: "k text" }
views:
  v: { sql: "WITH w AS (SELECT 1) SELECT k FROM nobody, w" }
""")


class AgainSeldom(Again):
    """Views of the less usual kinds, over two runs: sessions that are told as they change, sums of what no machine's number holds, rows of
    several envelopes, unions, joins with more conditions than their keys."""
    name = "again_seldom"
    workers = 3
    views = ("now", "exact", "either", "larger", "apart", "paths", "made", "order")
    text = """name: seldom
sources:
  e: { file: { path: e.jsonl }, columns: "id bigint, k text, v bigint, n numeric, ts timestamptz", watermark: "ts - interval '5 seconds'", idle_timeout: 0 }
  f: { file: { path: f.jsonl }, columns: "id bigint, k text, w bigint, ts timestamptz", watermark: "ts - interval '5 seconds'", idle_timeout: 0 }
  u: { file: { path: u.jsonl }, key: id, columns: "id bigint, team text, score bigint, tags text[], ts timestamptz" }
  p: { file: { path: p.jsonl }, columns: "a bigint OPTIONS (path '$.x.a'), b text OPTIONS (path '$.x.y[1]')" }
  d: { file: { path: d.jsonl }, format: debezium, key: id, columns: "id bigint, amount numeric(10,2), made timestamptz OPTIONS (path '$.source.ts_ms'), bytes bytea" }
views:
  now: { emit: changes, sql: "SELECT window_start, window_end, k, count(*) AS n, count(DISTINCT v) AS d FROM session(e, ts, interval '4 seconds', k) GROUP BY window_start, window_end, k" }
  exact: { state: { unbounded: true }, sql: "SELECT k, sum(n) AS s, avg(n) AS a, percentile_cont(0.5) WITHIN GROUP (ORDER BY v) AS p, array_agg(v ORDER BY id) AS l FROM e GROUP BY k" }
  either: { sql: "SELECT id, k FROM e WHERE k <> 'key number 13 of late rows' UNION ALL SELECT id + 100000, k FROM f" }
  larger: { sql: "SELECT e.id, f.id AS other FROM e LEFT JOIN f ON e.k = f.k AND f.w > e.v AND f.ts BETWEEN e.ts - interval '3 seconds' AND e.ts WHERE e.k <> 'key number 13 of late rows'" }
  apart: { state: { unbounded: true }, sql: "SELECT a.team, a.n, b.top FROM (SELECT team, count(*) AS n FROM u GROUP BY team) a LEFT JOIN (SELECT team, max(score) AS top FROM u GROUP BY team) b ON a.team = b.team AND b.top > a.n" }
  paths: { sql: "SELECT a, b FROM p" }
  made: { sql: "SELECT id, amount, made, bytes FROM d" }
  order: { state: { unbounded: true }, sql: "SELECT tags, count(*) AS n FROM u GROUP BY tags" }
sinks:
  a: { from: now, file: { path: now.out }, changes: upsert }
  b: { from: exact, file: { path: exact.out }, changes: upsert }
  c: { from: either, file: { path: either.out } }
  g: { from: larger, file: { path: larger.out } }
  h: { from: apart, file: { path: apart.out }, changes: upsert }
  i: { from: paths, file: { path: paths.out } }
  j: { from: made, file: { path: made.out }, changes: upsert }
  k: { from: order, file: { path: order.out }, changes: upsert }
checkpoint: { dir: data, interval: 20ms }
"""
    keys = {"now": ("window_start", "window_end", "k"), "exact": ("k",), "apart": ("team",), "made": ("id",), "order": ("tags",)}

    def write(self, d, first, last, mode):
        huge = ("NaN", "1e40", "0.000000000000000000001", "123456789012345678901234567890.25")
        lines(d + "/e.jsonl", ({**r, "n": huge[r["id"] % 4] if r["id"] % 7 == 0 else r["n"]} for r in events(first, last)), mode)
        lines(d + "/f.jsonl", others(first, last), mode)
        lines(d + "/u.jsonl", changes(first, last), mode)
        lines(d + "/p.jsonl", ({"x": {"a": i, "y": [0, "b%d" % i]}} for i in range(first, last)), mode)
        lines(d + "/d.jsonl", ({"op": "c", "source": {"ts_ms": 1767225600000 + i}, "after": {"id": i % 20, "amount": "BNI=", "bytes": "AAEC"}} for i in range(first, last)), mode)

    def prepare(self, d, clean):
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write(self.text)
        self.write(d, 0, 150, "w")
        r = self.run(d, self.args, clean)
        assert r.code == 0, r.err
        self.write(d, 150, 220, "a")

    def last(self, d):
        return {v: folded("%s/%s.out" % (d, v), *self.keys[v]) if v in self.keys else as_set("%s/%s.out" % (d, v)) for v in self.views}


# --- files that are moved, checkpoints that are not whole ---

class Rotating(Once):
    """A sink that begins new files beyond a size; a run that goes on where another had rotated."""
    name = "rotating"
    views = ()
    args = ["run", "--once", "-q", "-w", "2", "p.yaml"]

    def prepare(self, d, clean):
        lines(d + "/e.jsonl", events(0, 150))
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write("""name: rotating
sources:
  e: { file: { path: e.jsonl }, columns: "id bigint, k text, v bigint" }
views:
  v: { sql: "SELECT id, k, v FROM e" }
sinks:
  out: { from: v, file: { path: v.out, rotate: 2kB } }
checkpoint: { dir: data, interval: 20ms }
""")
        r = self.run(d, self.args, clean)
        assert r.code == 0, r.err
        lines(d + "/e.jsonl", events(150, 400), "a")

    def last(self, d):
        return sorted({json.dumps(r, sort_keys=True) for name in os.listdir(d) if name.startswith("v.out") for r in rows_of(d + "/" + name)})


class Moved(Follow):
    """A followed file that is not there at first, is rotated, and is cut."""
    name = "moved"
    views = ("rows",)

    def prepare(self, d, clean):
        with open(d + "/follow.yaml", "w", encoding="utf-8") as f:
            f.write("""name: moved
sources:
  e: { file: { path: e.jsonl, follow: true, every: 5ms }, columns: "id bigint, k text, v bigint" }
views:
  rows: { sql: "SELECT id, k, v FROM e" }
sinks:
  out: { from: rows, file: { path: rows.out } }
checkpoint: { dir: data, interval: 20ms }
""")

    def ids(self, d):
        return {r["id"] for r in rows_of(d + "/rows.out")}

    def last(self, d):
        return None

    def act(self, d, env):
        """Each step is taken when the rows of the one before have come, or it has ended."""
        steps = [lambda: lines(d + "/e.jsonl", events(0, 40)),
                 lambda: (os.rename(d + "/e.jsonl", d + "/e.jsonl.1"), lines(d + "/e.jsonl", events(40, 80))),
                 lambda: lines(d + "/e.jsonl", events(80, 90))]
        wants = [40, 80, 90]
        state = {"step": 0, "since": time.time()}

        def over(begun):
            if state["step"] < len(steps) and (state["step"] == 0 and time.time() - begun > 0.1 or state["step"] > 0 and len(self.ids(d)) >= wants[state["step"] - 1]):
                steps[state["step"]]()
                state["step"] += 1
            return len(self.ids(d)) >= wants[-1] or time.time() - begun > 10
        r = self.follow(d, env, over)
        while state["step"] < len(steps):  # it ended before
            steps[state["step"]]()
            state["step"] += 1
        return r

    def answer(self, d, result):
        return None  # what is cut or moved away while nobody reads is lost

    def mend(self, d, env):
        """What is there now and comes later is read."""
        lines(d + "/e.jsonl", events(90, 100), "a")
        return self.follow(d, env, lambda begun: self.ids(d) >= set(range(80, 100)) or time.time() - begun > 30)


class Undo(Follow):
    """A run that begins from a checkpoint and a journal: the one before was killed after it had told of changes."""
    name = "undo"
    views = ("teams", "mates")

    def prepare(self, d, clean):
        super().prepare(d, clean)
        self.told(d, clean, "follow.yaml", signal.SIGTERM, 0)
        lines(d + "/u.jsonl", changes(self.sizes[2], self.sizes[2] + 60), "a")
        with open(d + "/follow.yaml", encoding="utf-8") as f, open(d + "/killed.yaml", "w", encoding="utf-8") as to:
            to.write(f.read().replace("interval: 20ms", "interval: 1h"))
        self.told(d, clean, "killed.yaml", signal.SIGKILL, -9)
        assert any(f.startswith("undo-") for _, _, names in os.walk(d + "/data") for f in names)

    def mend(self, d, env):
        """With more rows: what was told before the kill is there already, before a restart has caught up."""
        lines(d + "/u.jsonl", changes(self.sizes[2] + 60, self.sizes[2] + 90), "a")
        return super().mend(d, env)

    def told(self, d, clean, file, by, code):
        """A run until more has been told than before and no more comes."""
        before = told = self.last(d)
        p = self.spawn(d, ["run", "-q", "-w", "2", file], clean)
        while p.poll() is None and (told == before or told != self.last(d)):
            told = self.last(d)
            time.sleep(0.3)
        p.send_signal(by)
        _, said = p.communicate()
        assert p.returncode == code, said


class Damaged(Once):
    """The newest checkpoint cannot be read, the one before can; files of one that was not finished lie about."""
    name = "damaged"
    views = ("tumbled", "joined", "teams", "best")

    def prepare(self, d, clean):
        super().prepare(d, clean)
        for n in (0, 30):
            r = self.run(d, self.args, clean)
            assert r.code == 0, r.err
            lines(d + "/e.jsonl", events(self.sizes[0] + n, self.sizes[0] + n + 30), "a")
            lines(d + "/u.jsonl", changes(self.sizes[2] + n, self.sizes[2] + n + 30), "a")
        store = next(at for at, _, names in os.walk(d + "/data") if "CURRENT" in names)
        newest = max(f for f in os.listdir(store) if f.endswith(".d"))
        with open(store + "/" + newest, "r+b") as f:
            f.seek(100)
            byte = f.read(1)
            f.seek(100)
            f.write(bytes([byte[0] ^ 1]))
        for left in ("ckpt-0000000077.m.tmp", "ckpt-0000000077-0.d.tmp", "CURRENT.tmp"):
            with open(store + "/" + left, "wb") as f:
                f.write(b"half of it")


# --- served ---

class ServeSql(ServeTcp):
    """Clients' statements: good ones, mistakes, one without an end, from several at once; a certificate asked of nobody."""
    name = "serve_sql"
    right = None
    refusals = 0  # no thread for a statement, or nobody who parses it: who is told so tries again; where that lasts, it was the answer

    def answer(self, d, result):
        ServeSql.right = ServeSql.right or result.answer  # the first run has no fault
        return ServeSql.right if result.answer == "refused" else result.answer

    def talk(self, d, p, deadline):
        def explain(sql):
            def once():
                if self.refusals > 50:
                    return None
                with self.client() as c:
                    try:
                        told = c.explain_sql(sql)
                    except Exception as e:
                        if getattr(e, "code", "").startswith("QUERY_") and "gave up" not in str(e) and "too long" not in str(e):
                            return e.code
                        self.refusals += any(w in str(e) for w in ("cannot start thread", "has gone", "is not taken"))
                        raise
                    return [told["kind"], told["columns"]]
            return self.retry(p, deadline, once)
        said = [explain(sql) for sql in (
            "SELECT item, count(*) AS n FROM orders GROUP BY item", "SELECT window_start, sum(amount) FROM tumble(orders, ts, interval '1 minute') GROUP BY window_start",
            "SELECT o.id, p.twice FROM orders o JOIN priced p ON o.item = p.item", "SELECT nothing FROM orders", "SELECT FROM WHERE", "DROP TABLE orders",
            "SELECT * FROM read_csv('/etc/passwd')", "WITH x AS (SELECT id FROM orders) SELECT id FROM x WHERE id IN (1, 2, 3)", "SELECT %s1" % ("-" * 1 + "+" * 300))]
        many, threads = [], []
        for _ in range(3):
            threads.append(threading.Thread(target=lambda: many.append(self.quietly(lambda: explain("SELECT id FROM orders")))))
            threads[-1].start()
        for t in threads:
            t.join()
        return "refused" if self.refusals > 50 else said + many

    @staticmethod
    def quietly(what):
        with contextlib.suppress(Gone, TimeoutError):
            return what()
        return None


class ServeUnix(ServeTcp):
    """A socket in the file system, beside which one lies that a killed process has left; the data directory's own; deep requests."""
    name = "serve_unix"

    def prepare(self, d, clean):
        super().prepare(d, clean)
        os.mkdir(d + "/data")

    def act(self, d, env):
        for path in ("w.sock", "data/weir.sock"):
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(d + "/" + path)
        self.text = SHOP.replace("tcp: 127.0.0.1:%(tcp)d%(more)s", "tcp: 'unix:%(dir)s/w.sock'")
        self.at = d
        return super().act(d, env)

    def client(self):
        return Client("unix:%s/w.sock" % self.at, timeout=2)


class ServeTaken(Served):
    """Another process listens there."""
    name = "serve_taken"
    ok = (69,)
    text = SHOP.replace("%(more)s", "")

    def prepare(self, d, clean):
        lines(d + "/prices.jsonl", ({"item": "item %d" % (i % 9), "price": i} for i in range(40)))

    def act(self, d, env):
        port = free_ports(1)[0]
        with open(d + "/p.yaml", "w", encoding="utf-8") as f:
            f.write(self.text % {"http": port, "tcp": self.taken, "raw": 0, "dir": d})
        return self.run(d, ["run", "-q", "-w", "1", "p.yaml"], env)

    @property
    def taken(self):
        if not hasattr(ServeTaken, "holder"):
            ServeTaken.holder = socket.create_server(("127.0.0.1", 0))
        return ServeTaken.holder.getsockname()[1]

    def answer(self, d, result):
        return result.err.replace(b":%d" % self.taken, b":PORT")


def certify(self, d, clean):
    """A key and its certificate."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", "k.pem", "-out", "c.pem",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], cwd=d, check=True, capture_output=True)
    os.chmod(d + "/k.pem", 0o600)


class ServeClientCa(ServeTcp):
    """TLS on both sides: who connects shows a certificate."""
    name = "serve_client_ca"

    def prepare(self, d, clean):
        super().prepare(d, clean)
        certify(self, d, clean)

    def act(self, d, env):
        self.text = SHOP.replace("%(more)s", ", tls: { cert: c.pem, key: k.pem, client_ca: c.pem }")
        self.secure = {"ca": d + "/c.pem", "cert": d + "/c.pem", "key": d + "/k.pem"}
        return super().act(d, env)


class TcpTls(TcpIn):
    """The same through TLS."""
    name = "tcp_tls"
    text = TcpIn.text.replace("connections: 10 }", "connections: 2, tls: { cert: c.pem, key: k.pem } }")
    prepare = certify

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.raw), 2)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain)


class TcpOut(Served):
    """A server that we connect to: it is not there at first, and hangs up."""
    name = "tcp_out"
    text = """
name: tcp_out
sources:
  e: { tcp: { connect: "127.0.0.1:%(raw)d" }, columns: "k bigint, t text" }
views:
  v: { sql: "SELECT k, t FROM e" }
sinks:
  out: { from: v, file: { path: v.out } }
"""

    def talk(self, d, p, deadline):
        want = set(range(200))
        time.sleep(0.1)
        with socket.create_server(("127.0.0.1", self.raw)) as server:
            server.settimeout(0.1)
            while {r["k"] for r in rows_of(d + "/v.out")} < want:
                if p.poll() is not None:
                    raise Gone()
                if time.time() > deadline:
                    raise TimeoutError()
                with contextlib.suppress(OSError):
                    s, _ = server.accept()
                    with s:
                        s.sendall("".join('{"k":%d,"t":"row %d"}\n' % (i, i) for i in sorted(want)).encode())
        return [[r for r in rows_of(d + "/v.out") if r != {"k": r.get("k"), "t": "row %s" % r.get("k")}]]


ALL = [QueryLateral, QueryJoins, QueryValues, Commands, Typo, Nobody, Secrets, NoConnector, AgainSeldom, Rotating, Moved, Undo, Damaged, ServeSql, ServeUnix, ServeTaken, ServeClientCa, TcpTls, TcpOut]
