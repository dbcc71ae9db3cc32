# SPDX-License-Identifier: Apache-2.0
"""Runs scenarios in directories of their own, and says whether what came of it is right."""
import collections
import os
import shutil
import tempfile

from table import Table

# What is waited for as long as it fails: room on a disk, descriptors and memory for clients, a server that is away.
WAITS = b"waiting for room", b"a connection waits", b"a client is refused", b"cannot connect to"

Wrong = collections.namedtuple("Wrong", "plan what code said")


def fault_of(plan):
    """As WEIR_FAULT says it: what leads there first."""
    text = "%s %x %d %s %d" % (plan.place.kind, plan.place.id, plan.nth, plan.how, plan.error)
    return fault_of(plan.after) + " + " + text if plan.after else text


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
        s.want = self.right.get(scenario, (None, None))[1]
        if self.asan:
            s.timeout *= 4
        return s

    def prepare(self, scenario):
        """The baseline; its table."""
        d = tempfile.mkdtemp(dir=self.work)
        self.make(scenario).prepare(d, self.clean_env())
        self.ready[scenario] = d
        places, changes = {}, 0
        for _ in range(2):  # threads: what one run does not pass another may
            result, table, at = self.once(scenario, None)
            s = self.make(scenario)
            if result.code not in s.ok:
                raise SystemExit("%s without a fault: exit %s\n%s" % (scenario.name, result.code, result.err.decode(errors="replace")))
            answer = s.answer(at + "/d", result)
            if scenario in self.right and self.right[scenario][0] != answer:
                raise SystemExit("%s without a fault gives two answers\n%s\n%s" % (scenario.name, self.right[scenario][0], answer))
            self.right[scenario] = (answer, None)
            places.update(table.places)
            changes = max(changes, table.changes)
            shutil.rmtree(at)
        if scenario.keeps:  # one that answers with luck still ends right
            at = self.mended(scenario)
            self.right[scenario] = (self.right[scenario][0], self.make(scenario).last(at + "/d"))
            shutil.rmtree(at)
        return places, changes

    def copy(self, scenario):
        """A directory with the prepared one below it, as d."""
        d = tempfile.mkdtemp(dir=self.work)
        shutil.copytree(self.ready[scenario], d + "/d")
        return d

    def mended(self, scenario):
        d = self.copy(scenario)
        s = self.make(scenario)
        s.act(d + "/d", self.clean_env())
        s.mend(d + "/d", self.clean_env())
        return d

    def once(self, scenario, plan):
        d = self.copy(scenario)
        at = d + "/d"
        env = self.clean_env()
        env["WEIR_FAULT_TABLE"] = d + "/table"
        if plan is not None:
            env["WEIR_FAULT"] = fault_of(plan)
        s = self.make(scenario)
        result = s.act(at, env)
        table = Table(d + "/table")
        os.unlink(d + "/table") if os.path.exists(d + "/table") else None
        return result, table, d

    def judge(self, scenario, result, fired, at):
        s = self.make(scenario)
        said = result.err + result.out
        if result.code is None:
            return None if any(w in result.err for w in WAITS) and fired > 1 else "hangs"
        if result.code < 0 or result.code in (99, 134, 139) or b"AddressSanitizer" in said or b"LeakSanitizer" in said or b"runtime error:" in said or b"(signal 11)" in said or b"(signal 6)" in said:
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

    def after(self, scenario, at):
        """What is wrong with the run after a fault, without one, in the same directory; what it said."""
        s = self.make(scenario)
        again = s.mend(at, self.clean_env())
        if again.code != 0:
            return "the run after it: %s" % ("hangs" if again.code is None else "exit %d" % again.code), again.err
        want, have = self.right[scenario][1], s.last(at)
        if want is not None and have != want:
            return "the run after it is wrong", again.err + difference(want, have).encode()
        return None, again.err

    def try_plan(self, plan):
        """plan, what is wrong or None, the table, what was said."""
        result, table, d = self.once(plan.scenario, plan)
        what, said = self.judge(plan.scenario, result, table.fired, d), result.err + b"\n--- out\n" + result.out[-2000:]
        code = result.code
        if what and what.startswith("wrong") and isinstance(self.right[plan.scenario][0], dict):
            said += difference(self.right[plan.scenario][0], self.make(plan.scenario).answer(d + "/d", result)).encode()
        if what is None and plan.scenario.keeps:
            what, more = self.after(plan.scenario, d + "/d")
            said += b"\n--- after\n" + more if what else b""
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
