"""Records the set: `python tests/testbed/record_set.py NAME`; goes on where it was interrupted."""

import argparse
import dataclasses
from pathlib import Path

from harness import cases, files
from harness.cases import Case
from harness.session import Session, estimate_s, run, say, session
from harness.summary import number

SETS = Path(__file__).parent.parent / "data" / "recorded"
"""A folder for each machine that was recorded on."""

TAKES = (1, 2, 3)
"""Passes through the set: what is recorded three times over is recorded far apart in time."""


def arguments() -> argparse.Namespace:
    """What the user typed."""
    parser = argparse.ArgumentParser(description="Records every case of cases.toml.")
    parser.add_argument("machine", help=f"names the directory, in {SETS}")
    parser.add_argument("--only", default="", help="only cases whose id has this in it")
    parser.add_argument("--again", action="store_true", help="also what is recorded already")
    parser.add_argument(
        "--disturbed",
        type=float,
        metavar="PCT",
        help="also what is recorded, where more than PCT %% of the CPU time was stolen meanwhile",
    )
    parser.add_argument("--bare", type=float, default=2.5, metavar="S", help="s a bare probe")
    parser.add_argument("--dry-run", action="store_true", help="only say what it would record")
    return parser.parse_args()


def takes(case: Case, take: int) -> list[tuple[Case, float]]:
    """The recordings of a case in the first, second or third pass through the set.

    Later takes get an id of their own, so that every table and file name stays unique.
    """
    if take == 1:
        return [(case, rate) for rate in case.rates]
    again = dataclasses.replace(case, id=f"{case.id}-take{take}")
    return [(again, rate) for rate in case.thrice]


def main() -> None:
    """Records what is not recorded yet."""
    typed = arguments()
    chosen = [case for case in cases.read().values() if typed.only in case.id]
    total = sum(estimate_s(case, typed.bare) for case in chosen)
    planned = {case.id: [t for take in TAKES for t in takes(case, take)] for case in chosen}
    count = sum(map(len, planned.values()))
    say(f"{len(chosen)} cases, {count} recordings, about {total / 60:.0f} minutes if all are made")
    if typed.dry_run:
        for case in chosen:
            names = [f"{taken.id}-{number(rate)}" for taken, rate in planned[case.id]]
            say(f"{estimate_s(case, typed.bare) / 60:5.1f} min  {' '.join(names)}")
        return
    with session(SETS / typed.machine) as recorder:
        for case in chosen:
            record_bare(recorder, case, typed.bare, again=typed.again)
        for take in TAKES:
            for case in chosen:
                record_case(recorder, case, take, kept(recorder.directory, typed))


def record_bare(recorder: Session, case: Case, seconds: float, *, again: bool) -> None:
    """Measures the case's bare costs unless they are known."""
    known = {row["id"] for row in files.read_table(recorder.directory / "bare.csv")}
    if case.bare and (again or case.id not in known):
        recorder.bare(case, seconds)


def kept(directory: Path, typed: argparse.Namespace) -> set[tuple[str, str]]:
    """The recordings that stay as they are, by the case's id and the rate."""
    if typed.again:
        return set()
    rows = files.read_table(directory / "cases.csv")
    most = float("inf") if typed.disturbed is None else typed.disturbed
    return {(row["id"], row["rate"]) for row in rows if float(row["steal_pct"]) <= most}


def record_case(recorder: Session, case: Case, take: int, kept: set[tuple[str, str]]) -> None:
    """Records what is not kept of a case in this take."""
    for taken, rate in takes(case, take):
        if (taken.id, number(rate)) not in kept:
            recorder.record(taken, rate)


if __name__ == "__main__":
    run(main)
