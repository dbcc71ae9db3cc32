# SPDX-License-Identifier: Apache-2.0
"""The process that makes the rows (feeder.c): orders to it, samples and answers from it."""
import collections
import json
import queue
import subprocess
import threading


class Feeder:
    """events: rows made so far, or a few less; recent: (id, time) of the newest samples, old ones first."""

    def __init__(self, program, brokers, topic, partitions, keys, every, seed):
        self.process = subprocess.Popen([program, brokers, topic, *(str(x) for x in (partitions, keys, every, seed))], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.recent, self.events, self.answers = collections.deque(), 0, queue.Queue()
        self.lock = threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            if line[0] == ord("{"):
                self.answers.put(json.loads(line))
                continue
            i, ts = line.split()
            self.events = int(i) + 1
            self.recent.append((int(i), int(ts)))

    def say(self, *words):
        line = " ".join(str(w) for w in words)
        try:
            with self.lock:
                self.process.stdin.write(line.encode() + b"\n")
                self.process.stdin.flush()
        except BrokenPipeError:
            raise SystemExit("soak: the feeder has ended with %s" % self.process.wait()) from None

    def flush(self):
        self.say("flush")
        try:
            return self.answers.get(timeout=120)
        except queue.Empty:
            raise SystemExit("soak: what was fed has not been sent within two minutes") from None

    def close(self):
        self.process.kill()
        self.process.wait()
