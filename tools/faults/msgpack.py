# SPDX-License-Identifier: Apache-2.0
"""As much of MessagePack as the scenarios need, so that nothing has to be installed: packb and unpackb of plain values."""
import struct


def packb(v):
    if v is None or isinstance(v, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[v]
    if isinstance(v, int):
        return bytes([v]) if 0 <= v < 128 else b"\xd3" + struct.pack(">q", v)
    if isinstance(v, str):
        b = v.encode()
        return (bytes([0xa0 | len(b)]) if len(b) < 32 else b"\xdb" + struct.pack(">I", len(b))) + b
    if isinstance(v, dict):
        return (bytes([0x80 | len(v)]) if len(v) < 16 else b"\xdf" + struct.pack(">I", len(v))) + b"".join(packb(x) for pair in v.items() for x in pair)
    return (bytes([0x90 | len(v)]) if len(v) < 16 else b"\xdd" + struct.pack(">I", len(v))) + b"".join(packb(x) for x in v)


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n: self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def items(self, n):
        return [self.value() for _ in range(n)]

    def pairs(self, n):
        flat = self.items(2 * n)
        return dict(zip(flat[0::2], flat[1::2]))

    def value(self):
        c = self.number("B")
        if c < 0x80 or c >= 0xe0:
            return c if c < 0x80 else c - 256
        if c < 0xa0:
            return self.pairs(c & 15) if c < 0x90 else self.items(c & 15)
        if c < 0xc0:
            return self.take(c & 31).decode()
        if c in (0xc0, 0xc2, 0xc3):
            return {0xc0: None, 0xc2: False, 0xc3: True}[c]
        numbers = {0xca: "f", 0xcb: "d", 0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q", 0xd0: "b", 0xd1: "h", 0xd2: "i", 0xd3: "q"}
        if c in numbers:
            return self.number(numbers[c])
        if 0xc4 <= c <= 0xc6 or 0xd9 <= c <= 0xdb:
            b = self.take(self.number("BHI"[(c - 0xc4 if c < 0xc7 else c - 0xd9)]))
            return b if c < 0xc7 else b.decode()
        if 0xdc <= c <= 0xdf:
            n = self.number("HI"[c & 1])
            return self.items(n) if c < 0xde else self.pairs(n)
        if 0xd4 <= c <= 0xd8:  # an extension, as its bytes
            return (self.number("b"), self.take(1 << (c - 0xd4)))
        if 0xc7 <= c <= 0xc9:
            n = self.number("BHI"[c - 0xc7])
            return (self.number("b"), self.take(n))
        raise ValueError("no MessagePack: %#x" % c)


def unpackb(data):
    return _Reader(data).value()
