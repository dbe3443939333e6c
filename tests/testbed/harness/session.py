"""What the commands share: a machine made ready, cases recorded one by one, said as it goes."""

import dataclasses
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import bare, database, demand, files, machine, memory, recording, servers
from harness.cases import Case
from harness.summary import number

OVERHEAD_S = 6.0
"""Of a recording beyond the time its requests arrive: booting, warming up, stopping."""


@dataclasses.dataclass(frozen=True)
class Session:
    """Records cases into a directory."""

    cluster: database.Cluster
    directory: Path

    def record(
        self, case: Case, rate: float, requests: Sequence[demand.Request] | None = None
    ) -> recording.Recording | None:
        """Records a case at a rate and writes it; says so and returns None if it cannot be."""
        reason = missing(case)
        if reason is None:
            try:
                asked = recording.draw(case, rate) if requests is None else requests
                made = recording.record(case, rate, asked, self.cluster)
                made.write(self.directory)
                say(f"{case.id} at {number(rate)}/s: {line(made)}")
                return made
            except memory.Unavailable as error:
                reason = str(error)
        say(f"{case.id} at {number(rate)}/s: skipped: {reason}")
        return None

    def bare(self, case: Case, seconds: float) -> None:
        """Measures what the case's stack itself costs and writes it."""
        reason = missing(case)
        if reason is not None:
            say(f"{case.id}, bare: skipped: {reason}")
            return
        rows = list(bare.measure(case, self.cluster, seconds))
        key = ("id", "probe", "empty_queries")
        files.merge_rows(self.directory / "bare.csv", bare.COLUMNS, rows, key)
        say(f"{case.id}, bare: {len(rows)} probes")


@contextmanager
def session(directory: Path) -> Iterator[Session]:
    """Makes the machine ready, writes down what it is, and leaves nothing running."""
    signal.signal(signal.SIGTERM, _interrupt)
    _raise_file_limit()
    with database.cluster() as cluster:
        facts = json.dumps(machine.describe(cluster.version()), indent=2)
        files.replace(directory / "machine.json", f"{facts}\n".encode())
        yield Session(cluster, directory)


def missing(case: Case) -> str | None:
    """Why the case cannot be recorded on this machine, if it cannot."""
    available = os.sched_getaffinity(0)
    if not set(case.cores) <= available:
        return f"needs cores {case.cores}, the machine has {sorted(available)}"
    return None


def estimate_s(case: Case, bare_s: float) -> float:
    """About how long recording a case at all its rates takes, bare probes included."""
    recordings = len(case.rates) + 2 * len(case.thrice)
    probes = len(bare.ways(case)) * len(bare.EMPTY_QUERIES)
    probing = probes * (bare_s + 0.5) + OVERHEAD_S if case.bare else 0.0
    return recordings * (case.seconds + OVERHEAD_S) + probing


def line(made: recording.Recording) -> str:
    """A recording in a line."""
    row, beside = made.row, made.beside
    return (
        f"{row['n']} requests, p50 {row['p50_ms']} ms, p95 {row['p95_ms']} ms, {row['codes']}, "
        f"generator late by {beside['late_ms']} ms, {row['steal_pct']} % stolen"
    )


def say(message: str) -> None:
    """A line of progress, at once."""
    print(message, flush=True)


def run(command: Callable[[], object]) -> None:
    """Runs a command; what a user can mend is a sentence on standard error, and exit code 1."""
    try:
        command()
    except (ValueError, OSError, database.Missing, servers.DidNotStart, ImportError) as error:
        sys.exit(f"testbed: {error}")
    except KeyboardInterrupt:
        sys.exit("testbed: interrupted; everything is stopped")


def _interrupt(*_: object) -> None:
    """SIGTERM ends as Ctrl-C does, through every `finally`."""
    raise KeyboardInterrupt


def _raise_file_limit() -> None:
    """An overloaded server has thousands of connections open, and so has the generator."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
