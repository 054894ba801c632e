"""The flood of bench_flood: so many connections in a tight loop, in a process of its own.

The answer to one request is the signal for the next; where the connection was closed, a new one is made at once. What is said of
`Retry-After` is not heeded. A line of JSON at the end tells what was answered, and how often it had to connect. Bare sockets, so that the
flood costs its sender far less than the one who is flooded.
"""

import argparse
import json
import os
import selectors
import socket
import sys
import time
from collections import Counter

HEADERS_END = b"\r\n\r\n"
READ_BYTES = 256 * 1024


class Flood:
    """`told` counts what was answered."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self._ready = selectors.DefaultSelector()
        self._had: dict[socket.socket, bytes] = {}
        self.told: Counter[str] = Counter()

    def run(self, connections: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        for _ in range(connections):
            self._connect()
        while time.monotonic() < until:
            for key, _ in self._ready.select(1):
                assert isinstance(key.fileobj, socket.socket)
                try:
                    self._heard(key.fileobj) if key.events == selectors.EVENT_READ else self._ask(key.fileobj)
                except OSError:
                    self._again(key.fileobj)

    def _connect(self) -> None:
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", self._port))
        self._ready.register(one, selectors.EVENT_WRITE)
        self.told["connections"] += 1

    def _ask(self, one: socket.socket) -> None:
        one.send(self._request)
        self._had[one] = b""
        self._ready.modify(one, selectors.EVENT_READ)

    def _heard(self, one: socket.socket) -> None:
        more = one.recv(READ_BYTES)
        had = self._had[one] = self._had[one] + more
        head, end, rest = had.partition(HEADERS_END)
        if end and len(rest) >= _length(head):
            self.told[head[9:12].decode("ascii", "replace")] += 1
            if b"\nConnection: close" in head:
                self._again(one)
            else:
                self._had[one] = b""
                one.send(self._request)
        elif not more:
            self._again(one)

    def _again(self, one: socket.socket) -> None:
        self._ready.unregister(one)
        self._had.pop(one, None)
        one.close()
        self._connect()


def _length(head: bytes) -> int:
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or b"0")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    asked = parser.parse_args()
    os.nice(19)
    flood = Flood(asked.port, sys.stdin.buffer.read())
    flood.run(asked.connections, asked.seconds)
    sys.stdout.write(json.dumps(flood.told) + "\n")


if __name__ == "__main__":
    main()
