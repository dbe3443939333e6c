"""Starlette with an `async def` endpoint."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import asynchronous
import work


async def endpoint(request: Request) -> Response:
    """Does what the URL asks for."""
    return Response(await asynchronous.serve(request.app.state.pool, request.url.query))


application = Starlette(routes=[Route("/work", endpoint)], lifespan=asynchronous.lifespan)
BALLAST = work.ballast()
