#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_points.py BUILD_DIR [--only WORD,...] [--step N] [--jobs J] [--twice N] [--seed S]

kill -9 at every call that changes a file: open, write, fsync, fdatasync, ftruncate, fallocate, rename, unlink, mkdir; of a write also
with half of it written.  The pipeline has windows, sessions, late rows, joins, and tables that change, over files read slowly, so that
checkpoints fall into the middle; it begins from nothing, goes on from a checkpoint with other workers (again), or ends by itself
(once).  After each kill it is run to the end: every view's rows must be those of a run without a kill (sets of rows; the last row of
each key where rows are replaced), late rows included.

--step N: every N-th point (a draw decides which).  --twice N: N runs more, killed at random a second time while they recover.
"""
import argparse
import concurrent.futures
import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scenarios  # noqa: E402
from bench import Bench  # noqa: E402

VIEWS = ("tumbled", "hopped", "visits", "running", "late", "joined", "left_over", "teams", "mates", "best")


class KillFollow(scenarios.Follow):
    name, views = "follow", VIEWS[:-1]  # an endless top-n by team has no key that the sink could fold by


class KillOnce(scenarios.Once):
    name, views, sizes = "once", VIEWS, (150, 100, 80)


class KillAgain(scenarios.Again):
    name, views, sizes = "again", VIEWS, (150, 100, 80)


def killed(bench, scenario, faults):
    """Runs that are killed, one behind another; then one that is not.  Returns (what is wrong, what was said, kills)."""
    d = bench.copy(scenario)
    kills, what, said = 0, None, b""
    for number, fault in enumerate(faults):
        env = {**bench.clean_env(), "WEIR_FAULT_TABLE": "%s/table%d" % (d, number), "WEIR_FAULT": fault}
        s = bench.make(scenario)
        r = s.act(d + "/d", env) if number == 0 else s.mend(d + "/d", env)
        if r.code == -9:
            kills += 1
        elif r.code != 0:
            what, said = "exit %s without a kill" % r.code, r.err
    if what is None:
        what, said = bench.after(scenario, d + "/d")
    if what is None or "KEEP" not in os.environ:
        shutil.rmtree(d)
    else:
        said += d.encode()
    return what, said, kills


def main():
    a = argparse.ArgumentParser()
    a.add_argument("build")
    a.add_argument("--only", default="")
    a.add_argument("--step", type=int, default=1)
    a.add_argument("--jobs", type=int, default=2)
    a.add_argument("--twice", type=int, default=0)
    a.add_argument("--seed", type=int, default=1)
    o = a.parse_args()
    rnd, bench, begun = random.Random(o.seed), Bench(o.build), time.time()
    todo = []
    for s in (KillOnce, KillAgain, KillFollow):
        if o.only and not any(w in s.name for w in o.only.split(",")):
            continue
        _, changes = bench.prepare(s)
        points = [k for k in range(1, changes + changes // 20 + 1) if rnd.randrange(o.step) == 0]
        print("%s: %d calls that change files, %d points" % (s.name, changes, len(points)), flush=True)
        todo += [(s, ["* 0 %d %s 0" % (k, how)]) for k in points for how in ("kill", "torn")]
        todo += [(s, ["* 0 %d kill 0" % rnd.randint(1, changes), "* 0 %d kill 0" % rnd.randint(1, 60)]) for _ in range(o.twice // 3)]
    wrong = kills = done = 0
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        for (s, faults), (what, said, n) in zip(todo, pool.map(lambda t: killed(bench, *t), todo)):
            done += 1
            kills += n
            if what:
                wrong += 1
                print("FAILED %s %s: %s\n%s" % (s.name, faults, what, said.decode(errors="replace")[-1500:]), flush=True)
            if done % 200 == 0:
                print("... %d of %d, %d kills, %d wrong, %.0f s" % (done, len(todo), kills, wrong, time.time() - begun), flush=True)
    shutil.rmtree(bench.work, ignore_errors=True)
    print("kill points: %d runs, %d kills, %.0f s" % (done, kills, time.time() - begun))
    print("kill points: %d passed, %d failed" % (done - wrong, wrong))
    sys.exit(1 if wrong or not kills else 0)


if __name__ == "__main__":
    main()
