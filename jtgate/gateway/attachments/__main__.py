"""`python -m jtgate.gateway.attachments --settings JSON`: the attachment server, normally started by `jtgate serve`."""

import argparse
import asyncio
import os
import signal
import sys

import uvloop

from jtgate import logs
from jtgate.gateway.attachments.server import AttachmentServer, ConfigurationError
from jtgate.parent import watch_parent
from jtgate.settings import EX_CONFIG, Settings


async def serve(settings: Settings) -> None:
    """Run until SIGTERM, SIGINT or the death of the parent."""
    server = AttachmentServer(settings)
    await server.start()
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    watch_parent(lambda: loop.call_soon_threadsafe(stopping.set))
    await stopping.wait()
    await server.stop()


def main(arguments: list[str] | None = None) -> int:
    """Entry of the process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m jtgate.gateway.attachments", description=__doc__)
    parser.add_argument("--settings", required=True, help="settings as JSON")
    settings = Settings.from_json(parser.parse_args(arguments).settings, env=os.environ)
    logs.configure(settings, process="attachments")
    try:
        uvloop.run(serve(settings))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
