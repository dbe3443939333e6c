"""Runs the load generator in a process of its own, beside the server where there is a core."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness import processes

HOME = Path(__file__).parent.parent


class Row(NamedTuple):
    """What happened to one request."""

    number: int
    """Its place in the order of sending."""
    due_s: float
    begun_s: float
    latency_s: float
    status: int
    worker: int
    """The process id that answered well, or 0."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What the generator saw, and what it cost."""

    rows: list[Row]
    cpu_s: float

    def late_ms(self) -> float:
        """How late the generator was with its requests: 99 % were begun within so much."""
        late = sorted(row.begun_s - row.due_s for row in self.rows)
        return 1000.0 * late[int(0.99 * (len(late) - 1))] if late else 0.0


def cores_beside(cores: Sequence[int]) -> list[int]:
    """The machine's other cores, or all of them if the server has them all."""
    available = sorted(os.sched_getaffinity(0))
    return [core for core in available if core not in cores] or available


def open_loop(
    cores: Sequence[int], port: int, requests: Sequence[tuple[float, str]], patience_s: float
) -> Report:
    """Sends each request at its instant, see `load.py`; waits until all have ended."""
    last = requests[-1][0] if requests else 0.0
    job = {"open": list(requests), "patience_s": patience_s, "port": port}
    return _run(cores, job, last + patience_s)


def closed_loop(
    cores: Sequence[int],
    port: int,
    *,
    segments: str = "0",
    empty_queries: int,
    in_flight: int,
    pause_s: float,
    seconds: float,
) -> Report:
    """Keeps requests in flight for some seconds, see `load.py`."""
    job = {
        "closed": segments,
        "empty_queries": empty_queries,
        "in_flight": in_flight,
        "pause_s": pause_s,
        "port": port,
        "seconds": seconds,
    }
    return _run(cores, job, seconds + 10.0)


def _run(cores: Sequence[int], job: dict[str, Any], at_most_s: float) -> Report:
    """Runs a job; it ends by itself, and is killed if it should not have by then."""
    command = processes.on_cores(cores, [sys.executable, "-m", "harness.load"])
    done = subprocess.run(
        command,
        input=json.dumps(job).encode(),
        stdout=subprocess.PIPE,
        cwd=HOME,
        start_new_session=True,
        timeout=at_most_s + 30.0,
        check=True,
    )
    output = json.loads(done.stdout)
    return Report([Row(*row) for row in output["rows"]], output["cpu_s"])
