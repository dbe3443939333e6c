"""A PostgreSQL cluster of our own: in a temporary directory, on a Unix socket, with trust.

Never the system's service: other settings, other data, and not ours to stop.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import processes

USER = "testbed"
"""The servers' role, not a superuser, so that the reserved connections are not for it."""


class Missing(Exception):
    """PostgreSQL is not installed, or did not start; the message says which."""


class Cluster:
    """An initialised cluster, to be run with the settings of each case."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        """Socket, data and log; the servers connect here."""
        self._data = directory / "data"
        self._user = "postgres" if os.geteuid() == 0 else None

    def initialise(self) -> None:
        """Creates the data and, in it, the servers' role and database."""
        if self._user is not None:
            shutil.chown(self.directory, self._user, self._user)
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"]
        self._run([program("initdb"), "-D", str(self._data), *options])
        with self.running(cores=sorted(os.sched_getaffinity(0)), max_connections=20):
            self._sql(f"CREATE ROLE {USER} LOGIN")
            self._sql(f"CREATE DATABASE {USER} OWNER {USER}")

    @contextmanager
    def running(self, cores: Sequence[int], max_connections: int) -> Iterator[int]:
        """PostgreSQL on the given cores; yields the postmaster's process id."""
        command = [program("postgres"), "-D", str(self._data), "-k", str(self.directory)]
        command += ["-c", "listen_addresses=", "-c", f"max_connections={max_connections}"]
        with processes.running(
            processes.on_cores(cores, command),
            log=self.directory / "postgres.log",
            user=self._user,
            directory=self.directory,
            stop_with=signal.SIGINT,
        ) as postmaster:
            self._wait_until_ready(postmaster)
            yield postmaster.pid

    def version(self) -> str:
        """PostgreSQL's own version number."""
        output = subprocess.run([program("postgres"), "-V"], capture_output=True, check=True)
        return output.stdout.decode().split()[2]

    def _wait_until_ready(self, postmaster: subprocess.Popen[bytes]) -> None:
        status = self._data / "postmaster.pid"
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline and postmaster.poll() is None:
            lines = status.read_text(encoding="utf-8").split() if status.exists() else []
            if lines and lines[-1] == "ready" and lines[0] == str(postmaster.pid):
                return
            time.sleep(0.02)
        log = (self.directory / "postgres.log").read_text(encoding="utf-8", errors="replace")
        raise Missing(f"PostgreSQL did not start:\n{log[-2000:]}")

    def _sql(self, statement: str) -> None:
        options = ["-h", str(self.directory), "-U", "postgres", "-d", "postgres"]
        self._run([program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, "-c", statement])

    def _run(self, command: Sequence[str]) -> None:
        """Runs a command as the cluster's owner."""
        done = subprocess.run(
            command,
            capture_output=True,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            cwd=self.directory,
            check=False,
        )
        if done.returncode != 0:
            raise Missing(f"{Path(command[0]).name} failed:\n{done.stderr.decode()}")


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A new cluster, removed with all that is in it on the way out."""
    program("initdb")
    # Below /tmp whatever TMPDIR says: the path of a Unix socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="testbed-", dir="/tmp") as name:
        made = Cluster(Path(name))
        made.directory.chmod(0o755)
        made.initialise()
        yield made


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs; Debian keeps them off the search path."""
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_major)
    found = str(candidates[-1]) if candidates else shutil.which(name)
    if found is None:
        raise Missing(f"{name} not found: install PostgreSQL (apt-get install postgresql)")
    return found


def _major(path: Path) -> float:
    return float(path.parts[4])
