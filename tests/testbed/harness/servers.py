"""The server of a case: how it is started, when it is ready, and its warm-up."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness import generator, processes
from harness.cases import GUNICORN, Case
from harness.memory import Limit

HOME = Path(__file__).parent.parent
APPS = HOME / "apps"

_MODULES = {
    "async": "starlette_async",
    "async-def": "starlette_def",
    "fastapi": "fastapi_async",
    "fastapi-def": "fastapi_def",
}

BOOT_S = 30.0
"""Longest wait for the first answer of a server."""

WARM_UP_S = 12.0
"""Longest warm-up: a server in an OOM loop never has all its workers at once."""


STOP_S = 2.0
"""A server that has more to do than that is killed: nobody waits for its answers any more."""


class DidNotStart(Exception):
    """The server ended or never answered; the message has its log's last lines."""


def python() -> str:
    """The Python with the servers in it: the testbed's own, or else the one running this."""
    own = HOME / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


@contextmanager
def running(case: Case, socket_directory: Path, limit: Limit | None) -> Iterator["Server"]:
    """The case's server on its cores, ready to answer but not warm."""
    port = _free_port()
    log = socket_directory / f"server-{port}.log"
    command = processes.on_cores(case.cores, [python(), "-m", *_command(case, port)])
    if limit is not None:
        command = limit.around(command)
    environment = _environment(case, socket_directory)
    with processes.running(
        command, log=log, environment=environment, directory=APPS, grace_s=STOP_S
    ) as process:
        server = Server(case, process, port, log)
        server.wait_until_ready()
        yield server


class Server:
    """A running server."""

    def __init__(self, case: Case, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.case = case
        self.pid = process.pid
        self.port = port
        self._process = process
        self._log = log

    def wait_until_ready(self) -> None:
        """Waits for the port to be open; workers may still be booting."""
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise DidNotStart(self.log_tail())

    def warm_up(self) -> bool:
        """Sends bursts until each worker has answered a few requests; says whether all have.

        Without it the first requests of a trace would pay for lazy imports and for opening
        connections that are kept. Bursts that compute make every process accept some.
        """
        # Not more than 64 at a time: the warm-up must not be what exhausts a case's memory.
        burst = min(64, max(16, 8 * self.case.workers * self.case.threads))
        requests = [(0.002 * index, "3;15;1") for index in range(burst)]
        answered: dict[int, int] = {}
        wanted = 3 * min(self.case.threads, 8)
        deadline = time.monotonic() + WARM_UP_S
        while time.monotonic() < deadline:
            cores = generator.cores_beside(self.case.cores)
            report = generator.open_loop(cores, self.port, requests, patience_s=5.0)
            for row in report.rows:
                answered[row.worker] = answered.get(row.worker, 0) + 1
            answered.pop(0, None)
            warm = [pid for pid, count in answered.items() if count >= wanted]
            if len(warm) >= self.case.workers:
                return True
        if not answered and self.case.memory_mb is None:
            raise DidNotStart(self.log_tail())
        return False

    def log_tail(self) -> str:
        """The last lines the server wrote."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return f"{self.case.id}: the server did not answer:\n{text[-3000:]}"


def _command(case: Case, port: int) -> list[str]:
    """What to run, as arguments of `python -m`."""
    if case.stack in GUNICORN:
        command = ["gunicorn", "django_app:application", "--bind", f"127.0.0.1:{port}"]
        command += ["--worker-class", case.stack, "--threads", str(case.threads)]
        command += ["--timeout", str(case.timeout_s), "--no-control-socket"]
    else:
        command = ["uvicorn", f"{_MODULES[case.stack]}:application", "--port", str(port)]
        command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
        command += ["--log-level", "warning"]
    return [*command, "--workers", str(case.workers)]


def _environment(case: Case, socket_directory: Path) -> Mapping[str, str]:
    """What the applications read when they are imported, see `apps/work.py`."""
    return {
        "TESTBED_PGHOST": str(socket_directory),
        "TESTBED_POOL": str(case.pool or 1),
        "TESTBED_HOLD": case.hold or "query",
        "TESTBED_PERSIST": "1" if case.persist else "0",
        "TESTBED_REQ_KB": str(case.req_kb),
        "TESTBED_BALLAST_MB": str(case.ballast_mb),
        "PYTHONPATH": str(APPS),
    }


def _free_port() -> int:
    """A port nobody listens on now; the server binds it a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
