"""The HTTP application: GET /metrics and GET /health."""

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jtgate.api import health
from jtgate.api.metrics import exposition
from jtgate.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """The application over the data folder of one `serve`.

    The handlers are plain functions, which Starlette runs in its threads, because they read files.
    """

    def metrics(_request: Request) -> Response:
        return Response(exposition(settings.data), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    def show_health(_request: Request) -> Response:
        found = health.check(settings)
        return JSONResponse(found.as_json(), status_code=200 if found.ok else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/health", show_health)])
