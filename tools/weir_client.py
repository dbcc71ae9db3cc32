#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of Weir's wire protocol (docs/protocol.md) in one file: copy it into your program.

Needs the standard library alone; with the package msgpack, Client(..., encoding="msgpack") speaks MessagePack.

    from weir_client import Client
    with Client("127.0.0.1:7077") as weir:
        view = weir.subscribe("per_auction", snapshot=True)
        for change in view:                       # change.op is "+" or "-", change.row a dict
            print(change.op, change.row["auction"], view.watermark)
        # later, or in another process: weir.subscribe("per_auction", cursor=view.cursor)
        weir.push("bids", [{"auction": 7, "price": "5.00"}])
        print(weir.why("per_auction"))

As a program:

    python3 weir_client.py sub per_auction --snapshot
    python3 weir_client.py push bids < bids.jsonl
    python3 weir_client.py why per_auction

One connection is for one thread.
"""
import argparse
import collections
import decimal
import itertools
import json
import os
import socket
import ssl
import struct
import sys

Change = collections.namedtuple("Change", "op row")
Change.__doc__ = """One row: op is '+' (it is new) or '-' (it is taken back); row is a dict by column name.  In either encoding
values of numeric columns are Decimals with all their digits, those of real and double precision floats; times, dates, intervals
are text as docs/protocol.md has them."""
PUSH_ROWS, PUSH_BYTES = 1000, 1 << 20  # of one push; the server's limit is on the frame


class Digits(float):
    """A number of a JSON document, with the digits that it was written with: a float keeps 17 of them."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number


def json_text(value):
    """JSON without loss: of Decimals and Digits all digits; NaN and infinities as the strings that Weir reads and writes."""
    if isinstance(value, Digits):
        return value.text
    if isinstance(value, (float, decimal.Decimal)):
        number = decimal.Decimal(value)
        if not number.is_finite():
            return '"NaN"' if number.is_nan() else '"Infinity"' if number > 0 else '"-Infinity"'
        return repr(float(value)) if isinstance(value, float) else str(value)
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (json.dumps(k, ensure_ascii=False), json_text(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(map(json_text, value))
    return json.dumps(value, ensure_ascii=False)


def reader_of(type):
    """What makes a column's value of what came: text, a number, None, or a list of them."""
    if type.endswith("[]"):
        item = reader_of(type[:-2])
        return item and (lambda value: list(map(item, value)) if isinstance(value, list) else value)
    if type.startswith("numeric"):
        return lambda value: None if value is None else decimal.Decimal(getattr(value, "text", value))
    if type.startswith("float"):
        return lambda value: None if value is None else float(value)
    return None


class WeirError(Exception):
    """The server's answer was an error; code is its name, cursor where a slow subscription had come to."""

    def __init__(self, message):
        self.code = message.get("code", "INTERNAL")
        self.text = message.get("text", "")
        self.hint = message.get("hint", "")
        self.cursor = message.get("cursor")
        super().__init__(self.text + (" (hint: %s)" % self.hint if self.hint else ""))


class JsonWire:
    """One JSON object a line."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, message):
        self.stream.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self.stream.flush()

    def read(self):
        line = self.stream.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the server closed the connection")
        if not line.startswith(b"{"):
            raise ConnectionError("this is not Weir's protocol: %r" % line[:80])
        return json.loads(line, parse_float=Digits)


class MsgpackWire:
    """A length of four bytes, the most significant first, and a MessagePack map."""

    def __init__(self, stream):
        import msgpack
        self.stream, self.msgpack = stream, msgpack

    def write(self, message):
        body = self.msgpack.packb(message)
        self.stream.write(struct.pack(">I", len(body)) + body)
        self.stream.flush()

    def take(self, n):
        data = self.stream.read(n)
        if len(data) < n:
            raise ConnectionError("the server closed the connection")
        return data

    def read(self):
        message = self.msgpack.unpackb(self.take(struct.unpack(">I", self.take(4))[0]))
        if isinstance(message.get("json"), str):
            message["json"] = json.loads(message["json"])
        return message


def secured(s, host, ca, cert, key):
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert:
        context.load_cert_chain(cert, key)
    return context.wrap_socket(s, server_hostname=host)


def connect(address, timeout, tls=False, ca=None, cert=None, key=None):
    if address.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(address[5:])
        return s
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, "7077"
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("%r is not an address: write host:port or unix:/path" % address)
    s = socket.create_connection((host, int(port)), timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return secured(s, host, ca, cert, key) if tls else s


class Client:
    """A connection.  address: host:port or unix:/path (default $WEIR_URL, else 127.0.0.1:7077); timeout: seconds
    that connecting and each read may take (None: for ever; a quiet view is silent).  TLS: tls=True, ca=FILE, or an
    address that begins with tls://; ca: who signed the server's certificate (default $WEIR_CA, else the system's);
    cert, key: a certificate of ours, if the server wants one."""

    def __init__(self, address=None, token=None, encoding="json", timeout=None, tls=False, ca=None, cert=None, key=None):
        address = address or os.environ.get("WEIR_URL") or "127.0.0.1:7077"
        token = token or os.environ.get("WEIR_TOKEN")
        tls = tls or ca is not None or cert is not None or address.startswith("tls://")
        address = address.removeprefix("tcp://").removeprefix("tls://")
        self.socket = connect(address, timeout, tls, ca or os.environ.get("WEIR_CA"), cert, key)
        self.wire = (MsgpackWire if encoding == "msgpack" else JsonWire)(self.socket.makefile("rwb"))
        self.ids = itertools.count(1)
        self.subscriptions = {}  # by id: messages that came while somebody waited for another
        self.server = self.ask({"op": "hello", **({"token": token} if token else {})})

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()

    def close(self):
        self.socket.close()

    def next(self, id):
        """The next message of id; those of subscriptions are kept for them."""
        waiting = self.subscriptions.get(id)
        while not waiting:
            message = self.wire.read()
            if message.get("id") == id:
                return message
            if message.get("op") == "error" and "id" not in message:
                raise WeirError(message)
            if message.get("id") in self.subscriptions:
                self.subscriptions[message["id"]].append(message)
        return waiting.popleft()

    def ask(self, request):
        """Send a request, return its answer."""
        request["id"] = next(self.ids)
        self.wire.write(request)
        answer = self.next(request["id"])
        if answer["op"] == "error":
            raise WeirError(answer)
        return answer

    def subscribe(self, view, snapshot=False, cursor=None, credit=None, gaps=False, upserts=False, epochs=False):
        """Follow a view, source, VIEW.late or SOURCE.dead_letter.

        snapshot: begin with the rows that the view still keeps; cursor: go on after this place; credit: how many rows
        may be on their way (None: no limit but the socket's); gaps: when too slow, go on after the loss;
        upserts: new rows and deletions by the view's key, instead of old and new rows; epochs: whole epochs alone.
        """
        return Subscription(self, view, snapshot, cursor, credit, gaps, upserts, epochs)

    def push(self, source, rows):
        """Rows (an iterable of dicts) into a source declared `push: {}`; returns when the last is taken.  When it raises,
        self.taken says how many of them were: push again what comes behind."""
        self.push_lines(source, map(json_text, rows))

    def push_lines(self, source, lines):
        """The same of rows that are JSON already, each a line of text."""
        block, size, self.taken = [], 0, 0
        for line in lines:
            room = 2 + len(json.dumps(line, ensure_ascii=False).encode())  # as it stands in a JSON frame: quotes take two bytes
            if room > self.server["max_frame"] - PUSH_ROWS:
                raise ValueError("a row of %d bytes does not fit into a frame of %d" % (room, self.server["max_frame"]))
            if block and (len(block) == PUSH_ROWS or size + room > PUSH_BYTES):
                self.push_block(source, block)
                block, size = [], 0
            block.append(line)
            size += room
        if block:
            self.push_block(source, block)

    def push_block(self, source, block):
        self.ask({"op": "push", "source": source, "rows": "\n".join(block) + "\n"})
        self.taken += len(block)

    def why(self, view):
        """Why nothing (or not more) comes out of a view: a dict with verdict and detail."""
        return self.ask({"op": "why", "view": view, "json": True})["json"]

    def explain(self, view):
        return self.ask({"op": "explain", "view": view})["text"]

    def explain_sql(self, sql, pipeline=None):
        """What a statement would be as a view of the pipeline: a dict with kind, columns, key, plan, perhaps unbounded."""
        told = self.ask({"op": "explain", "sql": sql, "json": True, **({"pipeline": pipeline} if pipeline else {})})["json"]
        return json.loads(told) if isinstance(told, str) else told  # a string in MessagePack

    def status(self):
        return self.ask({"op": "status"})["json"]

    def metrics(self):
        return self.ask({"op": "metrics"})["text"]

    def checkpoint(self, pipeline=None):
        self.ask({"op": "checkpoint", **({"pipeline": pipeline} if pipeline else {})})


class Subscription:
    """Iterate over it for Changes.  columns: [(name, type)]; kind: insert_only, upsert or changelog; key: names;
    cursor: where to go on later (after the last row of a message was taken); watermark: complete up to here; epoch: the
    newest that has ended; lost: batches lost (gaps=True); ended: why it ended.  states() gives whole states instead."""

    def __init__(self, client, view, snapshot, cursor, credit, gaps, upserts=False, epochs=False):
        self.client, self.view, self.credit, self.left = client, view, credit, credit
        self.cursor, self.watermark, self.lost, self.ended, self.epoch = cursor, None, 0, None, None
        self.id = next(client.ids)
        request = {"op": "sub", "id": self.id, "view": view, "snapshot": bool(snapshot), "gaps": bool(gaps)}
        if upserts:
            request["upserts"] = True
        if epochs:
            request["epochs"] = True
        if cursor is not None:
            request["cursor"] = cursor
        if credit is not None:
            request["credit"] = credit
        client.subscriptions[self.id] = collections.deque()
        client.wire.write(request)
        schema = client.next(self.id)
        if schema["op"] == "error":
            del client.subscriptions[self.id]
            raise WeirError(schema)
        self.kind, self.key = schema["kind"], schema["key"]
        self.columns = [tuple(c) for c in schema["columns"]]
        self.names = [c[0] for c in self.columns]
        self.readers = [(i, reader_of(c[1])) for i, c in enumerate(self.columns) if reader_of(c[1])]

    def __iter__(self):
        while self.ended is None:
            yield from self.changes(self.client.next(self.id))

    def states(self):
        """Lists of Changes: those of an epoch, after which what they add up to is whole across workers."""
        changes, epoch = [], self.epoch
        while self.ended is None:
            changes += self.changes(self.client.next(self.id))
            if self.epoch != epoch:
                epoch = self.epoch
                yield changes
                changes = []

    def changes(self, message):
        """The Changes of one message; what it says of cursor and watermark afterwards."""
        op = message["op"]
        if op == "rows":
            for sign, values in message["rows"]:
                for i, reader in self.readers:
                    values[i] = reader(values[i])
                yield Change(sign, dict(zip(self.names, values)))
            self.grant(len(message["rows"]))
        elif op == "progress":
            self.watermark, self.epoch = message["watermark"], message.get("epoch", self.epoch)
        elif op == "gap":
            self.lost += message["lost_batches"]
        elif op in ("end", "error"):
            self.ended = message.get("reason", op)
            del self.client.subscriptions[self.id]
            if op == "error":
                raise WeirError(message)
            if self.ended == "failed":
                raise WeirError({"code": "FAILED", "text": message.get("text", "the pipeline has failed")})
        self.cursor = message.get("cursor", self.cursor)

    def grant(self, rows):
        """New credit when half of it is used."""
        if self.credit is None:
            return
        self.left -= rows
        if self.left <= self.credit // 2:
            self.client.wire.write({"op": "credit", "id": self.id, "n": self.credit - self.left})
            self.left = self.credit

    def close(self):
        """End it; the connection stays."""
        if self.ended is None:
            self.client.wire.write({"op": "unsub", "id": self.id})
            while self.client.next(self.id)["op"] not in ("end", "error"):
                pass
            self.ended = "unsubscribed"
            del self.client.subscriptions[self.id]


def run_sub(weir, a):
    view = weir.subscribe(a.view, a.snapshot, a.cursor, a.credit, a.gaps, a.upserts, a.epochs)
    try:
        for change in itertools.islice(view, a.count):
            op = {} if view.kind == "insert_only" else {"_op": change.op}
            print(json_text({**op, **change.row}), flush=True)
    except KeyboardInterrupt:
        print("go on with: --from '%s'" % view.cursor, file=sys.stderr)
        return 130
    return 0


def lines_read(stream):
    """The lines as they stand, so that numbers keep their digits."""
    for number, line in enumerate(stream, 1):
        if line.strip():
            try:
                json.loads(line)
            except ValueError as e:
                raise ValueError("line %d of standard input is not JSON: %s" % (number, e)) from None
            yield line.strip()


def run_push(weir, a):
    weir.taken = 0
    try:
        weir.push_lines(a.source, lines_read(sys.stdin))
    except BaseException:  # Ctrl-C, too
        print("weir_client: %d rows were taken before this" % weir.taken, file=sys.stderr)
        raise
    return 0


def connection_options(suppress):
    """The options of every verb, before it or behind it; what stands behind it counts."""
    p = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS if suppress else None)
    p.add_argument("-s", "--server", help="host:port or unix:/path (default: $WEIR_URL, else 127.0.0.1:7077)")
    p.add_argument("--token", help="default: $WEIR_TOKEN")
    p.add_argument("--tls", action="store_true", help="through TLS; also when the address begins with tls://")
    p.add_argument("--ca", metavar="FILE", help="the CA that signed the server's certificate (default: $WEIR_CA, else the system's)")
    p.add_argument("--cert", metavar="FILE", help="a certificate of yours, if the server wants one")
    p.add_argument("--key", metavar="FILE")
    p.add_argument("--msgpack", action="store_true", help="speak MessagePack")
    return p


def main():
    p = argparse.ArgumentParser(description="talk to a running Weir", parents=[connection_options(False)])
    verbs, behind = p.add_subparsers(dest="verb", required=True), [connection_options(True)]
    sub = verbs.add_parser("sub", help="follow a view", parents=behind)
    sub.add_argument("view")
    sub.add_argument("--snapshot", action="store_true")
    sub.add_argument("--from", dest="cursor", metavar="CURSOR")
    sub.add_argument("--credit", type=int)
    sub.add_argument("--gaps", action="store_true")
    sub.add_argument("--upserts", action="store_true")
    sub.add_argument("--epochs", action="store_true")
    sub.add_argument("-n", "--count", type=int)
    push = verbs.add_parser("push", help="JSON lines from standard input into a source", parents=behind)
    push.add_argument("source")
    for verb in ("why", "explain"):
        verbs.add_parser(verb, parents=behind).add_argument("view")
    verbs.add_parser("status", parents=behind)
    a = p.parse_args()
    try:
        with Client(a.server, a.token, "msgpack" if a.msgpack else "json", tls=a.tls, ca=a.ca, cert=a.cert, key=a.key) as weir:
            if a.verb == "sub":
                return run_sub(weir, a)
            if a.verb == "push":
                return run_push(weir, a)
            if a.verb == "why":
                print("{verdict}\n{detail}".format(**weir.why(a.view)), end="")
            elif a.verb == "explain":
                print(weir.explain(a.view), end="")
            else:
                print(json.dumps(weir.status(), indent=2))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ImportError as e:
        print("weir_client: --msgpack needs the package msgpack: %s" % e, file=sys.stderr)
        return 2
    except OSError as e:  # before ValueError: a certificate that is not good is both
        print("weir_client: %s: %s" % (a.server or os.environ.get("WEIR_URL") or "127.0.0.1:7077", e), file=sys.stderr)
        return 69
    except (WeirError, ValueError) as e:
        print("weir_client: %s" % e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
