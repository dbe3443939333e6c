"""Child processes: started on given cores, accounted for, and stopped whatever happens."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def on_cores(cores: Sequence[int], command: Sequence[str]) -> list[str]:
    """The command, pinned to `cores` together with all that it starts."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    directory: Path | None = None,
    stop_with: signal.Signals = signal.SIGTERM,
    grace_s: float = 5.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command in a session of its own and ends it, and all it started, on the way out.

    A session of its own keeps Ctrl-C at the terminal from reaching the children directly: they
    are stopped here, in order, and once.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            cwd=directory,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process, stop_with, grace_s)


def stop(process: subprocess.Popen[bytes], stop_with: signal.Signals, grace_s: float) -> None:
    """Asks the process to end, then kills it and its descendants if it has not in time."""
    family = {pid: _started(pid) for pid in tree(process.pid)}
    if process.poll() is None:
        process.send_signal(stop_with)
    try:
        process.wait(timeout=grace_s)
    except subprocess.TimeoutExpired:
        family |= {pid: _started(pid) for pid in tree(process.pid)}
        process.kill()
        process.wait()
    for pid, started in family.items():
        _end(pid, started)


def _end(pid: int, started: str) -> None:
    """Kills a descendant that outlived its parent, and waits a little until it is gone.

    When it started tells it from a stranger who has been given its number since.
    """
    deadline = time.monotonic() + 2.0
    while _started(pid) == started != "" and time.monotonic() < deadline:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _started(pid: int) -> str:
    """When a process started, in ticks since boot; empty if it has ended, reaped or not."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else ""


def tree(root: int) -> list[int]:
    """The process ids of `root` and its descendants, root first; empty if it is gone."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root] if _stat(root) else []
    for pid in found:
        found += sorted(children.get(pid, []))
    return found


def cpu_seconds(root: int) -> float:
    """CPU time that a process tree has used so far, children that have ended included.

    What a child that is alive has used is known in two ways, both never too large: in whole ticks
    of 10 ms for all its threads, and to the nanosecond for the threads it has now.
    """
    total = 0.0
    for pid in tree(root):
        fields = _stat(pid)
        if fields:
            own, ended = (sum(map(int, fields[i : i + 2])) / _TICKS for i in (11, 13))
            total += max(own, _scheduled_seconds(pid)) + ended
    return total


def resident_mb(root: int) -> list[int]:
    """Resident memory of each process of a tree, in whole MB, root first."""
    found = []
    for pid in tree(root):
        with suppress(OSError):
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
            found.append(round(int(pages) * _PAGE_MB))
    return found


def _scheduled_seconds(pid: int) -> float:
    """CPU time of the threads a process has now, as the scheduler counts it."""
    total = 0
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            total += int(schedstat.read_text(encoding="ascii").split()[0])
    return total / 1e9


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (state first); empty if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
