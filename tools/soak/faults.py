# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a soak, one thing a minute.  Each has begin() and end(); what it finds wrong it adds to `found`."""
import os
import signal
import socket

from world import PARTITIONS


class Fault:
    """span: how much of the minute it lasts; stops: meanwhile the source may not be read."""
    span, stops = 1 / 3, False

    def __init__(self, world, readers, found):
        self.world, self.readers, self.found = world, readers, found

    def begin(self):
        pass

    def over(self):
        """It may end; on a slow machine what it is to bring about takes longer."""
        return True

    def end(self):
        pass


class SubscriberStops(Fault):
    """Subscribers stop reading and go on; those of `odd`, with a small buffer behind them, may lose rows, and are told so."""
    def begin(self):
        for r in self.readers:
            r.stalled.set()

    def end(self):
        for r in self.readers:
            r.stalled.clear()


class SubscriberCut(Fault):
    """Subscribers are cut off and resume from their cursors; three hundred others come and go."""
    def begin(self):
        for r in self.readers:
            r.cut()
        for i in range(300):
            with socket.create_connection(("127.0.0.1", self.world.ports[("tcp", "http", "tcp_in")[i % 3]]), 5) as s:
                s.sendall((b'{"op":"sub","id":1,"view":"odd"}\n', b"GET /metrics HTTP/1.1\r\n\r\n", b"")[i % 3])

    def end(self):
        for r in self.readers:
            r.cut()


class Stopped(Fault):
    """A process that stands still: the connections stay, nothing answers."""
    stops = True

    def pid(self):
        raise NotImplementedError

    def begin(self):
        os.kill(self.pid(), signal.SIGSTOP)

    def end(self):
        os.kill(self.pid(), signal.SIGCONT)


class SinkDead(Stopped):
    """The broker of the sink does not answer."""
    def pid(self):
        return self.world.other.process.pid


class BrokerDown(Stopped):
    """The broker of the source does not answer."""
    def pid(self):
        return self.world.broker.process.pid


class Pause(Stopped):
    """Weir itself is stopped and goes on: to it, the clock jumps."""
    span = 1 / 6

    def pid(self):
        return self.world.process.pid


class SinkStalls(Fault):
    """Who reads standard output takes nothing."""
    stops = True

    def begin(self):
        self.world.odd_stalled.set()

    def end(self):
        self.world.odd_stalled.clear()


class DiskFull(Fault):
    """No room for file sinks and checkpoints."""
    stops = True

    def begin(self):
        if not self.world.small_disk:
            return
        with open(self.world.disk + "/filler", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(1 << 20))
            except OSError:
                pass

    def end(self):
        if os.path.exists(self.world.disk + "/filler"):
            os.unlink(self.world.disk + "/filler")


class Poison(Fault):
    """Records that are none, everywhere."""
    def begin(self):
        w, bad = self.world, ["{broken", '{"k":1}', '{"id":"x"}', "\x00\x01", '{"id":1,"k":2,"v":3,"ts":"never"}', "null"]
        for p in range(PARTITIONS):
            w.to_partition(p, bad * 10)
            w.expected.bad += len(bad) * 10
        w.out += b"{broken\n" * 20
        w.expected.bad_tcp += 20


class Giant(Fault):
    """Messages beyond the limit."""
    def begin(self):
        w, giant = self.world, '{"id":-5,"k":1,"v":1,"ts":"2026-01-01T00:00:00Z","x":"%s"}' % ("x" * 200000)
        for p in range(PARTITIONS):
            w.to_partition(p, [giant] * 2)
            w.expected.bad += 2
        w.out += giant.encode() + b"\n"
        w.expected.bad_tcp += 1


class HotKey(Fault):
    """Three times the rows (as many more as there is room for, under load), nine in ten of one key."""
    span = 1 / 6

    def begin(self):
        self.world.feeder.say("hot 1")
        self.world.feeder.say("rate", self.world.rate * self.world.hot_factor)

    def end(self):
        self.world.feeder.say("hot 0")
        self.world.feeder.say("rate", self.world.rate)


class IdlePartition(Fault):
    """A partition is silent for longer than idle_timeout: windows go on closing."""
    span = 2 / 3

    def begin(self):
        self.world.feeder.say("silent", PARTITIONS - 1)
        self.told = len(self.readers[0].rows)

    def over(self):
        return len(self.readers[0].rows) != self.told

    def end(self):
        self.world.feeder.say("silent -1")
        if len(self.readers[0].rows) == self.told:
            self.found.append("no window closed while a partition was idle")


class Rotated(Fault):
    """A followed file is renamed and begun anew."""
    def begin(self):
        w = self.world
        w.files["f"].close()
        os.rename(w.dir + "/f.jsonl", w.dir + "/f.old")
        w.files["f"] = open(w.dir + "/f.jsonl", "w")


class Kill(Fault):
    """kill -9, and on from the checkpoints.  What TCP brings is in one first: a socket cannot be read again."""
    span = 1 / 12

    def begin(self):
        self.world.pushing = False

    def end(self):
        self.world.kill()
        self.world.start()
        self.world.pushing = True


FAULTS = [SubscriberStops, SinkDead, BrokerDown, SubscriberCut, DiskFull, Poison, SinkStalls, Giant, HotKey, IdlePartition, Pause, Rotated]
