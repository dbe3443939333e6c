"""The `def` endpoint, the same under Starlette and FastAPI: psycopg and its pool.

The framework runs it in one of at most 40 threads of the process, which share its GIL.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool, NullConnectionPool

import work


def pool() -> ConnectionPool:
    """A pool of `POOL` connections, or one that opens a connection each time it is asked."""
    dsn = {"host": work.DATABASE["host"], "user": work.DATABASE["user"]}
    kwargs = {**dsn, "dbname": work.DATABASE["dbname"], "autocommit": True}
    if work.PERSIST:
        return ConnectionPool(kwargs=kwargs, min_size=work.POOL, max_size=work.POOL, open=False)
    return NullConnectionPool(kwargs=kwargs, max_size=work.POOL, open=False)


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Opens the whole pool at start; the wait is before the first request, so it may block."""
    with pool() as connections:
        connections.wait(timeout=30.0)
        app.state.pool = connections
        yield


def query(connection: Connection, seconds: float) -> None:
    """One query that holds its connection for `seconds`."""
    connection.execute("SELECT pg_sleep(%s)", [seconds]).fetchone()


def serve(connections: ConnectionPool, query_string: str) -> bytes:
    """Does what the URL asks for and returns the answer's body."""
    held = work.allocate()
    asked = work.read(query_string)
    with ExitStack() as stack:
        connection = None
        for is_query, seconds in work.steps(asked):
            if not is_query:
                work.compute(seconds)
            elif work.HOLD_FOR_REQUEST:
                connection = connection or stack.enter_context(connections.connection())
                query(connection, seconds)
            else:
                with connections.connection() as one:
                    query(one, seconds)
    del held
    return work.answer()
