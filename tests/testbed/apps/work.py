"""What every stack under test does for a request, whatever the framework around it.

A request's URL says what it asks for (`/work?segments=6.1;10.2;2.0`), so that the same requests
can be sent to every stack and a trace says all there is to know about them.
"""

import os
import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qs

DATABASE = {
    "host": os.environ.get("TESTBED_PGHOST", "/nonexistent"),
    "user": os.environ.get("TESTBED_PGUSER", "testbed"),
    "dbname": os.environ.get("TESTBED_PGDATABASE", "testbed"),
}
POOL = int(os.environ.get("TESTBED_POOL", "10"))
HOLD_FOR_REQUEST = os.environ.get("TESTBED_HOLD") == "request"
PERSIST = os.environ.get("TESTBED_PERSIST", "1") == "1"
REQUEST_BYTES = int(os.environ.get("TESTBED_REQ_KB", "0")) * 1024

BALLAST_BYTES = int(os.environ.get("TESTBED_BALLAST_MB", "0")) << 20


class Asked(NamedTuple):
    """What one request asks for."""

    segments: tuple[float, ...]
    """Compute, query, compute, ... in milliseconds; 0 means that nothing is asked."""

    empty_queries: int
    """Further queries that do not sleep, before all else: what a bare query costs."""


def read(query_string: str) -> Asked:
    """Reads what a request asks for from its URL's query string."""
    fields = parse_qs(query_string, separator="&")
    segments = tuple(float(part) for part in fields.get("segments", ["0"])[0].split(";"))
    return Asked(segments, int(fields.get("empty_queries", ["0"])[0]))


def steps(asked: Asked) -> Iterator[tuple[bool, float]]:
    """The request's steps in order: whether it is a query, and its seconds."""
    for _ in range(asked.empty_queries):
        yield True, 0.0
    for index, milliseconds in enumerate(asked.segments):
        if milliseconds > 0.0:
            yield index % 2 == 1, milliseconds / 1000.0


def compute(seconds: float) -> None:
    """Burns `seconds` of this thread's CPU time, in Python, in steps of a few microseconds.

    CPU time and not wall time: a thread that waits for a core or for the GIL makes no progress,
    exactly as one that has real work to do. The inner loop keeps the clock's system call from
    being most of the work.
    """
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(60):
            pass


def ballast() -> bytes:
    """What a larger application than this one would weigh, to be held as long as the process.

    Made when all else is imported, as an application's weight is what its imports leave behind.
    Repeating a non-zero byte writes every page; zeroed memory would not be resident.
    """
    return b"b" * BALLAST_BYTES


def allocate() -> bytes:
    """Memory touched now, to be held by the caller for as long as its request is in flight."""
    return b"r" * REQUEST_BYTES


def answer() -> bytes:
    """The body of a good answer: which process gave it."""
    return b"%d" % os.getpid()
