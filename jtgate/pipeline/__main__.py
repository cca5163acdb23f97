"""`python -m jtgate.pipeline --settings JSON`: the pipeline process, normally started by `jtgate serve`."""

import argparse
import gc
import os
import signal
import sys
import threading
from contextlib import ExitStack

from jtgate import logs
from jtgate.parent import watch_parent
from jtgate.pipeline.backoff import Backoff
from jtgate.pipeline.upkeep import UpkeepLimits
from jtgate.pipeline.worker import Limits, Worker
from jtgate.profiles import ProfilesError
from jtgate.profiles import load as load_profiles
from jtgate.settings import EX_CONFIG, Settings, SettingsError
from jtgate.storage import open_spool_progress, open_spool_reader, open_store
from jtgate.storage.rsa_key import PlatformKey
from jtgate.storage.store import Store, StoreTooNew, StoreUnavailable

log = logs.get_logger("pipeline")


def work(settings: Settings, stop: threading.Event) -> None:
    """Run one pipeline until `stop` is set.

    Raises:
        StoreTooNew: the store belongs to a later release.
        ProfilesError: a file of profiles is wrong.
    """
    with ExitStack() as stack:
        store = _open_store(settings, stop)
        if store is None:
            return
        stack.callback(store.close)
        reader = open_spool_reader(settings.data)
        stack.callback(reader.close)
        worker = Worker(
            store,
            reader,
            open_spool_progress(settings.data),
            parts_bytes_max=settings.parts_bytes_max,
            limits=Limits(upkeep=UpkeepLimits(keep_days=settings.store_keep_days)),
            stop=stop,
            assignments=load_profiles(settings.profiles).assignments,
            opener=PlatformKey(settings.data, settings.rsa_key).open,
        )
        worker.run()


def _open_store(settings: Settings, stop: threading.Event) -> Store | None:
    """Open and migrate the store, however long it is away; None when told to stop meanwhile."""
    limits = Limits()
    backoff = Backoff(limits.backoff_first_s, limits.backoff_max_s)
    while not stop.is_set():
        try:
            store = open_store(settings.store, settings.data, writers=settings.store_writers)
        except StoreUnavailable as error:
            _report(error, backoff)
            stop.wait(backoff.next_s())
            continue
        try:
            for name in store.migrate():
                log.info("pipeline.store_migrated", migration=name)
        except StoreUnavailable as error:
            store.close()
            _report(error, backoff)
            stop.wait(backoff.next_s())
        except BaseException:
            store.close()
            raise
        else:
            return store
    return None


def _report(error: StoreUnavailable, backoff: Backoff) -> None:
    """Log the first failure of a row."""
    if backoff.failures == 0:
        log.warning("pipeline.store_unavailable", code=error.code, error=str(error))


def main(arguments: list[str] | None = None) -> int:
    """Entry of the process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m jtgate.pipeline", description=__doc__)
    parser.add_argument("--settings", required=True, help="settings as JSON")
    try:
        settings = Settings.from_json(parser.parse_args(arguments).settings, env=os.environ)
    except SettingsError as error:
        print(f"{error.message}; {error.advice}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    logs.setup(settings.log_level, settings.log_format, process="pipeline")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch_parent(stop.set)
    gc.freeze()  # what start-up made stays; collections need not look at it again
    try:
        work(settings, stop)
    except StoreTooNew as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    except ProfilesError as error:
        print(f"{error.message}; {error.advice}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
