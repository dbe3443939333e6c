"""Django without middleware, for gunicorn's sync and gthread workers."""

from django.conf import settings

import work

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": work.DATABASE["host"],
            "USER": work.DATABASE["user"],
            "NAME": work.DATABASE["dbname"],
            # None keeps a connection per thread for ever, 0 opens one for each request.
            "CONN_MAX_AGE": None if work.PERSIST else 0,
        }
    },
    DEBUG=False,
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="a testbed has no secrets",
    USE_TZ=True,
)

# These read the settings, so they have to come after them.
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def view(request: HttpRequest) -> HttpResponse:
    """Does what the URL asks for; a refused connection becomes Django's own 500."""
    held = work.allocate()
    for is_query, seconds in work.steps(work.read(request.META["QUERY_STRING"])):
        if is_query:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(%s)", [seconds])
                cursor.fetchone()
        else:
            work.compute(seconds)
    del held
    body = work.answer()
    # Without CommonMiddleware nobody else says how long the answer is, and gunicorn would chunk it.
    return HttpResponse(body, headers={"Content-Length": str(len(body))})


urlpatterns = [path("work", view)]
application = get_wsgi_application()
BALLAST = work.ballast()
