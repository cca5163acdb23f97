"""The HTTP application: the operations of all areas, GET /metrics, GET /health and GET /v1/openapi.json."""

from importlib import import_module
from typing import Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jtgate.api import health
from jtgate.api.context import Api
from jtgate.api.metrics import exposition
from jtgate.api.operations import DECLARED, Operation
from jtgate.api.routing import http_error, routes
from jtgate.settings import Settings

#: Modules that declare operations, in the order of the documentation.
AREAS: Final = (
    "jtgate.api.areas.sessions",
    "jtgate.api.areas.positions",
    "jtgate.api.areas.facts",
    "jtgate.api.areas.episodes",
    "jtgate.api.areas.evidence",
    "jtgate.api.areas.bindings",
    "jtgate.api.areas.movements",
    "jtgate.api.areas.faces",
    "jtgate.api.areas.phones",
    "jtgate.api.areas.overrides",
    "jtgate.api.areas.commands",
    "jtgate.api.areas.messages",
    "jtgate.api.live",
    "jtgate.api.areas.registries",
    "jtgate.api.areas.waybills",
    "jtgate.api.areas.quarantine",
    "jtgate.api.areas.tokens",
    "jtgate.api.areas.audit",
    "jtgate.api.openapi",
)


def operations() -> list[Operation]:
    """Every operation of the API, in the order of AREAS."""
    for name in AREAS:
        import_module(name)
    return [one for name in AREAS for one in DECLARED if one.function.__module__ == name]


def create_app(settings: Settings, api: Api | None = None) -> Starlette:
    """The application over the data folder of one `serve`.

    Args:
        settings: of this `serve`.
        api: what handlers work with; None makes it, as `app.state.api`.
    """
    working = api or Api(settings)

    def metrics(_request: Request) -> Response:
        return Response(exposition(settings.data), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    def show_health(_request: Request) -> Response:  # a plain function: it reads files, so it runs on a thread
        found = health.check(settings)
        return JSONResponse(found.as_json(), status_code=200 if found.ok else 503)

    app = Starlette(
        routes=[Route("/metrics", metrics), Route("/health", show_health), *routes(operations(), working)],
        exception_handlers={404: http_error, 405: http_error},
    )
    app.router.redirect_slashes = False
    app.state.api = working
    return app
