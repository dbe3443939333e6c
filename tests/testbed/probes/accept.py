"""Which of the idle processes accepts a connection.

    python tests/testbed/probes/accept.py sync --workers 4 --cores 0 --rates 10,60

Starts gunicorn (`sync`, or `gthread` with four threads each) or uvicorn (`async`) pinned to so many cores,
with an endpoint that computes 4 ms, waits 10 and computes 2, sends it requests at random from the last
core, and prints how often the k-th of the processes that could have accepted did: 0 is the one that had
begun its last request most recently. Of sync workers only the idle ones count. On the EPYC, of 300:

                    1 core                            2 cores
    sync, 4         10/s: 0, 4, 14, 235 of four       10/s: 181, 27, 34, 12
                    60/s: 0, 13, 19, 64               60/s: 54, 16, 12, 20
    gthread, 2      10/s: 10, 290                     10/s: 215, 85
                    45/s: 59, 241                     60/s: 141, 159
    async, 2        10/s: 123, 177                    10/s: 193, 107
                    45/s: 75, 225                     60/s: 120, 180
"""

import argparse
import collections
import contextlib
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

PORT = 8123
BOOT_S = 4.0
BIN = Path(sys.executable).parent
GUNICORN = [f"{BIN}/gunicorn", "-b", f"127.0.0.1:{PORT}", "accept:application"]
UVICORN = [f"{BIN}/uvicorn", "--port", str(PORT), "--log-level", "error", "accept:loop"]
SERVERS = {"sync": GUNICORN, "gthread": [*GUNICORN, "--threads", "4"], "async": UVICORN}

Began = tuple[float, float, int]
"""When a request began and ended in its process, and that process."""


def compute(seconds: float) -> None:
    """So much CPU time of this thread."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def application(_environ: dict, start: Callable[[str, list], object]) -> list[bytes]:
    """The endpoint, for gunicorn."""
    began = time.monotonic()
    compute(0.004)
    time.sleep(0.010)
    compute(0.002)
    body = f"{began} {time.monotonic()} {os.getpid()}".encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def loop(scope: dict, _receive: object, send: Callable[[dict], Awaitable[None]]) -> None:
    """The same for uvicorn."""
    import asyncio

    if scope["type"] != "http":
        return
    began = time.monotonic()
    compute(0.004)
    await asyncio.sleep(0.010)
    compute(0.002)
    body = f"{began} {time.monotonic()} {os.getpid()}".encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def request(answers: list[Began]) -> None:
    """One request over a connection of its own."""
    with socket.create_connection(("127.0.0.1", PORT)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    began, ended, process = answer.split(b"\r\n\r\n")[1].split()
    answers.append((float(began), float(ended), int(process)))


def offered(rate: float, count: int) -> list[Began]:
    """What becomes of so many requests a second, each sent at its instant."""
    chance, answers, clients = random.Random(1), [], []
    at = time.monotonic()
    for _ in range(count):
        at += chance.expovariate(rate)
        time.sleep(max(0.0, at - time.monotonic()))
        clients.append(threading.Thread(target=request, args=(answers,)))
        clients[-1].start()
    for client in clients:
        client.join()
    return sorted(answers)


def ranks(answers: list[Began], only_idle: bool) -> dict[int, list[int]]:
    """By how many could have accepted: how often the k-th did, the last to begin a request first."""
    counted: dict[int, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    last = {process: (0.0, 0.0) for _, _, process in answers}
    for began, ended, process in answers:
        could = [it for it in last if not only_idle or last[it][1] <= began]
        if process in could and len(could) > 1:
            recent = sorted(could, key=lambda it: -last[it][0])
            counted[len(could)][recent.index(process)] += 1
        last[process] = (began, ended)
    return {many: [counted[many][k] for k in range(many)] for many in sorted(counted)}


@contextlib.contextmanager
def served(kind: str, workers: int, cores: str) -> Iterator[None]:
    """The server, while it is asked."""
    command = ["taskset", "-c", cores, *SERVERS[kind], "--workers", str(workers)]
    server = subprocess.Popen(command, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL)
    try:
        time.sleep(BOOT_S)
        yield
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Prints who accepted, at each rate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=SERVERS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", default="0", help="as taskset takes them")
    parser.add_argument("--rates", default="10,60", help="requests a second")
    parser.add_argument("--count", type=int, default=300)
    typed = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with served(typed.kind, typed.workers, typed.cores):
        for rate in map(float, typed.rates.split(",")):
            print(rate, ranks(offered(rate, typed.count), typed.kind == "sync"), flush=True)


if __name__ == "__main__":
    main()
