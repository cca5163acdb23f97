"""The api process: `python -m jtgate.api --settings JSON`. It ends on SIGTERM, or when its standard input does."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import NoReturn

import click
import uvicorn

from jtgate import logs, runfiles
from jtgate.api.app import create_app
from jtgate.api.auth import FIRST_TOKEN_FILE, make_first_token
from jtgate.api.context import Api
from jtgate.parent import watch_parent
from jtgate.settings import EX_CONFIG, Settings, SettingsError
from jtgate.storage.access import AccessError

_BACKLOG = 128
_SHUTDOWN_S = 3
#: Connections and requests at a time, above which uvicorn answers 503 by itself: the limits of ours come far before.
_CONNECTIONS_MAX = 4096
#: How long the start waits for the first token to be there, and after what time it is tried again.
_FIRST_TOKEN_S = 5.0
_FIRST_TOKEN_AGAIN_S = 5.0

_log = logs.get_logger("api")


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers, which would raise the signal once more at the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to who runs us."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the address is in use or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, because asyncio turns Nagle's algorithm off only where it reads TCP: an answer would be 40 ms late.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Answer requests until SIGTERM, SIGINT or the end of standard input."""
    api = Api(settings)
    config = uvicorn.Config(
        create_app(settings, api),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    server = QuietServer(config)

    def stop() -> None:
        server.should_exit = True
        api.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    watch_parent(lambda: loop.call_soon_threadsafe(stop))
    address = _address(listener)
    first_token = asyncio.create_task(_first_token(api))
    done, _ = await asyncio.wait([first_token], timeout=_FIRST_TOKEN_S)  # so that who finds the run file finds it
    if not done:
        _log.warning("api.first_token_waits")
    runfiles.write_run_file(settings.data, runfiles.API, {"pid": os.getpid(), "http": address})
    _log.info("api.listening", http=address)
    try:
        await server.serve(sockets=[listener])
    finally:
        first_token.cancel()
        await asyncio.to_thread(api.close)
    _log.info("api.stopped")


async def _first_token(api: Api) -> None:
    """See that somebody can use the API; on a disk that is full or read-only again and again."""
    while True:
        try:
            made = await api.on_thread(lambda: make_first_token(api.access, api.settings.data))
        except (AccessError, OSError) as error:
            _log.warning("api.first_token_failed", error=type(error).__name__)
            await asyncio.sleep(_FIRST_TOKEN_AGAIN_S)
        else:
            if made:
                _log.info("api.first_token_made", file=FIRST_TOKEN_FILE)
            return


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@click.command(help="The api process of `jtgate serve`; started by it.")
@click.option("--settings", "settings_json", required=True, help="Settings as JSON.")
def main(settings_json: str) -> None:
    """Listen, then serve; exit code 78 when the address cannot be had."""
    try:
        settings = Settings.from_json(settings_json, env=os.environ)
    except SettingsError as error:
        _refuse(f"{error.message}\n{error.advice}")
    logs.configure(settings, process="api")
    try:
        listener = listen(*settings.http_address)
    except OSError as error:
        advice = "stop what holds the address or choose another with --http HOST:PORT"
        _refuse(f"cannot listen for HTTP on {settings.http}: {error.strerror}; {advice}")
    asyncio.run(serve(settings, listener))


def _refuse(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(EX_CONFIG)


if __name__ == "__main__":
    main()
