"""FastAPI with an `async def` endpoint."""

from fastapi import FastAPI, Request, Response

import asynchronous
import work

application = FastAPI(lifespan=asynchronous.lifespan)


@application.get("/work")
async def endpoint(request: Request, segments: str = "0", empty_queries: int = 0) -> Response:
    """Does what the URL asks for; the parameters are declared so that FastAPI validates them."""
    del segments, empty_queries
    return Response(await asynchronous.serve(request.app.state.pool, request.url.query))


BALLAST = work.ballast()
