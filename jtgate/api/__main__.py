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
from jtgate.parent import watch_parent
from jtgate.settings import EX_CONFIG, Settings, SettingsError

_BACKLOG = 128
_SHUTDOWN_S = 3

_log = logs.get_logger("api")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would raise the signal once more at the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the address is in use or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    server = _Server(config)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    watch_parent(lambda: loop.call_soon_threadsafe(stop))
    address = _address(listener)
    runfiles.write_run_file(settings.data, runfiles.API, {"pid": os.getpid(), "http": address})
    _log.info("api.listening", http=address)
    await server.serve(sockets=[listener])
    _log.info("api.stopped")


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
