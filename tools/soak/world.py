# SPDX-License-Identifier: Apache-2.0
"""What a soak runs in: two practice brokers, the feeds, Weir itself, and what the answers must be.

Event time is the wall's.  Rows of `e` go to four partitions, each partition in order but for 0.8 s, and the watermark allows 3 s, so no
row may be late, not even those of a partition that comes back from being idle.  There is no consumer group: the practice Kafka's own code
does not stand members that come and go (`make test-kafka` has groups).  Each row that is fed is counted at the same time, those of `e` by the
feeder (feeder.c), by means of its own: these counts are the answers at the end.
"""
import collections
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from feeder import Feeder  # noqa: E402
from ports import free_ports  # noqa: E402

KEYS, PARTITIONS, WINDOW_MS, SLIDE_MS, SIZE_MS, BOUND_MS, WATERMARK_MS = 200, 4, 5000, 2000, 10000, 3000, 3000
SIDE_RATE = 200  # rows a second of `f` and of `t`
PIPELINE = """
name: soak
limits: {{ workers: 2, memory: 512MB }}
sources:
  e:
    kafka: {{ brokers: "{broker}", topic: e, start: earliest, queue_bytes: 4MiB, properties: {{ socket.timeout.ms: "8000" }} }}
    columns: "id bigint NOT NULL, k bigint NOT NULL, v bigint NOT NULL, ts timestamptz NOT NULL"
    watermark: ts - interval '3 seconds'
    idle_timeout: {idle}s
    record_bytes_max: 64KiB
    buffer: 512KiB
  f:
    file: {{ path: {dir}/f.jsonl, follow: true, every: 50ms }}
    columns: "id bigint NOT NULL, ts timestamptz NOT NULL"
    watermark: ts
    buffer: 512KiB
  t:
    tcp: {{ listen: "127.0.0.1:{tcp_in}" }}
    columns: "k bigint NOT NULL, ts timestamptz NOT NULL"
    watermark: ts
    idle_timeout: 0
    record_bytes_max: 64KiB
    buffer: 512KiB
  u:
    file: {{ path: {dir}/u.jsonl, follow: true, every: 50ms }}
    key: k
    columns: "k bigint, name text"
    buffer: 512KiB
views:
  per_window:
    retain: 60s
    sql: SELECT window_start, k, count(*) AS n, sum(v) AS s FROM tumble(e, ts, interval '5 seconds') GROUP BY window_start, k
  t_window: {{ sql: "SELECT window_start, k, count(*) AS n FROM tumble(t, ts, interval '5 seconds') GROUP BY window_start, k", retain: 10s }}
  sliding:
    retain: 10s
    sql: |
      SELECT window_start, count(*) AS n, max(v) AS top FROM hop(e, ts, interval '2 seconds', interval '10 seconds') GROUP BY window_start
  matched:
    retain: 10s
    sql: SELECT a.window_start, a.k, a.n, b.n AS m FROM per_window a JOIN t_window b ON a.window_start = b.window_start AND a.k = b.k
  answered:
    retain: 10s
    sql: SELECT e.id FROM e JOIN f ON f.id = e.id AND f.ts BETWEEN e.ts AND e.ts + interval '3 seconds' WHERE e.id % {joined} = {joined} - 1
  per_key: {{ sql: "SELECT k, count(*) AS n, sum(v) AS s FROM e GROUP BY k", state: {{ unbounded: true }}, retain: 10s, buffer: 32MiB }}
  named: {{ sql: "SELECT p.k, p.n, u.name FROM per_key p LEFT JOIN u ON u.k = p.k", state: {{ unbounded: true }}, retain: 10s, buffer: 32MiB }}
  top: {{ sql: "SELECT k, n FROM per_key ORDER BY n DESC, k LIMIT 10", state: {{ unbounded: true }}, retain: 10s }}
  odd: {{ sql: "SELECT id, v FROM e WHERE v % {every} = {every} - 1", retain: 1s, buffer: 64KiB }}
sinks:
  windows: {{ from: per_window, file: {{ path: {disk}/windows.jsonl }} }}
  sliding: {{ from: sliding, file: {{ path: {disk}/sliding.jsonl }} }}
  matched: {{ from: matched, file: {{ path: {disk}/matched.jsonl }} }}
  answered: {{ from: answered, file: {{ path: {disk}/answered.jsonl }} }}
  odd: {{ from: odd, stdout: {{}} }}
  keys: {{ from: per_key, kafka: {{ brokers: "{other}", topic: keys, properties: {{ socket.timeout.ms: "8000" }} }} }}
  bad: {{ from: e.dead_letter, file: {{ path: {disk}/bad.jsonl }} }}
serve: {{ http: "127.0.0.1:{http}", tcp: "127.0.0.1:{tcp}" }}
checkpoint: {{ dir: {disk}/data, interval: 1s }}
"""
BROKER = 'name: broker\nsources:\n  x: { file: { path: "-" }, format: line, columns: "line text" }\nsinks:\n  o: { from: x, stdout: {} }\n'


def stamp(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + ".%03dZ" % (ms % 1000)


class Broker:
    """The practice Kafka in a process of its own; it can be stopped and go on."""

    def __init__(self, weir, directory, name):
        path = os.path.join(directory, name + ".yaml")
        open(path, "w").write(BROKER)
        self.process = subprocess.Popen([weir, "run", "--dev-kafka", path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        stderr=open(os.path.join(directory, name + ".log"), "wb"))
        self.address = None
        for _ in range(2400):
            m = re.search(r"practice Kafka at ([\d.:]+\d)", open(os.path.join(directory, name + ".log")).read())
            if m:
                self.address = m.group(1)
                return
            time.sleep(0.05)
        raise SystemExit("soak: the practice broker does not start")


class Expected:
    """What has been fed, counted as it is fed."""

    def __init__(self):
        self.windows, self.sliding, self.t_windows = {}, {}, collections.Counter()
        self.keys, self.names, self.answered = {}, {}, collections.Counter()
        self.bad = self.bad_tcp = self.events = 0

    def take(self, told):
        """What the feeder has counted."""
        self.events = told["events"]
        self.windows = {(start, k): (n, s) for start, k, n, s in told["windows"]}
        self.keys = dict(enumerate(told["keys"]))
        for at, n, top in told["panes"]:
            for start in range(at - SIZE_MS + SLIDE_MS, at + 1, SLIDE_MS):
                was = self.sliding.get(start, (0, 0))
                self.sliding[start] = (was[0] + n, max(was[1], top))


class World:
    """every: one row of `e` in so many is in `odd`, and may be answered (in `answered` fifty times as many are looked at, or all)."""

    def __init__(self, build, directory, every, seed, length):
        self.weir, self.dir, self.every, self.rnd = build + "/weir", directory, every, random.Random(seed)
        self.rate, self.hot_factor = 0, 3
        self.disk = os.path.join(directory, "disk")
        os.mkdir(self.disk)
        self.broker, self.other = Broker(self.weir, directory, "broker"), Broker(self.weir, directory, "other")
        self.ports = dict(zip(("tcp_in", "http", "tcp"), free_ports(3)))
        self.pipeline = os.path.join(directory, "soak.yaml")
        self.idle_s = max(3, length // 4)
        open(self.pipeline, "w").write(PIPELINE.format(broker=self.broker.address, other=self.other.address, dir=directory, disk=self.disk, idle=self.idle_s, every=every, joined=max(1, every // 50), **self.ports))
        self.feeder = Feeder(build + "/soak_feeder", self.broker.address, "e", PARTITIONS, KEYS, every, seed)
        self.files = {x: open("%s/%s.jsonl" % (directory, x), "w") for x in "fu"}
        self.expected = Expected()
        self.socket, self.out = None, bytearray()
        self.pushing = True
        self.process, self.odd_seen, self.odd_stalled = None, bytearray(), threading.Event()
        self.ended = False
        self.at = time.time()
        mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "soak", self.disk]
        self.small_disk = os.getuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
        if not self.small_disk:
            print("soak: no disk is made full: nobody but root can mount a small one")

    # --- Weir itself ---

    def start(self):
        self.process = subprocess.Popen([self.weir, "run", "-q", self.pipeline], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(self.dir + "/log", "ab"))
        threading.Thread(target=self.drain, args=(self.process.stdout,), daemon=True).start()

    def drain(self, pipe):
        """Standard output: the rows of `odd`, marked by their place among them."""
        for line in pipe:
            while self.odd_stalled.is_set():
                time.sleep(0.05)
            try:
                i = int(line[6:line.index(b",")]) // self.every
            except ValueError:  # a line that the kill cut
                continue
            if i >= len(self.odd_seen):
                self.odd_seen.extend(bytes(i + 1 - len(self.odd_seen)))
            self.odd_seen[i] = min(255, self.odd_seen[i] + 1)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.close_tcp()

    # --- feeding ---

    def set_rate(self, rate):
        self.rate = rate
        self.feeder.say("rate", rate)

    def to_partition(self, p, lines):
        for line in lines:
            self.feeder.say("raw", p, line)

    def tick(self):
        """Feed to files and TCP what is due since the last tick."""
        now = time.time()
        due, self.at = now - self.at, now
        if due > 5:
            due = 5  # this process itself was held up
        ms, x, recent = int(now * 1000), self.expected, self.feeder.recent
        while recent and recent[0][1] < ms - 6000:
            recent.popleft()
        for _ in range(int(SIDE_RATE * due + self.rnd.random())):
            self.answer(ms)
            if self.pushing:
                k = self.rnd.randrange(KEYS)
                x.t_windows[(ms // WINDOW_MS * WINDOW_MS, k)] += 1
                self.out += b'{"k":%d,"ts":"%s"}\n' % (k, stamp(ms).encode())
        if self.rnd.random() < due * 20:
            self.user(self.rnd.randrange(KEYS), None if self.rnd.random() < 0.3 else "name %d" % self.rnd.randrange(10000))
        for f in self.files.values():
            f.flush()
        self.send_tcp()

    def answer(self, ms):
        """A row of `f` for some event of the last seconds: in time, or just not."""
        recent = self.feeder.recent
        if recent:
            i, ts = recent[self.rnd.randrange(len(recent))]
            self.files["f"].write('{"id":%d,"ts":"%s"}\n' % (i, stamp(ms)))
            if 0 <= ms - ts <= BOUND_MS:  # rows younger than this tick may be there already, when it was held up
                self.expected.answered[i] += 1

    def user(self, k, name):
        if name is None:
            if self.expected.names.pop(k, None) is not None:
                self.files["u"].write('{"_op":"-","k":%d}\n' % k)
        else:
            self.expected.names[k] = name
            self.files["u"].write('{"k":%d,"name":"%s"}\n' % (k, name))

    def send_tcp(self):
        try:
            if self.socket is None:
                self.socket = socket.create_connection(("127.0.0.1", self.ports["tcp_in"]), 0.2)
                self.socket.setblocking(False)
            while self.out:
                del self.out[:self.socket.send(self.out)]
        except BlockingIOError:
            pass
        except OSError:
            self.close_tcp()

    def close_tcp(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def flush(self):
        """A minute ahead in every partition: what is open closes.  Returns the time before which every window must be there."""
        told = self.feeder.flush()
        self.expected.take(told)
        ms = told["ahead"]
        self.files["f"].write('{"id":-1,"ts":"%s"}\n' % stamp(ms))
        self.out += b'{"k":-1,"ts":"%s"}\n' % stamp(ms).encode()
        for f in self.files.values():
            f.flush()
        for _ in range(1200):
            self.send_tcp()
            if not self.out:
                break
            time.sleep(0.05)
        return ms - WATERMARK_MS

    def close(self):
        self.ended = True
        self.odd_stalled.clear()
        self.feeder.close()
        for p in [x.process for x in (self.broker, self.other)] + ([self.process] if self.process else []):
            if p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.kill()
            p.wait()
        if self.small_disk:
            subprocess.run(["umount", "-l", self.disk])
