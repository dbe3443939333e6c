"""A limit on the memory of the server's processes together: a memory cgroup, v1 or v2."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


class Unavailable(Exception):
    """The machine has no memory cgroup for us; the message says why."""


class Limit:
    """A memory cgroup of our own."""

    def __init__(self, directory: Path, *, unified: bool) -> None:
        self._directory = directory
        self._unified = unified

    def around(self, command: Sequence[str]) -> list[str]:
        """The command, which enters the cgroup before it becomes itself, with all it starts."""
        enter = f'echo $$ > {self._directory}/cgroup.procs && exec "$@"'
        return ["sh", "-c", enter, "sh", *command]

    def oom_kills(self) -> int:
        """Processes killed so far because the limit was reached."""
        name = "memory.events" if self._unified else "memory.oom_control"
        for line in (self._directory / name).read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
        return 0

    def set(self, megabytes: int) -> None:
        """Sets the limit and forbids swap: what does not fit is killed and not slowed down."""
        limit = str(megabytes << 20)
        if self._unified:
            self._write("memory.max", limit)
            self._write("memory.swap.max", "0", optional=True)
        else:
            self._write("memory.limit_in_bytes", limit)
            self._write("memory.swappiness", "0", optional=True)
            self._write("memory.memsw.limit_in_bytes", limit, optional=True)

    def remove(self) -> None:
        """Removes the cgroup; its processes have been stopped, and are gone in a moment."""
        for _ in range(50):
            with suppress(OSError):
                self._directory.rmdir()
                return
            time.sleep(0.1)

    def _write(self, name: str, value: str, *, optional: bool = False) -> None:
        """Writes one of the cgroup's files; an optional one may be missing (no swap)."""
        path = self._directory / name
        if optional and not path.exists():
            return
        path.write_text(value, encoding="ascii")


@contextmanager
def limited(megabytes: int | None) -> Iterator[Limit | None]:
    """A cgroup limited to so many MB, or none if no limit is asked for; may be `Unavailable`."""
    if megabytes is None:
        yield None
        return
    limit = _create()
    try:
        try:
            limit.set(megabytes)
        except OSError as error:
            raise Unavailable(f"the memory cgroup takes no limit: {error}") from error
        yield limit
    finally:
        limit.remove()


def _create() -> Limit:
    """A new cgroup below the root of the memory controller."""
    parent, unified = _controller()
    directory = parent / f"tonnage-testbed-{os.getpid()}"
    try:
        directory.mkdir()
    except OSError as error:
        raise Unavailable(f"cannot make a memory cgroup: {error}") from error
    return Limit(directory, unified=unified)


def _controller() -> tuple[Path, bool]:
    """Where the memory controller is mounted, and whether it is of the second version."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    for _, where, kind, options, *_ in map(str.split, mounts):
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(where), False
        if kind == "cgroup2" and _delegates_memory(Path(where)):
            return Path(where), True
    raise Unavailable("no memory cgroup controller is mounted")


def _delegates_memory(root: Path) -> bool:
    """Whether children of a cgroup2 hierarchy's root can limit their memory."""
    with suppress(OSError):
        return "memory" in (root / "cgroup.subtree_control").read_text(encoding="ascii").split()
    return False
