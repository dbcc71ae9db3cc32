# SPDX-License-Identifier: Apache-2.0
"""The table that tools/faults/hook.c keeps, and what the program's code says: which calls there are, where they stand."""
import array
import collections
import re
import subprocess

KINDS, NAME_BYTES, PLACES, FRAMES = 64, 24, 1 << 14, 8
HEAD = 8 + 8 * KINDS + 16 + KINDS * NAME_BYTES
PLACE = 3 * 8 + 8 + FRAMES * 8
Place = collections.namedtuple("Place", "id kind passed failed stack")


class Table:
    """What a run left: places by id, how many faults fired, how many calls there were that change files."""

    def __init__(self, path):
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError:
            data = b""
        self.places, self.fired, self.changes = {}, 0, 0
        if len(data) < HEAD:
            return
        words = array.array("Q", data[: 8 + 8 * KINDS + 16])
        self.changes, self.fired = words[1 + KINDS], words[2 + KINDS]
        at = 8 + 8 * KINDS + 16
        names = [data[at + i * NAME_BYTES: at + (i + 1) * NAME_BYTES].split(b"\0")[0].decode() for i in range(KINDS)]
        rows = array.array("Q", data[HEAD: HEAD + PLACES * PLACE])
        step = PLACE // 8
        for i, id in enumerate(rows[0::step]):
            if id:
                r = rows[i * step: (i + 1) * step]
                kind, frames = r[3] & 0xffffffff, r[3] >> 32
                self.places[id] = Place(id, names[kind], r[1], r[2], tuple(r[4: 4 + frames]))


class Program:
    """The call sites of a program: addresses behind each call of a wrapped function, and what stands there."""

    def __init__(self, path):
        self.path, self.lines = path, {}

    def sites(self):
        """Return address -> kind, of every call in Weir's own files."""
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", self.path], capture_output=True, text=True, check=True).stdout
        start = int(re.search(r"([0-9a-f]+) . __executable_start", subprocess.run(["nm", self.path], capture_output=True, text=True).stdout).group(1), 16)
        out, kind, function = {}, None, ""
        for line in text.splitlines():
            m = re.match(r"\s*([0-9a-f]+):\t(\S+)\s*(.*)", line)
            if not m:
                m = re.match(r"[0-9a-f]+ <(\w+)", line)
                function = m.group(1) if m else function
                continue
            if kind:
                out[int(m.group(1), 16) - start] = kind
                kind = None
            if m.group(2).startswith("call"):
                w = re.search(r"<__wrap_(\w+)>", m.group(3))
                kind = w.group(1) if w and not function.startswith("__wrap_") else None
        return out

    def where(self, addresses):
        """Addresses -> "function file:line"."""
        ask = sorted({a for a in addresses if a not in self.lines})
        if ask:
            p = subprocess.run(["addr2line", "-a", "-f", "-e", self.path] + [hex(a - 1) for a in ask], capture_output=True, text=True)
            rows = p.stdout.splitlines()
            for i, a in enumerate(ask):
                function, place = rows[3 * i + 1], rows[3 * i + 2]
                place = re.sub(r" \(discriminator \d+\)", "", place)
                self.lines[a] = "%s %s" % (function, re.sub(r"^.*/(src|tools)/", r"\1/", place))
        return [self.lines[a] for a in addresses]
