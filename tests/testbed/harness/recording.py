"""Records a case at a rate: starts everything, sends the requests, sums up, stops everything."""

import dataclasses
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness import demand, files, generator, machine, memory, processes, servers, summary
from harness.cases import Case
from harness.database import Cluster
from harness.generator import Report

BESIDE = (
    "id,rate,recorded_at,n,warm,asked_cpu_s,server_cpu_s,database_cpu_s,generator_cpu_s,late_ms,"
    "steal_pct,oom_kills,worker_requests"
).split(",")
"""Columns of `machine.csv`: what was measured beside the recording, over all its requests."""

TRACE = ("arrival_s", "segments_ms", "latency_s", "status")
WORKERS = ("arrival_s", "late_s", "worker")

SETTLE_S = 0.5
"""Between the warm-up and the first request: the last of its connections are closed by then."""


@dataclasses.dataclass(frozen=True)
class Recording:
    """One recording, before it is written."""

    case: Case
    rate: float
    requests: Sequence[demand.Request]
    report: Report
    row: dict[str, summary.Cell]
    """Of `cases.csv`."""
    beside: dict[str, summary.Cell]
    """Of `machine.csv`."""

    def write(self, directory: Path) -> None:
        """Writes the trace and puts the rows into their tables."""
        name = f"{self.case.id}-{summary.number(self.rate)}.csv.gz"
        files.write_compressed(directory / "traces" / name, TRACE, self._trace())
        files.write_compressed(directory / "workers" / name, WORKERS, self._workers())
        key = ("id", "rate")
        files.merge_rows(directory / "machine.csv", BESIDE, [self.beside], key)
        # Last, as a row here says that the recording is complete.
        files.merge_rows(directory / "cases.csv", summary.COLUMNS, [self.row], key)

    def _trace(self) -> list[tuple[str, str, str, int]]:
        rows = zip(self.requests, self.report.rows, strict=True)
        return [
            (f"{asked.arrival_s:.6f}", asked.segments_ms, f"{row.latency_s:.6f}", row.status)
            for asked, row in rows
        ]

    def _workers(self) -> list[tuple[str, str, int]]:
        """How late each request was begun, and which worker answered (1, 2, ...; 0: none)."""
        numbers = {0: 0}
        for row in self.report.rows:
            numbers.setdefault(row.worker, len(numbers))
        rows = zip(self.requests, self.report.rows, strict=True)
        return [
            (f"{asked.arrival_s:.6f}", f"{row.begun_s - row.due_s:.6f}", numbers[row.worker])
            for asked, row in rows
        ]


def draw(case: Case, rate: float) -> list[demand.Request]:
    """The requests of a case at a rate."""
    return demand.draw(case.segments, rate, case.seconds, case.seed)


def record(
    case: Case, rate: float, requests: Sequence[demand.Request], cluster: Cluster
) -> Recording:
    """Records the requests; raises `memory.Unavailable` where its limit cannot be had."""
    with (
        memory.limited(case.memory_mb) as limit,
        cluster.running(case.cores, case.max_connections) as postmaster,
        servers.running(case, cluster.directory, limit) as server,
    ):
        warm = server.warm_up()
        time.sleep(SETTLE_S)
        kills = limit.oom_kills() if limit else 0
        stolen = machine.jiffies()
        cpu = processes.cpu_seconds(server.pid), processes.cpu_seconds(postmaster)
        report = generator.open_loop(
            generator.cores_beside(case.cores), server.port, requests, case.client_timeout_s
        )
        steal_pct = machine.stolen_pct(stolen, machine.jiffies())
        rss_mb = processes.resident_mb(server.pid)
        beside: dict[str, summary.Cell] = {
            "warm": int(warm),
            "server_cpu_s": round(processes.cpu_seconds(server.pid) - cpu[0], 3),
            "database_cpu_s": round(processes.cpu_seconds(postmaster) - cpu[1], 3),
            "oom_kills": (limit.oom_kills() - kills) if limit else "",
            "steal_pct": round(steal_pct, 2),
        }
    row = summary.row(case, rate, requests, report, steal_pct, rss_mb)
    beside |= _known(case, rate, requests, report)
    return Recording(case, rate, requests, report, row, beside)


def _known(
    case: Case, rate: float, requests: Sequence[demand.Request], report: Report
) -> dict[str, summary.Cell]:
    """The part of a row of `machine.csv` that follows from the requests and the report."""
    computes = [sum(map(float, asked.segments_ms.split(";")[::2])) for asked in requests]
    good = [row for row in report.rows if row.status == 200]
    counts: dict[int, int] = {}
    for row in good:
        counts[row.worker] = counts.get(row.worker, 0) + 1
    return {
        "id": case.id,
        "rate": summary.number(rate),
        "recorded_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "n": len(requests),
        "asked_cpu_s": round(sum(computes[row.number] for row in good) / 1000.0, 3),
        "generator_cpu_s": round(report.cpu_s, 3),
        "late_ms": round(report.late_ms(), 3),
        "worker_requests": " ".join(map(str, sorted(counts.values(), reverse=True))),
    }
