# SPDX-License-Identifier: Apache-2.0
"""Which call sites the runs of a sweep have been through and which they made fail; and which runs were done before, in a file."""
import hashlib
import os

from bench import fault_of


def name_of(plan):
    return "%s %s" % (plan.scenario.name, fault_of(plan))


class Sites:
    """Call sites by their return address."""

    def __init__(self):
        self.passed, self.failed = set(), set()  # passed: with a fault elsewhere, too

    def pass_at(self, place):
        if place.stack:
            self.passed.add(place.stack[0])

    def take(self, plan, table):
        """What a run left; the places at call sites that only this fault led to."""
        new = []
        for p in table.places.values():
            if p.failed and p.stack:
                self.failed.add(p.stack[0])
        for p in table.places.values():
            if p.stack and p.stack[0] not in self.passed:
                self.passed.add(p.stack[0])
                if p.stack[0] not in self.failed and plan.after is None:
                    new.append(p)
        return new

    def tell(self, program):
        sites = program.sites()
        for title, have in (("never reached", self.passed | self.failed), ("reached, never failed", self.failed | (set(sites) - self.passed))):
            left = sorted(set(sites) - have)
            calls = {a: "%-16s %s" % (sites[a], where) for a, where in zip(sites, program.where(list(sites)))}
            others = {calls[a] for a in sites if a in have}  # the compiler makes copies of a call
            print("%s: %d of %d call sites, %d of %d lines" % (title, len(left), len(sites), len({calls[a] for a in left} - others), len(set(calls.values()))))
            for a in left:
                print("    %s%s" % (calls[a], "; a copy of it was" if calls[a] in others else ""))


class Done:
    """The runs that were right and the sites they went through, in a file that belongs to these very programs."""

    def __init__(self, path, sites, *programs):
        self.names, self.sites, self.file = set(), sites, None
        if not path:
            return
        mark = hashlib.sha256(b"".join(open(p, "rb").read() for p in programs)).hexdigest()
        had = open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []
        if had and had[0] != mark:
            raise SystemExit("%s is of other programs than these: give another name, or remove it" % path)
        for line in had[1:]:
            what, _, rest = line.partition(" ")
            if what == "run":
                self.names.add(rest)
            else:
                (sites.passed if what == "passed" else sites.failed).add(int(rest, 16))
        self.file = open(path, "a", encoding="utf-8")
        if not had:
            print(mark, file=self.file, flush=True)
        self.there = set(sites.passed), set(sites.failed)

    def put(self, plan):
        if self.file:
            print("run", name_of(plan), file=self.file)
            self.put_sites()

    def put_sites(self):
        if not self.file:
            return
        for what, there, now in (("passed", self.there[0], self.sites.passed), ("failed", self.there[1], self.sites.failed)):
            for site in sorted(now - there):
                print("%s %x" % (what, site), file=self.file)
            there |= now
        self.file.flush()
