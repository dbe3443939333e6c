"""What the instructions of a model go to: its own functions, with the library code that is inlined
into each counted as its own.

    python3 benches/profile.py sync5           # by function
    python3 benches/profile.py sync5 --lines   # by line

Needs valgrind and addr2line. Counts are per request.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from instructions import build, count

ROOT = Path(__file__).parent.parent
REQUESTS = 50_000
SHOWN = 40
# Which line an instruction comes from has to be known; the code is the same.
LINES = {"CARGO_PROFILE_BENCH_DEBUG": "line-tables-only", "CARGO_TARGET_DIR": "target/profile"}


def main(name, by_line):
    yardstick = build(LINES)
    with tempfile.NamedTemporaryFile(suffix=".callgrind") as out:
        requests, _, _ = count(yardstick, name, REQUESTS, out.name, ["--dump-instr=yes"])
        counts = by_address(Path(out.name).read_text(), Path(yardstick).name)
    places = symbols(yardstick, list(counts))
    totals = Counter()
    for address, instructions in counts.items():
        function, line = places[address]
        file = line.split(":")[0]
        totals[f"{line if by_line else file}  {function}"] += instructions
    everything = totals.total()
    for place, instructions in totals.most_common(SHOWN):
        print(f"{instructions / requests:8.1f} {instructions / everything:6.1%}  {place}")


def by_address(text, binary):
    """Instructions at each address of the binary, what they call not included."""
    counts, names = Counter(), {}
    ours, called, address = False, False, 0
    for line in text.splitlines():
        if found := re.match(r"ob=\((\d+)\)(?: (.*))?", line):
            names.setdefault(found[1], found[2])
            ours = (names[found[1]] or "").endswith(binary)
        elif found := re.match(r"cob=\((\d+)\) (.*)", line):
            names.setdefault(found[1], found[2])
        elif line.startswith("calls="):
            called = True
        elif found := re.match(r"(0x[0-9a-f]+|[+-]\d+|\*) \S+ (\d+)$", line):
            address = moved(address, found[1])
            if ours and not called:
                counts[address] += int(found[2])
            called = False
    return counts


def moved(address, to):
    """The next address, given whole or by how far it is."""
    if to == "*":
        return address
    return int(to, 16) if to.startswith("0x") else address + int(to)


def symbols(yardstick, addresses):
    """Of each address the innermost function and line of ours that it is inlined in."""
    asked = "\n".join(f"{address:#x}" for address in addresses)
    command = ["addr2line", "-a", "-f", "-C", "-i", "-e", yardstick]
    told = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout
    places = {}
    for part in re.split(r"^(?=0x)", told, flags=re.MULTILINE)[1:]:
        address, *frames = part.splitlines()
        places[int(address, 16)] = innermost(frames)
    return places


def innermost(frames):
    for function, line in zip(frames[::2], frames[1::2]):
        if line.startswith(f"{ROOT}/"):
            return plain(function), line.removeprefix(f"{ROOT}/").split(" ")[0]
    return "", "elsewhere"


def plain(function):
    """The name alone: no path, no types."""
    function = re.sub(r"<[^<>]*>", "", re.sub(r"<[^<>]*>", "", function))
    return function.rstrip(":").rsplit("::", 1)[-1]


if __name__ == "__main__":
    names = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    main(names[0] if names else "sync5", "--lines" in sys.argv)
