"""Fits what a request costs each stack: `python tests/testbed/fit.py tests/data/recorded/epyc ...`.

For each server of the scenario the `request_cpu` at which the model's median error is zero over the
recordings at 5 requests a second, where hardly anything waits; then, with those, the database's
`connect_cpu` over the one that opens a connection for each request. Everything else is as the
scenario has it. Needs `tonnage` on the path, or its place in TONNAGE.
"""

import argparse
import csv
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import mean, median

FITTED_AT = "5"
"""Requests a second of the recordings that are fitted to."""

WARM_UP_S = 5.0
RANGE_MS = (0.0, 8.0)
HALVINGS = 10
"""The more it costs the less the model is short; so a cost is found to a hundredth of 1 ms."""

SERVERS = {"gthread": "threads"}
"""Servers of the scenario that are not called as the stack is."""


def replayed(case: dict[str, str], folder: Path, scenario: Path, costs: dict[str, str]) -> float:
    """The median of measured less predicted, in ms, over a recording."""
    server = SERVERS.get(case["stack"], case["stack"])
    pool = f'{{ pool = {case["pool"]}, hold = "{case["hold"] or "query"}" }}'
    kept = "persistent" if case["persist"] == "1" else "per-request"
    sets = {
        "plan.box.cores": str(len(case["cores"].split(","))),
        f"server.{server}.workers": case["workers"],
        f"server.{server}.connections": pool if case["pool"] else kept,
        **({"server.threads.threads": case["threads"]} if server == "threads" else {}),
        **costs,
    }
    trace = folder / "traces" / f"{case['id']}-{case['rate']}.csv.gz"
    with tempfile.TemporaryDirectory() as out:
        command = [os.environ.get("TONNAGE", "tonnage"), "replay", trace, "--scenario", scenario]
        command += ["--plan", "box", "--server", server, "--out", out]
        command += [part for key in sets for part in ("--set", f"{key}={sets[key]}")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with (Path(out) / "replay.csv").open(encoding="utf-8") as table:
            rows = [row for row in csv.DictReader(table) if float(row["arrival_s"]) > WARM_UP_S]
    good = [row for row in rows if row["measured_ms"] and row["predicted_ms"]]
    return median(float(row["measured_ms"]) - float(row["predicted_ms"]) for row in good)


def main() -> None:
    """Prints the costs, as `--set` takes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="recordings: cases.csv and traces")
    parser.add_argument("scenario", type=Path, help="describes their stacks")
    typed = parser.parse_args()
    with (typed.folder / "cases.csv").open(encoding="utf-8") as table:
        slow = [case for case in csv.DictReader(table) if case["rate"] == FITTED_AT]
    # Long waits say nothing of CPU to a fraction of a millisecond.
    slow = [case for case in slow if "exp:100" not in case["segments"]]
    kept = [case for case in slow if case["persist"] == "1"]
    fits = [(s, [c for c in kept if c["stack"] == s]) for s in {c["stack"]: 0 for c in kept}]
    keys = [(f"server.{SERVERS.get(stack, stack)}.request_cpu", cases) for stack, cases in fits]
    keys.append(("database.connect_cpu", [case for case in slow if case["persist"] == "0"]))
    costs: dict[str, str] = {}
    for key, cases in keys:
        low, high = RANGE_MS
        for _ in range(HALVINGS):
            cost = (low + high) / 2.0
            costs[key] = f"{cost:.4f}ms"
            errors = [replayed(case, typed.folder, typed.scenario, costs) for case in cases]
            low, high = (cost, high) if mean(errors) > 0.0 else (low, cost)
        costs[key] = f"{cost:.4f}ms"
        print(f"{key}={cost:.2f}ms", flush=True)


if __name__ == "__main__":
    main()
