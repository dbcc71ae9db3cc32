#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py BUILD_DIR [--only WORD,...] [--kind WORD] [--sample N] [--seconds S] [--seed S] [--jobs J] [--each] [--suites] [--sites] [--done FILE] [--try RUN]

Makes every allocation and every system call of Weir fail, one a run, in each scenario of scenarios.py.

A scenario is first run without a fault: that gives the right answer, and the places (stacks of calls) it passes.  Then, for each
place: an allocation fails at the first, a middle and the last time, and all allocations fail from there on; a system call fails with
each of its errors once, and from there on, or moves one byte only.  Right is: no crash, no hang (a time limit), an exit with
words, or the right answer; and afterwards, from the same directory and without faults, the right answer with nothing lost.
A place that an earlier scenario has been through is taken once, at a time drawn by lot.  First comes one run of each call site,
then one of each call site of each scenario, then the rest by lot: a sweep that is cut short has been everywhere.  A call
that is only made when something has failed, be it to give back what is there, fails in a second fault of the run that led there.

--done FILE: each run that was right is put down there, and is not done again by the next sweep of the same programs with that file.

--each: one run of each call site of all, no more; with the second faults to which it leads.
--suites: also the project's own tests, for call sites that the scenarios do not pass (suites.py).
--sites: also list the call sites that no run reached, and those that none made fail.  Build with SAN=asan for leaks.  Exit 1 when something is wrong.
"""
import argparse
import collections
import concurrent.futures
import errno
import os
import random
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scenarios  # noqa: E402
import seldom  # noqa: E402
import suites  # noqa: E402
from bench import Bench  # noqa: E402
from sites import Done, Sites, name_of  # noqa: E402
from table import Place, Program  # noqa: E402

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

Plan = collections.namedtuple("Plan", "scenario place nth how error after", defaults=(None,))  # after: the plan that leads there


# Descriptors that are no files: the system has no error for them but a signal's.
WAKES = ("wr_loop_wake", "loop_woken", "show_wake", "show_pump", "on_signal")


def plans_of(scenario, place, before, rnd, function):
    """What is done to one place; before: an earlier scenario has been through it."""
    n, out = place.passed, []
    if place.kind in ERRORS:
        for error in (E.EINTR,) if function in WAKES else ERRORS[place.kind]:
            out += [(1, "once", error), (n, "once", error)]
            if error != E.EINTR and place.kind not in ("accept4", "send", "recv"):  # a client has to come through in the end
                out += [(1, "on", error)]
        if place.kind in SHORT and function not in WAKES:
            out += [(1, "short", 0), (n, "short", 0)]
    else:
        out = [(1, "once", E.ENOMEM), ((n + 1) // 2, "once", E.ENOMEM), (n, "once", E.ENOMEM), (1, "on", E.ENOMEM)]
    if before:
        nth, how, error = rnd.choice(out)
        out = [(rnd.randint(1, n), how, error)]
    return [Plan(scenario, place, *p) for p in dict.fromkeys(out)]


def in_order(plans, rnd):
    """One run of each call site, one of each call site of each scenario, the others; all by lot."""
    ranks, been = ([], [], []), set()
    for p in rnd.sample(plans, len(plans)):
        site = p.scenario is scenarios.Embed, p.place.kind, p.place.stack[:1]
        ranks[0 if site not in been else 1 if (p.scenario, site) not in been else 2].append(p)
        been |= {site, (p.scenario, site)}
    return ranks


def seconds_of(plan, place, function):
    """What is done to a place that only a run with plan's fault passes."""
    rnd, again = random.Random(0), place._replace(passed=1)
    return [p._replace(after=plan) for p in plans_of(plan.scenario, again, False, rnd, function)]


def plan_named(scenario, places, text):
    """The plan that a report names."""
    plan = None
    for part in text.split(" + "):
        kind, at, nth, how, error = part.split()
        place = places.get(int(at, 16), Place(int(at, 16), kind, int(nth), 0, ()))
        plan = Plan(scenario, place, int(nth), how, int(error), plan)
    return plan


def describe(program, w):
    p = w.plan
    out = ["%s: %s %s (time %d of %d, %s): %s" % (p.scenario.name, p.place.kind, p.how, p.nth, p.place.passed, os.strerror(p.error) if p.error else "-", w.what)]
    out += ["    --try '%s'" % name_of(p)]
    out += ["    at " + x for x in program.where(p.place.stack)]
    if p.after:
        out += ["    after %s %s (time %d) at %s" % (p.after.place.kind, p.after.how, p.after.nth, ", ".join(program.where(p.after.place.stack)))]
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
    a.add_argument("--each", action="store_true")
    a.add_argument("--suites", action="store_true")
    a.add_argument("--sites", action="store_true")
    a.add_argument("--try", dest="one", default="", help="one run, as a report names it")
    a.add_argument("--done", default="", help="a file: runs that were right are put down there and not done again")
    a.add_argument("--words", action="store_true", help="print what was said, by kind")
    o = a.parse_args()
    bench, begun = Bench(o.build), time.time()
    programs = {True: Program(bench.embed), False: Program(bench.weir)}
    sites = Sites()
    done_before = Done(o.done, sites, bench.weir, bench.embed)
    o.only = o.one.split()[0] if o.one else o.only
    chosen = [s for s in scenarios.ALL + seldom.ALL + (suites.all_of_them() if o.suites else []) if not o.only or any(w in s.name for w in o.only.split(","))]
    plans, seen, words = [], set(), collections.Counter()
    for s in chosen:
        try:
            places, _ = bench.prepare(s)
        except SystemExit as e:
            if not s.rest:
                raise
            print("%-14s left out: %s" % (s.name, str(e).splitlines()[0]), flush=True)
            continue
        if s.rest:
            places = {i: p for i, p in places.items() if p.stack and p.stack[0] not in sites.passed}
            if not places:
                shutil.rmtree(bench.ready[s])
                continue
        own = []
        program = programs[s is scenarios.Embed]
        program.where([p.stack[0] for p in places.values() if p.stack])
        for p in sorted(places.values()):
            if s is not scenarios.Embed:
                sites.pass_at(p)
            if p.kind.startswith(o.kind):
                function = program.where(p.stack[:1])[0].split()[0] if p.stack else ""
                own += plans_of(s, p, p.id in seen and s is not scenarios.Embed, random.Random("%d %s %x" % (o.seed, s.name, p.id)), function)
        if s is not scenarios.Embed:
            seen |= set(places)
        print("%-14s %5d places, %5d runs" % (s.name, len(places), len(own)), flush=True)
        plans += own
    if o.one:
        plans = [plan_named(chosen[0], places, o.one.split(None, 1)[1])]
    total = len(plans)
    ranks = in_order(plans, random.Random(o.seed))
    plans = [p for rank in ranks[: 1 if o.each else None] for p in rank if o.one or name_of(p) not in done_before.names]
    print("%d runs: %d for each call site one, %d more for each call site of each scenario; %d to be done" % (total, len(ranks[0]), len(ranks[1]), len(plans)), flush=True)
    plans = plans[: o.sample or None]
    wrongs, done, runs_begun, seconds = [], 0, time.time(), 0
    log = open(os.environ.get("FAULT_LOG", os.devnull), "w")
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        futures, todo = set(), collections.deque(plans)
        while True:
            while todo and len(futures) < 2 * o.jobs and (not o.seconds or time.time() - runs_begun < o.seconds):
                futures.add(pool.submit(bench.try_plan, todo.popleft()))
            if not futures:
                break
            ended, futures = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
            for f in ended:
                plan, wrong, table, err = f.result()
                done += 1
                if plan.scenario is not scenarios.Embed:  # another program, with addresses of its own
                    for place in sites.take(plan, table):
                        more = [] if o.one else seconds_of(plan, place, programs[False].where(place.stack[:1])[0].split()[0])
                        todo.extendleft(more)
                        seconds += len(more)
                for line in err.decode(errors="replace").splitlines()[:2]:
                    words[line[:160]] += 1
                if wrong:
                    wrongs.append(wrong)
                    text = describe(programs[wrong.plan.scenario is scenarios.Embed], wrong)
                    print(text if len(wrongs) <= 40 else text.splitlines()[0], flush=True)
                    log.write(text + "\n\n")
                    log.flush()
                else:
                    done_before.put(plan)
                if done % 500 == 0:
                    print("... %d of %d runs, %d wrong, %.0f s" % (done, done + len(todo), len(wrongs), time.time() - begun), flush=True)
    done_before.put_sites()
    if o.words:
        for line, n in words.most_common(200):
            print("%6d %s" % (n, line))
    if o.sites:
        sites.tell(programs[False])
    if not os.environ.get("KEEP"):
        shutil.rmtree(bench.work, ignore_errors=True)
    print("faults: %d scenarios, %d places, %d of %d runs, %d of them with a second fault, %.0f s" % (len(chosen), len(seen), done, done + len(todo), seconds, time.time() - begun))
    print("faults: %d passed, %d failed" % (done - len(wrongs), len(wrongs)))
    sys.exit(1 if wrongs or not done else 0)


if __name__ == "__main__":
    main()
