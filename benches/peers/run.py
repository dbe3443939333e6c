"""Tonnage, hand-written loops and other simulators on the same models, side by side.

    python benches/peers/run.py            # a minute or two
    python benches/peers/run.py --rounds 3

Installs the peers into benches/peers/.venv, builds the loops and Tonnage, runs everything in turn,
several times, prints the medians and their ratios, and holds every mean to theory. AsyncFlow needs
Python 3.12 or later: an earlier one looks for such a one to run the peers, and leaves AsyncFlow out
where there is none. Times are of the CPU.
"""

import argparse
import json
import os
import subprocess
import sys
from math import sqrt
from pathlib import Path
from statistics import mean, median, stdev

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
HOME = HERE / ".venv"
PYTHON = HOME / ("Scripts" if sys.platform == "win32" else "bin") / "python"
# What AsyncFlow runs on.
ENOUGH = (3, 12)

# Model: who can express it, and customers a run. A salabim process for each request is slow.
RUNS = {
    "mm1": {
        "tonnage": 1_000_000,
        "loop-two-timers": 3_000_000,
        "loop-heap": 3_000_000,
        "simpy": 100_000,
        "salabim": 100_000,
        "ciw": 30_000,
    },
    "sync5": {"tonnage": 500_000, "simpy": 20_000, "ciw": 20_000, "salabim": 3_000},
    "asyncflow": {"tonnage": 500_000, "asyncflow": 50_000},
}
# A mean this many standard errors from theory is wrong; and so is AsyncFlow's, whose traffic
# fluctuates by the minute, this far from it, and its 95th percentile this far from Tonnage's.
ERRORS, ASYNCFLOW_MEAN, ASYNCFLOW_P95 = 4, 0.01, 0.02
# Runs of Tonnage that tell how much the mean of `sync5` varies, and their length.
SPREAD_RUNS, SPREAD_CUSTOMERS = 40, 20_000


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5, help="how often everything is run")
    rounds = options.parse_args().rounds
    if Path(sys.prefix).resolve() != HOME.resolve():
        return in_environment()
    tonnage = build()
    expected, deviation = theory(tonnage)
    wrong = [
        problem
        for model, systems in RUNS.items()
        for problem in side_by_side(tonnage, model, systems, rounds, expected, deviation)
    ]
    sys.exit("\n".join(wrong) or 0)


def in_environment():
    """Runs this file again where the peers are installed."""
    python = interpreter()
    version = subprocess.check_output([python, "--version"])
    installed, wanted = HOME / "installed.txt", version + REQUIREMENTS.read_bytes()
    if not installed.exists() or installed.read_bytes() != wanted:
        subprocess.check_call([python, "-m", "venv", "--clear", HOME])
        subprocess.check_call([PYTHON, "-m", "pip", "install", "-q", "-r", REQUIREMENTS])
        installed.write_bytes(wanted)
    sys.exit(subprocess.call([PYTHON, __file__, *sys.argv[1:]]))


def interpreter():
    """This Python, or one that AsyncFlow runs on, by its usual names or of pyenv."""
    if sys.version_info >= ENOUGH:
        return sys.executable
    usual = [f"python3.{minor}" for minor in range(ENOUGH[1], ENOUGH[1] + 4)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [*usual, *sorted(str(path) for path in pyenv.glob("3.*/bin/python"))]
    return next(filter(is_enough, candidates), sys.executable)


def is_enough(python):
    """Whether it is there, and AsyncFlow and virtual environments run on it."""
    check = f"import sys, ensurepip, venv; sys.exit(sys.version_info < {ENOUGH})"
    try:
        return subprocess.run([python, "-c", check], capture_output=True).returncode == 0
    except OSError:
        return False


def build():
    """Builds Tonnage and the loops, and says where they are."""
    sys.path.append(str(HERE.parent))
    from instructions import build

    return build()


def theory(tonnage):
    """Of each model the mean, and how far a mean over n customers is off times sqrt(n)."""
    import theory

    mm1, mm1_deviation = theory.mm1()
    runs = [run([tonnage, "sync5"], SPREAD_CUSTOMERS, 100 + seed) for seed in range(SPREAD_RUNS)]
    sync5_deviation = stdev(each["mean"] for each in runs) * sqrt(SPREAD_CUSTOMERS)
    expected = {"mm1": mm1, "sync5": theory.sync5(), "asyncflow": theory.asyncflow()}
    return expected, {"mm1": mm1_deviation, "sync5": sync5_deviation}


def run(command, customers, seed):
    done = subprocess.run([*command, str(customers), str(seed)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def side_by_side(tonnage, model, systems, rounds, expected, deviation):
    """Runs all systems in turn, prints how they compare, and says what is wrong."""
    systems = {name: size for name, size in systems.items() if available(name)}
    runs = {name: [] for name in systems}
    for seed in range(1, rounds + 1):
        for name, size in systems.items():
            runs[name].append(run(command(tonnage, name, model), size, seed))
    speeds = {
        name: median(each["customers"] / each["seconds"] for each in done)
        for name, done in runs.items()
    }
    print(f"\n{model}: mean {expected[model]:.6g} s by theory")
    print(f"  {'':16} {'customers/s':>12} {'Tonnage is':>12} {'mean':>10} {'p95':>9}  off by")
    wrong = []
    for name, done in runs.items():
        total = sum(each["customers"] for each in done)
        found = sum(each["mean"] * each["customers"] for each in done) / total
        off, is_right = judge(model, found, total, expected, deviation)
        p95 = mean(each["p95"] for each in done) if done[0]["p95"] else None
        print(
            f"  {name:16} {speeds[name]:>12,.0f} {speeds['tonnage'] / speeds[name]:>10.3g} x "
            f"{found:>10.6g} {f'{p95:.5g}' if p95 else '':>9}  {off}"
        )
        if not is_right:
            wrong.append(f"{name} on {model}: {found:.6g} s, not {expected[model]:.6g}: {off}")
    return wrong + (percentiles_differ(runs) if "asyncflow" in runs else [])


def judge(model, found, total, expected, deviation):
    """How far a mean is off, in words, and whether that may be."""
    if model in deviation:
        errors = (found - expected[model]) / (deviation[model] / sqrt(total))
        return f"{errors:+.1f} standard errors", abs(errors) <= ERRORS
    share = found / expected[model] - 1
    return f"{share:+.2%}", abs(share) <= ASYNCFLOW_MEAN


def percentiles_differ(runs):
    theirs, ours = (mean(each["p95"] for each in runs[name]) for name in ("asyncflow", "tonnage"))
    differs = abs(theirs / ours - 1) > ASYNCFLOW_P95
    return [f"95th percentiles: {theirs:.6g} s, and {ours:.6g} s by Tonnage"] if differs else []


def available(name):
    if name == "asyncflow" and sys.version_info < ENOUGH:
        print("\nAsyncFlow is left out: it needs Python 3.12 or later, and none was found.")
        return False
    return True


def command(tonnage, name, model):
    if name == "tonnage" or name.startswith("loop"):
        return [tonnage, model if name == "tonnage" else name]
    return [PYTHON, HERE / f"{name}_models.py", model]


if __name__ == "__main__":
    main()
