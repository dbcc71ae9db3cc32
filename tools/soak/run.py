#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py BUILD_DIR [MINUTES] [--load P | --rate R] [--kill N] [--length S] [--only WORD,...] [--seed S] [--csv FILE] -- an hour under load, with a fault each minute.

One Weir with two workers reads the practice Kafka (four partitions), two growing files and TCP; windows, joins within a time bound and of
windows, views of changes, an outer join and a top ten go to files, a topic, standard output and subscribers, checkpoints each second.
Each minute something goes wrong (faults.py), in turn; the end of the minute is quiet, and there memory, descriptors and threads are compared.

The verdict: memory grows less than 1 MB an hour (least squares over the quiet ends, without the first cycle of faults), neither descriptors nor
threads grow, no row is late, and every answer is what was counted while feeding.  Slopes are judged in runs of half an hour and more.
--kill N: every Nth minute is a kill -9 and a restart from the checkpoints; the slope is then that within each life of the process, heights
apart, and told, not judged: after a start memory grows until the streams' rings have been round.
--rate: rows of the first source a second (2000); --load: first it is measured how many are read when as many are fed, then P % of that are fed.
A minute's fault that stops the reading is then as short as lets the rest of the minute make up for it, and how far reading is behind is judged, too.
--length: a minute's length.  The samples are in FILE (default soak.csv).  Exit 1 with words.
"""
import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import faults  # noqa: E402
import verdict  # noqa: E402
from reader import Reader  # noqa: E402
from world import World  # noqa: E402

LATE_S = 60  # that a minute is longer at most for a fault that is not over
COLUMNS = ("time_s", "minute", "fault", "quiet", "life", "life_s", "rss_bytes", "live_bytes", "active_bytes", "weir_bytes", "kafka_bytes", "fds", "threads", "cpu_s", "checkpoints",
           "checkpoint_failures", "late", "bad", "behind")
WARM_S, MEASURE_S = 8, 16  # of what is measured before a share of it is fed
BEHIND_MAX_S = 3


def metrics(world):
    try:
        text = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % world.ports["http"], timeout=2).read().decode()
    except OSError:
        return None
    out = {}
    for name, labels, value in re.findall(r"^(\w+)(\{.*?\})? ([-+.\deE]+)$", text, re.M):
        out[name + (labels if name in ("weir_memory_bytes", "weir_heap_bytes", "weir_source_records_total") else "")] = out.get(name, 0) + float(value)
    return out


def rows_read(m):
    """Rows of `e` that were read, and those that turned out to be none."""
    return sum(v for k, v in m.items() if k.startswith("weir_source_records_total{") and 'source="e"' in k)


def cpu_seconds(pid):
    stat = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def sample(world):
    pid, m = world.process.pid, metrics(world)
    if m is None:
        return None
    status = open("/proc/%d/status" % pid).read()
    memory = {k: v for k, v in m.items() if k.startswith("weir_memory_bytes")}
    return {"rss_bytes": int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024, "threads": int(re.search(r"Threads:\s+(\d+)", status).group(1)),
            "fds": len(os.listdir("/proc/%d/fd" % pid)), "cpu_s": cpu_seconds(pid),
            "live_bytes": m.get('weir_heap_bytes{kind="live"}', 0), "active_bytes": m.get('weir_heap_bytes{kind="active"}', 0),
            "weir_bytes": next((v for k, v in memory.items() if '"all"' in k), 0), "kafka_bytes": next((v for k, v in memory.items() if '"kafka"' in k), 0),
            "checkpoints": m.get("weir_checkpoints_total", 0), "checkpoint_failures": m.get("weir_checkpoint_failures_total", 0),
            "late": m.get("weir_view_late_rows_total", 0), "bad": m.get("weir_source_bad_records_total", 0)}


class Soak:
    def __init__(self, a, world, csv):
        self.a, self.world, self.csv = a, world, csv
        self.found, self.samples, self.life, self.late, self.read = [], [], 0, 0, 0
        self.readers = [Reader(world, "per_window", "rows"), Reader(world, "per_key", "table", upserts=True), Reader(world, "named", "table", upserts=True),
                        Reader(world, "top", "bag"), Reader(world, "odd", "count", gaps=True), Reader(world, "odd", "count")]

    def follow(self):
        """Tells the feeder how far Weir has read, so that it sends no more than the practice Kafka can keep.  A process counts from its own
        start: ten seconds into a later life the rows of `odd` that have come out say where that was; until then, where the last one ended."""
        w, life, before, settled = self.world, 0, 0, True
        while not w.ended:
            m = metrics(w)
            if life != self.life:
                life, before, settled = self.life, self.read, False
            elif m is not None:
                if not settled and time.time() > self.life_began + 10:
                    before, settled = len(w.odd_seen) * w.every - int(rows_read(m)), True
                self.read = before + int(rows_read(m))
                w.feeder.say("read", self.read)
            time.sleep(0.01)

    def feed(self):
        """Begin to feed: at the rate that was asked for, or at the share of what this machine carries in this world."""
        w = self.world
        if not self.a.load:
            w.set_rate(self.a.rate)
            return
        threading.Thread(target=self.follow, daemon=True).start()
        w.set_rate(-1)
        self.ticks(WARM_S)
        began, rows, cpu = time.time(), self.read, cpu_seconds(w.process.pid)
        self.ticks(MEASURE_S)
        wall, rows, cpu = time.time() - began, self.read - rows, cpu_seconds(w.process.pid) - cpu
        if rows == 0:
            raise SystemExit("soak: nothing is read")
        w.set_rate(int(rows / wall * self.a.load / 100))
        w.hot_factor = min(w.hot_factor, 95 / self.a.load)
        print("soak: %.0f rows a second are read of as many as can be, with %.0f %% of a core; %d are fed" % (rows / wall, 100 * cpu / wall, w.rate), flush=True)
        self.ticks(5)

    def ticks(self, seconds):
        end = time.time() + seconds
        while time.time() < end:
            self.world.tick()
            time.sleep(0.04)

    def span(self, kind):
        """How much of the minute a fault lasts: what stops the reading leaves the time that it takes to make up for it."""
        return min(kind.span, 0.6 * (1 - self.a.load / 100)) if self.a.load and kind.stops else kind.span

    def faults_in_turn(self):
        names = [f for f in faults.FAULTS if not self.a.only or f.__name__ in self.a.only.split(",")]
        at = 0
        for minute in range(self.a.minutes):
            if self.a.kill and minute % self.a.kill == self.a.kill - 1:
                yield minute, faults.Kill
            elif not names:
                yield minute, faults.Fault
            else:
                yield minute, names[at % len(names)]
                at += 1

    def minute(self, number, kind):
        a, w = self.a, self.world
        fault = kind(w, self.readers, self.found)
        begin, state, next_sample = time.time(), "before", 0
        while (now := time.time() - begin) < a.length or state == "under way":
            if state == "before" and now > a.length / 20:
                fault.begin()
                state = "under way"
            late = now - a.length * (1 / 20 + self.span(kind))
            if state == "under way" and late > 0 and (fault.over() or late > LATE_S):
                fault.end()
                state = "over"
                if kind is faults.Kill:
                    self.life += 1
                    self.life_began = time.time()
            w.tick()
            if w.process.poll() is not None:
                self.found.append("weir ended by itself with %d in minute %d (%s)" % (w.process.returncode, number, kind.__name__))
                return False
            if now >= next_sample:
                next_sample = now + 2
                self.take(number, kind, now > a.length * 0.84)
            time.sleep(0.04)
        return True

    def take(self, number, kind, quiet):
        if kind is faults.Pause and not quiet:
            return  # who stands still answers nothing
        s = sample(self.world)
        if s is None:
            return
        s.update(behind=self.world.feeder.events - self.read if self.a.load else 0, time_s=round(time.time() - self.began, 1), minute=number, fault=kind.__name__, quiet=int(quiet), life=self.life, life_s=round(time.time() - self.life_began, 1))
        self.samples.append(s)
        self.csv.write(",".join(str(s[c]) for c in COLUMNS) + "\n")
        self.csv.flush()
        self.late = max(self.late, s["late"])

    def run(self):
        w = self.world
        w.start()
        self.began = self.life_began = time.time()
        for r in self.readers:
            r.start()
        while not all(r.begun for r in self.readers) and time.time() < self.began + 120:
            time.sleep(0.05)
        w.at = time.time()
        self.feed()
        self.began = self.life_began = time.time()
        cpu_before = cpu_seconds(w.process.pid)
        for number, kind in self.faults_in_turn():
            if not self.minute(number, kind):
                break
        if not self.samples:
            self.found.append("it did not come up")
            return
        wall, cpu = time.time() - self.began, sum({x["life"]: x["cpu_s"] for x in self.samples}.values()) - cpu_before
        print("soak: %d events in %.0f s, %.1f %% of a core, %d checkpoints, %d failed" % (
            w.feeder.events, wall, 100 * cpu / wall, self.samples[-1]["checkpoints"], self.samples[-1]["checkpoint_failures"]))
        if w.process.poll() is None:
            before = w.flush()
            verdict.answers(w, self.readers, before, bool(self.a.kill), bool(self.a.load), self.found)
            w.process.send_signal(signal.SIGTERM)
            try:
                if w.process.wait(120) != 0:
                    self.found.append("it ended with %d" % w.process.returncode)
            except Exception:
                self.found.append("it does not stop when asked to")
        if self.a.load:
            verdict.behind(self.samples, w.rate * BEHIND_MAX_S, self.found)
        if self.late:
            self.found.append("%d rows were late" % self.late)
        cycle = len(faults.FAULTS) * self.a.length
        verdict.slopes(self.samples, not self.a.kill and wall >= 1800, bool(self.a.load), self.a.length if self.a.kill else min(cycle, wall / 4), self.found)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("minutes", type=int, nargs="?", default=60)
    p.add_argument("--kill", type=int, default=0)
    p.add_argument("--rate", type=int, default=2000)
    p.add_argument("--load", type=int, default=0)
    p.add_argument("--length", type=int, default=60)
    p.add_argument("--only", default="")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--csv", default="soak.csv")
    a = p.parse_args()
    if shutil.which("kcat") is None:
        print("soak: SKIPPED, kcat is not installed (apt-get install kafkacat)")
        return 0
    d = tempfile.mkdtemp(prefix="weir-soak-")
    signal.signal(signal.SIGTERM, lambda *x: sys.exit(143))
    with open(a.csv, "w") as csv:
        csv.write(",".join(COLUMNS) + "\n")
        every = 500 if a.load else max(2, a.rate // 1000)  # readers of `odd` take some thousand rows a second
        world = World(os.path.abspath(a.build), d, every, a.seed, a.length)
        soak = Soak(a, world, csv)
        try:
            soak.run()
        finally:
            world.close()
    for f in soak.found:
        print("soak: FAILED: " + f)
    if soak.found:
        print("soak: what is left is in %s; the end of its log:" % d)
        print(open(d + "/log").read()[-3000:])
    else:
        shutil.rmtree(d, ignore_errors=True)
        print("soak: passed")
    return 1 if soak.found else 0


sys.exit(main())
