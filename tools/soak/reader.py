# SPDX-License-Identifier: Apache-2.0
"""Subscribers of a soak: each a thread that goes on from its cursor after every cut, and keeps what it was told."""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from weir_client import Client, WeirError  # noqa: E402


class Reader(threading.Thread):
    """what: `rows` (a dict of rows by key, with how often each came), `table` (the newest row of each key), `bag` (changes added up) or `count`."""

    def __init__(self, world, view, what, **options):
        super().__init__(daemon=True)
        self.world, self.view, self.what, self.options = world, view, what, options
        self.rows, self.times, self.cuts, self.anew, self.lost, self.told = {}, {}, 0, 0, 0, 0
        self.wrong, self.cursor, self.client, self.ended = [], None, None, False
        self.stalled = threading.Event()
        self.begun = False

    def run(self):
        while not self.world.ended and not self.ended:
            try:
                self.follow()
            except WeirError as e:
                if e.code == "SNAPSHOT_REQUIRED":
                    self.cursor = None
                    self.anew += 1
                elif e.code == "slow_consumer":
                    self.cursor = None
                    self.lost += 1
                elif e.code not in ("STATE_STOPPED", "QUERY_NO_RELATION"):
                    self.wrong.append(str(e))
            except (ConnectionError, OSError, ValueError):
                self.cuts += 1
            finally:
                if self.client:
                    self.client.close()
            time.sleep(0.3)

    def follow(self):
        self.client = Client("127.0.0.1:%d" % self.world.ports["tcp"], timeout=60)
        sub = self.client.subscribe(self.view, snapshot=self.cursor is None, cursor=self.cursor, **self.options)
        self.begun = True
        if self.cursor is None and self.what == "table":
            self.rows = {}  # all of them come
        waiting = []
        while sub.ended is None:
            while self.stalled.is_set():
                time.sleep(0.05)
            before = sub.cursor
            waiting += list(sub.changes(self.client.next(sub.id)))
            if sub.cursor != before or self.what == "count":  # whole up to here: a cut before it brings these again
                for change in waiting:
                    self.take(change, sub)
                waiting, self.cursor = [], sub.cursor
            self.lost += sub.lost
            sub.lost = 0
        self.ended = sub.ended == "finished"

    def take(self, change, sub):
        self.told += 1
        row = change.row
        if self.what == "rows":
            key = (row["window_start"], row["k"])
            if self.rows.get(key, row) != row:
                self.wrong.append("%s came with %s, then with %s" % (key, self.rows[key], row))
            self.rows[key] = row
            self.times[key] = self.times.get(key, 0) + 1
        elif self.what == "table":
            if change.op == "+":
                self.rows[row["k"]] = row
            else:
                self.rows.pop(row["k"], None)
        elif self.what == "bag":
            key = tuple(row.values())
            n = self.rows.get(key, 0) + (1 if change.op == "+" else -1)
            if n:
                self.rows[key] = n
            else:
                self.rows.pop(key, None)

    def cut(self):
        """Break the connection without a goodbye."""
        try:
            s = self.client.socket
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
