"""Records one case: `python tests/testbed/record.py --case sync-w3-c1 --rate 50`."""

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

from harness import cases, demand
from harness.session import run, say, session
from harness.summary import number

OUT = Path(__file__).parent / "recorded"


def arguments() -> argparse.Namespace:
    """What the user typed."""
    parser = argparse.ArgumentParser(description="Records one case of cases.toml.")
    parser.add_argument("--case", help="its id; without it, the cases are listed")
    parser.add_argument("--rate", type=float, help="requests a second (default: all its rates)")
    parser.add_argument("--seconds", type=int, help="how long requests arrive")
    parser.add_argument("--seed", type=int, help="where the drawing of requests starts")
    parser.add_argument("--requests", type=Path, help="send the requests of this trace instead")
    parser.add_argument("--bare", type=float, metavar="S", help="also bare costs, S s a probe")
    parser.add_argument("--out", type=Path, default=OUT, help=f"directory (default: {OUT})")
    return parser.parse_args()


def main() -> None:
    """Records the case at the rates asked for."""
    typed = arguments()
    if typed.case is None:
        list_cases()
        return
    case, requests = asked(typed)
    with session(typed.out) as recorder:
        if typed.bare:
            recorder.bare(case, typed.bare)
        for rate in case.rates:
            recorder.record(case, rate, requests)


def list_cases() -> None:
    """Says what there is to record."""
    for case in cases.read().values():
        say(f"{case.id:32} at {', '.join(map(number, case.rates))}/s: {case.why}")


def asked(typed: argparse.Namespace) -> tuple[cases.Case, list[demand.Request] | None]:
    """The case as changed on the command line, and the requests to send if not drawn ones."""
    declared = cases.read()
    if typed.case not in declared:
        raise ValueError(f"no case {typed.case!r}; without --case the cases are listed")
    requests = demand.of_trace(typed.requests) if typed.requests else None
    changes: dict[str, Any] = {"seed": typed.seed, "seconds": typed.seconds}
    if requests:
        changes["seconds"] = math.ceil(requests[-1].arrival_s)
    if typed.rate is not None:
        changes |= {"rates": (typed.rate,), "thrice": ()}
    given = {name: value for name, value in changes.items() if value is not None}
    case = dataclasses.replace(declared[typed.case], **given)
    if problems := case.problems():
        raise ValueError("; ".join(problems))
    return case, requests


if __name__ == "__main__":
    run(main)
