"""embed.py -- libweir.so from Python: run a pipeline in this process, push rows in, read the changes of its views.

    with Engine("build/libweir.so", workers=2, data_dir=d) as e:
        e.start(text)                       a pipeline file's text
        e.push("bids", b'{"a": 1}\\n')      waits while there is no room, reading the views meanwhile
        e.quiet()                           until all that was pushed is worked off, and what came of it taken
        e.bags["view"]                      Counter of rows, changes folded; taking back what was not given raises at quiet()
        e.restart(workers=3)                a checkpoint, a new engine from it
"""
from collections import Counter
import ctypes as c
import json
import os
import subprocess
import sys
import threading
import time

from postgres import Number

ROWS, END, NOTHING = 0, 3, 4
RUNNING, FAILED = 1, 3
STATUS_LIMIT = range(5000, 6000)
STATUS_TIMEOUT = 4003
WAIT_S = 600  # how long a machine may take over what is under way before it hangs


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("line", c.c_int32), ("column", c.c_int32), ("offset", c.c_int32), ("text", c.c_char * 512), ("hint", c.c_char * 256)]


class Options(c.Structure):
    _fields_ = [("memory", c.c_uint64), ("workers", c.c_uint32), ("data_dir", c.c_char_p), ("checkpoint_us", c.c_int64), ("seed", c.c_uint64), ("once", c.c_bool), ("no_sharing", c.c_bool)]


class Subscribe(c.Structure):
    _fields_ = [("snapshot", c.c_bool), ("cursor", c.c_char_p), ("upserts", c.c_bool), ("epochs", c.c_bool), ("required", c.c_bool), ("wake", c.c_void_p), ("user", c.c_void_p)]


class Message(c.Structure):
    _fields_ = [("event", c.c_int), ("rows", c.c_void_p), ("snapshot", c.c_bool), ("watermark", c.c_int64), ("epoch", c.c_uint64), ("lost", c.c_uint64), ("cursor", c.c_char * 256)]


class Progress(c.Structure):
    _fields_ = [("rows", c.c_uint64), ("bytes", c.c_uint64), ("bytes_total", c.c_uint64), ("fraction", c.c_double), ("bad", c.c_uint64), ("late", c.c_uint64),
                ("failed", c.c_uint64), ("sample", c.c_char * 200), ("shed", c.c_uint64), ("failure", c.c_char * 160)]


def ensure_allocator(library):
    """jemalloc, or the sanitizer, has to be there from the start of a program that loads the library later: begin again with it."""
    needs = subprocess.run(["ldd", library], capture_output=True, text=True).stdout
    want = next((w for w in ("libasan", "libjemalloc") if w in needs), None)
    if want is None or want in os.environ.get("LD_PRELOAD", ""):
        return
    path = next(x.split("=>")[1].split()[0] for x in needs.splitlines() if want in x)
    # the interpreter's own leaks are not ours
    os.execve(sys.executable, [sys.executable] + sys.argv, {**os.environ, "LD_PRELOAD": path, "ASAN_OPTIONS": "detect_leaks=0"})


class Refused(Exception):
    """What weir says of a file."""


class Engine:
    def __init__(self, library, workers, data_dir):
        self.lib, self.workers, self.data_dir = c.CDLL(library), workers, data_dir
        for name in ("weir_report_open", "weir_report_print", "weir_pipeline_relation"):
            getattr(self.lib, name).restype = c.c_void_p
        self.engine, self.views, self.changes = None, {}, 0
        self.bags = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def check(self, status, err):
        if status != 0:
            raise RuntimeError("%d: %s" % (status, err.text.decode()))

    def start(self, text, views=(), snapshot=False):
        """snapshot: begin with what a view holds; a source that reads by itself may be ahead of us."""
        self.text, self.wanted = text, list(views) or self.wanted
        err = Error()
        options = Options(0, self.workers, self.data_dir.encode(), 3600 * 10**6, 1, False)
        self.engine, self.pipeline, report = c.c_void_p(), c.c_void_p(), c.c_void_p(self.lib.weir_report_open())
        self.check(self.lib.weir_open(c.byref(options), c.byref(self.engine), c.byref(err)), err)
        status = self.lib.weir_pipeline_load(self.engine, b"pipeline.yaml", text.encode(), None, None, report, c.byref(self.pipeline))
        said = self.lib.weir_report_print(report, False)
        message = c.string_at(said).decode() if status != 0 and said else ""
        self.lib.weir_free(c.c_void_p(said))
        self.lib.weir_report_close(report)
        if status != 0:
            self.lib.weir_close(self.engine)
            self.engine = None
            raise Refused(message)
        self.check(self.lib.weir_pipeline_start(self.pipeline, c.byref(err)), err)
        self.pushed, self.ends = self.read(), False
        snapshot = snapshot or not self.bags  # what comes from no rows (count(*) is 0) is there before anybody can subscribe
        for v in self.wanted:
            self.bags.setdefault(v, Counter())
            s = c.c_void_p()
            how = Subscribe(snapshot=snapshot, required=True)
            self.check(self.lib.weir_subscribe(self.pipeline, v.encode(), c.byref(how), c.byref(s), c.byref(err)), err)
            self.views[v] = s

    def take(self):
        """Whatever the views have; whether there was something."""
        err, m, some = Error(), Message(), False
        for v, s in self.views.items():
            while True:
                self.check(self.lib.weir_subscription_next(s, c.byref(m), c.byref(err)), err)
                if m.event in (NOTHING, END):
                    break
                if m.event != ROWS:
                    continue
                some = True
                data, size = c.c_char_p(), c.c_size_t()
                rows = c.c_void_p(m.rows)
                status = self.lib.weir_rows_encode(rows, 0, False, c.byref(data), c.byref(size))
                text = c.string_at(data, size.value) if status == 0 else b""
                self.lib.weir_rows_release(rows)
                self.check(status, err)
                for op, row in json.loads(text, parse_float=Number, parse_int=Number):
                    self.bags[v][tuple(row)] += 1 if op == "+" else -1
                    self.changes += 1
        return some

    def alive(self):
        err = Error()
        state = self.lib.weir_pipeline_state(self.pipeline, c.byref(err))
        if state == FAILED:
            raise RuntimeError("failed: " + err.text.decode())
        return state == RUNNING

    def read(self):
        """Rows that the sources have read, and records that were none."""
        p = Progress()
        self.lib.weir_pipeline_progress(self.pipeline, c.byref(p))
        return p.rows + p.bad

    def take_until(self, over):
        end = time.time() + WAIT_S
        while not over():
            if not self.take():
                self.alive()
                if time.time() > end:
                    raise RuntimeError("%d of %d rows are read; then it hangs" % (self.read(), self.pushed))
                time.sleep(0.001)

    def checkpoint(self):
        """When it is there all that was read before it has passed through; somebody has to take what comes meanwhile."""
        err, said = Error(), []
        for _ in range(20):  # each waits ten seconds at most
            asking = threading.Thread(target=lambda: said.append(self.lib.weir_pipeline_checkpoint(self.pipeline, c.byref(err))))
            asking.start()
            self.take_until(lambda: not asking.is_alive())
            asking.join()
            if said[-1] != STATUS_TIMEOUT:
                break
        self.check(said[-1], err)

    def quiet(self):
        """Not: nothing comes for a while.  A thread that gets no processor is silent, too."""
        self.take_until(lambda: self.read() >= self.pushed)
        if self.ends:
            self.take_until(lambda: not self.alive())
        else:
            self.checkpoint()
        while self.take():
            pass
        for v, bag in self.bags.items():
            for row, n in bag.items():
                if n < 0:
                    raise RuntimeError("view %s took back a row that it never gave: %r" % (v, row))

    def push(self, source, data):
        err, at = Error(), 0
        while at < len(data):
            taken = c.c_size_t(0)
            status = self.lib.weir_push(self.pipeline, source.encode(), data[at:], c.c_size_t(len(data) - at), c.byref(taken), c.byref(err))
            at += taken.value
            self.pushed += data.count(b"\n", at - taken.value, at)
            if status in STATUS_LIMIT:
                if not self.take():
                    time.sleep(0.001)
                self.alive()
            else:
                self.check(status, err)

    def push_end(self, source):
        """Of each source, before the last quiet()."""
        err, self.ends = Error(), True
        self.check(self.lib.weir_push_end(self.pipeline, source.encode(), c.byref(err)), err)

    def restart(self, workers):
        self.quiet()
        self.close()
        self.workers = workers
        self.start(self.text)

    def close(self):
        for s in self.views.values():
            self.lib.weir_unsubscribe(s)
        self.views = {}
        if self.engine is not None:
            self.lib.weir_close(self.engine)
            self.engine = None
