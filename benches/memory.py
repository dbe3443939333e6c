"""Peak memory, and what whole runs take.

    python3 benches/memory.py          # models: must not grow with the length of the run
    python3 benches/memory.py --runs   # `tonnage run` of each shipped scenario, by threads

Linux only: a running process is asked again and again what it held at most so far.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from instructions import build

ROOT = Path(__file__).parent.parent
SHORT, LONG = 200_000, 5_000_000
# The most a long run may hold beyond a short one, and in all.
GROWTH_MB, MOST_MB = 1.0, 30.0
INTERVAL = 0.005


def main(args):
    sys.exit("\n".join(runs() if args == ["--runs"] else models()) or 0)


def models():
    yardstick = build()
    wrong = []
    print(f"{'MB at most':16} {SHORT:>12,} {LONG:>12,} requests")
    for name in subprocess.check_output([yardstick, "models"], text=True).split():
        short, long = (peak([yardstick, name, str(count), "1"])[0] for count in (SHORT, LONG))
        print(f"{name:16} {short:>12.1f} {long:>12.1f}")
        if long > min(short + GROWTH_MB, MOST_MB):
            wrong.append(f"{name} grows from {short:.1f} MB to {long:.1f} MB")
    return wrong


def runs():
    subprocess.check_call(["cargo", "build", "--release", "--locked"], cwd=ROOT)
    print(f"{'':24} {'threads':>8} {'seconds':>8} {'MB':>8}")
    for scenario in sorted((ROOT / "scenarios").glob("*.toml")):
        for threads in ("1", "2"):
            with tempfile.TemporaryDirectory() as out:
                command = [ROOT / "target/release/tonnage", "run", scenario, "--quiet"]
                megabytes, seconds = peak([*command, "--threads", threads, "--out", out])
            print(f"{scenario.stem:24} {threads:>8} {seconds:>8.2f} {megabytes:>8.1f}")
    return []


def peak(command):
    """The most memory that a command held, in MB, and how long it took."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = 0
    while child.poll() is None:
        held = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{child.pid}/status").read_text())
        most = int(held[1]) if held else most
        time.sleep(INTERVAL)
    if child.returncode:
        sys.exit(f"{command} failed")
    return most * 1024 / 1e6, time.monotonic() - start


if __name__ == "__main__":
    main(sys.argv[1:])
