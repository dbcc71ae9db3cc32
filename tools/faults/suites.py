# SPDX-License-Identifier: Apache-2.0
"""The project's own tests as scenarios: each file of tests/pipeline and pipelines/ under `weir test`, each of tests/plan under
`weir explain`, each statement of tests/sql under `weir query`.

They are there for call sites that scenarios.py does not pass (rest): only a place whose call site no scenario before has been
through is made to fail.
"""
import glob
import json
import os
import shutil

import sql_cases
from scenarios import Scenario, Tests

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class File(Scenario):
    """A pipeline file beside its neighbours, which it may read."""
    rest, tells, path, verb = True, True, None, None

    def prepare(self, d, clean):
        for f in os.listdir(os.path.dirname(self.path)):
            if f.endswith((".yaml", ".jsonl", ".csv", ".json", ".tsv")):
                shutil.copy(os.path.join(os.path.dirname(self.path), f), d)

    def act(self, d, env):
        return self.run(d, [self.verb, os.path.basename(self.path)], env)


class TestFile(File):
    verb = "test"
    answer = Tests.answer


class PlanFile(File):
    verb = "explain"


class Statement(Scenario):
    """Small batches and one-slot buffers, or a restart half-way: more of the code than a run of the whole."""
    rest, case, more = True, None, {}

    def prepare(self, d, clean):
        for name, i in sql_cases.used(self.case, self.case.sql).items():
            with open("%s/%s.jsonl" % (d, name), "w", encoding="utf-8") as f:
                f.writelines(x + "\n" for x in i["rows"])
            with open("%s/%s.schema" % (d, name), "w", encoding="utf-8") as f:
                json.dump(i["schema"], f)
        with open(d + "/q.sql", "w", encoding="utf-8") as f:
            f.write(self.case.sql + "\n")

    def act(self, d, env):
        args = ["query", "--sql", "q.sql", "-o", "jsonl"] + ["--no-flush"] * ("no-flush" in self.case.flags)
        for name in sql_cases.used(self.case, self.case.sql):
            args += ["--input", "%s=%s.jsonl" % (name, name), "--schema", "%s=%s.schema" % (name, name)]
        return self.run(d, args, {**env, **self.more})

    def answer(self, d, result):
        return sorted(result.out.splitlines())


def of(base, name, **attributes):
    return type(name, (base,), {"name": name, **attributes})


def all_of_them():
    found = [of(PlanFile, "plan_" + os.path.basename(p)[:-5], path=p) for p in sorted(glob.glob(ROOT + "/tests/plan/*.yaml"))]
    for p in sorted(glob.glob(ROOT + "/tests/pipeline/*.yaml") + glob.glob(ROOT + "/pipelines/*.yaml")):
        if "\ntests:" in open(p, encoding="utf-8").read():
            found.append(of(TestFile, "tests_" + os.path.basename(p)[:-5], path=p))
    for path in sql_cases.files():
        for n, case in enumerate(sql_cases.parse(os.path.join(ROOT, path))):
            more = [{}, {"WEIR_TEST_SMALL": "1"}, {"WEIR_TEST_RESTART": "3"}][n % 3] if not case.error else {}
            name = "sql_%s_%d" % (os.path.basename(path)[:-5], case.line)
            found.append(of(Statement, name, case=case, more=more, ok=(1,) if case.error else (0,)))
    return found
