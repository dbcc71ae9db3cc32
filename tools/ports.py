# SPDX-License-Identifier: Apache-2.0
"""Ports of 127.0.0.1 that a program started next may listen on.

They lie below those that the kernel gives to outgoing connections and to who asks for any: between the moment one is found free and
the moment it is listened on nobody gets it by accident.  Where to look first is drawn, so that several runs do not meet.
"""
import contextlib
import random
import socket

FIRST, DRAW = 15000, random.SystemRandom()


def kernel_first():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
            return int(f.read().split()[0])
    except OSError:
        return 0


def free_ports(count):
    """So many different ones."""
    last = kernel_first() - 1
    with contextlib.ExitStack() as held:
        found = []
        for _ in range(1000):
            if len(found) == count:
                break
            s = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # taken: the next draw
                s.bind(("127.0.0.1", DRAW.randint(FIRST, last) if last > FIRST + 1000 else 0))
                found.append(s.getsockname()[1])
        if len(found) < count:
            raise RuntimeError("no free port is to be found")
        return found


def free_port():
    return free_ports(1)[0]
