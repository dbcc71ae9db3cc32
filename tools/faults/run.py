#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py BUILD_DIR [--only WORD,...] [--kind WORD] [--sample N] [--seconds S] [--seed S] [--jobs J] [--sites] [--try RUN]

Makes every allocation and every system call of Weir fail, one a run, in each scenario of scenarios.py.

A scenario is first run without a fault: that gives the right answer, and the places (stacks of calls) it passes.  Then, for each
place: an allocation fails at the first, a middle and the last time, and all allocations fail from there on; a system call fails with
each of its errors once, and from there on, or moves one byte only.  Right is: no crash, no hang (a time limit), an exit with
words, or the right answer; and afterwards, from the same directory and without faults, the right answer with nothing lost.
A place that an earlier scenario has been through is taken once, at a time drawn by lot.

--sites: also list the call sites that no scenario reached.  Build with SAN=asan for leaks.  Exit 1 when something is wrong.
"""
import argparse
import collections
import concurrent.futures
import errno
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scenarios  # noqa: E402
from table import Program, Table  # noqa: E402

E = errno
MOVE_IN, MOVE_OUT = (E.EIO, E.EINTR), (E.ENOSPC, E.EIO, E.EINTR)
ERRORS = {
    "open": (E.EMFILE, E.EINTR), "openat": (E.EMFILE, E.EIO), "fopen": (E.EMFILE,), "opendir": (E.EMFILE,), "fdopendir": (E.ENOMEM,), "readdir": (E.EIO,),
    "close": (E.EIO,), "read": MOVE_IN, "pread": MOVE_IN, "write": MOVE_OUT, "fsync": (E.EIO, E.EINTR), "fdatasync": (E.EIO, E.ENOSPC), "ftruncate": (E.EIO,),
    "posix_fallocate": (E.ENOSPC, E.EINTR), "rename": (E.EIO,), "renameat": (E.EIO, E.ENOSPC), "unlink": (E.EIO,), "unlinkat": (E.EIO,), "mkdir": (E.ENOSPC,),
    "flock": (E.EIO, E.EINTR), "lseek": (E.EIO,), "fstat": (E.EIO,), "stat": (E.EIO,), "access": (E.EIO,), "socket": (E.EMFILE,),
    "connect": (E.ECONNREFUSED, E.EINTR), "bind": (E.EADDRINUSE,), "listen": (E.EADDRINUSE,), "accept4": (E.EMFILE, E.ECONNABORTED, E.EINTR), "send": (E.ECONNRESET, E.EINTR),
    "recv": (E.ECONNRESET, E.EINTR), "getaddrinfo": (0,), "eventfd": (E.EMFILE,), "epoll_create1": (E.EMFILE,), "epoll_ctl": (E.ENOMEM,), "dup": (E.EMFILE,),
    "pthread_create": (E.EAGAIN,),
}
SHORT = ("read", "pread", "write", "send", "recv")

Plan = collections.namedtuple("Plan", "scenario place nth how error")
Wrong = collections.namedtuple("Wrong", "plan what code said")


def plans_of(scenario, place, before, rnd):
    """What is done to one place; before: an earlier scenario has been through it."""
    n, out = place.passed, []
    if place.kind in ERRORS:
        for error in ERRORS[place.kind]:
            out += [(1, "once", error), (n, "once", error)]
            if error != E.EINTR:
                out += [(1, "on", error)]
        if place.kind in SHORT:
            out += [(1, "short", 0), (n, "short", 0)]
    else:
        out = [(1, "once", E.ENOMEM), ((n + 1) // 2, "once", E.ENOMEM), (n, "once", E.ENOMEM), (1, "on", E.ENOMEM)]
    if before:
        nth, how, error = rnd.choice(out)
        out = [(rnd.randint(1, n), how, error)]
    return [Plan(scenario, place, *p) for p in dict.fromkeys(out)]


class Bench:
    """Runs scenarios in directories of their own."""

    def __init__(self, build):
        self.weir, self.embed = os.path.realpath(build + "/faults/weir"), os.path.realpath(build + "/faults/embed")
        self.asan = "asan" in build
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.work = tempfile.mkdtemp(prefix="weir-faults-", dir=base)
        self.ready = {}  # scenario: its prepared directory
        self.right = {}  # scenario: (answer, what is there in the end)

    def clean_env(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
        env.update(NO_COLOR="1", ASAN_OPTIONS="exitcode=99:detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1", LSAN_OPTIONS="report_objects=0", TZ="UTC")
        return env

    def make(self, scenario):
        s = scenario(self.weir, self.embed)
        if self.asan:
            s.timeout *= 4
        return s

    def prepare(self, scenario):
        """The baseline; its table."""
        d = tempfile.mkdtemp(dir=self.work)
        self.make(scenario).prepare(d, self.clean_env())
        self.ready[scenario] = d
        places, io = {}, 0
        for _ in range(2):  # threads: what one run does not pass another may
            result, table, at = self.once(scenario, None)
            s = self.make(scenario)
            if result.code not in s.ok:
                raise SystemExit("%s without a fault: exit %s\n%s" % (scenario.name, result.code, result.err.decode(errors="replace")))
            answer = s.answer(at, result)
            last = s.last(at)
            if scenario in self.right and self.right[scenario] != (answer, last):
                raise SystemExit("%s without a fault gives two answers\n%s\n%s" % (scenario.name, self.right[scenario], (answer, last)))
            self.right[scenario] = (answer, last)
            places.update(table.places)
            io = max(io, table.io)
            shutil.rmtree(at)
        if scenario.keeps:  # one that answers with luck still ends right
            at, result, _ = self.mended(scenario)
            self.right[scenario] = (self.right[scenario][0], self.make(scenario).last(at))
            shutil.rmtree(at)
        return places, io

    def mended(self, scenario):
        d = tempfile.mkdtemp(dir=self.work)
        at = d + "/d"
        shutil.copytree(self.ready[scenario], at)
        s = self.make(scenario)
        s.act(at, self.clean_env())
        return d, s.mend(at, self.clean_env()), at

    def once(self, scenario, plan):
        d = tempfile.mkdtemp(dir=self.work)
        at = d + "/d"
        shutil.copytree(self.ready[scenario], at)
        env = self.clean_env()
        env["WEIR_FAULT_TABLE"] = d + "/table"
        if plan is not None:
            env["WEIR_FAULT"] = "%s %x %d %s %d" % (plan.place.kind, plan.place.id, plan.nth, plan.how, plan.error)
        s = self.make(scenario)
        result = s.act(at, env)
        table = Table(d + "/table")
        os.unlink(d + "/table") if os.path.exists(d + "/table") else None
        return result, table, d

    def judge(self, scenario, result, fired, at):
        s = self.make(scenario)
        said = result.err + result.out
        if result.code is None:
            return "hangs"
        if result.code < 0 or result.code in (99, 134, 139) or b"AddressSanitizer" in said or b"LeakSanitizer" in said or b"runtime error:" in said:
            return "crashes"
        if result.code in s.ok:
            if s.answer(at + "/d", result) == self.right[scenario][0]:
                return None
            if 0 not in s.ok and fired and result.err.strip():
                return None
            return "wrong answer, exit %d" % result.code
        if result.code == 0:
            return "exit 0"
        if not (result.err + (result.out if s.tells else b"")).strip():
            return "exit %d without a word" % result.code
        return None if fired else "fails without a fault"

    def try_plan(self, plan):
        """plan, what is wrong or None, the table, what was said."""
        result, table, d = self.once(plan.scenario, plan)
        what, said = self.judge(plan.scenario, result, table.fired, d), result.err + b"\n--- out\n" + result.out[-2000:]
        code = result.code
        if what is None and plan.scenario.keeps:
            s = self.make(plan.scenario)
            again = s.mend(d + "/d", self.clean_env())
            if again.code != 0:
                what = "the run after it: %s" % ("hangs" if again.code is None else "exit %d" % again.code)
                said += b"\n--- after\n" + again.err
            elif self.right[plan.scenario][1] is not None and s.last(d + "/d") != self.right[plan.scenario][1]:
                what = "the run after it is wrong"
                said += b"\n--- after\n" + again.err + difference(self.right[plan.scenario][1], s.last(d + "/d")).encode()
        if what is not None and os.environ.get("KEEP"):
            print("kept", d)
        else:
            shutil.rmtree(d)
        return plan, (Wrong(plan, what, code, said) if what else None), table, result.err


def difference(want, have):
    out = []
    for k in want:
        if want[k] != have[k]:
            w, h = set(want[k]), set(have[k])
            out.append("%s: missing %s, extra %s" % (k, sorted(w - h)[:4], sorted(h - w)[:4]))
    return "\n".join(out)


def describe(program, w):
    p = w.plan
    out = ["%s: %s %s (time %d of %d, %s): %s" % (p.scenario.name, p.place.kind, p.how, p.nth, p.place.passed, os.strerror(p.error) if p.error else "-", w.what)]
    out += ["    --try '%s %s %x %d %s %d'" % (p.scenario.name, p.place.kind, p.place.id, p.nth, p.how, p.error)]
    out += ["    at " + x for x in program.where(p.place.stack)]
    text = w.said.decode(errors="replace").strip()
    crash = re.search(r"crash at ([0-9a-f ]+)", text)
    if crash:
        out += ["    crash in " + x for x in program.where([int(a, 16) for a in crash.group(1).split()][:7])]
    out += ["    | " + line for line in text.splitlines()[:40]]
    return "\n".join(out)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("build")
    a.add_argument("--only", default="")
    a.add_argument("--kind", default="")
    a.add_argument("--sample", type=int, default=0)
    a.add_argument("--seconds", type=float, default=0)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--jobs", type=int, default=2)
    a.add_argument("--sites", action="store_true")
    a.add_argument("--try", dest="one", default="", help="one run, as a report names it")
    a.add_argument("--words", action="store_true", help="print what was said, by kind")
    o = a.parse_args()
    rnd, bench, begun = random.Random(o.seed), Bench(o.build), time.time()
    programs = {True: Program(bench.embed), False: Program(bench.weir)}
    o.only = o.one.split()[0] if o.one else o.only
    chosen = [s for s in scenarios.ALL if not o.only or any(w in s.name for w in o.only.split(","))]
    plans, seen, passed, failed, words = [], set(), set(), set(), collections.Counter()
    for s in chosen:
        places, io = bench.prepare(s)
        own = []
        for p in sorted(places.values()):
            if s is not scenarios.Embed:
                passed.add(p.stack[0] if p.stack else 0)
            if p.kind.startswith(o.kind):
                own += plans_of(s, p, p.id in seen and s is not scenarios.Embed, rnd)
        if s is not scenarios.Embed:
            seen |= set(places)
        print("%-14s %5d places, %5d runs" % (s.name, len(places), len(own)), flush=True)
        plans += own
    if o.one:
        _, kind, place, nth, how, error = o.one.split()
        plans = [Plan(chosen[0], next(p for p in places.values() if p.id == int(place, 16)), int(nth), how, int(error))]
    total = len(plans)
    if o.sample or o.seconds:
        rnd.shuffle(plans)
    if o.sample:
        plans = plans[: o.sample]
    wrongs, done = [], 0
    log = open(os.environ.get("FAULT_LOG", os.devnull), "w")
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        futures, todo = set(), iter(plans)
        while True:
            while len(futures) < 2 * o.jobs and (not o.seconds or time.time() - begun < o.seconds):
                p = next(todo, None)
                if p is None:
                    break
                futures.add(pool.submit(bench.try_plan, p))
            if not futures:
                break
            ended, futures = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
            for f in ended:
                plan, wrong, table, err = f.result()
                done += 1
                if plan.scenario is not scenarios.Embed:  # another program, with addresses of its own
                    failed |= {q.stack[0] for q in table.places.values() if q.failed and q.stack}
                for line in err.decode(errors="replace").splitlines()[:2]:
                    words[line[:160]] += 1
                if wrong:
                    wrongs.append(wrong)
                    text = describe(programs[wrong.plan.scenario is scenarios.Embed], wrong)
                    print(text if len(wrongs) <= 40 else text.splitlines()[0], flush=True)
                    log.write(text + "\n\n")
                    log.flush()
                if done % 500 == 0:
                    print("... %d of %d runs, %d wrong, %.0f s" % (done, len(plans), len(wrongs), time.time() - begun), flush=True)
    if o.words:
        for line, n in words.most_common(200):
            print("%6d %s" % (n, line))
    if o.sites:
        sites = programs[False].sites()
        for title, have in (("never reached", passed | failed), ("reached, never failed", failed | (set(sites) - passed))):
            left = sorted(set(sites) - have)
            print("%s: %d of %d call sites" % (title, len(left), len(sites)))
            for address, where in zip(left, programs[False].where(left)):
                print("    %-16s %s" % (sites[address], where))
    if not os.environ.get("KEEP"):
        shutil.rmtree(bench.work, ignore_errors=True)
    print("faults: %d scenarios, %d places, %d of %d runs, %.0f s" % (len(chosen), len(seen), done, total, time.time() - begun))
    print("faults: %d passed, %d failed" % (done - len(wrongs), len(wrongs)))
    sys.exit(1 if wrongs or not done else 0)


main()
