"""FastAPI with a `def` endpoint."""

from fastapi import FastAPI, Request, Response

import threaded
import work

application = FastAPI(lifespan=threaded.lifespan)


@application.get("/work")
def endpoint(request: Request, segments: str = "0", empty_queries: int = 0) -> Response:
    """Does what the URL asks for; the parameters are declared so that FastAPI validates them."""
    del segments, empty_queries
    return Response(threaded.serve(request.app.state.pool, request.url.query))


BALLAST = work.ballast()
