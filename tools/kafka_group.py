# SPDX-License-Identifier: Apache-2.0
"""Several members of one consumer group on a real Kafka: the part of tools/test_kafka about partitions that change hands.

shared   two members, then a third; one leaves for longer than its session lasts and comes back with its data directory; partitions go to and fro
         in the middle of windows.  Nobody crashes, so over all members each row is written once and counted once: in a window, or as late.
held     a member whose reader takes nothing gives its partitions away all the same, and says how many rows will come a second time.
"""
import calendar
import collections
import glob
import json
import re
import signal
import subprocess
import time

PARTITIONS, KEYS, SESSION_S, RATE = 4, 12, 6, 200
BASE = 1767225600

GROUP = """
name: {t}
sources:
  e:
    kafka: {{ brokers: "{b}", topic: {t}, group: weir-test-{t}, start: earliest, properties: {{ session.timeout.ms: "{s}", heartbeat.interval.ms: "500" }} }}
    columns: "id bigint NOT NULL, k bigint, ts timestamptz NOT NULL"
    watermark: ts - interval '1 second'
    idle_timeout: 0
    buffer: 70kB
views:
  v: {{ sql: "SELECT id FROM e", buffer: 70kB }}
  counts: {{ sql: "SELECT window_start, k, count(*) AS n FROM tumble(e, ts, interval '5 seconds') GROUP BY window_start, k" }}
sinks:
  out: {{ from: v, {out} }}
  counts: {{ from: counts, file: {{ path: {d}/{t}-{m}.counts }} }}
  late: {{ from: counts.late, file: {{ path: {d}/{t}-{m}.late }} }}
checkpoint: {{ dir: {d}/{t}-{m}, interval: 2s }}
"""


class Feed:
    """Keys in the order of partitions, event time that goes with the clock."""

    def __init__(self, b, topic):
        self.pipes = [subprocess.Popen(["kcat", "-b", b, "-t", topic, "-P", "-p", str(p), "-X", "linger.ms=2", "-X", "enable.idempotence=true"],
                                       stdin=subprocess.PIPE) for p in range(PARTITIONS)]
        self.rows, self.begun = [], time.time()

    def write(self, seconds, until=lambda: False, ahead=0):
        """True: `until` came to hold."""
        end = time.time() + seconds
        while time.time() < end:
            at = time.time() - self.begun
            lines = collections.defaultdict(list)
            while len(self.rows) < at * RATE:
                row = (len(self.rows), len(self.rows) % KEYS, int((at + ahead) * 1000))
                self.rows.append(row)
                text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BASE + row[2] // 1000)) + ".%03dZ" % (row[2] % 1000)
                lines[row[1] % PARTITIONS].append('{"id":%d,"k":%d,"ts":"%s"}\n' % (row[0], row[1], text))
            for p, x in lines.items():
                self.pipes[p].stdin.write("".join(x).encode())
                self.pipes[p].stdin.flush()
            if until():
                return True
            time.sleep(0.05)
        return False

    def end(self):
        """Far enough ahead, in each partition, that all windows but the last close."""
        self.write(1, ahead=60)
        for p in self.pipes:
            p.stdin.close()
            p.wait()


class Member:
    def __init__(self, weir, b, d, topic, name, printed=False):
        self.weir, self.path, self.log = weir, "%s/%s-%s.yaml" % (d, topic, name), "%s/%s-%s.log" % (d, topic, name)
        out = "stdout: {}" if printed else "file: { path: %s/%s-%s.out }" % (d, topic, name)
        open(self.path, "w").write(GROUP.format(b=b, t=topic, d=d, m=name, s=SESSION_S * 1000, out=out))
        self.printed = printed
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.weir, "run", self.path], stdin=subprocess.DEVNULL, stderr=open(self.log, "ab"),
                                        stdout=subprocess.PIPE if self.printed else subprocess.DEVNULL)

    def stop(self, check):
        self.process.send_signal(signal.SIGTERM)
        check("group: a member stops cleanly", self.process.wait(120) == 0, open(self.log).read()[-800:])

    def assigned(self, partitions, times=1):
        return open(self.log).read().count("%d of %d partitions assigned" % (partitions, PARTITIONS)) >= times


def rows(d, topic, what):
    found = []
    for path in glob.glob("%s/%s-*.%s" % (d, topic, what)):
        found += [json.loads(x) for x in open(path).read().split("\n")[:-1] if x]
    return found


def shared(check, weir, b, d):
    topic = "group"
    subprocess.run(["kcat", "-b", b, "-t", topic, "-L"], capture_output=True)
    feed = Feed(b, topic)
    feed.write(2)
    one = Member(weir, b, d, topic, "one")
    check("group: one has all", feed.write(60, lambda: one.assigned(4)), open(one.log).read()[-800:])
    feed.write(3)
    two = Member(weir, b, d, topic, "two")
    check("group: two have two each", feed.write(60, lambda: one.assigned(2) and two.assigned(2)), open(two.log).read()[-800:])
    check("group: what state means is told", "does not move between members" in open(one.log).read(), open(one.log).read()[-800:])
    feed.write(3)
    two.stop(check)
    check("group: the other one takes over", feed.write(60, lambda: one.assigned(4, 2)), open(one.log).read()[-800:])
    feed.write(4)
    three = Member(weir, b, d, topic, "three")
    two.start()
    check("group: all three have some", feed.write(60, lambda: one.assigned(1) + two.assigned(1) + three.assigned(1) == 2), open(three.log).read()[-800:])
    feed.write(5)
    three.stop(check)
    feed.write(SESSION_S + 3)
    three.start()  # its open windows are its own
    check("group: and again", feed.write(60, lambda: one.assigned(1, 2) + two.assigned(1, 2) + three.assigned(1, 2) == 2), open(three.log).read()[-800:])
    feed.end()
    want = collections.Counter((at // 5000 * 5000, k) for _, k, at in feed.rows)
    end = time.time() + 60
    while time.time() < end and len({r["id"] for r in rows(d, topic, "out")}) < len(feed.rows):
        time.sleep(0.5)
    time.sleep(2)
    for m in (one, two, three):
        m.stop(check)
    ids = collections.Counter(r["id"] for r in rows(d, topic, "out"))
    again = sum(n - 1 for n in ids.values())
    check("group: no row is lost", len(ids) == len(feed.rows), "%d of %d" % (len(ids), len(feed.rows)))
    check("group: none comes twice", again == 0, "%d do" % again)
    have, last = collections.Counter(), max(at for _, _, at in feed.rows) - 7000
    for r in rows(d, topic, "counts"):
        have[(calendar.timegm(time.strptime(r["window_start"][:19], "%Y-%m-%dT%H:%M:%S")) - BASE) * 1000, r["k"]] += r["n"]
    for r in rows(d, topic, "late"):
        at = (calendar.timegm(time.strptime(r["ts"][:19], "%Y-%m-%dT%H:%M:%S")) - BASE) * 1000
        have[at // 5000 * 5000, r["k"]] += 1
    wrong = {w: (have[w], n) for w, n in want.items() if w[0] + 5000 <= last and have[w] != n}
    check("group: in windows or late, each row counts once", not wrong, str(sorted(wrong.items())[:5]))


def held(check, weir, b, d):
    topic = "group-held"
    subprocess.run(["kcat", "-b", b, "-t", topic, "-L"], capture_output=True)
    feed = Feed(b, topic)
    feed.begun -= 100  # a heap at once
    feed.write(1)
    one = Member(weir, b, d, topic, "one", printed=True)
    check("group: it is stuck", feed.write(60, lambda: "nothing moves: sink out" in open(one.log).read()), open(one.log).read()[-800:])
    two = Member(weir, b, d, topic, "two")
    check("group: its partitions go to the other", feed.write(90, lambda: two.assigned(2)), open(two.log).read()[-800:])
    said = re.search(r"the last (\d+) messages that were read of them are in no checkpoint", open(one.log).read())
    check("group: it says what comes twice", said is not None and int(said.group(1)) > 0, open(one.log).read()[-800:])
    one.process.send_signal(signal.SIGTERM)
    code = one.process.wait(60)
    check("group: who cannot write says so", code == 1 and "sink out did not take everything" in open(one.log).read(), "%d %s" % (code, open(one.log).read()[-800:]))
    feed.end()
    two.stop(check)
