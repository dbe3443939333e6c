"""Starlette with a `def` endpoint."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import threaded
import work


def endpoint(request: Request) -> Response:
    """Does what the URL asks for."""
    return Response(threaded.serve(request.app.state.pool, request.url.query))


application = Starlette(routes=[Route("/work", endpoint)], lifespan=threaded.lifespan)
BALLAST = work.ballast()
