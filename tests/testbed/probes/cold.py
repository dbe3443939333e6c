"""What an empty request costs by how long ago the last one came, and by how many workers take turns.

    python tests/testbed/probes/cold.py sync-w3-c1 --workers 1,3,6
    python tests/testbed/probes/cold.py async-w1-c1

Starts the server of a case with so many workers, sends it empty requests one after the other, each so
long after the answer to the one before, and prints CPU time for each. Two runs on the EPYC, one of
`async`, gave in ms, with none stolen:

    pause          0    2 ms  5 ms  10 ms  20 ms  50 ms
    sync, 1        0.30  0.62  1.00  1.23   1.31   1.32
    sync, 3        0.43  0.91  1.04  1.08   1.20   1.18
    sync, 6        0.40  1.01  1.08  1.19   1.19   1.21
    async, 1       0.22  0.34  0.53  0.67   0.77   0.88

Of three that take turns each has its turn 8.7 ms after its last, where requests are 2 ms apart, and of
six 18: of the way from one worker's 2 ms to its 8.7 and 18, by the most that each number of workers
comes to cost, they went 0.75 and 0.71.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from harness import cases, database, generator, machine, processes, servers  # noqa: E402

PAUSES_MS = (0, 2, 5, 10, 20, 50)


def probe(server: servers.Server, pause_ms: float, seconds: float) -> str:
    """CPU time for each of the requests that are so far apart, and how many there were."""
    stolen, cpu = machine.jiffies(), processes.cpu_seconds(server.pid)
    report = generator.closed_loop(
        generator.cores_beside(server.case.cores),
        server.port,
        empty_queries=0,
        in_flight=1,
        pause_s=pause_ms / 1000.0,
        seconds=seconds,
    )
    spent_ms = 1000.0 * (processes.cpu_seconds(server.pid) - cpu)
    steal_pct = machine.stolen_pct(stolen, machine.jiffies())
    count = len(report.rows)
    return f"{spent_ms / max(1, count):.3f} ms, {count} requests, {steal_pct:.2f} % stolen"


def main() -> None:
    """Prints what requests cost the server of a case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", help="of cases.toml")
    parser.add_argument("--workers", help="numbers of workers, as in 1,3,6; else the case's")
    parser.add_argument("--seconds", type=float, default=2.5)
    typed = parser.parse_args()
    case = cases.read()[typed.case]
    numbers = map(int, typed.workers.split(",")) if typed.workers else [case.workers]
    with database.cluster() as cluster:
        for workers in numbers:
            of = dataclasses.replace(case, workers=workers)
            with (
                cluster.running(of.cores, of.max_connections),
                servers.running(of, cluster.directory, None) as server,
            ):
                server.warm_up()
                for pause_ms in PAUSES_MS:
                    found = probe(server, pause_ms, typed.seconds)
                    print(f"{workers} workers, {pause_ms} ms apart: {found}", flush=True)


if __name__ == "__main__":
    main()
