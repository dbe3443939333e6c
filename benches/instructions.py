"""Instructions per request of each model, counted by valgrind, against those on record.

    python3 benches/instructions.py            # compare with instructions.csv
    python3 benches/instructions.py --update   # renew it, after a change that is meant

Counts repeat where times do not. Of a short run and one three times as long only the difference
is counted, so that starting up cancels out. Another compiler gives somewhat other counts: renew
the record together with it.
"""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RECORD = HERE / "instructions.csv"
REQUESTS = 10_000
# A model that takes this much more or less than on record, as a share of the record, is told.
MARGIN = 0.05


def main(args):
    yardstick = build()
    names = subprocess.check_output([yardstick, "models"], text=True).split()
    counted = {name: per_request(yardstick, name) for name in names}
    if args == ["--update"]:
        return write(counted)
    return compare(counted, read())


def build(differently=None):
    """Builds `yardstick.rs` as `cargo bench` would, and says where it is."""
    command = ["cargo", "bench", "--locked", "--bench", "yardstick", "--no-run"]
    command += ["--message-format=json"]
    env = {**os.environ, **(differently or {})}
    lines = subprocess.check_output(command, text=True, cwd=HERE.parent, env=env).splitlines()
    built = (json.loads(line) for line in lines)
    ours = (line for line in built if line.get("target", {}).get("name") == "yardstick")
    return next(line["executable"] for line in ours)


def per_request(yardstick, name):
    """Instructions and events that one more request takes."""
    few, many = (count(yardstick, name, times * REQUESTS) for times in (1, 3))
    requests, events, instructions = (more - less for less, more in zip(few, many))
    return instructions / requests, events / requests


def count(yardstick, name, requests, out="/dev/null", options=()):
    """Requests, events and instructions of a run."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
    command += [*options, yardstick, name, str(requests), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    run = json.loads(done.stdout)
    instructions = re.search(r"Collected : (\d+)", done.stderr)[1]
    return run["customers"], run["events"], int(instructions)


def read():
    with RECORD.open(newline="") as file:
        return {row["model"]: float(row["instructions"]) for row in csv.DictReader(file)}


def write(counted):
    with RECORD.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["model", "instructions", "events"])
        for name, (instructions, events) in counted.items():
            rows.writerow([name, f"{instructions:.1f}", f"{events:.3f}"])


def compare(counted, recorded):
    """Prints both, and says what is out of the margin."""
    wrong = [f"{name} is not on record" for name in counted.keys() - recorded.keys()]
    wrong += [f"{name} is on record, but no model" for name in recorded.keys() - counted.keys()]
    print(f"{'instructions a request':24} {'on record':>10} {'now':>10}")
    for name in (name for name in counted if name in recorded):
        change = counted[name][0] / recorded[name] - 1
        print(f"{name:24} {recorded[name]:>10.1f} {counted[name][0]:>10.1f} {change:+.1%}")
        if abs(change) > MARGIN:
            wrong.append(f"{name} differs by {change:+.1%}, more than {MARGIN:.0%}")
    if wrong:
        wrong.append("if this is meant: python3 benches/instructions.py --update")
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
