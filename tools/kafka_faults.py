# SPDX-License-Identifier: Apache-2.0
"""What a real Kafka does to a pipeline, and what its topics bring: the part of tools/test_kafka about faults.

killed      windows, joins within a time bound and of windows, groups that change, an outer join of them, over two topics of four partitions;
            kill -9 at random moments.  Right: what a naive evaluation in this file says; nothing late; of changing rows the last of each key.
broker_down the broker is killed in the middle and comes back: the run goes on, each row counts once.
hurt        poison and messages beyond every limit between good rows: dead letters, the rows come, the run goes on.
stopped     Weir stands still for longer than its session in the group lasts: the group lets it go, it comes back, each row counts once.
idle        a partition that falls silent stops holding the watermark after idle_timeout, not before; what it brings when it is back is late, and told.
"""
import collections
import json
import os
import random
import signal
import subprocess
import time

KILLED = """
name: killed
sources:
  e:
    kafka: {{ brokers: "{b}", topic: killed, group: weir-test-killed, start: earliest }}
    columns: "id bigint NOT NULL, k bigint, v bigint, ts timestamptz"
    watermark: ts - interval '1 second'
    idle_timeout: 0
    max_skew: 2s
  f:
    kafka: {{ brokers: "{b}", topic: killed-f, group: weir-test-killed, start: earliest }}
    columns: "id bigint NOT NULL, of bigint, k bigint, ts timestamptz"
    watermark: ts - interval '1 second'
    idle_timeout: 0
    max_skew: 2s
views:
  kept: {{ sql: "SELECT id, v FROM e WHERE v % 7 = 0" }}
  counts:
    sql: |
      SELECT window_start, k, count(*) AS n, sum(v) AS s, min(id) AS first
      FROM tumble(e, ts, interval '5 seconds') GROUP BY window_start, k
  pairs: {{ sql: "SELECT e.id, f.id AS other FROM e JOIN f ON f.of = e.id AND f.ts BETWEEN e.ts AND e.ts + interval '1 second'" }}
  both:
    sql: |
      SELECT c.window_start, c.k, c.n, g.n AS m FROM counts c
      JOIN (SELECT window_start, k, count(*) AS n FROM tumble(f, ts, interval '5 seconds') GROUP BY window_start, k) g
        ON c.window_start = g.window_start AND c.k = g.k
  per_key: {{ sql: "SELECT k, count(*) AS n, sum(v) AS s FROM e GROUP BY k", state: {{ unbounded: true }} }}
  answers: {{ sql: "SELECT k, count(*) AS n FROM f GROUP BY k", state: {{ unbounded: true }} }}
  known: {{ sql: "SELECT p.k, p.n, a.n AS m FROM per_key p LEFT JOIN answers a ON a.k = p.k", state: {{ unbounded: true }} }}
sinks:
  a: {{ from: kept, kafka: {{ brokers: "{b}", topic: killed-kept, key: id }} }}
  b: {{ from: counts, kafka: {{ brokers: "{b}", topic: killed-counts, key: k }} }}
  c: {{ from: pairs, kafka: {{ brokers: "{b}", topic: killed-pairs }} }}
  d: {{ from: both, kafka: {{ brokers: "{b}", topic: killed-both }} }}
  e: {{ from: per_key, kafka: {{ brokers: "{b}", topic: killed-per-key, key: k }} }}
  f: {{ from: known, kafka: {{ brokers: "{b}", topic: killed-known, key: k }} }}
  bad: {{ from: e.dead_letter, kafka: {{ brokers: "{b}", topic: killed-bad }} }}
  late: {{ from: counts.late, kafka: {{ brokers: "{b}", topic: killed-late }} }}
checkpoint: {{ dir: {d}/killed, interval: 100ms }}
"""
KEYS, PARTITIONS = 20, 4


def kcat_read(b, topic):
    p = subprocess.run(["kcat", "-b", b, "-t", topic, "-C", "-e", "-q", "-o", "beginning"], capture_output=True, timeout=300)
    return [x for x in p.stdout.decode("utf-8", "replace").split("\n") if x]


def stamp(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1767225600 + ms // 1000)) + (".%03dZ" % (ms % 1000) if ms % 1000 else "Z")


def text_of(row):
    return json.dumps(row, sort_keys=True)


class Feed:
    """Rows of both topics, and what the answers are.  Idempotent: else kcat's retries, while a topic comes into being, change the order in a partition."""

    def __init__(self, b, rnd):
        self.rnd, self.at, self.events, self.answers = rnd, 0, [], []
        self.pipes = {(t, p): subprocess.Popen(["kcat", "-b", b, "-t", t, "-P", "-p", str(p), "-X", "linger.ms=2", "-X", "enable.idempotence=true"], stdin=subprocess.PIPE)
                      for t in ("killed", "killed-f") for p in range(PARTITIONS)}

    def write(self, n):
        lines, rnd = collections.defaultdict(list), self.rnd
        for _ in range(n):
            self.at += rnd.randrange(0, 5)
            self.event(lines["killed", rnd.randrange(PARTITIONS)], rnd.randrange(KEYS))
            if rnd.random() < 0.3:
                self.answer(lines["killed-f", rnd.randrange(PARTITIONS)], rnd.choice(self.events[-300:])["id"], rnd.randrange(KEYS - 3))
        for to, text in lines.items():
            self.pipes[to].stdin.write(("\n".join(text) + "\n").encode())
            self.pipes[to].stdin.flush()

    def event(self, lines, k):
        e = {"id": len(self.events), "k": k, "v": self.rnd.randrange(1000), "ts": stamp(self.at)}
        lines.append(json.dumps(e))
        self.events.append({**e, "at": self.at})

    def answer(self, lines, of, k):
        f = {"id": len(self.answers), "of": of, "k": k, "ts": stamp(self.at)}
        lines.append(json.dumps(f))
        self.answers.append({**f, "at": self.at})

    def end(self):
        """A minute ahead in each partition, by a key of its own: what was told of the others has to be so already."""
        self.at += 60000
        for p in range(PARTITIONS):
            lines, answers = [], []
            self.event(lines, KEYS)
            self.answer(answers, -1, KEYS)
            self.pipes["killed", p].stdin.write(("\n".join(lines) + "\n").encode())
            self.pipes["killed-f", p].stdin.write(("\n".join(answers) + "\n").encode())
        for pipe in self.pipes.values():
            pipe.stdin.close()
            pipe.wait()

    def naive(self):
        """What each topic holds at the end; of the last two the last row of each key."""
        out = {x: set() for x in ("kept", "counts", "pairs", "both", "per-key", "known")}
        groups, answered, per_key, per_answer = collections.defaultdict(list), collections.Counter(), collections.defaultdict(list), collections.Counter()
        by_id = {e["id"]: e for e in self.events}
        for e in self.events:
            groups[e["at"] // 5000 * 5000, e["k"]].append(e)
            per_key[e["k"]].append(e["v"])
            if e["v"] % 7 == 0:
                out["kept"].add(text_of({"id": e["id"], "v": e["v"]}))
        for f in self.answers:
            answered[f["at"] // 5000 * 5000, f["k"]] += 1
            per_answer[f["k"]] += 1
            if f["of"] in by_id and 0 <= f["at"] - by_id[f["of"]]["at"] <= 1000:
                out["pairs"].add(text_of({"id": f["of"], "other": f["id"]}))
        for (w, k), g in groups.items():
            if w + 5000 > self.at - 1000:
                continue  # open
            out["counts"].add(text_of({"window_start": stamp(w), "k": k, "n": len(g), "s": sum(x["v"] for x in g), "first": min(x["id"] for x in g)}))
            if answered[w, k]:
                out["both"].add(text_of({"window_start": stamp(w), "k": k, "n": len(g), "m": answered[w, k]}))
        for k, v in per_key.items():
            out["per-key"].add(text_of({"k": k, "n": len(v), "s": sum(v)}))
            out["known"].add(text_of({"k": k, "n": len(v), "m": per_answer[k] or None}))
        return out


def topic_rows(b, name):
    """All rows, as a set, and how many were written again; where rows of a key change, the last of each."""
    rows = [json.loads(x) for x in kcat_read(b, "killed-" + name)]
    if name in ("per-key", "known"):
        last = {r["k"]: {c: v for c, v in r.items() if c != "_op"} for r in rows}
        return {text_of(r) for r in last.values()}, 0
    have = {text_of(r) for r in rows}
    return have, len(rows) - len(have)


def killed(check, weir, b, d, kills, seed):
    rnd = random.Random(seed)
    print("kafka: killing %d times, seed %d" % (kills, seed), flush=True)
    path, log = d + "/killed.yaml", d + "/killed.log"
    open(path, "w").write(KILLED.format(b=b, d=d))
    feed = Feed(b, rnd)
    feed.write(2000)

    def start(workers):
        return subprocess.Popen([weir, "run", "-q", "--workers", str(workers), path], stdout=subprocess.DEVNULL, stderr=open(log, "ab"))

    for _ in range(kills):
        p = start(rnd.choice([1, 2, 3]))
        end = time.time() + rnd.uniform(0.05, 0.9)
        while time.time() < end:
            feed.write(rnd.randrange(1, 60))
            time.sleep(0.01)
        if p.poll() is not None:
            check("it runs until it is killed", False, "ended by itself with %d, see %s" % (p.returncode, log))
            print(open(log).read()[-1500:])
            return
        p.send_signal(signal.SIGKILL)
        p.wait()
    feed.end()
    want, p = feed.naive(), start(2)
    have, end = {}, time.time() + 480
    while time.time() < end and p.poll() is None and not all(have.get(x, ((), 0))[0] == want[x] for x in want):
        time.sleep(0.5)
        have.update({x: topic_rows(b, x) for x in want if have.get(x, ((), 0))[0] != want[x]})
    p.send_signal(signal.SIGTERM)
    check("it stops cleanly", p.wait(240) == 0, open(log).read()[-800:])
    check("no row is late", not kcat_read(b, "killed-late"))
    for name, (rows, again) in have.items():
        missing, extra = want[name] - rows, rows - want[name]
        check("killed: " + name, not missing and not extra, "%d missing, %d that should not be, of %d; e.g. %s %s" % (
            len(missing), len(extra), len(want[name]), sorted(missing)[:2], sorted(extra)[:2]))
        print("kafka: %-8s %d rows right%s" % (name, len(want[name]), ", %d written more than once" % again if again else ""))


# --- a pipeline that is fed row by row ---

SMALL = """
name: {t}
sources:
  e:
    kafka: {{ brokers: "{b}", topic: {t}, group: weir-test-{t}, start: earliest, properties: {{ reconnect.backoff.max.ms: "1000", session.timeout.ms: "6000" }} }}
    columns: "id bigint NOT NULL, ts timestamptz NOT NULL"
    watermark: ts
    idle_timeout: {idle}
    record_bytes_max: 100kB
views:
  v: {{ sql: "SELECT id FROM e" }}
  counts: {{ sql: "SELECT window_start, count(*) AS n FROM tumble(e, ts, interval '10 seconds') GROUP BY window_start" }}
sinks:
  out: {{ from: v, kafka: {{ brokers: "{b}", topic: {t}-out }} }}
  counts: {{ from: counts, kafka: {{ brokers: "{b}", topic: {t}-counts }} }}
  late: {{ from: counts.late, kafka: {{ brokers: "{b}", topic: {t}-late }} }}
  bad: {{ from: e.dead_letter, kafka: {{ brokers: "{b}", topic: {t}-bad }} }}
checkpoint: {{ dir: {d}/{t}, interval: 200ms }}
"""


class Small:
    def __init__(self, weir, b, d, name, idle):
        self.b, self.name, self.log = b, name, "%s/%s.log" % (d, name)
        path = "%s/%s.yaml" % (d, name)
        open(path, "w").write(SMALL.format(b=b, d=d, t=name, idle=idle))
        self.process = subprocess.Popen([weir, "run", "-q", path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "wb"))

    def feed(self, partition, rows):
        self.raw(partition, "".join('{"id":%d,"ts":"%s"}\n' % (i, stamp(at * 1000)) for i, at in rows).encode())

    def raw(self, partition, data):
        subprocess.run(["kcat", "-b", self.b, "-t", self.name, "-P", "-p", str(partition), "-X", "message.max.bytes=8000000"], input=data, check=True, timeout=300)

    def rows(self, what, want, seconds=120):
        """The rows of one of its topics, once there are so many."""
        end = time.time() + seconds
        while len(rows := [json.loads(x) for x in kcat_read(self.b, "%s-%s" % (self.name, what))]) < want and time.time() < end and self.process.poll() is None:
            time.sleep(0.3)
        return rows

    def stop(self, check):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(240)
        check(self.name + ": it stops cleanly", code == 0, "%d %s" % (code, open(self.log).read()[-800:]))


def broker_down(check, weir, b, d, here):
    """Windows go on where they were; rows that were on their way to the sink come, once."""
    s, port = Small(weir, b, d, "down", 0), b.split(":")[1]
    for p in range(PARTITIONS):
        s.feed(p, [(p * 1000 + i, i) for i in range(100)])
    check("before", len(s.rows("out", 400)) == 400)
    directory = "%s/kafka-%s" % (d, port)
    os.kill(int(open(directory + "/pid").read()), signal.SIGKILL)
    time.sleep(4)
    check("it runs while the broker is down", s.process.poll() is None, open(s.log).read()[-800:])
    up = subprocess.run([here + "/kafka", "start", directory, port], capture_output=True, text=True)
    check("the broker is back", up.returncode == 0, up.stderr[-500:])
    for p in range(PARTITIONS):
        s.feed(p, [(p * 1000 + i, i) for i in range(100, 200)])
    rows = sorted(r["id"] for r in s.rows("out", 800, 300))
    check("each row once", rows == sorted(p * 1000 + i for p in range(PARTITIONS) for i in range(200)), "%d rows" % len(rows))
    counts = {r["window_start"]: r["n"] for r in s.rows("counts", 19)}
    check("windows over the break", counts == {stamp(w * 10000): 40 for w in range(19)}, str(counts))
    check("nobody is late", not kcat_read(b, "down-late"))
    s.stop(check)
    log = open(s.log).read()
    check("the log says so", "no broker can be reached" in log and "the brokers are back" in log, log[-800:])


def stopped(check, weir, b, d):
    s = Small(weir, b, d, "stopped", 0)
    for p in range(PARTITIONS):
        s.feed(p, [(p * 1000 + i, i) for i in range(50)])
    check("before it stops", len(s.rows("out", 200)) == 200)
    s.process.send_signal(signal.SIGSTOP)
    for p in range(PARTITIONS):
        s.feed(p, [(p * 1000 + i, i) for i in range(50, 100)])
    time.sleep(8)
    s.process.send_signal(signal.SIGCONT)
    for p in range(PARTITIONS):
        s.feed(p, [(p * 1000 + i, i) for i in range(100, 150)])
    rows = sorted(r["id"] for r in s.rows("out", 600, 300))
    check("each row once after a stop", rows == sorted(p * 1000 + i for p in range(PARTITIONS) for i in range(150)), "%d rows" % len(rows))
    counts = {r["window_start"]: r["n"] for r in s.rows("counts", 14)}
    check("windows over the stop", counts == {stamp(w * 10000): 40 for w in range(14)}, str(counts))
    check("nobody is late after a stop", not kcat_read(b, "stopped-late"))
    s.stop(check)


def hurt(check, weir, b, d):
    """Good rows, records that are none, a message beyond the source's limit and one that is larger than a fetch; then good rows again."""
    s = Small(weir, b, d, "hurt", 0)
    bad = [b"{broken", b'{"id":"x","ts":"2026-01-01T00:00:00Z"}', b'{"id":1,"ts":"never"}', b"\xff\xfe", b'{"id":1}', b"null"]
    for p in range(PARTITIONS):
        s.feed(p, [(p, 0)])
        s.raw(p, b"\n".join(bad) + b"\n")
        for size in (200000, 3000000):
            s.raw(p, b'{"id":-1,"ts":"2026-01-01T00:00:00Z","x":"' + b"y" * size + b'"}\n')
        s.feed(p, [(10 + p, 20)])
    rows, letters = sorted(r["id"] for r in s.rows("out", 8)), s.rows("bad", PARTITIONS * (len(bad) + 2))
    check("the good ones come", rows == [0, 1, 2, 3, 10, 11, 12, 13], str(rows))
    codes = collections.Counter(r["code"] for r in letters)
    check("each bad one is a dead letter", len(letters) == PARTITIONS * (len(bad) + 2), str(codes))
    large = [r for r in letters if r["code"] == "ROW_TOO_LARGE"]
    check("giants, too", len(large) == 2 * PARTITIONS and all(len(r["sample"]) <= 2 * 4096 + 2 for r in large), str(codes))
    for p in range(PARTITIONS):
        s.feed(p, [(20 + p, 40)])
    check("and it goes on", len(s.rows("out", 12)) == 12)
    s.stop(check)


def idle(check, weir, b, d):
    s = Small(weir, b, d, "idle", "3s")
    for p in range(PARTITIONS):
        fed = time.time()  # the last, before the partition that falls silent has its row
        s.feed(p, [(p, 1)])
    check("all are there", len(s.rows("out", 4)) == 4)
    began = time.time()
    for p in range(PARTITIONS - 1):
        s.feed(p, [(10 + p, 25)])
    while not (rows := kcat_read(b, "idle-counts")) and time.time() < began + 120:
        for p in range(PARTITIONS - 1):  # the others are not silent
            s.feed(p, [(100, 26)])
    waited = time.time() - fed
    check("the window closes without the silent one", [json.loads(r)["n"] for r in rows] == [4], str(rows))
    check("but not before idle_timeout", waited >= 3, "%.1f s" % waited)
    s.feed(PARTITIONS - 1, [(50, 2), (51, 27)])
    late = s.rows("late", 1)
    check("what it brings then is late, and told", [r["ts"] for r in late] == [stamp(2000)], str(late))
    s.stop(check)
