"""The load generator: a process of its own, so that it can be pinned away from the server.

Reads a job as JSON from standard input and writes what happened as JSON to standard output:

* `{"open": [[arrival_s, segments], ...], "patience_s": P}`: an open loop. Each request is begun
  at its scheduled instant whatever the server does, and its latency counts from that instant, so
  that a slow server cannot hold back the load that shows how slow it is. A request's patience
  runs from there as well.
* `{"closed": segments, "empty_queries": Q, "in_flight": N, "pause_s": P, "seconds": S}`: always
  `N` requests in flight, the next one `P` seconds after one has ended.

Both with `"port"`. For each request: `[index, due_s, begun_s, latency_s, status, worker]`, where
`worker` is the process id that answered, or 0.
"""

import gc
import heapq
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from harness.client import Exchange, Exchanges, payload

Row = tuple[int, float, float, float, int, int]

HEAD_START_S = 0.2
"""From reading the job to the first scheduled instant: time to get the job parsed."""


class Log:
    """What happened to each request, relative to `start`."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.begun: dict[int, float] = {}
        self.rows: list[Row] = []

    def finish(self, exchange: Exchange, status: int, ended: float) -> None:
        """Notes the end of an exchange."""
        worker = int(exchange.body()) if status == 200 else 0
        begun = self.begun.pop(exchange.key)
        due = exchange.due - self.start
        row = (exchange.key, due, begun - self.start, ended - exchange.due, status, worker)
        self.rows.append(row)


def open_loop(job: dict[str, Any]) -> list[Row]:
    """Sends each request at its instant; ends when all are answered or given up."""
    plan = [(arrival, payload(segments)) for arrival, segments in job["open"]]
    log = Log(time.monotonic() + HEAD_START_S)
    exchanges = Exchanges(("127.0.0.1", job["port"]), log.finish)
    _settle()
    index = 0
    while index < len(plan) or len(exchanges):
        now = time.monotonic()
        while index < len(plan) and log.start + plan[index][0] <= now:
            log.begun[index] = time.monotonic()
            exchanges.begin(index, plan[index][1], log.start + plan[index][0])
            index += 1
        deadline = _give_up_late(exchanges, job["patience_s"])
        due = log.start + plan[index][0] if index < len(plan) else deadline
        exchanges.wait(max(0.0, min(due, deadline) - time.monotonic()))
    return log.rows


def closed_loop(job: dict[str, Any]) -> list[Row]:
    """Keeps requests in flight for a time; ends when the last is answered or after 10 s more."""
    request = payload(job["closed"], job["empty_queries"])
    log = Log(time.monotonic() + HEAD_START_S)
    ready = [log.start] * job["in_flight"]

    def finish(exchange: Exchange, status: int, ended: float) -> None:
        log.finish(exchange, status, ended)
        heapq.heappush(ready, ended + job["pause_s"])

    exchanges = Exchanges(("127.0.0.1", job["port"]), finish)
    _settle()
    end = log.start + job["seconds"]
    index = 0
    while (now := time.monotonic()) < end or (len(exchanges) and now < end + 10.0):
        while ready and ready[0] <= now < end:
            log.begun[index] = time.monotonic()
            exchanges.begin(index, request, heapq.heappop(ready))
            index += 1
        due = ready[0] if ready else now + 1.0
        exchanges.wait(min(max(0.0, due - time.monotonic()), 0.1))
    exchanges.close()
    return log.rows


def _give_up_late(exchanges: Exchanges, patience: float) -> float:
    """Gives up what is out of patience; returns when the next will be, or in a second's time.

    Patience is the same for all, so those begun first are the first to lose it.
    """
    now = time.monotonic()
    while (oldest := exchanges.oldest()) is not None:
        if oldest.due + patience > now:
            return oldest.due + patience
        exchanges.give_up(oldest)
    return now + 1.0


def _settle() -> None:
    """Removes what would make the generator late: garbage collections and timer slack."""
    gc.collect()
    gc.disable()
    # Linux lets a sleeping process sleep 50 µs more unless told otherwise.
    Path("/proc/self/timerslack_ns").write_text("1", encoding="ascii")


def main() -> None:
    """Does one job."""
    job = json.load(sys.stdin)
    rows = open_loop(job) if "open" in job else closed_loop(job)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    rows.sort()
    json.dump({"rows": rows, "cpu_s": usage.ru_utime + usage.ru_stime}, sys.stdout)


if __name__ == "__main__":
    main()
