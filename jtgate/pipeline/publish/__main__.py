"""`python -m jtgate.pipeline.publish --settings JSON`: the publisher process, normally started by `jtgate serve`."""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import ExitStack

from jtgate import logs
from jtgate.mqtt.address import parse_address
from jtgate.parent import watch_parent
from jtgate.pipeline.backoff import Backoff
from jtgate.pipeline.publish.feed import Feed
from jtgate.pipeline.publish.outlet import BACKOFF_FIRST_S, BACKOFF_MAX_S, Outlet, OutletOptions
from jtgate.profiles import ProfilesError
from jtgate.profiles import load as load_profiles
from jtgate.settings import EX_CONFIG, OUTLET_OPTIONS, Settings, SettingsError
from jtgate.storage import open_spool_reader, open_store
from jtgate.storage.rsa_key import PlatformKey
from jtgate.storage.store import Store, StoreTooNew, StoreUnavailable

log = logs.get_logger("publisher")


async def publish(settings: Settings) -> None:
    """Run every outlet until SIGTERM, SIGINT or the death of the parent.

    Raises:
        StoreTooNew: the store belongs to a later release.
        ProfilesError: a file of profiles is wrong.
        ValueError: two outlets have the same name, or one has an unknown format.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch_parent(lambda: loop.call_soon_threadsafe(stop.set))
    addresses = [parse_address(url, OUTLET_OPTIONS) for url in settings.mqtt_out]
    options = [OutletOptions.of(address, settings.mqtt_version) for address in addresses]
    names = [one.name for one in options]
    if len(set(names)) < len(names):
        raise ValueError("two brokers have the same name: tell them apart with ?name=")
    profiles = load_profiles(settings.profiles).assignments
    with ExitStack() as stack:
        outlets = []
        for one in options:
            store = await _open_store(settings, stop)
            if store is None:
                return
            stack.callback(store.close)
            reader = open_spool_reader(settings.data)
            stack.callback(reader.close)
            feed = Feed(
                store,
                reader,
                parts_bytes_max=settings.parts_bytes_max,
                assignments=profiles,
                opener=PlatformKey(settings.data, settings.rsa_key).open,
            )
            outlets.append(Outlet(one, store, feed, stop))
        await asyncio.gather(*(outlet.run() for outlet in outlets))


async def _open_store(settings: Settings, stop: asyncio.Event) -> Store | None:
    """Open the store, however long it is away; None when told to stop meanwhile."""
    backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_MAX_S)
    while not stop.is_set():
        try:
            return await asyncio.to_thread(open_store, settings.store, settings.data)
        except StoreTooNew:
            raise
        except StoreUnavailable as error:
            if backoff.failures == 0:
                log.warning("publisher.store_unavailable", code=error.code)
            try:
                await asyncio.wait_for(stop.wait(), backoff.next_s())
            except TimeoutError:
                continue
    return None


def main(arguments: list[str] | None = None) -> int:
    """Entry of the process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m jtgate.pipeline.publish", description=__doc__)
    parser.add_argument("--settings", required=True, help="settings as JSON")
    try:
        settings = Settings.from_json(parser.parse_args(arguments).settings, env=os.environ)
    except SettingsError as error:
        print(f"{error.message}; {error.advice}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    logs.setup(settings.log_level, settings.log_format, process="publisher")
    try:
        asyncio.run(publish(settings))
    except ProfilesError as error:
        print(f"{error.message}; {error.advice}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    except (StoreTooNew, ValueError) as error:
        print(f"--mqtt-out: {error}" if isinstance(error, ValueError) else error, file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
