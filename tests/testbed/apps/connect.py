"""What opening and closing a connection costs, with each driver; prints it as JSON.

Run on the server's cores. PostgreSQL's share is measured by whoever runs this.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable

import asyncpg
import psycopg

import work


def psycopg_once() -> None:
    """Opens and closes a connection as Django does."""
    where = work.DATABASE
    psycopg.connect(host=where["host"], user=where["user"], dbname=where["dbname"]).close()


async def asyncpg_once() -> None:
    """Opens and closes a connection as a pool does when it grows."""
    where = work.DATABASE
    connection = await asyncpg.connect(
        host=where["host"], user=where["user"], database=where["dbname"]
    )
    await connection.close()


def measured(once: Callable[[], None], times: int) -> dict[str, float | int | list[float]]:
    """Wall time of each, in ms, and this process's CPU time for all."""
    once()
    cpu = time.process_time()
    walls = []
    for _ in range(times):
        start = time.perf_counter()
        once()
        walls.append(1000.0 * (time.perf_counter() - start))
    return {"times": times, "walls_ms": walls, "cpu_s": time.process_time() - cpu}


def main() -> None:
    """Measures one driver, named by the first argument, so often as the second says."""
    driver, times = sys.argv[1], int(sys.argv[2])
    if driver == "psycopg":
        print(json.dumps(measured(psycopg_once, times)))
        return
    with asyncio.Runner() as runner:
        print(json.dumps(measured(lambda: runner.run(asyncpg_once()), times)))


if __name__ == "__main__":
    main()
