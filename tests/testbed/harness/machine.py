"""What the machine is, and what was stolen from it."""

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import servers

PACKAGES = (
    "gunicorn Django psycopg psycopg-pool uvicorn uvloop httptools starlette fastapi asyncpg"
).split()


def describe(postgres: str) -> dict[str, Any]:
    """The facts a reader needs to judge a recording, or to repeat it."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": postgres,
        "packages": _packages(),
    }


def jiffies() -> tuple[int, int]:
    """Time stolen by the hypervisor, and all time, of all cores since boot."""
    fields = [int(x) for x in Path("/proc/stat").read_text(encoding="ascii").split()[1:9]]
    return fields[7], sum(fields)


def stolen_pct(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Share of time stolen between two calls of `jiffies`."""
    return 100.0 * (after[0] - before[0]) / max(1, after[1] - before[1])


def _packages() -> dict[str, str]:
    """Versions of what is under test, as the Python that runs it sees them."""
    script = f"import json; from importlib import metadata as m; print(json.dumps({{p: \
m.version(p) for p in {PACKAGES!r}}}))"
    done = subprocess.run([servers.python(), "-c", script], capture_output=True, check=False)
    if done.returncode != 0:
        raise metadata.PackageNotFoundError(f"see requirements.txt: {done.stderr.decode()[-300:]}")
    return dict(json.loads(done.stdout))


def _field(path: str, name: str) -> str:
    """The first value of a name in one of /proc's `name: value` files."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
