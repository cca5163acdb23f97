"""`python -m jtgate.gateway --settings JSON`: one gateway process, normally started by `jtgate serve`."""

import argparse
import asyncio
import gc
import os
import signal
import sys

import uvloop

from jtgate import logs
from jtgate.gateway.server import ConfigurationError, Gateway
from jtgate.parent import watch_parent
from jtgate.settings import Settings

#: sysexits.h EX_CONFIG: the supervisor does not try again.
EXIT_CONFIGURATION = 78

#: Seconds a thread may hold the interpreter while another waits: the commit thread needs it for microseconds at
#: the end of every commit, and the default of 5 ms would be most of an answer's latency.
SWITCH_INTERVAL_S = 0.0005


async def serve(settings: Settings) -> None:
    """Run until SIGTERM, SIGINT or the death of the parent."""
    gateway = Gateway(settings)
    await gateway.start()
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    watch_parent(lambda: loop.call_soon_threadsafe(stopping.set))
    gc.freeze()  # what start-up made stays; collections need not look at it again
    await stopping.wait()
    await gateway.stop()


def main(arguments: list[str] | None = None) -> int:
    """Entry of the process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m jtgate.gateway", description=__doc__)
    parser.add_argument("--settings", required=True, help="settings as JSON")
    settings = Settings.from_json(parser.parse_args(arguments).settings, env=os.environ)
    logs.configure(settings, process="gateway")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        uvloop.run(serve(settings))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIGURATION
    return 0


if __name__ == "__main__":
    sys.exit(main())
