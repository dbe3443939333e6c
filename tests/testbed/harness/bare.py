"""What the stack itself costs: empty requests and empty queries, on an otherwise idle server.

CPU times are of the processes and not of the clock on the wall, so that they hold even where
something else wants the cores. They still depend on how busy the server is: one request at a time
with pauses wakes a sleeping core each time, and a saturated server hardly ever sleeps. Hence each
is measured in three ways.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness import generator, machine, processes, servers, summary
from harness.cases import Case
from harness.database import Cluster

COLUMNS = (
    "id,stack,probe,in_flight,empty_queries,n,failed,mean_ms,p50_ms,p90_ms,p95_ms,p99_ms,"
    "server_cpu_ms,database_cpu_ms,steal_pct"
).split(",")

EMPTY_QUERIES = (0, 1, 5)
"""One more than none has the cost of a connection in it where it is not kept; the slope from one
to five is that of a query alone."""

CONNECTIONS = 60
"""Opened and closed to learn what that costs."""


class Way(NamedTuple):
    """A way of sending bare requests."""

    probe: str
    in_flight: int
    pause_s: float


def ways(case: Case) -> list[Way]:
    """One at a time on a core asleep, one at a time on a core awake, and as many as it takes."""
    return [
        Way("paced", 1, 0.05),
        Way("serial", 1, 0.0),
        Way("saturating", 4 * len(case.cores), 0.0),
    ]


def measure(case: Case, cluster: Cluster, seconds: float) -> Iterator[dict[str, summary.Cell]]:
    """The case's rows of `bare.csv`; each probe takes `seconds`.

    Without its memory limit: what the stack costs does not depend on it, and a server in an OOM
    loop has no cost to speak of.
    """
    with cluster.running(case.cores, case.max_connections) as postmaster:
        for driver in ("psycopg", "asyncpg"):
            yield _connect(case, cluster.directory, driver, postmaster)
        with servers.running(case, cluster.directory, None) as server:
            server.warm_up()
            for way in ways(case):
                for empty_queries in EMPTY_QUERIES:
                    yield _probe(server, postmaster, way, empty_queries, seconds)


def _probe(
    server: servers.Server, postmaster: int, way: Way, empty_queries: int, seconds: float
) -> dict[str, summary.Cell]:
    stolen = machine.jiffies()
    cpu = processes.cpu_seconds(server.pid), processes.cpu_seconds(postmaster)
    report = generator.closed_loop(
        generator.cores_beside(server.case.cores),
        server.port,
        empty_queries=empty_queries,
        in_flight=way.in_flight,
        pause_s=way.pause_s,
        seconds=seconds,
    )
    spent = [
        processes.cpu_seconds(p) - c for p, c in zip((server.pid, postmaster), cpu, strict=True)
    ]
    good = sorted(1000.0 * row.latency_s for row in report.rows if row.status == 200)
    return {
        "id": server.case.id,
        "stack": server.case.stack,
        "probe": way.probe,
        "in_flight": way.in_flight,
        "empty_queries": empty_queries,
        **_costs(good, len(report.rows), spent[0], spent[1]),
        "steal_pct": round(machine.stolen_pct(stolen, machine.jiffies()), 2),
    }


def _connect(case: Case, directory: Path, driver: str, postmaster: int) -> dict[str, summary.Cell]:
    """Opening and closing connections one after another, with no server around."""
    stolen = machine.jiffies()
    before = processes.cpu_seconds(postmaster)
    script = [servers.python(), "connect.py", driver, str(CONNECTIONS)]
    done = subprocess.run(
        processes.on_cores(case.cores, script),
        env={**os.environ, "TESTBED_PGHOST": str(directory)},
        stdout=subprocess.PIPE,
        cwd=servers.APPS,
        timeout=60.0,
        check=True,
    )
    found = json.loads(done.stdout)
    # One more than it reports: the first pays for imports and is not measured on its side.
    share = found["times"] / (found["times"] + 1)
    spent = share * (processes.cpu_seconds(postmaster) - before)
    return {
        "id": case.id,
        "stack": case.stack,
        "probe": f"connect-{driver}",
        "in_flight": 1,
        "empty_queries": 0,
        **_costs(sorted(found["walls_ms"]), found["times"], found["cpu_s"], spent),
        "steal_pct": round(machine.stolen_pct(stolen, machine.jiffies()), 2),
    }


def _costs(
    good_ms: list[float], tried: int, server_cpu_s: float, database_cpu_s: float
) -> dict[str, summary.Cell]:
    """Counts, times and CPU for each request."""
    return {
        "n": tried,
        "failed": tried - len(good_ms),
        **summary.times(good_ms),
        "server_cpu_ms": round(1000.0 * server_cpu_s / max(1, tried), 4),
        "database_cpu_ms": round(1000.0 * database_cpu_s / max(1, tried), 4),
    }
