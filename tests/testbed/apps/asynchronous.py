"""The `async def` endpoint, the same under Starlette and FastAPI: asyncpg and its pool."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

import work


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Opens the whole pool at start, as a service that wants no cold first minute does."""
    pool = asyncpg.create_pool(
        host=work.DATABASE["host"],
        user=work.DATABASE["user"],
        database=work.DATABASE["dbname"],
        min_size=work.POOL,
        max_size=work.POOL,
    )
    async with pool:
        app.state.pool = pool
        yield


async def serve(pool: asyncpg.Pool, query_string: str) -> bytes:
    """Does what the URL asks for and returns the answer's body."""
    held = work.allocate()
    asked = work.read(query_string)
    async with AsyncExitStack() as stack:
        connection = None
        for is_query, seconds in work.steps(asked):
            if not is_query:
                work.compute(seconds)
            elif work.HOLD_FOR_REQUEST:
                connection = connection or await stack.enter_async_context(pool.acquire())
                await connection.fetchval("SELECT pg_sleep($1)", seconds)
            else:
                await pool.fetchval("SELECT pg_sleep($1)", seconds)
    del held
    return work.answer()
